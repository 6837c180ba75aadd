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

  /** Hide or reveal; returns the clips in the order in which they now stand. */
  function set(on, container, clips) {
    container.classList.toggle('blind', on);
    const labels = [...new Set(clips.map((clip) => clip.row.dataset.label))];
    // A model keeps its letter from seed to seed.
    const places = new Map((on ? shuffled(labels) : labels).map((label, place) => [label, place]));
    const place = (clip) => places.get(clip.row.dataset.label);
    const order = [...clips].sort((one, other) => place(one) - place(other));
    container.append(...order.map((clip) => clip.row));
    order.forEach((clip) => {
      clip.name = on ? `Clip ${letter(place(clip))}` : clip.row.dataset.label;
      clip.row.querySelector('.name').textContent = clip.name;
      clip.row.querySelector('.wave').setAttribute('aria-label', `Waveform of ${clip.name}`);
      const picture = clip.row.querySelector('.spectrogram');
      if (picture) picture.alt = `Mel spectrogram of ${clip.name}`;
    });
    return order;
  }

  return { set };
})();
