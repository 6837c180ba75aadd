"""How close random onsets are to lines that are fitted to them.

Lines with a free phase, and even more with a free spacing, find some order in any onsets: the more the fewer the onsets
and the longer they last. The tables hold means over random onsets, as `metrics.rhythm_simulation` prints
them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

ONSETS = (16, 24, 36, 54, 80, 120, 180, 270, 400, 600)
LINES = (5, 10, 20, 40, 80, 160, 320, 640)
SPANS = (5, 10, 20, 40, 80)

Table = npt.NDArray[np.float64]


def chance_deviation(onsets: int, lines: float, freedom: float) -> float:
    """Return the mean distance of random onsets from fitted lines, as a share of their spacing.

    Args:
        onsets: how many, ≥ 1; counts outside 16–600 are taken as the nearest of them.
        lines: spacings from the first onset to the last, ≥ 0; likewise from 5 to 640.
        freedom: share by which the spacing may be off: 0 or 0.04.
    """
    return _interpolated(_FITTED if freedom else _PLACED, LINES, onsets, lines)


def chance_ratio(search: str, onsets: int, span: float) -> float:
    """Return the mean of the smallest ratio of deviation to `chance_deviation` that random onsets reach in a search.

    Args:
        search: its value, as in `metrics.rhythm_lines.Search`.
        onsets: as above.
        span: from the first to the last, in quarter notes, or in seconds in the search by onsets alone; from 5 to 80.
    """
    return _interpolated(_RATIOS[search], SPANS, onsets, span)


def _interpolated(table: Table, columns: tuple[int, ...], onsets: int, column: float) -> float:
    # Linear over the logarithms of both; outside the table the value at its edge.
    by_onsets = [np.interp(np.log(max(column, 1)), np.log(columns), row) for row in table]
    return float(np.interp(np.log(onsets), np.log(ONSETS), by_onsets))


# Rows: ONSETS; columns: LINES.
_FITTED: Table = np.array(
    [
        [0.1904, 0.1863, 0.1755, 0.1685, 0.1564, 0.1462, 0.1399, 0.1303],
        [0.2037, 0.1987, 0.1888, 0.1825, 0.1731, 0.1663, 0.1595, 0.1522],
        [0.2113, 0.2076, 0.2021, 0.1950, 0.1892, 0.1821, 0.1767, 0.1709],
        [0.2170, 0.2146, 0.2111, 0.2053, 0.1997, 0.1944, 0.1896, 0.1850],
        [0.2226, 0.2209, 0.2172, 0.2138, 0.2089, 0.2041, 0.2009, 0.1967],
        [0.2273, 0.2251, 0.2249, 0.2204, 0.2160, 0.2138, 0.2097, 0.2068],
        [0.2293, 0.2303, 0.2286, 0.2246, 0.2224, 0.2204, 0.2172, 0.2146],
        [0.2330, 0.2337, 0.2326, 0.2301, 0.2279, 0.2252, 0.2234, 0.2208],
        [0.2348, 0.2353, 0.2357, 0.2331, 0.2318, 0.2298, 0.2280, 0.2261],
        [0.2363, 0.2384, 0.2373, 0.2364, 0.2354, 0.2338, 0.2318, 0.2303],
    ]
)
_PLACED: Table = np.array(
    [
        [0.1992, 0.1994, 0.1986, 0.2006, 0.1976, 0.1958, 0.2024, 0.2005],
        [0.2118, 0.2102, 0.2078, 0.2085, 0.2104, 0.2097, 0.2078, 0.2087],
        [0.2180, 0.2182, 0.2178, 0.2171, 0.2166, 0.2178, 0.2169, 0.2174],
        [0.2236, 0.2234, 0.2239, 0.2232, 0.2227, 0.2241, 0.2232, 0.2243],
        [0.2286, 0.2287, 0.2282, 0.2294, 0.2284, 0.2288, 0.2280, 0.2283],
        [0.2330, 0.2325, 0.2326, 0.2320, 0.2335, 0.2321, 0.2325, 0.2329],
        [0.2350, 0.2367, 0.2354, 0.2358, 0.2361, 0.2354, 0.2362, 0.2349],
        [0.2384, 0.2389, 0.2379, 0.2383, 0.2373, 0.2385, 0.2386, 0.2385],
        [0.2407, 0.2402, 0.2408, 0.2401, 0.2398, 0.2401, 0.2399, 0.2404],
        [0.2422, 0.2432, 0.2416, 0.2419, 0.2422, 0.2418, 0.2411, 0.2423],
    ]
)

# Rows: ONSETS; columns: SPANS.
_RATIOS: Mapping[str, Table] = {
    "known quarter": np.array(
        [
            [0.8190, 0.8265, 0.8345, 0.8298, 0.8192],
            [0.8647, 0.8630, 0.8621, 0.8614, 0.8642],
            [0.8932, 0.8947, 0.8986, 0.8913, 0.8917],
            [0.9191, 0.9170, 0.9159, 0.9208, 0.9136],
            [0.9304, 0.9330, 0.9300, 0.9326, 0.9321],
            [0.9453, 0.9449, 0.9484, 0.9491, 0.9462],
            [0.9557, 0.9562, 0.9566, 0.9541, 0.9586],
            [0.9629, 0.9654, 0.9660, 0.9667, 0.9609],
            [0.9725, 0.9743, 0.9720, 0.9768, 0.9774],
            [0.9790, 0.9810, 0.9806, 0.9769, 0.9773],
        ]
    ),
    "heard quarter": np.array(
        [
            [0.7900, 0.7851, 0.7850, 0.7919, 0.8076],
            [0.8305, 0.8424, 0.8477, 0.8493, 0.8532],
            [0.8707, 0.8805, 0.8727, 0.8784, 0.8888],
            [0.8950, 0.9032, 0.9098, 0.9101, 0.9156],
            [0.9169, 0.9244, 0.9287, 0.9220, 0.9342],
            [0.9327, 0.9369, 0.9371, 0.9481, 0.9478],
            [0.9442, 0.9473, 0.9547, 0.9560, 0.9548],
            [0.9491, 0.9656, 0.9603, 0.9653, 0.9690],
            [0.9653, 0.9681, 0.9709, 0.9725, 0.9722],
            [0.9729, 0.9738, 0.9763, 0.9777, 0.9761],
        ]
    ),
    "onsets alone": np.array(
        [
            [0.7547, 0.7421, 0.7430, 0.7432, 0.7411],
            [0.8147, 0.8152, 0.8124, 0.8199, 0.8158],
            [0.8533, 0.8585, 0.8440, 0.8544, 0.8580],
            [0.8844, 0.8879, 0.8917, 0.8912, 0.8941],
            [0.9066, 0.9120, 0.9138, 0.9130, 0.9216],
            [0.9278, 0.9302, 0.9277, 0.9351, 0.9390],
            [0.9416, 0.9415, 0.9490, 0.9501, 0.9447],
            [0.9487, 0.9605, 0.9552, 0.9601, 0.9613],
            [0.9603, 0.9669, 0.9668, 0.9720, 0.9697],
            [0.9723, 0.9721, 0.9705, 0.9756, 0.9743],
        ]
    ),
}
