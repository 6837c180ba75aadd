"""Statistics: pure functions on arrays that import nothing else of tunebench."""

from bench.stats.agreement import icc, kendall_w, krippendorff_alpha
from bench.stats.crossed import CrossedMean, CrossedTest, crossed_mean, crossed_t_test
from bench.stats.intervals import Interval, stratified_t_interval, t_interval, wilson_interval
from bench.stats.jackknife import jackknife_interval
from bench.stats.moments import Moments
from bench.stats.permutation import all_swaps, permutation_p, random_swaps, smallest_p
from bench.stats.two_way import Components

__all__ = [
    "Components",
    "CrossedMean",
    "CrossedTest",
    "Interval",
    "Moments",
    "all_swaps",
    "crossed_mean",
    "crossed_t_test",
    "icc",
    "jackknife_interval",
    "kendall_w",
    "krippendorff_alpha",
    "permutation_p",
    "random_swaps",
    "smallest_p",
    "stratified_t_interval",
    "t_interval",
    "wilson_interval",
]
