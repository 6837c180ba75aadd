'use strict';
/** The page of one prompt: rows of clips, the transport that they share, and its keys. */
(() => {
  const { blind, Player, state } = tunebench;
  const field = (id) => document.getElementById(id);
  const container = field('clips');
  const rows = [...container.querySelectorAll('.clip')];
  const all = rows.filter((row) => row.querySelector('audio')).map((row) => ({
    row,
    name: row.dataset.label,
    audio: row.querySelector('audio'),
    track: row.querySelector('.track'),
    button: row.querySelector('button.play'),
    duration: Number(row.querySelector('.track').dataset.duration),
  }));
  if (!all.length) {
    document.documentElement.classList.remove('veiled');
    return;
  }

  const player = new Player(all);
  const seek = field('seek');
  const seedField = field('seed');
  const blindButton = field('blind');
  const turns = [...document.querySelectorAll('.turn a[rel]')];
  const said = field('said');
  let shown = [];
  let order = all;
  let hidden = false;

  const clock = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, '0')}`;

  function paint() {
    const { position, duration } = player;
    seek.max = duration;
    seek.value = position;
    field('time').textContent = `${clock(position)} / ${clock(duration)}`;
    for (const clip of shown) clip.track.style.setProperty('--at', Math.min(1, position / clip.duration));
  }

  let pending = false;
  function frame() {
    paint();
    if (pending || !player.playing) return;
    pending = true;
    requestAnimationFrame(() => {
      pending = false;
      frame();
    });
  }

  /** A button's icon and name say what it would do. */
  function mark(button, sounding, what) {
    button.classList.toggle('sounding', sounding);
    button.setAttribute('aria-label', `${sounding ? 'Pause' : 'Play'} ${what}`);
    const word = button.querySelector('.word');
    if (word) word.textContent = sounding ? 'Pause' : 'Play';
  }

  let last = '';
  function update() {
    for (const clip of all) {
      const own = clip === player.current;
      clip.row.classList.toggle('current', own);
      mark(clip.button, own && player.playing, clip.name);
    }
    mark(field('play'), player.playing, player.current ? player.current.name : 'the first clip');
    field('now').textContent = player.current ? player.current.name : '–';
    const now = player.playing ? `Playing ${player.current.name}` : player.current ? `Paused ${player.current.name}` : '';
    if (now !== last) said.textContent = last = now;
    // Not in every frame: it is read out when it changes.
    seek.setAttribute('aria-valuetext', `${player.position.toFixed(1)} of ${player.duration.toFixed(1)} seconds`);
    frame();
  }

  const start = (clip) => player.play(clip, shown.filter((other) => other !== clip));
  const toggle = (clip) => (clip === player.current && player.playing ? player.pause() : start(clip));

  /** Show one clip of each model, numbered from the top. */
  function show() {
    const take = seedField ? seedField.value : rows[0].dataset.take;
    for (const row of rows) row.hidden = row.dataset.take !== take;
    shown = order.filter((clip) => !clip.row.hidden);
    shown.forEach((clip, place) => { clip.row.querySelector('.key').textContent = place < 9 ? place + 1 : ''; });
    if (player.current && !shown.includes(player.current)) {
      const same = shown.find((clip) => clip.name === player.current.name) ?? shown[0];
      if (player.playing && same) start(same);
      else player.current = null;
    }
    update();
  }

  for (const clip of all) {
    clip.button.addEventListener('click', () => toggle(clip));
    clip.track.addEventListener('click', (event) => {
      const { left, width } = clip.track.getBoundingClientRect();
      player.seek(((event.clientX - left) / width) * clip.duration);
      if (clip !== player.current || !player.playing) start(clip);
    });
  }
  field('play').addEventListener('click', () => toggle(player.current ?? shown[0]));
  seek.addEventListener('input', () => player.seek(Number(seek.value)));
  // The slider is fine enough for a mouse; its keys go by seconds.
  const STEPS = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 5, PageDown: -5 };
  seek.addEventListener('keydown', (event) => {
    if (!(event.key in STEPS) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    player.seek(player.position + STEPS[event.key]);
  });

  // A browser that goes back ticks the box again and says nothing.
  const loop = () => player.setLoop(field('loop').checked);
  field('loop').addEventListener('change', loop);
  window.addEventListener('pageshow', loop);

  function hide(on) {
    hidden = on;
    blindButton.setAttribute('aria-pressed', on);
    blindButton.textContent = on ? 'Reveal' : 'Listen blind';
    player.pause();
    player.current = null;
    order = blind.set(on, container, rows, all);
    said.textContent = on ? 'Names are hidden and the order is shuffled' : 'Names are shown';
  }

  function follow(wanted) {
    if (seedField) {
      const place = [...seedField.options].findIndex((option) => option.value === wanted.get('seed'));
      seedField.selectedIndex = Math.max(0, place);
    }
    if (hidden !== (wanted.get('blind') === '1')) hide(!hidden);
    show();
    point(wanted.get('clip'));
    // The next prompt opens as this one is: who listens blind must not see names on the way.
    for (const link of turns) link.hash = location.hash;
  }

  /** A link from a chart names a model: its clip is chosen and the keyboard is at its button. */
  function point(name) {
    if (name === null || hidden) return;
    state.write({ clip: null });
    const clip = shown.find((one) => one.name === name) ?? all.find((one) => one.name === name);
    if (!clip) return;
    if (clip.row.hidden && seedField) {
      seedField.value = clip.row.dataset.take;
      show();
    }
    player.pause();
    player.current = clip;
    update();
    clip.row.scrollIntoView({ block: 'center' });
    clip.button.focus({ preventScroll: true });
  }

  function go(changes) {
    state.write(changes);
    follow(state.read());
  }
  blindButton.addEventListener('click', () => {
    go({ blind: hidden ? null : '1' });
    // On this button the space bar would reveal what it should play.
    field('play').focus();
  });
  seedField?.addEventListener('change', () => go({ seed: seedField.selectedIndex ? seedField.value : null }));
  player.addEventListener('change', update);
  player.addEventListener('problem', ({ detail }) => {
    said.textContent = field('now').textContent = `${player.current.name} does not play: ${detail.message}`;
  });

  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const focus = document.activeElement;
    if (focus.closest('select, input:not([type=range]):not([type=checkbox])')) return;
    const clip = /^[1-9]$/.test(event.key) ? shown[Number(event.key) - 1] : null;
    if (clip && (clip !== player.current || !player.playing)) start(clip);
    // On a button, a link or a box the space bar already has a meaning.
    if (event.key === ' ' && !focus.closest('button, a, summary, input[type=checkbox]')) {
      event.preventDefault();
      toggle(player.current ?? shown[0]);
    }
  });

  field('transport').hidden = false;
  state.follow(follow);
  document.documentElement.classList.remove('veiled');
})();
