"""The methods section of a run for a paper: how its numbers were obtained, and their limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.contracts.clip_view import View, view_text
from bench.number_format import counted, first_few, plural
from bench.report.context import ReportContext
from bench.report.leaderboard_page import DIRECTIONS
from bench.report.metric_info import MetricInfo, ReferenceFacts
from bench.report.model_description import described
from bench.report.number_format import joined_with_and
from bench.report.own_music import is_own_music
from bench.report.provenance import Seeds, seeds_in_words
from bench.report.statistics import scored, statistics
from bench.scores.aggregate import Cell, Column, kind_of_reason, none_in_words
from bench.stats.mean_test import unseen_share

_REASONS = 6  # for missing scores, before they are summarized


@dataclass(frozen=True)
class Setting:
    """Facts about a run besides its tables.

    Attributes:
        suite: name and version.
        duration: requested length of each clip, such as ``20 s``.
        tunebench: the version that ran last.
        seeds: by model, as `bench.report.provenance.seeds_of` returns them.
        instruments: facts about the metrics.
        made_with: computers and installations that made clips, as `bench.report.provenance.in_words` writes them.
    """

    suite: str
    duration: str
    tunebench: str
    seeds: Mapping[str, Seeds]
    instruments: Sequence[MetricInfo]
    made_with: Sequence[str]


def methods(content: ReportContext, setting: Setting) -> tuple[str, ...]:
    """Return paragraphs of plain text; every number in them comes from the run.

    Args:
        content: everything except its ``methods``.
        setting: other recorded facts.
    """
    paragraphs = [
        _music(content, setting),
        _models(content),
        _clip_metrics(content, setting.instruments),
        _set_metrics(content, setting.instruments),
        statistics(content),
        _listeners(content),
        "Limits. " + " ".join(limits(content, setting)),
        _software(content, setting),
    ]
    return tuple(paragraph for paragraph in paragraphs if paragraph)


def limits(content: ReportContext, setting: Setting) -> tuple[str, ...]:
    """Return the limits of the numbers, one sentence each.

    Args:
        content, setting: as for `methods`.
    """
    prompts = len(content.prompts)
    unseen = max(1, round(1 / unseen_share(prompts)))
    sentences = [
        "Results hold only for prompts and genres like these.",
        f"A model that fails on 1 such prompt in {unseen} may by chance show no failure among these {prompts}.",
    ]
    if all(len(seeds) == 1 for sets in setting.seeds.values() for seeds in sets):
        used = "One seed was used" if len(_distinct(setting.seeds)) == 1 else "There is one clip per prompt and model"
        sentences.append(f"{used}: the chance variation between clips of one prompt is unknown.")
    sentences += _of_references([one.reference for one in setting.instruments if one.reference is not None], content)
    if lacking := _lacking(content):
        sentences.append(lacking)
    if content.failures:
        number = sum(group.count for group in content.failures)
        sentences.append(
            f"{counted(number, 'failure')} {plural(number, 'is', 'are')} left out, of clips or of their scores."
        )
    if content.survey is None:
        sentences.append("No listeners were asked; metrics do not say what listeners would prefer.")
    return tuple(sentences)


def _of_references(references: Sequence[ReferenceFacts], content: ReportContext) -> list[str]:
    """Return the limits of distances to this music."""
    if not references:
        return []
    found = [
        "Distances hold for this reference music only, and compare only sets of equally many clips of the same prompts."
    ]
    if synthetic := list(dict.fromkeys(f"'{one.name}'" for one in references if one.synthetic)):
        found.append(
            f"The reference {joined_with_and(synthetic)} is synthetic music: a small distance to it does not mean that "
            "music is good."
        )
    own = {(cell.model, cell.column.reference): None for cell in content.cells if is_own_music(cell)}
    found += [
        f"The reference '{reference}' is music by the model {model} itself: distances to it favor {model}."
        for model, reference in own
    ]
    return found


def _lacking(content: ReportContext) -> str:
    """Return the number of missing scores by reason."""
    cells = [cell for cell in content.cells if cell.group == "all" and not cell.column.of_sets]
    lacking = sum(cell.planned - cell.estimate.n for cell in cells)
    if not lacking or not scored(content):
        return ""
    total = sum(cell.planned for cell in cells)
    reasons: dict[str, list[str]] = {}
    for clip in content.clips:
        for ref in (column.ref for column in content.columns if not column.of_sets):
            value = clip.scores.get(ref)
            if not isinstance(value, float | int):
                said = value or ("not scored" if clip.scores else "the clip was not made")
                reasons.setdefault(kind_of_reason(said), []).append(said)
    kinds = sorted(reasons.values(), key=len, reverse=True)
    told = [f"{len(own)}: {none_in_words(Counter(own).most_common(1)[0][0])}" for own in kinds]
    split = f" ({'; '.join(first_few(told, _REASONS))})" if told else ""
    compared = (
        ". Models that are undefined on different clips are compared only on the prompts that both have a value for"
        if content.comparisons
        else ""
    )
    return (
        f"{lacking} of {counted(total, 'score')} of clips {'is' if 1 in (lacking, total) else 'are'} undefined or "
        f"missing{split}{compared}."
    )


def _music(content: ReportContext, setting: Setting) -> str:
    prompts = content.prompts
    genres = list(dict.fromkeys(prompt.genre for prompt in prompts if prompt.genre is not None))
    levels = [str(level) for level in sorted({prompt.level for prompt in prompts if prompt.level is not None})]
    kinds = [f"{counted(len(genres), 'genre')}: {joined_with_and(genres)}"] if genres else []
    kinds += [f"descriptiveness {plural(len(levels), 'level')} {joined_with_and(levels)}"] if levels else []
    kinds_said = f" ({'; '.join(kinds)})" if kinds else ""
    one_seed = len(_distinct(setting.seeds)) == 1
    made, planned = sum(model.made for model in content.models), sum(model.planned for model in content.models)
    what = f"{counted(len(content.models), 'model')} {plural(len(content.models), 'was', 'were')} given the"
    clips, were = counted(planned, "clip"), plural(planned, "was", "were")
    there = (
        f"{plural(planned, 'the', 'all')} {clips} {were} made" if made == planned else f"{made} of {clips} {were} made"
    )
    return (
        f"Music. {what} {counted(len(prompts), 'text prompt')} of the suite {setting.suite}"
        f"{kinds_said}, with the seed{'' if one_seed else 's'} {seeds_in_words(setting.seeds)}, for clips of "
        f"{setting.duration}; {there}."
    )


def _distinct(seeds: Mapping[str, Seeds]) -> set[int]:
    return {seed for sets in seeds.values() for own in sets for seed in own}


def _models(content: ReportContext) -> str:
    return "Models. " + "; ".join(described(model) for model in content.models) + "."


def _clip_metrics(content: ReportContext, instruments: Sequence[MetricInfo]) -> str:
    columns, sentences = _described(content, instruments, of_sets=False)
    if not columns:
        return ""
    return (
        f"Metrics of clips. Each clip {'was' if scored(content) else 'is to be'} scored by "
        f"{counted(len(columns), 'metric')}. A clip "
        "on which a metric is undefined has a reason instead of a value and is left out of the mean. " + sentences
    )


def _set_metrics(content: ReportContext, instruments: Sequence[MetricInfo]) -> str:
    columns, sentences = _described(content, instruments, of_sets=True)
    if not columns:
        return ""
    return (
        f"Metrics of sets of clips. {counted(len(columns), 'metric')} "
        f"{plural(len(columns), 'gives', 'give')} one number for all clips of a model. " + sentences
    )


def _described(
    content: ReportContext, instruments: Sequence[MetricInfo], *, of_sets: bool
) -> tuple[dict[str, Column], str]:
    """Return the metrics of one kind, with a sentence on each."""
    columns = {column.ref: column for column in content.columns if column.of_sets == of_sets}
    sentences = [f"{_metric(columns[one.ref], one, content)}." for one in instruments if one.ref in columns]
    return columns, " ".join(sentences)


def _metric(column: Column, instrument: MetricInfo, content: ReportContext) -> str:
    """Return a description of one metric, without a full stop."""
    unit = [part for part in (column.unit, DIRECTIONS[column.direction]) if part]
    text = f"{column.ref} ({', '.join(unit)})"
    if instrument.measures:
        text += f": {instrument.measures[0].lower() if _is_word(instrument.measures) else instrument.measures[0]}"
        text += instrument.measures[1:]
    if instrument.embedders:
        text += f"; embeddings of {view_text(column.view or View().key)} by {joined_with_and(instrument.embedders)}"
    if instrument.reference is not None:
        text += f"; against {_reference(instrument.reference)}"
    return f"{text}; {_counted_clips(column, content.cells)}"


def _is_word(text: str) -> bool:
    """Return whether a text begins with a word that is lowercase within a sentence, not with a name such as KAD."""
    return len(text) > 1 and text[1].islower()


def _reference(reference: ReferenceFacts) -> str:
    sizes = []
    if reference.recordings is not None:
        sizes.append(counted(reference.recordings, "recording"))
    if reference.windows is not None:
        sizes.append(counted(reference.windows, "window"))
    size = joined_with_and(sizes) if sizes else "size unknown"
    kind = ", synthetic music" if reference.synthetic else ""
    return f"the reference '{reference.name}' ({size}{kind}; SHA-256 {reference.fingerprint[:12]}…)"


def _counted_clips(column: Column, cells: Sequence[Cell]) -> str:
    here = [cell for cell in cells if cell.group == "all" and cell.column.ref == column.ref]
    used, planned = sum(cell.estimate.n for cell in here), sum(cell.planned for cell in here)
    return f"{used} of {counted(planned, 'clip')} {'counts' if 1 in (used, planned) else 'count'}"


def _listeners(content: ReportContext) -> str:
    if content.survey is None:
        return ""
    design = content.survey.record["design"]
    text = (
        f"Listeners. {counted(design['listeners'], 'listener')} gave {counted(design['answers'], 'answer')} that "
        f"{plural(design['answers'], 'counts', 'count')} ({design['excluded']} excluded) to clips of "
        f"{counted(design['prompts'], 'prompt')} by {joined_with_and(design['models'])}, on the "
        f"{plural(len(design['scales']), 'scale')} {joined_with_and(design['scales'])}."
    )
    tested = sorted({one["method"] for one in content.survey.record["comparisons"] if one["p"] is not None})
    if tested:
        text += (
            f" Differences are tested with listeners and prompts both random ({joined_with_and(tested)}; Baayen, "
            "Davidson and Bates 2008; Barr et al. 2013), adjusted over scales and pairs after Holm (1979)."
        )
    return text


def _software(content: ReportContext, setting: Setting) -> str:
    made = f" Clips were made with {'; '.join(setting.made_with)}." if setting.made_with else ""
    comparable = ": numbers are comparable with those of other runs under this protocol" if scored(content) else ""
    return f"Software. tunebench {setting.tunebench}, protocol {content.protocol.id}{comparable}.{made}"
