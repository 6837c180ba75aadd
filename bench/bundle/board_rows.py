"""The rows of accepted bundles by protocol: names, duplicates, and tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from bench.bundle.accept import Accepted
from bench.leaderboard.family_orders import family_orders, order_lines
from bench.leaderboard.grid import columns_of, footnotes
from bench.leaderboard.many_runs import MOST_ROWS, NamedRow, Ranks, named_cells, pair_warnings, rank_rows
from bench.leaderboard.rank_table import rank_notes
from bench.number_format import counted
from bench.plain_text import plain_line
from bench.progress import Progress
from bench.scores.aggregate import Cell, Column, summarise
from bench.scores.protocol import Protocol, protocol_of
from bench.storage.read_models import read_models
from bench.storage.store import Store, StoredClip

_MOST_NAME = 80  # characters of a bundle's name
_MOST_NOTES = 40  # lines of one kind beneath a table


@dataclass(frozen=True, eq=False)
class Row:
    """A row of one or more bundles.

    Attributes:
        name: on the board, of this row alone.
        label: in its run.
        bundles: that hold it with the same audio, the first of which its numbers are taken from.
        fingerprint: of its model's identity, as the bundle says.
        clips: that are made.
        planned: how many clips should exist.
        cells: its numbers over all prompts, under its name.
        stated: metrics that could not be computed here: their numbers are what the bundle says.
    """

    name: str
    label: str
    bundles: tuple[Accepted, ...]
    fingerprint: str
    clips: tuple[StoredClip, ...]
    planned: int
    cells: tuple[Cell, ...]
    stated: frozenset[str]

    @property
    def audio(self) -> frozenset[tuple[str, int, str]]:
        """Prompt, seed and content of each clip."""
        return frozenset((clip.prompt, clip.seed, clip.content) for clip in self.clips)


@dataclass(frozen=True)
class ProtocolTable:
    """All rows of one protocol.

    Attributes:
        protocol: what they share.
        columns: its metrics.
        rows: best first by the first column that has a direction.
        ranks: by name and metric.
        notes: what must be said beneath the table.
        replaced: rows that another bundle has with more clips, each with the one that stands for it.
    """

    protocol: Protocol
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    ranks: Ranks
    notes: tuple[str, ...]
    replaced: tuple[tuple[Row, Row], ...] = field(default=())


def tables(accepted: Sequence[Accepted], progress: Progress | None = None) -> list[ProtocolTable]:
    """Return a table for each protocol, those with most rows first.

    Args:
        accepted: bundles in an order that does not depend on how they were given.
        progress: told of the tests.
    """
    protocols: dict[str, Protocol] = {}
    rows: dict[str, list[Row]] = {}
    for bundle in accepted:
        with Store.read(bundle.run) as store:
            protocol = protocol_of(store)
            protocols.setdefault(protocol.id, protocol)
            rows.setdefault(protocol.id, []).extend(_rows(bundle, store))
    found = [_table(protocols[id], own, progress) for id, own in rows.items()]
    return sorted(found, key=lambda table: (-len(table.rows), table.protocol.id))


def _rows(bundle: Accepted, store: Store) -> Iterator[Row]:
    clips: dict[str, list[StoredClip]] = {}
    for clip in store.made():
        clips.setdefault(clip.model, []).append(clip)
    cells: dict[str, list[Cell]] = {}
    for cell in summarise(store):
        cells.setdefault(cell.model, []).append(cell)
    for model in read_models(store):
        if own := clips.get(model.label):
            yield Row(
                model.label,
                model.label,
                (bundle,),
                model.fingerprint,
                tuple(own),
                model.planned,
                tuple(cells.get(model.label, ())),
                frozenset(bundle.found.unchecked),
            )


def _table(protocol: Protocol, given: Sequence[Row], progress: Progress | None) -> ProtocolTable:
    kept, replaced = _without_older(_merged(given))
    rows = _named(kept)
    names = {id(old): new for old, new in zip(kept, rows, strict=True)}
    cells = [cell for row in rows for cell in row.cells]
    computed = [cell for row in rows for cell in row.cells if cell.column.ref not in row.stated]
    at = [NamedRow(row.bundles[0].run, row.label, row.name) for row in rows]
    ranks, tested = rank_rows(at, computed, progress)
    columns = tuple(columns_of(cells).values())
    ranked = Counter(ref for _, ref in ranks)
    ranks = {key: rank for key, rank in ranks.items() if ranked[key[1]] > 1}
    said = footnotes(cells)
    orders = order_lines(family_orders(computed, tested))
    notes = [*said, *rank_notes(computed, tested), *orders, *pair_warnings(tested, said)]
    notes += [*_resemblances(rows), *_unequal(rows, columns)]
    if len(rows) > MOST_ROWS:
        notes.insert(
            0, f"no ranks: every pair of rows is tested only up to {MOST_ROWS} rows, and there are {len(rows)}."
        )
    more = len(notes) - _MOST_NOTES
    shown = [*notes[:_MOST_NOTES], f"… and {more} more"] if more > 0 else notes
    older = tuple((old, names[id(new)]) for old, new in replaced)
    return ProtocolTable(protocol, columns, tuple(sorted(rows, key=_order(columns))), ranks, tuple(shown), older)


def _merged(rows: Iterable[Row]) -> list[Row]:
    """Return the rows, with those of one name, model and audio as one."""
    found: dict[tuple[str, str, frozenset[tuple[str, int, str]]], Row] = {}
    for row in rows:
        key = (row.label, row.fingerprint, row.audio)
        first = found.get(key)
        if first is None:
            found[key] = row
            continue
        # A bundle of which more could be computed speaks for the row.
        better = row if len(row.stated) < len(first.stated) else first
        others = (bundle for bundle in (*first.bundles, *row.bundles) if bundle not in better.bundles)
        found[key] = replace(better, bundles=(*better.bundles, *others))
    return list(found.values())


def _without_older(rows: Sequence[Row]) -> tuple[list[Row], list[tuple[Row, Row]]]:
    """Return rows without those contained in a larger one of the same model, and the latter with their larger one."""
    alike: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        alike.setdefault((row.label, row.fingerprint), []).append(row)
    newer: dict[int, Row] = {}
    for own in alike.values():
        largest = sorted(own, key=lambda row: -len(row.clips))
        for place, row in enumerate(largest):
            holder = next(
                (other for other in largest[:place] if id(other) not in newer and row.audio < other.audio), None
            )
            if holder:
                newer[id(row)] = holder
    kept = [row for row in rows if id(row) not in newer]
    return kept, [(row, newer[id(row)]) for row in rows if id(row) in newer]


def bundle_name(bundle: Accepted) -> str:
    """Return what a bundle is called: its run's name, as far as it fits a line."""
    return plain_line(bundle.found.name, _MOST_NAME) or "unnamed"


def _named(rows: Sequence[Row]) -> list[Row]:
    """Return the rows under names of their own: their labels, with the bundle, and its hash, where several have one."""
    forms: tuple[Callable[[Row], str], ...] = (
        lambda row: row.label,
        lambda row: f"{row.label} ({bundle_name(row.bundles[0])})",
        lambda row: f"{row.label} ({bundle_name(row.bundles[0])}, {row.bundles[0].sha256[:8]})",
        lambda row: f"{row.label} ({row.bundles[0].sha256})",
    )
    names = {place: forms[0](row) for place, row in enumerate(rows)}
    for form in forms[1:]:
        taken = Counter(names.values())
        for place, row in enumerate(rows):
            if taken[names[place]] > 1:
                names[place] = form(row)
    return [
        replace(row, name=names[place], cells=tuple(named_cells(row.cells, {row.label: names[place]})))
        for place, row in enumerate(rows)
    ]


def _order(columns: Iterable[Column]) -> Callable[[Row], tuple[bool, float, str]]:
    """Return best first by the first column that has a direction; rows without a value last."""
    first = next((column for column in columns if column.direction != "none"), None)
    sign = -1 if first and first.direction == "higher" else 1

    def key(row: Row) -> tuple[bool, float, str]:
        value = next((cell.estimate.value for cell in row.cells if first and cell.column.ref == first.ref), None)
        return value is None, sign * (value or 0.0), row.name

    return key


def _resemblances(rows: Sequence[Row]) -> Iterator[str]:
    """Yield suspicious facts: other rows with the same audio, or the same model with other audio."""
    holders: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        for content in dict.fromkeys(clip.content for clip in row.clips):
            holders.setdefault(content, []).append(place)
    shared: Counter[tuple[int, int]] = Counter()
    for places in holders.values():
        if len(places) <= _MOST_NOTES:
            shared.update(combinations(places, 2))
    for (one, two), clips in sorted(shared.items()):
        yield f"'{rows[one].name}' and '{rows[two].name}' have {counted(clips, 'clip')} in common, sample for sample."
    same: dict[str, list[str]] = {}
    for row in rows:
        same.setdefault(row.fingerprint, []).append(row.name)
    for names in same.values():
        if len(names) > 1:
            listed = ", ".join(f"'{name}'" for name in names[:_MOST_NOTES])
            yield f"{listed} claim to be one model with the same parameters, but their audio differs."


def _unequal(rows: Sequence[Row], columns: Sequence[Column]) -> Iterator[str]:
    """That a distance which depends on how many clips there are is of unequal numbers of them."""
    biased = [column.ref for column in columns if column.of_sets and column.ref.startswith("fad@")]
    numbers: Mapping[int, str] = {len(row.clips): row.name for row in rows}
    if biased and len(numbers) > 1:
        yield (
            f"{', '.join(biased)}: rows have from {min(numbers)} to {max(numbers)} clips, and Fréchet distances "
            "are comparable only at equal numbers."
        )
