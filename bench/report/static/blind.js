'use strict';
/** Listening without knowing which model is which: names, pictures and scores hidden, and a random order. */
tunebench.blind = (() => {
  const shuffled = (items) => {
    const left = [...items];
    const drawn = [];
    while (left.length) drawn.push(...left.splice(Math.floor(Math.random() * left.length), 1));
    return drawn;
  };
  const letter = (place) => String.fromCharCode(65 + (place % 26)) + (place >= 26 ? Math.floor(place / 26) : '');

  /**
   * Hide or reveal; returns the clips in the order in which they now stand.
   *
   * rows: every row of the page in its own order; clips: {row, name} of those that play.
   */
  function set(on, container, rows, clips) {
    container.classList.toggle('blind', on);
    // A model keeps its letter from seed to seed.
    const labels = shuffled(new Set(clips.map((clip) => clip.row.dataset.label)));
    const places = new Map(labels.map((label, place) => [label, place]));
    const place = (clip) => places.get(clip.row.dataset.label);
    const order = on ? [...clips].sort((one, other) => place(one) - place(other)) : clips;
    // Rows without a clip would tell who is missing.
    for (const row of rows) row.classList.toggle('silent', on && !clips.some((clip) => clip.row === row));
    container.append(...(on ? order.map((clip) => clip.row) : rows));
    for (const clip of clips) {
      clip.name = on ? `Clip ${letter(place(clip))}` : clip.row.dataset.label;
      clip.row.querySelector('.name').textContent = clip.name;
      const seen = `${clip.name}, seed ${clip.row.dataset.seed}`;
      clip.row.querySelector('.wave').setAttribute('aria-label', `Waveform of ${seen}`);
      const picture = clip.row.querySelector('.spectrogram');
      if (picture) picture.alt = `Mel spectrogram of ${seen}`;
    }
    return order;
  }

  return { set };
})();
