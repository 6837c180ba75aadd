"""Leaks: reference music that a model was trained on, which makes its distance unfairly small.

A recording is recognized by `bench.contracts.audio.content_hash` of the whole file, decoded at its own rate and
channels: a reference built from the files of a training shares their hashes. A crop, another encoding
or another rate is not recognized (`bench.memorisation.duplicates` finds them by their sound), nor are the recordings
of a reference that does not list them (one that was imported).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.contracts.family import Lineage
from bench.contracts.notice import Notice
from bench.contracts.plugins import plain_name
from bench.contracts.set_metric import PlannedReference
from bench.references.file_format import read_tensors

CODE = "W-SHARED"
MAKER_CODE = "W-ONE-MAKER"
BINDING = frozenset({CODE, MAKER_CODE})  # codes of warnings that link a model to a reference


@dataclass(frozen=True)
class Contamination:
    """A model and a reference that share recordings: the model was trained on ``shared`` of the reference's ``of``
    recordings, or ``plays`` them.
    """

    model: str
    reference: PlannedReference
    shared: int
    of: int
    plays: bool = False

    @property
    def warning(self) -> Notice:
        """The warning on every score of this model against this reference."""
        counts = {"shared": self.shared, "of": self.of, **({"plays": True} if self.plays else {})}
        return Notice(CODE, {"model": self.model, **counts, "reference": self.reference.name})

    @property
    def _trained(self) -> str:
        what = f"{self.shared} of the {self.of} recordings of the reference '{self.reference.name}'"
        return f"{'made to play' if self.plays else 'trained on'} {what}"


@dataclass(frozen=True)
class OneMaker:
    """A model and a reference with the same maker: the model was trained on its music, and the reference is such
    music.
    """

    model: str
    reference: PlannedReference
    maker: str

    @property
    def warning(self) -> Notice:
        """The warning on every score of this model against this reference."""
        named = {"model": self.model, "maker": self.maker, "reference": self.reference.name}
        return Notice(MAKER_CODE, named)


def find_one_maker(lineages: Mapping[str, Lineage], references: Iterable[PlannedReference]) -> tuple[OneMaker, ...]:
    """Return the models trained on music of the model that made a reference.

    Args:
        lineages: the lineage of each model.
        references: the references to compare with.

    Raises:
        DataError: a reference is damaged.
    """
    if not any(lineage.trained_with for lineage in lineages.values()):
        return ()
    found: list[OneMaker] = []
    for reference in references:
        maker = maker_of(read_tensors(reference.path)[1])
        found += [OneMaker(model, reference, maker) for model, own in lineages.items() if maker in own.trained_with]
    return tuple(found)


def maker_of(about: Mapping[str, Any]) -> str:
    """Return the registered name of the model that made a reference's music; empty if none is recorded."""
    provenance = about.get("provenance")
    # Imported statistics name the model that embedded the music, not one that made it.
    if not isinstance(provenance, Mapping) or "imported" in provenance:
        return ""
    model = provenance.get("model")
    return plain_name(model) if isinstance(model, str) else ""


def find_contamination(
    trained_on: Mapping[str, Collection[str]], references: Iterable[PlannedReference], plays: bool = False
) -> tuple[Contamination, ...]:
    """Return the models and references that share recordings.

    Args:
        trained_on: content hashes of the recordings that each model is known to have been trained on.
        references: the references to compare with.
        plays: ``trained_on`` holds the recordings that the models play.

    Raises:
        DataError: a reference is damaged.
    """
    if not any(trained_on.values()):
        return ()
    found = []
    for reference in references:
        recordings = {content for _, content, _ in read_tensors(reference.path)[1]["recordings"]}
        for model, trained in trained_on.items():
            if shared := len(recordings.intersection(trained)):
                found.append(Contamination(model, reference, shared, len(recordings), plays))
    return tuple(found)


def refusal(leaks: Sequence[Contamination]) -> str:
    """Return a line that says why the comparison is refused, and what to do; needs at least one leak."""
    first = leaks[0]
    others = [f"'{model}'" for model in dict.fromkeys(leak.model for leak in leaks) if model != first.model]
    also = f" (and {', '.join(others)} on some)" if others else ""
    other = "the folder of audio that it was built from, which leaves these out" if first.plays else "another reference"
    return (
        f"model '{first.model}' was {first._trained}{also}, so its distances would be too small; name {other}, "
        "or set 'shared_recordings: mark' to compare anyway and mark the scores"
    )


def marks(
    leaks: Iterable[Contamination | OneMaker], model: str, reference: PlannedReference | None
) -> tuple[Notice, ...]:
    """Return the warnings for the scores of one model against one reference."""
    return tuple(leak.warning for leak in leaks if (leak.model, leak.reference) == (model, reference))


def marked_with(warnings: Sequence[Notice] | None) -> tuple[Notice, ...] | None:
    """Return the warnings of a score that are about leaks; None if there is no score."""
    return None if warnings is None else tuple(w for w in warnings if w.code in BINDING)
