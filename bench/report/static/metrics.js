'use strict';
/** Draws each metric when it comes into view, from data that is loaded then. */
(() => {
  const { charts, doses, load, spread } = tunebench;
  const { models } = tunebench.data();

  async function draw(place) {
    const { load: name, kind, label } = place.dataset;
    try {
      const found = await load(name);
      const text = `${label}; the table below holds the numbers`;
      charts.draw(place, (width) => (kind === 'doses'
        ? doses.charts(width, found, label)
        : spread.chart(width, models, found, text)));
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
  document.querySelectorAll('[data-load]').forEach((place) => seen.observe(place));
})();
