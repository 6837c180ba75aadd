"""``tunebench check``: do metrics and models behave as they must, and are runs whole?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import check_run, complete, conformance, duplicates, memorisation
from bench.cli.onset_table import onset_table
from bench.cli.prompts_needed import print_prompts_needed
from bench.cli.run import Workers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.contracts.metric import ClipMetric
    from bench.contracts.prompt import Prompt
    from bench.contracts.set_metric import Reference, SetMetric
    from bench.planning.metric_plan import PlannedMetric
    from metrics.degradation_kinds import Degradation
    from metrics.dose_response import Response

app = typer.Typer(
    help="Check that metrics and models behave as required, and that runs are undamaged.", no_args_is_help=True
)
app.command("model")(conformance.command)
app.command("memorisation")(memorisation.command)
app.command("duplicates")(duplicates.command)
app.command("run")(check_run.command)

Checked = Annotated[
    list[str] | None,
    typer.Option(
        help="Check this metric only; may be repeated.  [default: all that can be used here]",
        autocompletion=complete.metrics,
    ),
]
DoseDir = Annotated[Path | None, typer.Option(help="Keep the degraded clips in this folder, to listen to them.")]
Plot = Annotated[
    Path | None, typer.Option(help="Draw the responses of all metrics into this file: .png, .svg or .pdf.")
]
PromptsNeeded = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Instead, find how many prompts FAD, KAD, MAD, KL, density and coverage need to detect each kind of "
        "damage, and write a figure, data and a page into this folder (half an hour on one core; with --quick a "
        "minute).",
    ),
]


@app.command("metrics")
def metrics(
    metric: Checked = None,
    quick: Annotated[bool, typer.Option("--quick", help="6 prompts instead of 12, and two of three doses.")] = False,
    full: Annotated[bool, typer.Option("--full", help="36 prompts instead of 12, enough for FAD.")] = False,
    seeds: Annotated[int, typer.Option(min=1, help="Clips of each prompt; diversity needs 2.")] = 1,
    reference: Annotated[
        str, typer.Option(help="Reference music of the distances.", autocompletion=complete.references)
    ] = "composer",
    duration: Annotated[float, typer.Option(min=1.0, help="Length of each clip in seconds.")] = 10.0,
    dose_dir: DoseDir = None,
    plot: Plot = None,
    prompts_needed: PromptsNeeded = None,
    workers: Workers = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Degrade good music by known amounts, and test which metrics detect it.

    The composer plays prompts of genres@1; its notes and its sound are degraded in eight ways at rising doses. With
    rhythm metrics, a last table shows how accurately the onsets of instruments are detected (not in the JSON).
    """
    import json
    from dataclasses import asdict

    from bench.cli.interrupt import all_or_nothing
    from bench.cli.progress import shown
    from bench.contracts.prompt_suite import load_suite_named
    from bench.errors import UsageError
    from metrics.degradation_kinds import DEGRADATIONS, fewer
    from metrics.dose_listening import DoseOptions, score_doses
    from metrics.dose_response import respond

    if quick and full:
        raise UsageError("--quick and --full cannot be used together")
    if prompts_needed is not None:
        others = bool(metric or full or dose_dir or plot or as_json or seeds != 1 or workers is not None)
        print_prompts_needed(prompts_needed, quick, reference, duration, others)
        return
    if plot is not None:
        from metrics.dose_plot import check_plot

        check_plot(plot)
    chosen = _metrics(metric)
    spoilers = [fewer(spoiler) if quick else spoiler for spoiler in DEGRADATIONS.values()]
    # Levels 5 and 6 state tempo and key, so that every metric has a value.
    levels = (5,) if quick else (1, 2, 3, 4, 5, 6) if full else (5, 6)
    prompts = [prompt for prompt in load_suite_named("genres@1").prompts if prompt.level in levels]
    with shown() as progress, all_or_nothing():
        references = _references(chosen, reference, dose_dir, progress)
        names = [metric.plugin.qualified for metric in chosen]
        options = DoseOptions(duration, dose_dir, seeds, workers, reference, _any_paired(chosen))
        scored = score_doses(prompts, spoilers, names, progress, options)
    responses = respond(scored, spoilers, _instances(chosen), references)
    if plot is not None:
        from metrics.dose_plot import draw

        draw(responses, spoilers, plot)
    if as_json:
        print(json.dumps([{**asdict(r), "improved": r.improved} for r in responses], indent=2, ensure_ascii=False))
    else:
        print(_report(responses, spoilers, prompts, duration, chosen, references, quick))


def _any_paired(metrics: Sequence[PlannedMetric]) -> bool:
    return any(metric.reference == "paired" for metric in metrics)


def _metrics(named: list[str] | None) -> list[PlannedMetric]:
    """Return the named metrics; without names all, printing and on stderr those that cannot be used here, and why."""
    import sys

    from bench.config.run_config import MetricConfig
    from bench.contracts.entry_points import declared
    from bench.contracts.plugins import find, load
    from bench.errors import MissingError, TunebenchError
    from bench.planning.metric_plan import plan_metric

    if named:
        planned = [plan_metric(MetricConfig(name=name)) for name in named]
        return list({metric.ref: metric for metric in planned}.values())
    found = []
    for name in declared("metric"):
        try:
            if not getattr(load(find("metric", name)), "named", False):  # it needs a configuration
                found.append(plan_metric(MetricConfig(name=name)))
        except TunebenchError as error:
            print(f"left out: {name} ({error})", file=sys.stderr)
    if not found:
        raise MissingError("no metric can be used here; 'tunebench doctor' says why")
    return found


def _instances(metrics: Sequence[PlannedMetric]) -> dict[str, ClipMetric | SetMetric]:
    """Return the metric objects by name and version."""
    from bench.contracts.metric import ClipMetric
    from bench.contracts.plugins import create
    from bench.contracts.set_metric import SetMetric

    return {metric.ref: create(metric.plugin, metric.params, ClipMetric, SetMetric) for metric in metrics}


def _references(
    metrics: Sequence[PlannedMetric], name: str, kept_in: Path | None, progress: Any
) -> dict[str, Reference]:
    """Return the reference of each set metric, by the metric's name and version."""
    from bench.references.find import find_reference
    from bench.references.load import load_reference

    compared = [metric for metric in metrics if metric.of_sets and metric.needs_reference]
    needed = {metric.embedders[0].fingerprint: metric.embedders[0] for metric in compared}
    found = {
        key: load_reference(find_reference(name, embedder, kept_in, progress).path) for key, embedder in needed.items()
    }
    return {metric.ref: found[metric.embedders[0].fingerprint] for metric in compared}


def _report(
    responses: Sequence[Response],
    spoilers: Sequence[Degradation],
    prompts: Sequence[Prompt],
    duration: float,
    metrics: Sequence[PlannedMetric],
    references: dict[str, Reference],
    quick: bool,
) -> str:
    """Return two tables, of correlations and of smallest doses detected, with an explanation of their terms."""
    from bench.cli.output import page_layout
    from bench.text_table import definitions, paragraph, text_table

    page = page_layout()
    of = {(response.metric, response.spoiler): response for response in responses}
    arrows = {"higher": " ↑", "lower": " ↓", "none": ""}
    rows = {metric.ref: f"{metric.ref}{arrows[metric.direction]}" for metric in metrics}
    names = [spoiler.name for spoiler in spoilers]
    heading = ["metric", *names]
    seen = sorted({n for r in responses for n in r.defined})
    said = [
        "Detected: paired tests at .05, clean against degraded clips of the same prompts, from the largest dose down.",
        "Without any effect, about one cell in twenty still counts as detected.",
        "A set metric has one value per dose, so its correlation is coarse; rely on the doses detected.",
    ]
    if seen and seen[0] < len(prompts):
        said.append("A number in brackets: the smallest number of prompts with a value; the rest are undefined.")
    said += [f"{r.metric}: no value ({r.reason})" for r in responses if r.reason and r.spoiler == names[0]]
    said += dict.fromkeys(warning.sentence for reference in references.values() for warning in reference.warnings)
    tables = [
        (
            "Rank correlation with the dose (1: always rises with it, −1: always falls, 0: does not follow it)",
            [[rows[m], *(_correlation(of[m, s]) for s in names)] for m in rows],
        ),
        (
            "Smallest dose detected (·: not even the largest; +: the metric rates the degraded music higher)",
            [[rows[m], *(_detected(of[m, s]) for s in names)] for m in rows],
        ),
    ]
    parts = [
        paragraph(f"{len(prompts)} prompts, {duration:g} s each, played by the composer and degraded", page),
        *(f"{paragraph(title, page)}\n{text_table(heading, cells, layout=page)}" for title, cells in tables),
        "Doses, after the clean clip\n"
        + definitions([(s.name, [f"{s.about}: {', '.join(s.labels)} {s.unit}"]) for s in spoilers], page.prose),
        "\n".join(paragraph(line, page) for line in said),
    ]
    if {metric.base for metric in metrics} & {"rhythmic-inconsistency", "rhythm-grid"}:
        parts.append(onset_table(quick, page))
    return "\n\n".join(parts)


def _correlation(response: Response) -> str:
    if response.correlation is None:
        return "–"
    few = f" ({min(response.defined)})" if min(response.defined) < max(response.defined) else ""
    return f"{response.correlation:.2f}{few}".replace("-0.00", "0.00").replace("-", "−")


def _detected(response: Response) -> str:
    if response.correlation is None:
        return "–"
    return "·" if response.detected is None else f"{response.detected}{'+' if response.improved else ''}"
