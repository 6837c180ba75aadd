'use strict';
/**
 * Which of some values lie far from the others: beyond the quartiles by more than 1.5 times their distance (Tukey 1977).
 * The same rule makes the lists beside the charts.
 */
tunebench.outlying = (values) => {
  const [low, high] = [0.25, 0.75].map((share) => d3.quantile(values, share));
  const reach = 1.5 * (high - low);
  return (value) => value < low - reach || value > high + reach;
};
