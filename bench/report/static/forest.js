'use strict';
/** Differences and their intervals about zero: a row a metric or a group. */
tunebench.forest = (() => {
  const { charts } = tunebench;

  /** What one side of zero means: a name within two texts, or a letter where the name has no room. */
  const side = ([before, name, after, letter], room) => (
    charts.measured(before + name + after) < room ? before + name + after : before + letter + after
  );

  /** rows: {name, value, low, high, sure, text}; ends: what left and right of zero mean, as `side` takes it. */
  function chart(width, rows, ends, label) {
    const known = rows.filter((row) => row.value !== null);
    const base = charts.options(width, rows.map((row) => row.name), label);
    const reach = Math.max(1e-9, ...known.flatMap((row) => [row.value, row.low ?? 0, row.high ?? 0]).map(Math.abs)) * 1.06;
    const [left, right] = ends.map((end) => side(end, (width - base.marginLeft) / 2 - 10));
    const colour = (row) => (row.sure ? 'var(--accent)' : 'var(--muted)');
    return Plot.plot({
      ...base,
      marginTop: 26,
      height: rows.length * 24 + 58,
      x: { ...base.x, domain: [-reach, reach] },
      marks: [
        Plot.gridX({ stroke: 'var(--line)', strokeOpacity: 1 }),
        Plot.ruleX([0], { stroke: 'var(--ink)', strokeOpacity: 0.6 }),
        Plot.ruleY(known.filter((row) => row.low !== null), { x1: 'low', x2: 'high', y: 'name', stroke: colour, strokeWidth: 2 }),
        Plot.dot(known, {
          x: 'value', y: 'name', r: 4.5, stroke: colour, strokeWidth: 1.5,
          fill: (row) => (row.sure ? 'var(--accent)' : 'var(--paper)'), title: 'text',
        }),
        Plot.text([left], { frameAnchor: 'top-left', dy: -20, fill: 'var(--muted)', fontSize: 12 }),
        Plot.text([right], { frameAnchor: 'top-right', dy: -20, fill: 'var(--muted)', fontSize: 12 }),
        Plot.axisY({ tickSize: 0, label: null, tickFormat: base.y.tickFormat, fill: 'var(--ink)', fontSize: 12 }),
        Plot.axisX({ ...base.x, fill: 'var(--muted)', fontSize: 11 }),
      ],
    });
  }

  return { chart };
})();
