"""Find references: by an installed name, a file, a folder of files, a folder of audio, or by fingerprint."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts.clip_view import View
from bench.contracts.front_end import OWN
from bench.contracts.identity import only_set, plugin_label
from bench.contracts.plugins import find, installed, is_declared, load
from bench.contracts.set_metric import PlannedReference, Reference
from bench.errors import TunebenchError, UsageError, suggestion
from bench.file_names import looked_for
from bench.hashing import fingerprint, first_difference
from bench.references.file_format import read_tensors
from bench.references.front_ends import front_end_words, heard_name
from bench.references.load import ENDING, load_reference

if TYPE_CHECKING:
    from bench.planning.metric_plan import PlannedEmbedder, PlannedMetric
    from bench.progress import Progress


class NotEmbedded(UsageError):
    """A folder of audio must be embedded before anything can be compared with it."""


def find_reference(
    name: str,
    embedder: PlannedEmbedder,
    kept_in: Path | None = None,
    progress: Progress | None = None,
    view: View | None = None,
    make: bool = True,
    played: frozenset[str] = frozenset(),
) -> PlannedReference:
    """Find the reference with a name, embedded by one embedder.

    Args:
        name: an installed reference (``composer``), a reference file, a folder of reference files (one per embedder) or
            a folder of audio, which is embedded now and kept in ``kept_in``. An installed one precedes a folder of
            the same name; write ``./name`` for that.
        embedder: the embedder of the metric.
        kept_in: folder of the embeddings of a folder of audio; they are made again when a file in it has changed.
        progress: receives the progress of the embedding.
        view: the part of each clip that is embedded, also from a folder of audio; ignored for a file.
        make: whether to embed a folder of audio.
        played: content hashes of recordings to leave out of a folder of audio, since some row plays them.

    Raises:
        NotEmbedded: a folder of audio is not embedded yet, and ``make`` is false.
        UsageError: no reference has that name, or it was made by another embedder or version.
        DataError: a reference file or audio is unusable.
        MissingError: the embedder's weights are missing.
    """
    path = _path(name)
    if path.is_file():
        return of_file(path, embedder)
    if is_declared("reference", name):
        return _of_folder(find("reference", name).name, path, embedder)
    if any(reference_files(path)):
        return _of_folder(path.name, path, embedder)
    if not path.is_dir():
        raise UsageError(f"{_unknown(name)}; or a reference file, or a folder of audio")
    if kept_in is None:
        raise UsageError(f"{path} is a folder of audio; embed it first with 'tunebench reference build {path}'")
    return _of_audio(path, embedder, view or View(), kept_in, progress, make, played)


def check_reference(name: str, metrics: Iterable[PlannedMetric]) -> None:
    """Check, before clips are made, that a name has a reference of every embedder that metrics use.

    For a folder of audio, which is embedded when needed, check that it contains audio.

    Args:
        name: as for `find_reference`.
        metrics: those that do not compare with a set of recordings are ignored.

    Raises:
        UsageError, DataError: as `find_reference`, or there is no audio in the folder.
    """
    from bench.recordings import recordings_in

    path = _path(name)
    of_audio = path.is_dir() and not is_declared("reference", name) and not any(reference_files(path))
    for embedder in reference_embedders(metrics).values():
        if of_audio:
            recordings_in(path)
        else:
            find_reference(name, embedder)


def reference_embedders(metrics: Iterable[PlannedMetric]) -> dict[str, PlannedEmbedder]:
    """Return the embedders of metrics that compare with a reference, by fingerprint."""
    return {m.embedders[0].fingerprint: m.embedders[0] for m in metrics if m.reference == "set"}


def find_by_fingerprint(
    wanted: Collection[str], places: Iterable[str | Path], embedder: str | None = None
) -> dict[str, tuple[Path, Reference]]:
    """Find the references of stored scores by the fingerprint of their content.

    Places that do not exist, and unreadable files, are skipped.

    Args:
        wanted: fingerprints.
        places: names of installed references, reference files, and folders of such, in the order of the search.
        embedder: fingerprint of their embedder, if known; files of others are not read in full.

    Returns:
        By fingerprint, the file and its content; without those that were not found.
    """
    found: dict[str, tuple[Path, Reference]] = {}
    for path in _readable(places):
        if len(found) == len(set(wanted)):
            break
        try:
            if embedder is not None and fingerprint(read_tensors(path)[1].get("embedder")) != embedder:
                continue
            reference = load_reference(path)
        except (TunebenchError, OSError):
            continue
        if reference.fingerprint in wanted:
            found.setdefault(reference.fingerprint, (path, reference))
    return found


def reference_files(place: str | Path) -> Iterator[Path]:
    """Yield the reference files of an installed name, of a folder, or the file itself.

    Raises:
        UsageError, MissingError: an installed reference cannot be loaded.
    """
    path = _path(place)
    yield from [path] if path.is_file() else sorted(path.glob(f"*{ENDING}"))


def check_place(place: str) -> None:
    """Check that a place given by the user contains reference files.

    Raises:
        UsageError: it does not exist, or contains none.
        DataError: a file of it is damaged.
    """
    files = list(reference_files(place))
    if not files:
        raise UsageError(f"{_unknown(place)}; or a reference file, or a folder of such")
    for file in files:
        read_tensors(file)


def _path(place: str | Path) -> Path:
    """Return the folder of an installed reference, or the path itself."""
    if isinstance(place, str) and is_declared("reference", place):
        return Path(load(find("reference", place))())
    return Path(place).expanduser()


def _readable(places: Iterable[str | Path]) -> Iterator[Path]:
    for place in places:
        try:
            files = list(reference_files(place))
        except (TunebenchError, OSError, ValueError):  # a path with a zero byte raises ValueError
            continue
        yield from files


def of_file(path: Path, embedder: PlannedEmbedder) -> PlannedReference:
    """Return the reference in a file.

    Args:
        path: the file.
        embedder: that must have made it.

    Raises:
        UsageError: there is no such file, or it was made by another embedder.
        DataError: it is damaged.
    """
    reference = load_reference(path)
    if reference.embedder != embedder.fingerprint:
        raise UsageError(f"{path} {_other_embedder(reference.about['embedder'], embedder)}")
    return PlannedReference.of(reference, path)


def _of_folder(name: str, folder: Path, embedder: PlannedEmbedder) -> PlannedReference:
    have = []
    for file in reference_files(folder):
        _, about = read_tensors(file)
        if fingerprint(about["embedder"]) == embedder.fingerprint:
            return of_file(file, embedder)
        have.append(about["embedder"])
    if len(have) == 1:
        raise UsageError(f"reference '{name}' {_other_embedder(have[0], embedder)}")
    raise UsageError(
        f"reference '{name}' has no embeddings by {embedder.ref.name}; it has "
        f"{', '.join(plugin_label(identity) for identity in have) or 'no files'}; {_build(embedder)}"
    )


def _of_audio(
    folder: Path,
    embedder: PlannedEmbedder,
    view: View,
    kept_in: Path,
    progress: Progress | None,
    make: bool,
    played: frozenset[str],
) -> PlannedReference:
    from bench.recordings import recordings_in, state_of
    from bench.references.build import ReferenceOptions, build_reference

    recordings = recordings_in(folder, "folder")
    # The state of the files is stored with the vectors: a changed file must not keep its old embedding.
    about = {"state": state_of(recordings), "view": json.loads(view.key)}
    if played:
        about["without"] = fingerprint(sorted(played))
    name = folder.resolve().name
    path = kept_in / f"{name}.{embedder.fingerprint[:8]}{ENDING}"
    options = ReferenceOptions(view=view, about=about, without=played)
    if not path.is_file() or not about.items() <= read_tensors(path)[1].items():
        if not make:
            raise NotEmbedded(f"{folder} is not embedded yet")
        build_reference(recordings, embedder.ref, path, name, options, progress)
    return of_file(path, embedder)


def _other_embedder(identity: Mapping[str, Any], embedder: PlannedEmbedder) -> str:
    from bench.contracts.embedder import embedder_identity, load_embedder

    wanted = embedder_identity(embedder.ref, load_embedder(embedder.ref))
    if _without_front_end(identity) == _without_front_end(wanted):
        music, clips = (heard_name(each.get("front_end", OWN)) for each in (identity, wanted))
        named = music in load_embedder(embedder.ref).front_ends
        hint = f"set 'front_end: {music}' in embedder_params" if named else "give its settings as front_end"
        own = shlex.quote(front_end_words(embedder.ref.params.get("front_end") or OWN))
        return (
            f"is of audio prepared by {music}, but the clips are prepared by {clips}; "
            f"{hint if music != OWN else 'leave front_end out'}, or build or import it with --compare-with {own} to "
            "compare anyway and mark the scores"
        )
    place, theirs, ours = first_difference(json.loads(json.dumps(identity)), wanted)
    return (
        f"was embedded by {plugin_label(identity)}, but {embedder.ref.name} is needed ({place}: {theirs}, not {ours}); "
        f"{_build(embedder)}"
    )


def _without_front_end(identity: Mapping[str, Any]) -> dict[str, Any]:
    params = {name: value for name, value in identity.get("params", {}).items() if name != "front_end"}
    rest = {name: value for name, value in identity.items() if name not in ("params", "front_end")}
    return only_set({"params": params, **rest})


def _build(embedder: PlannedEmbedder) -> str:
    front_end = embedder.ref.params.get("front_end")
    own = f" --param {shlex.quote(f'front_end={front_end_words(front_end)}')}" if front_end else ""
    return f"make one with 'tunebench reference build AUDIO --embedder {embedder.ref.name}{own}'"


def _unknown(name: str) -> str:
    known = installed("reference")
    where = looked_for(name) if "/" in name or Path(name).suffix else ""
    return f"there is no reference '{name}'{suggestion(name, known)}{where}; known: {', '.join(known)}"
