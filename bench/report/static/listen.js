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
  if (!all.length) return;

  const player = new Player(all);
  const seek = field('seek');
  const seedField = field('seed');
  const said = field('said');
  let shown = [];
  let order = all;

  const clock = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, '0')}`;

  function paint() {
    const { position, duration } = player;
    seek.max = duration;
    seek.value = position;
    seek.setAttribute('aria-valuetext', `${position.toFixed(1)} of ${duration.toFixed(1)} seconds`);
    field('time').textContent = `${clock(position)} / ${clock(duration)}`;
    for (const clip of shown) clip.track.style.setProperty('--at', Math.min(1, position / clip.duration));
  }

  function frame() {
    paint();
    if (player.playing) requestAnimationFrame(frame);
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
    frame();
  }

  const start = (clip) => player.play(clip, shown.filter((other) => other !== clip));
  const toggle = (clip) => (clip === player.current && player.playing ? player.pause() : start(clip));

  /** Show one seed, numbered from the top. */
  function show() {
    const seed = seedField ? seedField.value : rows[0].dataset.seed;
    for (const row of rows) row.hidden = row.dataset.seed !== seed;
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
  field('loop').addEventListener('change', (event) => player.setLoop(event.target.checked));
  field('blind').addEventListener('click', (event) => {
    const on = event.currentTarget.getAttribute('aria-pressed') !== 'true';
    event.currentTarget.setAttribute('aria-pressed', on);
    event.currentTarget.textContent = on ? 'Reveal' : 'Listen blind';
    player.pause();
    player.current = null;
    // Rows without a clip would tell who is missing.
    for (const row of rows) row.classList.toggle('silent', on && !row.querySelector('audio'));
    order = blind.set(on, container, all);
    // On this button the space bar would reveal what it should play.
    field('play').focus();
    said.textContent = on ? 'Names are hidden and the order is shuffled' : 'Names are shown';
    show();
  });
  seedField?.addEventListener('change', () => {
    state.write({ seed: seedField.selectedIndex ? seedField.value : null });
    show();
  });
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

  const wanted = state.read().get('seed');
  if (seedField && [...seedField.options].some((option) => option.value === wanted)) seedField.value = wanted;
  field('transport').hidden = false;
  show();
})();
