"""Paired comparisons with ties: Davidson's model, and Bradley and Terry's with ties as half wins.

Both are fitted to many tables of counts at once, as a jackknife has them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_MOST_STEPS = 200


def fit_half_wins(wins: Array, ties: Array, start: Array | None = None) -> tuple[Array, Flags]:
    """Fit Bradley and Terry's model with every tie as half a win for both, by Newton's method.

    Args:
        wins: shape (tables, models, models), ≥ 0; [i, j] counts wins of i over j, the diagonal is 0.
        ties: the same shape, symmetric: [i, j] and [j, i] both count the ties of i and j.
        start: abilities to begin with, shape (models,); 0 without.

    Returns:
        Abilities of shape (tables, models), log-odds with mean 0; and which tables hold a group of models that never
        lost to the others, to which half a win each way was added for every pair, since likelihood alone would set them
        infinitely apart.

    Source: Bradley and Terry, "Rank analysis of incomplete block designs: I. The method of paired comparisons",
    Biometrika 39 (1952); Ford, "Solution of a ranking problem from binary comparisons", American Mathematical Monthly
    64 (1957), for when abilities are finite; Haldane, "The estimation and significance of the logarithm of a ratio of
    frequencies", Annals of Human Genetics 20 (1956), for the half wins.

    >>> wins = np.array([[[0.0, 30], [10, 0]]])  # for two models the difference is the log odds
    >>> fit_half_wins(wins, np.zeros_like(wins))[0].round(4).tolist()
    [[0.5493, -0.5493]]
    """
    halves = wins + ties / 2
    sparse = ~strongly_connected(halves)
    models = wins.shape[-1]
    halves = halves + 0.5 * sparse[:, None, None] * (1 - np.eye(models))
    games = halves + halves.transpose(0, 2, 1)
    won = halves.sum(axis=2)
    abilities = np.tile(np.zeros(models) if start is None else start, (len(wins), 1))
    for _ in range(_MOST_STEPS):
        expected = 1 / (1 + np.exp(abilities[:, None, :] - abilities[:, :, None]))
        slope = won - (games * expected).sum(axis=2)
        information = -games * expected * (1 - expected)
        information[:, range(models), range(models)] = -information.sum(axis=2)
        # The likelihood does not know the mean; this keeps it at 0 and the matrix regular.
        step = np.linalg.solve(information + 1.0, slope[:, :, None])[:, :, 0]
        abilities, longest = _moved(abilities, step)
        if longest < 1e-10:
            break
    return abilities - abilities.mean(axis=1, keepdims=True), sparse


def fit_davidson(wins: Array, ties: Array, start: tuple[Array, float] | None = None) -> tuple[Array, Array, Flags]:
    """Fit Davidson's model by Newton's method.

    With πᵢ = exp(abilityᵢ) and D = πᵢ + πⱼ + ν√(πᵢπⱼ): P(i wins) = πᵢ/D, P(tie) = ν√(πᵢπⱼ)/D. Its abilities are of
    wins among the answers that are no ties, so they lie further apart than those of half wins.

    Args:
        wins, ties: as `fit_half_wins` takes them.
        start: abilities of shape (models,) and log ν to begin with.

    Returns:
        Abilities of shape (tables, models) with mean 0, log ν of shape (tables,), and which tables needed half a win
        each way as in `fit_half_wins`. NaN for tables without ties or with nothing else, where ν has no finite value.

    Source: Davidson, "On extending the Bradley–Terry model to accommodate ties in paired comparison experiments",
    Journal of the American Statistical Association 65 (1970).
    """
    models = wins.shape[-1]
    sparse = ~strongly_connected(wins + ties / 2)
    wins = wins + 0.5 * sparse[:, None, None] * (1 - np.eye(models))
    tied, decided = ties.sum(axis=(1, 2)) / 2, wins.sum(axis=(1, 2))
    known = (tied > 0) & (decided > 0)
    wins, ties = wins[known], ties[known]
    games = wins + wins.transpose(0, 2, 1) + ties
    score = (wins + ties / 2).sum(axis=2)
    count = len(wins)
    theta = np.zeros((count, models + 1))
    if start is not None:
        theta[:] = [*start[0], start[1]]
    else:
        theta[:, -1] = np.log(2 * tied[known] / decided[known])
    diagonal = range(models)
    for _ in range(_MOST_STEPS):
        gap = (theta[:, :models, None] - theta[:, None, :models]) / 2
        weight = np.exp(theta[:, -1])[:, None, None]
        # Divided by √(πᵢπⱼ).
        whole = np.exp(gap) + np.exp(-gap) + weight
        first, tie = np.exp(gap) / whole, weight / whole
        second = first.transpose(0, 2, 1)
        slope = np.empty_like(theta)
        slope[:, :models] = score - (games * (first + tie / 2)).sum(axis=2)
        slope[:, -1] = tied[known] - (games * tie).sum(axis=(1, 2)) / 2
        information = np.zeros((count, models + 1, models + 1))
        # An answer moves the gap by 1, −1 or 0 halves, and the tie's parameter by 0, 0 or 1.
        spread = games * (first + second - (first - second) ** 2) / 4
        information[:, :models, :models] = -spread
        information[:, diagonal, diagonal] = spread.sum(axis=2)
        information[:, :models, :models] += 1.0
        cross = -(games * (first - second) * tie).sum(axis=2) / 2
        information[:, :models, -1] = information[:, -1, :models] = cross
        information[:, -1, -1] = (games * tie * (1 - tie)).sum(axis=(1, 2)) / 2
        step = np.linalg.solve(information, slope[:, :, None])[:, :, 0]
        theta, longest = _moved(theta, step)
        if longest < 1e-10:
            break
    abilities = np.full((len(known), models), np.nan)
    abilities[known] = theta[:, :models] - theta[:, :models].mean(axis=1, keepdims=True)
    log_nu = np.full(len(known), np.nan)
    log_nu[known] = theta[:, -1]
    return abilities, log_nu, sparse


def strongly_connected(wins: Array) -> Flags:
    """Return for each table whether every model can be reached from every other one along wins.

    Then the abilities are finite.

    Args:
        wins: shape (tables, models, models), ≥ 0; [i, j] counts wins of i over j.

    Returns:
        Shape (tables,).

    Source: Ford, American Mathematical Monthly 64 (1957).
    """
    models = wins.shape[-1]
    reach = (wins > 0) | np.eye(models, dtype=bool)
    for _ in range(models.bit_length()):
        reach = (reach.astype(np.float32) @ reach.astype(np.float32)) > 0
    connected: Flags = reach.all(axis=(1, 2))
    return connected


def _moved(values: Array, step: Array) -> tuple[Array, float]:
    """Return the values after a step cut to at most 1, and the longest step uncut.

    Far from the maximum Newton's step may jump over it.
    """
    longest = np.abs(step).max(axis=1, keepdims=True) if len(step) else np.zeros((0, 1))
    return values + step / np.maximum(longest, 1.0), float(longest.max(initial=0.0))
