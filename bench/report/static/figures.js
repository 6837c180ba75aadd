'use strict';
/** How numbers of comparisons are written. */
tunebench.figures = (() => {
  const NONE = '–';
  const minus = (text) => text.replace('-', '−');

  /** Two digits of what is uncertain, within 1 to 4 decimals. */
  const decimals = (half) => (half > 0 ? Math.max(1, Math.min(4, 1 - Math.floor(Math.log10(half)))) : 1);

  function number(value, places) {
    if (value === null || value === undefined) return NONE;
    const text = value.toFixed(places);
    return Number(text) === 0 ? text.replace('-', '') : minus(text);
  }

  const signed = (value, places) => (value > 0 && Number(value.toFixed(places)) !== 0 ? '+' : '') + number(value, places);

  /** Without the leading zero, as p values are printed. */
  function p(value) {
    if (value === null || value === undefined) return NONE;
    if (value < 0.001) return '< .001';
    return value >= 0.9995 ? '1.000' : value.toFixed(3).slice(1);
  }

  return { NONE, decimals, number, signed: (v, d) => (v === null || v === undefined ? NONE : signed(v, d)), p };
})();
