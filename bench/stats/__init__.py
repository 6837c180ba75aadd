"""Statistics: pure functions on arrays that import nothing else of tunebench."""

from bench.stats.intervals import Interval, stratified_t_interval, t_interval, wilson_interval
from bench.stats.jackknife import jackknife_interval
from bench.stats.moments import Moments
from bench.stats.permutation import permutation_p, random_swaps

__all__ = [
    "Interval",
    "Moments",
    "jackknife_interval",
    "permutation_p",
    "random_swaps",
    "stratified_t_interval",
    "t_interval",
    "wilson_interval",
]
