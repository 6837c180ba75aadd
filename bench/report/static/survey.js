'use strict';
/** A survey drawn: each scale's models with their crossed intervals, and the differences between them. */
(() => {
  const { charts, forest, intervals } = tunebench;
  const { models, comparisons } = tunebench.data();
  const place = document.getElementById('survey-charts');

  function figure(title, build) {
    const made = document.createElement('figure');
    const caption = document.createElement('figcaption');
    const chart = document.createElement('div');
    caption.textContent = title;
    chart.className = 'chart';
    made.append(caption, chart);
    place.append(made);
    charts.draw(chart, build);
  }

  for (const scale of new Set(models.map((one) => one.scale))) {
    const rows = models.filter((one) => one.scale === scale).map((one) => ({
      name: one.model, value: one.mean ?? one.strength ?? null, low: one.low, high: one.high, text: one.model,
    }));
    figure(scale, (width) => intervals.chart(width, rows, null, `Models on ${scale}; the tables below hold the numbers`));
    const pairs = comparisons.filter((one) => one.scale === scale).map((one) => ({
      name: `${one.b} − ${one.a}`, value: one.estimate, low: one.low, high: one.high,
      sure: one.p_holm !== null && one.p_holm < 0.05, text: `${one.b} − ${one.a}`,
    }));
    figure(`${scale}: differences`, (width) => forest.chart(width, pairs, [['← ', '', 'lower', ''], ['', '', 'higher →', '']], `Differences on ${scale}; the tables below hold the numbers`));
  }
})();
