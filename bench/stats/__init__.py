"""Statistics: pure functions on arrays that import nothing else of tunebench."""

from bench.stats.intervals import Interval, stratified_t_interval, t_interval

__all__ = ["Interval", "stratified_t_interval", "t_interval"]
