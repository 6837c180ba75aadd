'use strict';
/** Charts by Observable Plot, drawn at the width that there is and again when it changes. */
tunebench.charts = (() => {
  const builders = new WeakMap();
  const observer = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      const drawn = builders.get(target);
      if (drawn && Math.round(contentRect.width) !== drawn.width) redraw(target, Math.round(contentRect.width));
    }
  });

  function redraw(place, width) {
    const drawn = builders.get(place);
    if (!width) return;
    drawn.width = width;
    const built = drawn.build(width);
    const charts = Array.isArray(built) ? built : [built];
    for (const chart of charts) {
      if (!(chart instanceof SVGElement)) continue;
      // The content policy allows no style elements; report.css has the rules.
      chart.querySelectorAll('style').forEach((style) => style.remove());
      // Names of groups of marks ("rule", "bar") say nothing to a reader.
      chart.querySelectorAll('g[aria-label]').forEach((group) => group.removeAttribute('aria-label'));
      // What leads somewhere is no picture: its links are read out.
      chart.setAttribute('role', chart.querySelector('a') ? 'group' : 'img');
    }
    place.replaceChildren(...charts);
  }

  /** Draw into an element: `build(width)` returns one chart or several. */
  function draw(place, build) {
    builders.set(place, { build, width: 0 });
    redraw(place, Math.round(place.clientWidth));
    observer.observe(place);
  }

  /** Options that all charts share. `left` is the width of the names at the left. */
  function options(width, names, label) {
    const longest = Math.max(0, ...names.map(measured));
    const left = Math.min(Math.ceil(longest) + 14, Math.round(width * 0.42));
    return {
      width,
      marginLeft: left,
      marginRight: 14,
      marginTop: 6,
      marginBottom: 26,
      ariaLabel: label,
      className: 'plot',
      x: { tickSize: 0, ticks: Math.max(2, Math.round((width - left) / 70)), label: null, tickPadding: 8 },
      y: { tickSize: 0, label: null, domain: names, tickPadding: 8, tickFormat: (name) => shorten(name, left - 14) },
    };
  }

  const pen = document.createElement('canvas').getContext('2d');
  /** Width in pixels of a text as charts write names: letters are not of one width. */
  function measured(text) {
    pen.font = '12px system-ui, sans-serif';
    return pen.measureText(text).width;
  }

  function shorten(name, width) {
    if (measured(name) <= width) return name;
    const letters = [...name];
    while (letters.length > 1 && measured(`${letters.join('')}…`) > width) letters.pop();
    return `${letters.join('')}…`;
  }

  return { draw, measured, options };
})();
