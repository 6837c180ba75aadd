"""The power of a listening test, simulated as in ``tunebench survey power`` before anybody is invited."""

from __future__ import annotations

from bench.listening_test.sessions import ListenerWorkload
from bench.listening_test.settings import ListeningTest
from bench.number_format import number
from bench.progress import Progress
from bench.stats.planned_survey import PlannedDesign
from bench.stats.survey_model import TYPICAL, Scale
from bench.survey.latent_ratings import LatentRatings
from bench.survey.power_analysis import PowerPlan, Question, plan

EFFECT = 0.4
"""The latent difference to detect, in steps of a five-point scale."""

RUNS = 200


def expected_power(
    test: ListeningTest, workload: ListenerWorkload, models: int, progress: Progress | None = None, workers: int = 1
) -> PowerPlan:
    """Simulate the test's analysis with typical listeners.

    If a listener hears a block of the prompts, all are simulated with the same block: the power of the test
    is somewhat higher, since it has more prompts.

    Args:
        test: the settings.
        workload: workload of a listener.
        models: number of compared models.
        progress: receives the progress.
        workers: number of processes.

    Returns:
        The plan for this number of listeners and prompts, for a true difference of `EFFECT` five-point steps.

    Raises:
        UsageError: a process was killed.
    """
    votes = test.kind == "preference"
    points = {scale.points for scale in test.scales}
    scale = Scale(0, 100) if test.kind == "stimuli" else Scale(1, max(points))
    design = PlannedDesign(
        models,
        len(test.scales),
        len(test.scales),
        votes=votes,
    )
    question = Question(EFFECT, LatentRatings(TYPICAL, 0.0), scale, runs=RUNS, seed=test.seed, most=2, design=design)
    prompts = max(2, workload.items)
    return plan([test.listeners], [prompts], question, workers, progress)


def power_text(found: PowerPlan) -> str:
    """Return a sentence with the result of the simulation."""
    (cell,), asked = found.cells, found.question
    what = "of the votes more" if asked.design.votes else "points"
    size = f"{100 * found.effect_mean:.0f} %" if asked.design.votes else number(found.effect_mean, 2)
    holm = f", with Holm's adjustment over {asked.design.tests} tests" if asked.design.tests > 1 else ""
    said = (
        f"a true difference of {size} {what} is found with probability {number(cell.power, 2)}{holm} "
        f"(simulated, typical listeners, ± {number(2 * asked.power_error(cell.power), 2)})"
    )
    if cell.detectable_mean is None:
        return f"{said}; no difference within the scale is found with .80"
    least = f"{100 * cell.detectable_mean:.0f} %" if asked.design.votes else number(cell.detectable_mean, 2)
    return f"{said}; one of {least} {what} is found with .80"
