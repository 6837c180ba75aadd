"""The cumulative link mixed model against R's published fits, its derivatives, and known truths."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize
from scipy.special import expit

from bench.stats.ordinal_mixed import _Problem, fit_ordinal
from bench.stats.survey_model import TYPICAL, simulate_ratings

# Bitterness, 1 to 5, of 8 bottles by 9 judges: Randall, "The analysis of sensory data by generalised linear model",
# Biometrical Journal 31 (1989), the data set "wine" of R's ordinal. Bottles 5 to 8 were pressed warm; in 3, 4, 7 and 8
# juice and skins had contact.
WINE = "23344455 12132354 23325544 32323253 23433333 32322454 11222323 22233334 12323244"
ratings = np.array([[int(digit) for digit in row] for row in WINE.split()])
judges, bottles = np.indices(ratings.shape)
FIXED = np.stack([bottles >= 4, bottles // 2 % 2], axis=-1).reshape(-1, 2).astype(float)
CODES = ratings.ravel() - 1


def test_wine_as_published() -> None:
    """``clmm(rating ~ temp + contact + (1 | judge), data = wine)`` of R's ordinal.

    Thresholds and modes: github.com/stitchfix/diamond, examples/ordinal (R's output at full length). Standard errors:
    the reference of R's broom, tidy.clmm. Log-likelihood −81.57: Christensen, "A tutorial on fitting cumulative link
    mixed models with clmm2 from the ordinal package" (2015).
    """
    found = fit_ordinal(CODES, FIXED, judges.ravel(), np.zeros(72))
    assert found.thresholds == pytest.approx(
        [-1.62366694779619, 1.51336520227968, 4.22852671695733, 6.08877259115472], abs=1e-4
    )
    assert found.effects == pytest.approx([3.062997, 1.834885], abs=1e-4)
    assert (found.listener_sd, found.prompt_sd) == (pytest.approx(1.131133, abs=1e-4), 0)
    assert found.listeners == pytest.approx(
        [
            *(1.69617818735249, -0.565783087989923, 0.968808284101926, -0.0595498906699359, 0.230510105429514),
            *(0.477038637457531, -1.91097341718148, -0.27294385809958, -0.554675767631326),
        ],
        abs=2e-4,
    )
    assert found.thresholds_se == pytest.approx([0.682, 0.604, 0.809, 0.972], abs=6e-4)
    assert found.effects_se == pytest.approx([0.595, 0.513], abs=6e-4)
    assert found.log_likelihood == pytest.approx(-81.57, abs=5e-3)


def test_listeners_and_prompts_may_change_places() -> None:
    one = fit_ordinal(CODES, FIXED, judges.ravel(), bottles.ravel())
    other = fit_ordinal(CODES, FIXED, bottles.ravel(), judges.ravel())
    assert other.effects == pytest.approx(one.effects, abs=1e-4)
    assert (other.listener_sd, other.prompt_sd) == pytest.approx((one.prompt_sd, one.listener_sd), abs=1e-3)


def test_laplace_by_brute_force() -> None:
    """Modes by a general optimiser, and the curvature there by differences."""
    rng = np.random.default_rng(0)
    chosen = rng.random(72) < 0.7
    problem = _Problem(CODES[chosen], FIXED[chosen], judges.ravel()[chosen], bottles.ravel()[chosen])
    natural = np.array([-1.5, 1.0, 3.5, 6.0, 2.5, 1.2, 0.1, -0.4])
    scales = np.exp(natural[-2:])
    ends = np.concatenate([[-np.inf], natural[:4], [np.inf]])

    def negative(modes: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
        place = FIXED[chosen] @ natural[4:6] + scales[0] * modes[:9][judges.ravel()[chosen]]
        place = place + scales[1] * modes[9:][bottles.ravel()[chosen]]
        y = CODES[chosen]
        return float(-np.log(expit(ends[y + 1] - place) - expit(ends[y] - place)).sum() + modes @ modes / 2)

    modes = optimize.minimize(negative, np.zeros(17), options={"gtol": 1e-8}).x
    step = 1e-3 * np.eye(17)
    curvature = np.array(
        [
            [
                negative(modes + a + b) - negative(modes + a - b) - negative(modes - a + b) + negative(modes - a - b)
                for a in step
            ]
            for b in step
        ]
    ) / (4e-6)
    expected = -negative(modes) - np.linalg.slogdet(curvature)[1] / 2
    value, gradient = problem.likelihood(natural)
    assert value == pytest.approx(expected, abs=1e-4)
    for place in range(len(natural)):
        ahead, behind = (problem.likelihood(natural + sign * 1e-5 * np.eye(len(natural))[place])[0] for sign in (1, -1))
        assert gradient[place] == pytest.approx((ahead - behind) / 2e-5, abs=1e-5)


def test_it_finds_what_was_simulated() -> None:
    rng = np.random.default_rng(1)
    shape = (2, 40, 60)
    place = 0.9 * np.arange(2.0)[:, None, None] + rng.normal(0, 1.0, (1, 40, 1)) + rng.normal(0, 0.6, (1, 1, 60))
    latent = place + rng.logistic(size=shape)
    codes = np.searchsorted([-2.0, -0.5, 1.0, 2.5], latent.ravel())
    model, listener, prompt = (axis.ravel() for axis in np.indices(shape))
    found = fit_ordinal(codes, model[:, None], listener, prompt)
    assert found.effects == pytest.approx([0.9], abs=4 * found.effects_se[0])
    assert found.thresholds == pytest.approx([-2.0, -0.5, 1.0, 2.5], abs=0.6)
    assert (found.listener_sd, found.prompt_sd) == (pytest.approx(1.0, abs=0.35), pytest.approx(0.6, abs=0.2))


def test_an_offset_of_the_scale_does_not_matter() -> None:
    whole = simulate_ratings(np.random.default_rng(3), 1, 6, 12, 0.4, TYPICAL)[:, 0]
    model, listener, prompt = (axis.ravel() for axis in np.indices(whole.shape))
    codes = np.unique(whole.ravel(), return_inverse=True)[1]
    found = fit_ordinal(codes, model[:, None], listener, prompt)
    turned = fit_ordinal(codes.max() - codes, model[:, None], listener, prompt)
    assert turned.effects == pytest.approx(-found.effects, abs=1e-3)
    assert turned.thresholds == pytest.approx(-found.thresholds[::-1], abs=1e-2)


def test_what_has_no_end_is_said() -> None:
    model = np.repeat([0, 1], 12)
    listener, prompt = np.tile(np.arange(4), 6), np.tile(np.arange(3), 8)
    with pytest.raises(ValueError, match="overlap"):
        fit_ordinal(model, model[:, None], listener, prompt)
    with pytest.raises(ValueError, match="two categories"):
        fit_ordinal(np.zeros(24), model[:, None], listener, prompt)
    with pytest.raises(ValueError, match="two categories"):
        fit_ordinal(2 * model, model[:, None], listener, prompt)
