'use strict';
/** A distribution by model: every prompt as a dot, the middle half as a bar, the median as a line. */
tunebench.spread = (() => {
  const { charts } = tunebench;
  // Dots of one value do not hide each other.
  const LANES = [3, 9, 0, 6, 12];

  /** models: names; values: a list of numbers for each. */
  function chart(width, models, values, label) {
    const prompts = models.flatMap((model, place) => values[place].map((value) => ({ model, value })));
    const halves = models.flatMap((model, place) => {
      const own = values[place];
      return own.length ? [{ model, low: d3.quantile(own, 0.25), middle: d3.median(own), high: d3.quantile(own, 0.75) }] : [];
    });
    const base = charts.options(width, models, label);
    return Plot.plot({
      ...base,
      height: models.length * 44 + 36,
      marginBottom: 32,
      x: { ...base.x, nice: true },
      y: { ...base.y, padding: 0.18 },
      marks: [
        Plot.gridX({ stroke: 'var(--line)', strokeOpacity: 1 }),
        ...LANES.map((dy, lane) => Plot.dot(prompts.filter((_, place) => place % LANES.length === lane), {
          x: 'value', y: 'model', dy, r: 2, fill: 'var(--ink)', fillOpacity: Math.max(0.2, Math.min(0.6, 10 / Math.sqrt(prompts.length))),
        })),
        Plot.text(models.filter((_, place) => !values[place].length), {
          y: (name) => name, text: () => 'no prompt has a value', frameAnchor: 'left', dx: 8, fill: 'var(--muted)', fontSize: 12,
        }),
        Plot.barX(halves, { x1: 'low', x2: 'high', y: 'model', fill: 'var(--accent)', fillOpacity: 0.35, insetTop: 2, insetBottom: 24 }),
        Plot.tickX(halves, { x: 'middle', y: 'model', stroke: 'var(--accent)', strokeWidth: 2.5, insetTop: 0, insetBottom: 22 }),
        Plot.axisY({ tickSize: 0, label: null, tickFormat: base.y.tickFormat, fill: 'var(--ink)', fontSize: 12 }),
        Plot.axisX({ ...base.x, fill: 'var(--muted)', fontSize: 11 }),
      ],
    });
  }

  return { chart };
})();
