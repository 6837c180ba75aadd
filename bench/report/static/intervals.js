'use strict';
/** Means and their intervals: a row a model, and chance as a dashed line. */
tunebench.intervals = (() => {
  const { charts } = tunebench;

  /** rows: {name, value, low, high}; chance: a number or null. */
  function chart(width, rows, chance, label) {
    const known = rows.filter((row) => row.value !== null);
    const base = charts.options(width, rows.map((row) => row.name), label);
    return Plot.plot({
      ...base,
      height: rows.length * 22 + 36,
      x: { ...base.x, nice: true },
      marks: [
        Plot.gridX({ stroke: 'var(--line)', strokeOpacity: 1 }),
        chance === null ? null : Plot.ruleX([chance], { stroke: 'var(--muted)', strokeDasharray: '3 3' }),
        Plot.ruleY(known.filter((row) => row.low !== null), {
          x1: 'low', x2: 'high', y: 'name', stroke: 'var(--accent)', strokeWidth: 2,
        }),
        Plot.dot(known, { x: 'value', y: 'name', fill: 'var(--accent)', stroke: 'var(--paper)', r: 4, title: 'text' }),
        Plot.axisY({ tickSize: 0, label: null, tickFormat: base.y.tickFormat, fill: 'var(--ink)', fontSize: 12 }),
        Plot.axisX({ ...base.x, fill: 'var(--muted)', fontSize: 11 }),
      ],
    });
  }

  return { chart };
})();
