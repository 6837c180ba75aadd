"""References paired with prompts: each prompt's recording is embedded once and stored in a reference file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.contracts.audio import content_hash, read_audio
from bench.contracts.clip_view import View
from bench.contracts.embedder import Embedder, embedder_identity, load_embedder
from bench.contracts.pairs_file import PairsFile, read_pairs
from bench.contracts.prompt import Prompt
from bench.contracts.set_metric import PlannedReference
from bench.errors import DataError, MissingError, UsageError, one_line
from bench.hashing import fingerprint
from bench.planning.metric_plan import PlannedEmbedder
from bench.progress import Progress, shown
from bench.recordings import Recording, state_of
from bench.references.file_format import ReferenceWriter, read_tensors
from bench.references.find import NotEmbedded, of_file
from bench.references.load import ENDING


def find_pairs(
    pairs: PairsFile,
    embedder: PlannedEmbedder,
    prompts: Sequence[Prompt],
    kept_in: Path,
    progress: Progress | None = None,
    view: View | None = None,
    make: bool = True,
) -> PlannedReference:
    """Find the recordings of prompts as embedded by one embedder, embedding them if needed.

    Args:
        pairs: the recording of each prompt; or a reference file with pairs.
        embedder: the embedder of the metric.
        prompts: the prompts to find recordings for.
        kept_in: folder of the embeddings; they are made again when a file or the prompts have changed.
        progress: receives the progress of the embedding.
        view: the part of each recording that is embedded.
        make: whether to embed at all.

    Raises:
        UsageError, DataError: as `bench.contracts.pairs_file.read_pairs`, or no recording can be used.
        NotEmbedded: the recordings are not embedded yet, and ``make`` is false.
        MissingError: the embedder's weights are missing.
    """
    path = Path(pairs.file).expanduser()
    if path.suffix == ENDING:
        found = of_file(path, embedder)
        if not found.pairs:
            raise UsageError(f"{path} is a set of recordings without prompts; name a manifest of pairs")
        return found
    files, view = read_pairs(pairs, prompts), view or View()
    # As for a folder: a changed file must not keep its old embedding.
    states = [state_of([Recording(id, file)]) for id, file in sorted(files.items())]
    about = {"state": fingerprint(states), "view": json.loads(view.key)}
    kept = kept_in / f"{path.name}.{embedder.fingerprint[:8]}{ENDING}"
    if not kept.is_file() or not about.items() <= read_tensors(kept)[1].items():
        if not make:
            raise NotEmbedded(f"the recordings of {path} are not embedded yet")
        with shown(progress) as progress:
            _embed_pairs(files, embedder, kept, path.name, view, about, progress)
    return of_file(kept, embedder)


def _embed_pairs(
    files: Mapping[str, Path],
    embedder: PlannedEmbedder,
    kept: Path,
    name: str,
    view: View,
    about: Mapping[str, object],
    progress: Progress,
) -> None:
    """Write the recordings of prompts as a reference file; a recording that several prompts share is embedded once."""
    loaded = load_embedder(embedder.ref)
    numbers: dict[Path, int | str] = {}
    known: dict[str, int] = {}
    progress.begin("embedding the recordings of prompts", len(set(files.values())), 0)
    try:
        with ReferenceWriter(kept) as writer:
            for id, file in files.items():
                if file in numbers:
                    continue
                numbers[file] = found = _add(id, file, loaded, view, writer, known)
                if isinstance(found, str):
                    progress.note(f"{file}: {found}; its prompts get no score against it")
                progress.advance(1)
            if not known:
                raise DataError(f"none of the recordings in {name} is usable; the last: {found}")
            pairs = {id: numbers[file] for id, file in files.items()}
            writer.finish(name, embedder_identity(embedder.ref, loaded), pairs=pairs, **about)
    finally:
        loaded.close()


def _add(
    id: str, file: Path, embedder: Embedder, view: View, writer: ReferenceWriter, known: dict[str, int]
) -> int | str:
    """Add a recording; return its number in the file, or why it is unusable."""
    try:
        audio = read_audio(file)
        content = content_hash(audio)
        if content not in known:
            writer.add(id, content, None, embedder.embed(view.of(audio)))
            known[content] = len(known)
        return known[content]
    except (UsageError, MissingError):
        raise
    except Exception as error:  # concerns only this recording, even if the embedder is a plugin's
        return f"the recording of this prompt cannot be used ({one_line(error).removeprefix(f'{file}: ')})"


def paired_prompts(pairs: PairsFile, prompts: Sequence[Prompt]) -> frozenset[str]:
    """Return ids of the prompts that have a recording, without embedding any.

    Raises:
        UsageError, DataError: as `find_pairs`.
    """
    path = Path(pairs.file).expanduser()
    if path.suffix == ENDING:
        return frozenset(read_tensors(path)[1].get("pairs", ()))
    return frozenset(read_pairs(pairs, prompts))
