'use strict';
/** A distribution by model: every prompt as a dot that leads to its clips, the middle half as a bar, the median as a line. */
tunebench.spread = (() => {
  const { charts, outlying } = tunebench;
  // Dots of one value do not hide each other.
  const LANES = [3, 9, 0, 6, 12];

  const address = ({ model, prompt }) => `prompts/${prompt}.html#${new URLSearchParams({ clip: model })}`;

  /** models: names; values: for each a number or null for each prompt; ids: of the prompts. */
  function chart(width, models, values, ids, label) {
    const known = values.map((own) => own.filter((value) => value !== null));
    const faint = Math.max(0.2, Math.min(0.6, 10 / Math.sqrt(d3.sum(known, (own) => own.length))));
    const prompts = models.flatMap((model, place) => {
      const far = outlying(known[place]);
      return values[place].flatMap((value, prompt) => (
        value === null ? [] : [{ model, value, prompt: prompt + 1, far: far(value), text: `${model}, prompt ${prompt + 1} (${ids[prompt]}): ${value}` }]
      ));
    });
    const halves = models.flatMap((model, place) => {
      const own = known[place];
      return own.length ? [{ model, low: d3.quantile(own, 0.25), middle: d3.median(own), high: d3.quantile(own, 0.75) }] : [];
    });
    const base = charts.options(width, models, label);
    const plot = Plot.plot({
      ...base,
      height: models.length * 44 + 36,
      marginBottom: 32,
      x: { ...base.x, nice: true },
      y: { ...base.y, padding: 0.18 },
      marks: [
        Plot.gridX({ stroke: 'var(--line)', strokeOpacity: 1 }),
        ...LANES.map((dy, lane) => Plot.dot(prompts.filter((_, place) => place % LANES.length === lane), {
          x: 'value', y: 'model', dy, r: (dot) => (dot.far ? 4 : 2.5), href: address, title: 'text',
          fill: (dot) => (dot.far ? 'var(--warn)' : 'var(--ink)'), fillOpacity: (dot) => (dot.far ? 1 : faint),
        })),
        Plot.text(models.filter((_, place) => !known[place].length), {
          y: (name) => name, text: () => 'no prompt has a value', frameAnchor: 'left', dx: 8, fill: 'var(--muted)', fontSize: 12,
        }),
        Plot.barX(halves, { x1: 'low', x2: 'high', y: 'model', fill: 'var(--accent)', fillOpacity: 0.35, insetTop: 2, insetBottom: 24, pointerEvents: 'none' }),
        Plot.tickX(halves, { x: 'middle', y: 'model', stroke: 'var(--accent)', strokeWidth: 2.5, insetTop: 0, insetBottom: 22, pointerEvents: 'none' }),
        Plot.axisY({ tickSize: 0, label: null, tickFormat: base.y.tickFormat, fill: 'var(--ink)', fontSize: 12 }),
        Plot.axisX({ ...base.x, fill: 'var(--muted)', fontSize: 11 }),
      ],
      r: { type: 'identity' },
      color: { type: 'identity' },
      opacity: { type: 'identity' },
    });
    reach(plot);
    return plot;
  }

  /** The mouse reaches every dot, the keyboard those that lie far out: a stop at each of thousands would be a trap. */
  function reach(plot) {
    for (const link of plot.querySelectorAll('a')) {
      const dot = link.querySelector('circle');
      link.setAttribute('aria-label', dot.querySelector('title').textContent);
      if (dot.getAttribute('fill') !== 'var(--warn)') link.setAttribute('tabindex', '-1');
    }
  }

  return { chart };
})();
