"""``tunebench survey power``: how many listeners and prompts does the next survey need?"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.run import Workers
from bench.cli.survey_file import SurveyFile, about_a_survey_file
from bench.errors import UsageError, suggestion

if TYPE_CHECKING:
    from bench.stats.survey_model import OpinionVariances, Scale
    from bench.survey.latent_ratings import LatentRatings
    from bench.survey.rating_range import Range
    from bench.survey.ratings import Ratings as RatingTable

_LARGEST = 1000  # listeners or prompts; a larger survey is a slip of the hand
_FEW = 10  # of either; their variance is then known to no better than a factor of 2 or so


Listeners = Annotated[str, typer.Option(metavar="N,N,…", help="Numbers of listeners.")]
Prompts = Annotated[str, typer.Option(metavar="N,N,…", help="Numbers of prompts.")]
Ratings = Annotated[
    str | None,
    typer.Option(metavar="LOW-HIGH", help="Possible ratings, such as 1-5.  [default: those of FILE, or 1-5]"),
]
Effect = Annotated[
    float | None,
    typer.Option(help="Difference to be found, in rating steps before rounding.  [default: a tenth of the scale]"),
]
Components = Annotated[
    str | None,
    typer.Option(
        metavar="VARIANCES",
        help="Why ratings differ: 'typical', 'strong', 'none' (not by model), or variances in squared rating steps "
        "like listener=.16,prompt=.16,listener-model=.05,prompt-model=.16,residual=.64.  [default: typical]",
    ),
]
Earlier = Annotated[
    Path | None, typer.Option("--from", metavar="FILE", help="Estimate that from the ratings of an earlier survey.")
]
Target = Annotated[float, typer.Option(help="Power to reach.")]
Most = Annotated[int, typer.Option("--most-listeners", min=2, max=_LARGEST, help="Maximum number of listeners.")]
RatingMinutes = Annotated[float, typer.Option(min=0, help="Minutes that one rating takes.")]
ListenerMinutes = Annotated[float, typer.Option(min=0, help="Minutes that a listener takes besides.")]
Runs = Annotated[int, typer.Option(min=100, help="Simulated surveys for each number.")]
Seed = Annotated[int, typer.Option(min=0, help="Random seed.")]


@about_a_survey_file("rating_scale")
def command(
    listeners: Listeners = "5,10,20,30",
    prompts: Prompts = "6,12,36",
    scale: Ratings = None,
    effect: Effect = None,
    components: Components = None,
    earlier: Earlier = None,
    *,
    about: SurveyFile,
    target: Target = 0.8,
    most: Most = 100,
    rating_minutes: RatingMinutes = 0.0,
    listener_minutes: ListenerMinutes = 0.0,
    runs: Runs = 2000,
    seed: Seed = 0,
    workers: Workers = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Simulate surveys of every size: how often they find a difference, what they can find, and which is the cheapest.

    Every listener rates two models on every prompt; the test is that of 'survey analyze'.
    """
    import json

    from bench.cli.interrupt import all_or_nothing
    from bench.cli.output import page_layout
    from bench.cli.progress import shown
    from bench.config.run_config import ExecutorConfig
    from bench.survey.power_analysis import Question, plan
    from bench.survey.power_report import plan_record, plan_text
    from bench.survey.reading import ratings_only

    grid = _sizes(listeners, "--listeners"), _sizes(prompts, "--prompts")
    if earlier is None:
        if about.given():
            raise UsageError(f"{about.given()[0]} is about an earlier survey: name its file with --from FILE")
        opinion, rated, source = _stated(components, scale)
    else:
        if components:
            raise UsageError("--components states what --from estimates: give one of them")
        ratings = ratings_only(about.read(earlier, _limits(scale)), earlier)
        opinion, rated, source = _estimated(ratings, earlier.name, scale)
    _check(effect, target)
    latent = 0.4 if effect is None else effect * rated.step
    costs = rating_minutes, listener_minutes
    question = Question(latent, opinion, rated, target, runs, seed, most, *costs)
    with shown() as progress, all_or_nothing():
        found = plan(*grid, question, ExecutorConfig(workers=workers).worker_count, progress)
    if as_json:
        print(json.dumps(plan_record(found), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print(plan_text(found, source, page_layout()))


def _check(effect: float | None, target: float) -> None:
    if effect is not None and not (effect > 0 and math.isfinite(effect)):
        raise UsageError(f"--effect is {effect:g}; a difference to be found is above 0")
    if not 0.05 < target < 1:
        raise UsageError(f"--target is {target:g}; a power that is wanted lies between 0.05 and 1, such as 0.8")


def _sizes(text: str, option: str) -> list[int]:
    sizes = [int(part) if part.strip().isdecimal() else 0 for part in text.split(",")]
    if not all(2 <= size <= _LARGEST for size in sizes):
        raise UsageError(f"{option} is '{text}'; write numbers from 2 to {_LARGEST} like 5,10,20")
    return sorted(set(sizes))


def _scale(text: str) -> Scale:
    from bench.stats.survey_model import Scale
    from bench.survey.rating_range import Range

    low, high = Range.parse(text)
    if low != int(low) or high != int(high):
        raise UsageError(f"--scale is '{text}'; its ends are whole numbers, as in 1-5")
    return Scale(int(low), int(high))


def _stated(components: str | None, ratings: str | None) -> tuple[LatentRatings, Scale, str]:
    """What --components names, around the middle of the scale; the scale; and where that is from."""
    from bench.survey.latent_ratings import LatentRatings

    scale, text = _scale(ratings or "1-5"), components or "typical"
    return LatentRatings(_variances(text, scale), 0.0), scale, "as stated" if "=" in text else text


def _variances(text: str, scale: Scale) -> OpinionVariances:
    """The variances that --components names or lists."""
    from bench.stats.survey_model import NO_MODEL_VARIANCE, STRONG, TYPICAL, OpinionVariances

    known: dict[str, OpinionVariances] = {"typical": TYPICAL, "strong": STRONG, "none": NO_MODEL_VARIANCE}
    if text in known:
        return known[text]
    if "=" not in text:
        choices = f"{', '.join(known)}, or NAME=VARIANCE,…"
        raise UsageError(f"--components is '{text}'{suggestion(text, known)}; it may be {choices}")
    given = {}
    names = [name.replace("_", "-") for name in vars(TYPICAL)]
    for part in text.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in names:
            raise UsageError(f"--components: unknown '{name}'{suggestion(name, names)}; known: {', '.join(names)}")
        try:
            given[name.replace("-", "_")] = float(value) * scale.step**2
        except ValueError:
            raise UsageError(f"--components: {name} is '{value}', must be a number from 0") from None
    if missing := [name for name in names if name.replace("-", "_") not in given]:
        raise UsageError(f"--components states no {', '.join(missing)}; 0 is a variance, too")
    try:
        return OpinionVariances(**given)
    except ValueError as error:
        raise UsageError(f"--components: {error}") from None


def _limits(scale: str | None) -> Range | None:
    from bench.survey.rating_range import Range

    return Range.parse(scale) if scale else None


def _estimated(ratings: RatingTable, name: str, scale: str | None) -> tuple[LatentRatings, Scale, str]:
    """What an earlier survey tells, its rating scale, and what it is estimated from."""
    from bench.survey.latent_ratings import estimate_opinion, whole_scale

    used = ratings.scales
    found = estimate_opinion(ratings, used)
    rated = _scale(scale) if scale else whole_scale(ratings, used[0])
    counts = len(ratings.listeners), len(ratings.prompts)
    rough = ", few enough to be far off" if min(counts) < _FEW else ""
    names_of = f"{', '.join(ratings.models)}; {', '.join(used)}"
    source = f"{names_of}; {counts[0]} listeners × {counts[1]} prompts{rough}"
    return found, rated, f"estimated from {name}: {source}"
