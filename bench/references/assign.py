"""Assign to each metric the music that it compares with: a set, or a recording for each prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contracts.clip_view import View
from bench.contracts.pairs_file import PairsFile
from bench.contracts.prompt import Prompt
from bench.contracts.set_metric import PlannedReference
from bench.errors import UsageError
from bench.number_format import counted
from bench.planning.metric_plan import PlannedMetric
from bench.progress import Progress
from bench.references.find import NotEmbedded, check_reference, find_reference
from bench.references.pairs import find_pairs, paired_prompts


@dataclass(frozen=True)
class Music:
    """The music that the metrics of a configuration compare with.

    Attributes:
        reference: a name, a folder of audio, or a reference file.
        pairs: the recording of each prompt, if given.
        played: content hashes of recordings that some row plays; they are left out when a folder of audio is embedded.
    """

    reference: str
    pairs: PairsFile | None = None
    played: frozenset[str] = frozenset()


def with_references(
    metrics: Sequence[PlannedMetric],
    music: Music,
    prompts: Sequence[Prompt],
    kept_in: Path,
    progress: Progress | None = None,
    view: View | None = None,
) -> list[PlannedMetric]:
    """Return metrics with the music that each compares with, embedding it if needed.

    Args:
        metrics: of clips and of sets.
        music: the music to compare with.
        prompts: those of the run.
        kept_in: folder of the embeddings.
        progress: receives the progress of the embedding.
        view: the part of the recordings that is embedded.

    Raises:
        UsageError, DataError, MissingError: as `find_reference` and `find_pairs`; or no recordings are paired with
            prompts and a metric needs them.
    """
    found: dict[tuple[str, str], PlannedReference] = {}
    for metric in (metric for metric in metrics if metric.needs_reference):
        key = metric.reference, metric.embedders[0].fingerprint
        if key not in found:
            found[key] = _find(metric, music, prompts, kept_in, progress, view, True)
    return [
        m.compared_with(found[m.reference, m.embedders[0].fingerprint]) if m.needs_reference else m for m in metrics
    ]


def with_known_references(
    metrics: Sequence[PlannedMetric], music: Music, prompts: Sequence[Prompt], kept_in: Path, view: View
) -> list[PlannedMetric]:
    """Return metrics as `with_references` does, without embedding; metrics that would need it keep no reference.

    Arguments and errors are those of `with_references`.
    """
    found = []
    for metric in metrics:
        try:
            against = _find(metric, music, prompts, kept_in, None, view, False) if metric.needs_reference else None
        except NotEmbedded:
            against = None
        found.append(metric.compared_with(against))
    return found


def _find(
    metric: PlannedMetric,
    music: Music,
    prompts: Sequence[Prompt],
    kept_in: Path,
    progress: Progress | None,
    view: View | None,
    make: bool,
) -> PlannedReference:
    embedder = metric.embedders[0]
    if metric.reference == "set":
        return find_reference(music.reference, embedder, kept_in, progress, view, make, music.played)
    return find_pairs(_pairs(music, metric), embedder, prompts, kept_in, progress, view, make)


def check_music(music: Music, metrics: Sequence[PlannedMetric], prompts: Sequence[Prompt]) -> str:
    """Check that there is music for all metrics to compare with, before clips are made.

    Args:
        music: the music to compare with.
        metrics: of clips and of sets.
        prompts: those of the run.

    Returns:
        A message about prompts without a recording; empty if all have one.

    Raises:
        UsageError, DataError: as `check_reference` and `with_references`.
    """
    check_reference(music.reference, metrics)
    paired = [metric for metric in metrics if metric.reference == "paired"]
    if not paired:
        return ""
    there = paired_prompts(_pairs(music, paired[0]), prompts)
    ids = dict.fromkeys(prompt.id for prompt in prompts)
    without = [id for id in ids if id not in there]
    if not without:
        return ""
    if len(without) == len(ids):
        raise UsageError(f"{_pairs(music, paired[0]).file} has no recording for any of the {len(ids)} prompts")
    names = ", ".join(metric.ref for metric in paired)
    more = f" and {len(without) - 3} more" if len(without) > 3 else ""
    return (
        f"{counted(len(without), 'prompt')} of {len(ids)} have no recording to compare with "
        f"({', '.join(without[:3])}{more}): their clips get no score by {names}"
    )


def _pairs(music: Music, metric: PlannedMetric) -> PairsFile:
    if music.pairs is None:
        raise UsageError(
            f"metric '{metric.name}' compares each clip with a recording of its prompt; name a file of "
            "pairs with 'pairs: FILE' (columns prompt and file)"
        )
    return music.pairs
