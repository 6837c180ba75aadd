"""``tunebench survey power``: how many listeners and prompts does the next survey need?"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.run import Workers
from bench.cli.survey_options import Scales

if TYPE_CHECKING:
    from bench.stats.survey_model import OpinionVariances, Scale
    from bench.survey.latent_ratings import LatentRatings

_LARGEST = 1000  # listeners or prompts; a larger survey is a slip of the hand
_FEW = 10  # of either; their variance is then known to no better than a factor of 2 or so


def command(
    listeners: Annotated[str, typer.Option(metavar="N,N,…", help="Numbers of listeners.")] = "5,10,20,30",
    prompts: Annotated[str, typer.Option(metavar="N,N,…", help="Numbers of prompts.")] = "6,12,36",
    scale: Annotated[
        str | None,
        typer.Option(metavar="LOW-HIGH", help="Possible ratings, such as 1-5.  [default: those of FILE, or 1-5]"),
    ] = None,
    effect: Annotated[
        float | None,
        typer.Option(help="Difference to be found, in rating steps before rounding.  [default: a tenth of the scale]"),
    ] = None,
    components: Annotated[
        str | None,
        typer.Option(
            metavar="VARIANCES",
            help="Why ratings differ: 'typical', 'strong', 'none' (not by model), or variances in squared rating steps "
            "like listener=.16,prompt=.16,listener-model=.05,prompt-model=.16,residual=.64.  [default: typical]",
        ),
    ] = None,
    earlier: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Estimate that from the ratings of an earlier survey.")
    ] = None,
    models: Annotated[str | None, typer.Option(metavar="A,B,…", help="Only these models of FILE.")] = None,
    scales: Scales = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="ROLE=NAME", help="A column of FILE, such as listener=who; may be repeated."),
    ] = None,
    target: Annotated[float, typer.Option(help="Power to reach.")] = 0.8,
    most: Annotated[
        int, typer.Option("--most-listeners", min=2, max=_LARGEST, help="Maximum number of listeners.")
    ] = 100,
    rating_minutes: Annotated[float, typer.Option(min=0, help="Minutes that one rating takes.")] = 0.0,
    listener_minutes: Annotated[float, typer.Option(min=0, help="Minutes that a listener takes besides.")] = 0.0,
    runs: Annotated[int, typer.Option(min=100, help="Simulated surveys for each number.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    workers: Workers = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Simulate surveys of every size: how often they find a difference, what they can find, and which is the cheapest.

    Every listener rates two models on every prompt; the test is that of 'survey analyze'.
    """
    import json

    from bench.cli.interrupt import all_or_nothing
    from bench.cli.progress import shown
    from bench.config.run_config import ExecutorConfig
    from bench.errors import UsageError
    from bench.survey.power_analysis import Question, plan
    from bench.survey.power_report import plan_record, plan_text

    grid = _sizes(listeners, "--listeners"), _sizes(prompts, "--prompts")
    if earlier is None:
        for option, given in (("--models", models), ("--scales", scales), ("--column", column)):
            if given:
                raise UsageError(f"{option} is about the ratings of an earlier survey: name them with --from FILE")
        rated = _scale(scale or "1-5")
        opinion = _stated(components or "typical", rated)
        source = "as stated" if "=" in (components or "") else components or "typical"
    elif components:
        raise UsageError("--components states what --from estimates: give one of them")
    else:
        opinion, rated, what = _estimated(earlier, scale, models, scales, column or [])
        source = f"estimated from {earlier.name}: {what}"
    if effect is not None and not (effect > 0 and math.isfinite(effect)):
        raise UsageError(f"--effect is {effect:g}; a difference to be found is above 0")
    if not 0.05 < target < 1:
        raise UsageError(f"--target is {target:g}; a power that is wanted lies between 0.05 and 1, such as 0.8")
    question = Question(
        effect=0.4 if effect is None else effect * rated.step,
        opinion=opinion,
        scale=rated,
        target=target,
        runs=runs,
        seed=seed,
        most=most,
        rating_minutes=rating_minutes,
        listener_minutes=listener_minutes,
    )
    with shown() as progress, all_or_nothing():
        found = plan(*grid, question, ExecutorConfig(workers=workers).worker_count, progress)
    if as_json:
        print(json.dumps(plan_record(found), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print(plan_text(found, source))


def _sizes(text: str, option: str) -> list[int]:
    from bench.errors import UsageError

    sizes = [int(part) if part.strip().isdecimal() else 0 for part in text.split(",")]
    if not all(2 <= size <= _LARGEST for size in sizes):
        raise UsageError(f"{option} is '{text}'; write numbers from 2 to {_LARGEST} like 5,10,20")
    return sorted(set(sizes))


def _scale(text: str) -> Scale:
    from bench.errors import UsageError
    from bench.stats.survey_model import Scale
    from bench.survey.rating_range import Range

    low, high = Range.parse(text)
    if low != int(low) or high != int(high):
        raise UsageError(f"--scale is '{text}'; its ends are whole numbers, as in 1-5")
    return Scale(int(low), int(high))


def _stated(text: str, scale: Scale) -> LatentRatings:
    """The variances that --components names or lists, around the middle of the scale."""
    from bench.errors import UsageError, suggestion
    from bench.stats.survey_model import NO_MODEL_VARIANCE, STRONG, TYPICAL, OpinionVariances
    from bench.survey.latent_ratings import LatentRatings

    known: dict[str, OpinionVariances] = {"typical": TYPICAL, "strong": STRONG, "none": NO_MODEL_VARIANCE}
    if text in known:
        return LatentRatings(known[text], 0.0)
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
        return LatentRatings(OpinionVariances(**given), 0.0)
    except ValueError as error:
        raise UsageError(f"--components: {error}") from None


def _estimated(
    path: Path, scale: str | None, models: str | None, scales: str | None, columns: list[str]
) -> tuple[LatentRatings, Scale, str]:
    """What an earlier survey tells, its rating scale, and what it is estimated from."""
    from bench.cli.survey_options import names
    from bench.errors import UsageError
    from bench.survey.latent_ratings import estimate_opinion, whole_scale
    from bench.survey.rating_range import Range
    from bench.survey.reading import read_ratings

    roles = {}
    for text in columns:
        role, equals, name = text.partition("=")
        if not equals:
            raise UsageError(f"--column is '{text}'; write it like listener=who")
        roles[role.strip()] = name.strip()
    limits = Range.parse(scale) if scale else None
    ratings = read_ratings(path, roles, limits, names(models, "--models"), names(scales, "--scales"))
    used = ratings.scales
    found = estimate_opinion(ratings, used)
    rated = _scale(scale) if scale else whole_scale(ratings, used[0])
    counts = len(ratings.listeners), len(ratings.prompts)
    rough = ", few enough to be far off" if min(counts) < _FEW else ""
    names_of = f"{', '.join(ratings.models)}; {', '.join(used)}"
    return found, rated, f"{names_of}; {counts[0]} listeners × {counts[1]} prompts{rough}"
