'use strict';
/** Draws each metric when it comes into view, from data that is loaded then, and the others while the page rests. */
(() => {
  const { charts, doses, load, spread } = tunebench;
  const { models, prompts } = tunebench.data();

  const WAIT = 400; // milliseconds that what is in view is first alone
  const begun = new Set();

  async function draw(place) {
    if (begun.has(place)) return;
    begun.add(place);
    const { load: name, kind, label } = place.dataset;
    try {
      const found = await load(name);
      const text = `${label}; the table below holds the numbers`;
      charts.draw(place, (width) => (kind === 'doses'
        ? doses.charts(width, found, label)
        : spread.chart(width, models, found, prompts, text)));
    } catch (problem) {
      place.textContent = problem.message;
    }
  }

  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) {
        seen.unobserve(target);
        draw(target);
      }
    }
  }, { rootMargin: '200px' });
  const places = [...document.querySelectorAll('[data-load]')];
  places.forEach((place) => seen.observe(place));

  // A page may be printed that nobody has read to its end.
  const rest = window.requestIdleCallback ?? ((then) => setTimeout(then, WAIT));
  async function drawNext() {
    const place = places.find((one) => !begun.has(one));
    if (!place) return;
    await draw(place);
    rest(drawNext);
  }
  window.addEventListener('load', () => setTimeout(drawNext, WAIT));
})();
