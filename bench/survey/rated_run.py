"""The scores of a run, by the names used in a survey of its clips."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from bench.errors import DataError, suggestion
from bench.scores.aggregate import Column, read_columns, read_set_scores
from bench.storage.read_scores import ShownScore, shown_scores
from bench.storage.store import Store, StoredClip
from bench.survey.ratings import Preferences, Ratings


class Clip(NamedTuple):
    """The key of a clip in a survey and a run; seed "" means all seeds of that prompt and model."""

    prompt: str
    model: str
    seed: str


@dataclass(frozen=True)
class RatedRun:
    """A snapshot of the scores of a run.

    Attributes:
        folder: folder of the run.
        columns: metrics of the run.
        scores: by clip and metric; for seed "", the means over seeds of a prompt and model.
        set_values: values of set metrics, by metric and model.
        seeds: the maximum number of clips of a model for a prompt.
    """

    folder: Path
    columns: Sequence[Column]
    scores: Mapping[Clip, Mapping[str, float]]
    set_values: Mapping[tuple[str, str], float | None]
    seeds: int

    @cached_property
    def models(self) -> tuple[str, ...]:
        """The models with clips."""
        return tuple(dict.fromkeys(clip.model for clip in self.scores))

    @cached_property
    def prompts(self) -> tuple[str, ...]:
        """The prompts with clips."""
        return tuple(dict.fromkeys(clip.prompt for clip in self.scores))

    def value(self, column: Column, clip: Clip) -> float:
        """Return the metric's value for a clip, or for its model's set, so that higher is better; NaN without one.

        The sign of a metric without a direction is not flipped.

        Args:
            column: the metric.
            clip: a key of ``scores``.
        """
        found = self.set_values.get((column.ref, clip.model)) if column.of_sets else self.scores[clip].get(column.ref)
        return math.nan if found is None else -found if column.direction == "lower" else found


def read_rated_run(folder: Path) -> RatedRun:
    """Read the scores of a run.

    Raises:
        UsageError: there is no run in the folder.
        DataError: it has no clips or no scores, or is damaged.
    """
    with Store.read(folder) as store:
        columns = read_columns(store)
        scores = _read_scores(store)
        clips_of_each = Counter((clip.model, clip.prompt) for clip in store.made())
        of_sets = {(metric, model): found.value for (model, metric, _), found in read_set_scores(store, None).items()}
    if not columns or not scores:
        raise DataError(f"{folder} has no {'scores' if scores else 'clips'}; finish it with 'tunebench run' first")
    return RatedRun(folder, columns, scores, of_sets, max(clips_of_each.values(), default=0))


def seed_names(survey: Ratings | Preferences) -> list[str]:
    """Return the seed of each answer as a run names it: tables write integers as 0.0 in columns with gaps."""
    return list(survey.table["seed"].str.removesuffix(".0"))


def _read_scores(store: Store) -> dict[Clip, dict[str, float]]:
    """Return the scores of each clip that exists; and of each prompt and model, as seed "", their means over seeds."""
    held: dict[Clip, dict[str, list[float]]] = {}
    for made in store.made():
        for clip in _names(made):
            held.setdefault(clip, {})
    for score in shown_scores(store):
        if score.value is not None:
            for clip in _names(score):
                held[clip].setdefault(score.metric, []).append(score.value)
    return {
        clip: {metric: math.fsum(values) / len(values) for metric, values in metrics.items()}
        for clip, metrics in held.items()
    }


def _names(clip: StoredClip | ShownScore) -> tuple[Clip, Clip]:
    """Return the keys of a clip in answers: with its seed, and without."""
    return Clip(clip.prompt, clip.model, str(clip.seed)), Clip(clip.prompt, clip.model, "")


def nothing_matches(run: RatedRun, survey: Ratings | Preferences) -> DataError:
    """Return the error if no answer belongs to a clip of the run: the names on both sides, and what to do."""
    differ = []
    for what, theirs, ours in (("model", survey.models, run.models), ("prompt", survey.prompts, run.prompts)):
        if not set(theirs) & set(ours):
            differ.append(
                f"the survey's {what}s are {_some(theirs)}, the run's {_some(ours)}{suggestion(theirs[0], ours)}"
            )
    if not differ:
        differ.append("models and prompts are known, but not in combination with these seeds")
    return DataError(
        f"no rating is of a clip in {run.folder}: {'; '.join(differ)}; write labels, prompt ids and seeds as in the "
        "run's config.yaml and suite, or name the run that was rated"
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
