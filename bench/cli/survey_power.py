"""``tunebench survey power``: how many listeners and prompts does the next survey need?"""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from bench.cli.run import Workers
from bench.cli.survey_file import SurveyFile, about_a_survey_file
from bench.errors import UsageError, suggestion

if TYPE_CHECKING:
    from bench.stats.planned_survey import Cells, PlannedDesign
    from bench.stats.survey_model import OpinionVariances, Scale
    from bench.survey.latent_ratings import LatentRatings
    from bench.survey.power_analysis import PowerPlan
    from bench.survey.rating_range import Range
    from bench.survey.ratings import Ratings as RatingTable

_LARGEST = 1000  # listeners or prompts; a larger number is a typing error
_FEW = 10  # of either; with fewer, the variance is uncertain by a factor of about 2


class Criterion(StrEnum):
    """Success criteria if several differences are tested."""

    given = "given"
    any = "any"
    all = "all"


Listeners = Annotated[str, typer.Option(metavar="N,N,…", help="Numbers of listeners.")]
Prompts = Annotated[str, typer.Option(metavar="N,N,…", help="Numbers of prompts.")]
Ratings = Annotated[
    str | None,
    typer.Option(metavar="LOW-HIGH", help="Possible ratings, such as 1-5.  [default: those of FILE, or 1-5]"),
]
Effect = Annotated[
    float | None,
    typer.Option(
        help="Difference of mean ratings to find, in rating steps, such as 0.3.  [default: nearly a tenth of the scale]"
    ),
]
LatentEffect = Annotated[
    float | None,
    typer.Option(help="Difference to find, of opinions before rounding to the scale, in rating steps."),
]
Equal = Annotated[
    float | None,
    typer.Option(
        "--margin",
        help="Margin in rating steps: plan an equivalence test instead, which shows that equal models differ by less.",
    ),
]
ModelCount = Annotated[int, typer.Option("--compare-models", min=2, max=20, help="Number of models compared.")]
ScaleCount = Annotated[int, typer.Option("--rated-scales", min=1, max=20, help="Number of scales per clip.")]
Differing = Annotated[
    int | None,
    typer.Option("--differing-scales", min=1, help="Number of scales with a difference.  [default: all]"),
]
Correlation = Annotated[
    float, typer.Option("--scale-correlation", min=0, max=0.99, help="Correlation of opinions on two scales.")
]
CellDesign = Annotated[
    str,
    typer.Option(
        "--design",
        metavar="DESIGN",
        help="complete, latin (each prompt from one model, rotated), between (each listener hears one model), or the "
        "share of cells that is rated, such as 0.33.",
    ),
]
Votes = Annotated[bool, typer.Option("--votes", help="Plan votes for the better of two clips instead of ratings.")]
Ties = Annotated[float, typer.Option(min=0, max=0.9, help="Share of votes between equal models that are ties.")]
Components = Annotated[
    str | None,
    typer.Option(
        metavar="VARIANCES",
        help="Variance components: 'typical', 'strong', 'none' (not by model), or variances in squared rating steps "
        "like listener=.16,prompt=.16,listener-model=.05,prompt-model=.16,residual=.64.  [default: typical]",
    ),
]
Earlier = Annotated[
    Path | None,
    typer.Option(
        "--from", metavar="FILE", help="Estimate the variance components from the ratings of an earlier survey."
    ),
]
Target = Annotated[float, typer.Option(help="Power to reach.")]
PowerOf = Annotated[
    Criterion, typer.Option("--power-of", help="What is to be found: a given difference, any of them, or all.")
]
Most = Annotated[int, typer.Option("--most-listeners", min=2, max=_LARGEST, help="Maximum number of listeners.")]
RatingMinutes = Annotated[float, typer.Option(min=0, help="Minutes per rating.")]
ListenerMinutes = Annotated[float, typer.Option(min=0, help="Extra minutes per listener.")]
Runs = Annotated[
    int | None,
    typer.Option(min=100, help="Simulated surveys for each number.  [default: 2000; 200 where cells are missing]"),
]
Seed = Annotated[int, typer.Option(min=0, help="Random seed.")]


@about_a_survey_file("rating_scale")
def command(
    listeners: Listeners = "5,10,20,30",
    prompts: Prompts = "6,12,36",
    scale: Ratings = None,
    effect: Effect = None,
    latent_effect: LatentEffect = None,
    margin: Equal = None,
    models_compared: ModelCount = 2,
    scales_rated: ScaleCount = 1,
    differing: Differing = None,
    correlation: Correlation = 0.0,
    cells: CellDesign = "complete",
    votes: Votes = False,
    ties: Ties = 0.0,
    power_of: PowerOf = Criterion.given,
    components: Components = None,
    earlier: Earlier = None,
    *,
    about: SurveyFile,
    target: Target = 0.8,
    most: Most = 100,
    rating_minutes: RatingMinutes = 0.0,
    listener_minutes: ListenerMinutes = 0.0,
    runs: Runs = None,
    seed: Seed = 0,
    workers: Workers = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Plan a survey: how many listeners a difference needs, and what a survey of a given size can detect.

    Surveys are simulated and tested as 'survey analyze' tests them, all differences under Holm's adjustment. Variances
    are typical ones, or those of an earlier survey.
    """
    from bench.cli.interrupt import all_or_nothing
    from bench.cli.progress import shown
    from bench.config.run_config import ExecutorConfig
    from bench.survey.power_analysis import Question, plan

    grid = _sizes(listeners, "--listeners"), _sizes(prompts, "--prompts")
    known = _known(about, earlier, components, scale, seed)
    _check(effect, latent_effect, margin, target)
    asked = differing or scales_rated
    design = _design(models_compared, scales_rated, asked, correlation, _share(cells), votes, ties, power_of)
    if margin is not None and not design.plain:
        raise UsageError("--margin needs two models, one scale and a complete design; leave out other options")
    question = Question(
        _latent(effect, latent_effect, known), known.opinion, known.scale, target,
        runs or (2000 if design.cells == "complete" else 200), seed, most,
        rating_minutes, listener_minutes, design, margin, known.pilot,
    )  # fmt: skip
    with shown() as progress, all_or_nothing():
        found = plan(*grid, question, ExecutorConfig(workers=workers).worker_count, progress)
    _print(found, known.source, as_json)


def _print(found: PowerPlan, source: str, as_json: bool) -> None:
    import json

    from bench.cli.output import page_layout
    from bench.survey.power_report import plan_record, plan_text

    if as_json:
        print(json.dumps(plan_record(found), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print(plan_text(found, source, page_layout()))


class _Known(NamedTuple):
    """Assumptions about future ratings: opinions, their scale, the source, and what a pilot leaves open."""

    opinion: LatentRatings
    scale: Scale
    source: str
    pilot: tuple[OpinionVariances, ...]


def _known(about: SurveyFile, earlier: Path | None, components: str | None, scale: str | None, seed: int) -> _Known:
    from bench.survey.latent_ratings import pilot_range
    from bench.survey.reading import ratings_only

    if earlier is None:
        if about.given():
            raise UsageError(f"{about.given()[0]} describes the file of an earlier survey: name it with --from FILE")
        return _Known(*_stated(components, scale), ())
    if components:
        raise UsageError("--components states what --from estimates; give one of them")
    ratings = ratings_only(about.read(earlier, _limits(scale)), earlier)
    opinion, rated, source = _estimated(ratings, earlier.name, scale)
    return _Known(opinion, rated, source, pilot_range(ratings, opinion, seed=seed) or ())


def _latent(effect: float | None, latent: float | None, known: _Known) -> float:
    from bench.survey.latent_ratings import latent_effect

    if latent is not None:
        return latent * known.scale.step
    if effect is None:
        return 0.4
    try:
        return latent_effect(effect, known.opinion, known.scale)
    except ValueError as error:
        raise UsageError(f"--effect: {error}") from None


def _design(
    models: int, scales: int, differing: int, correlation: float, cells: Cells | float, votes: bool, ties: float,
    power_of: Criterion,
) -> PlannedDesign:  # fmt: skip
    from bench.stats.planned_survey import PlannedDesign

    if differing > scales:
        raise UsageError(f"--differing-scales is {differing}, but --rated-scales is {scales}; raise --rated-scales")
    if ties and not votes:
        raise UsageError("--ties needs --votes")
    try:
        return PlannedDesign(models, scales, differing, correlation, cells, votes, ties, power_of.value)
    except ValueError as error:
        raise UsageError(f"--design: {error}") from None


def _share(text: str) -> Cells | float:
    named: dict[str, Cells] = {"complete": "complete", "latin": "latin", "between": "between"}
    if text in named:
        return named[text]
    try:
        share = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise UsageError(f"--design is '{text}'; use complete, latin, between, or a share of the cells such as 0.33")
    return share


def _check(effect: float | None, latent: float | None, margin: float | None, target: float) -> None:
    if effect is not None and latent is not None:
        raise UsageError("--effect and --latent-effect name the same difference; give one of them")
    for option, value in (("--effect", effect), ("--latent-effect", latent), ("--margin", margin)):
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise UsageError(f"{option} is {value:g}; must be above 0")
    if not 0.05 < target < 1:
        raise UsageError(f"--target is {target:g}; must be a power between 0.05 and 1, such as 0.8")


def _sizes(text: str, option: str) -> list[int]:
    sizes = [int(part) if part.strip().isdecimal() else 0 for part in text.split(",")]
    if not all(2 <= size <= _LARGEST for size in sizes):
        raise UsageError(f"{option} is '{text}'; must be numbers from 2 to {_LARGEST} like 5,10,20")
    return sorted(set(sizes))


def _scale(text: str) -> Scale:
    from bench.stats.survey_model import Scale
    from bench.survey.rating_range import Range

    low, high = Range.parse(text)
    if low != int(low) or high != int(high):
        raise UsageError(f"--scale is '{text}'; both ends must be integers, as in 1-5")
    return Scale(int(low), int(high))


def _stated(components: str | None, ratings: str | None) -> tuple[LatentRatings, Scale, str]:
    """Return the ratings that --components describes, centered on the scale, with the scale and the source."""
    from bench.survey.latent_ratings import LatentRatings

    scale, text = _scale(ratings or "1-5"), components or "typical"
    return LatentRatings(_variances(text, scale), 0.0), scale, "as stated" if "=" in text else text


def _variances(text: str, scale: Scale) -> OpinionVariances:
    """Parse the variances that --components names or lists."""
    from bench.stats.survey_model import NO_MODEL_VARIANCE, STRONG, TYPICAL, OpinionVariances

    known: dict[str, OpinionVariances] = {"typical": TYPICAL, "strong": STRONG, "none": NO_MODEL_VARIANCE}
    if text in known:
        return known[text]
    if "=" not in text:
        choices = f"{', '.join(known)}, or NAME=VARIANCE,…"
        raise UsageError(f"--components is '{text}'{suggestion(text, known)}; must be {choices}")
    given = {}
    names = [name.replace("_", "-") for name in vars(TYPICAL)]
    for part in text.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in names:
            raise UsageError(f"--components: unknown '{name}'{suggestion(name, names)}; known: {', '.join(names)}")
        try:
            given[name.replace("-", "_")] = float(value) * scale.step**2
        except ValueError:
            raise UsageError(f"--components: {name} is '{value}', must be a number of at least 0") from None
    if missing := [name for name in names if name.replace("-", "_") not in given]:
        raise UsageError(f"--components lacks {', '.join(missing)}; use 0 for none")
    try:
        return OpinionVariances(**given)
    except ValueError as error:
        raise UsageError(f"--components: {error}") from None


def _limits(scale: str | None) -> Range | None:
    from bench.survey.rating_range import Range

    return Range.parse(scale) if scale else None


def _estimated(ratings: RatingTable, name: str, scale: str | None) -> tuple[LatentRatings, Scale, str]:
    """Return the estimate from an earlier survey, its rating scale, and the source."""
    from bench.survey.latent_ratings import estimate_opinion, whole_scale

    used = ratings.scales
    found = estimate_opinion(ratings, used)
    rated = _scale(scale) if scale else whole_scale(ratings, used[0])
    counts = len(ratings.listeners), len(ratings.prompts)
    rough = ", too few for a good estimate" if min(counts) < _FEW else ""
    names_of = f"{', '.join(ratings.models)}; {', '.join(used)}"
    source = f"{names_of}; {counts[0]} listeners × {counts[1]} prompts{rough}"
    return found, rated, f"estimated from {name}: {source}"
