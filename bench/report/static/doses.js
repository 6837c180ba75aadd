'use strict';
/** What a metric says of music that was spoiled by rising doses: a small chart for each kind of damage. */
tunebench.doses = (() => {
  const inOrder = (record) => record.doses.map((dose, place) => {
    const value = record.values[place];
    const clean = record.values[0];
    // Intervals are of the change against the clean clips.
    const known = value !== null && record.low[place] !== null;
    return { dose, value, low: known ? clean + record.low[place] : null, high: known ? clean + record.high[place] : null };
  });

  function one(record, domain, width, label) {
    const points = inOrder(record).filter((point) => point.value !== null);
    return Plot.plot({
      width,
      height: 150,
      marginLeft: 44,
      marginRight: 10,
      marginTop: 26,
      marginBottom: 28,
      className: 'plot',
      ariaLabel: `${label}: ${record.spoiler}; the table below holds the numbers`,
      x: { type: 'point', domain: record.doses, label: null, tickSize: 0, tickPadding: 8, padding: 0.3 },
      y: { domain, nice: true, label: null, ticks: 4, tickSize: 0 },
      marks: [
        Plot.gridY({ stroke: 'var(--line)', strokeOpacity: 1, ticks: 4 }),
        Plot.line(points, { x: 'dose', y: 'value', stroke: 'var(--accent)', strokeWidth: 1.5 }),
        Plot.ruleX(points.filter((point) => point.low !== null), { x: 'dose', y1: 'low', y2: 'high', stroke: 'var(--accent)', strokeWidth: 1.5 }),
        Plot.dot(points, { x: 'dose', y: 'value', r: 3.5, fill: 'var(--accent)', stroke: 'var(--paper)' }),
        Plot.text([record.spoiler], { frameAnchor: 'top-left', dy: -20, dx: -38, fill: 'var(--ink)', fontSize: 12 }),
        Plot.axisX({ tickSize: 0, label: null, fill: 'var(--muted)', fontSize: 11 }),
        Plot.axisY({ ticks: 4, tickSize: 0, label: null, fill: 'var(--muted)', fontSize: 11 }),
      ],
    });
  }

  /** All kinds of damage of one metric, on one scale. */
  function charts(width, records, label) {
    const ends = records.flatMap(inOrder).flatMap(({ value, low, high }) => [value, low, high]).filter((end) => end !== null);
    if (!ends.length) return [document.createTextNode('No value at any dose.')];
    const columns = Math.max(1, Math.min(4, Math.floor(width / 230)));
    const each = Math.floor((width - 16 * (columns - 1)) / columns);
    return records.map((record) => one(record, d3.extent(ends), each, label));
  }

  return { charts };
})();
