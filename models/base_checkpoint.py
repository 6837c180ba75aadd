"""Where a model's weights are, whether all of them are there, and what identifies them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from bench.errors import DataError, MissingError, UsageError
from bench.file_names import looked_for
from bench.weights_file import AGAIN, check_file, check_weights, hash_weights, read_object
from models.hub import HUB_ID, TEXT_ENDINGS, WEIGHT_ENDINGS, cached_snapshot, commit, snapshot
from models.shipped import local_path

ARCHITECTURES = {
    "stable-audio": "StableAudioPipeline",
    "stable-audio-3": "StableAudio3Pipeline",
    "audioldm": "AudioLDMPipeline",
    "audioldm2": "AudioLDM2Pipeline",
    "musicgen": "MusicgenForConditionalGeneration",
    "ace-step": "AceStepPipeline",
    "longcat-audio": "LongCatAudioDiTPipeline",
}
# The commit of a published checkpoint unless a revision is requested: the same bits for everybody, forever.
PINNED = {"stabilityai/stable-audio-open-1.0": "f21265c1e2710b3bd2386596943f0007f55f802e"}

# Parts that a pipeline's index names but its folder may lack, since the pipeline creates them itself.
_MADE = {("LongCatAudioDiTPipeline", "scheduler")}

CARD = "card.json"  # beside weights that tunebench trained: the data and the method

_COMMIT = re.compile(r"[0-9a-f]{40}")
_PART = re.compile(r"\w+")
_NO_WEIGHTS = re.compile(r"(Scheduler|Tokenizer|TokenizerFast|FeatureExtractor|Processor)$")


def locate(checkpoint: str, revision: str | None, what: str, licence_page: str | None = None) -> Path:
    """Return the folder of a checkpoint that is complete and of the right architecture; download what the cache lacks.

    Args:
        checkpoint: a local folder, the name of one that is shipped (`models.shipped`), or a Hugging Face hub id such
            as ``cvssp/audioldm-s-full-v2``.
        revision: a commit, tag or branch of the hub; None for the commit in ``PINNED``, or the main branch.
        what: one of `ARCHITECTURES`, or the name of the class to load.
        licence_page: where the license of a gated checkpoint is accepted; by default the checkpoint's own page.

    Raises:
        UsageError: there is no such folder, checkpoint or revision, or it is a checkpoint of another architecture.
        MissingError: it is gated and not logged in, there is no network, or it is only partly downloaded.
        DataError: one of its files is damaged; the message names it.
    """
    local = local_path(checkpoint)
    if local.exists() or not HUB_ID.fullmatch(checkpoint):
        if not local.is_dir():
            problem = "is not a folder" if local.exists() else "does not exist"
            raise _no_such("checkpoint", checkpoint, problem)
        advice = "download it again, or copy the whole folder"
    else:
        local = snapshot(checkpoint, identity(checkpoint, revision)["revision"], licence_page, _is_complete)
        advice = f"run `hf download {checkpoint}` again"
    _check_architecture(checkpoint, local, ARCHITECTURES.get(what, what))
    if missing := next(_incomplete(local), None):
        raise MissingError(f"checkpoint '{checkpoint}' is incomplete: {missing} in {local}; {advice}")
    for path in _weight_files(local):
        if path.suffix != ".bin" or path.name.startswith(("pytorch_model", "diffusion_pytorch_model")):
            check_file(path)
    return local


def _no_such(what: str, checkpoint: str, problem: str = "does not exist") -> UsageError:
    where = looked_for(Path(checkpoint).expanduser())
    return UsageError(f"{what} '{checkpoint}' {problem}{where}; give a folder or a hub id such as owner/name")


def require_local(checkpoint: str, revision: str | None) -> None:
    """Check that a whole checkpoint is on this machine, by looking at the disk; the network is not used.

    Raises:
        UsageError: it is neither a folder nor a hub id.
        MissingError: it is a hub id that is not in the cache, or incomplete.
        DataError: its weights or its configurations are damaged.
    """
    folder = local_path(checkpoint)
    if not folder.is_dir():
        if not HUB_ID.fullmatch(checkpoint):
            raise _no_such("checkpoint", checkpoint)
        cached = cached_snapshot(checkpoint, revision or PINNED.get(checkpoint))
        if cached is None:
            raise MissingError(
                f"checkpoint '{checkpoint}' is not on this machine: the first clip downloads it, "
                f"or run `hf download {checkpoint}`"
            )
        folder = cached
    if missing := next(_incomplete(folder), None):
        raise MissingError(f"checkpoint '{checkpoint}' is incomplete: {missing} in {folder}")


def identity(checkpoint: str, revision: str | None, what: str = "checkpoint") -> dict[str, str]:
    """Return what identifies the weights: the hash of a local folder's weight files, or a hub id and its commit.

    Needs neither torch nor, where the commit is given or the checkpoint is cached, a network. Hashes of unchanged
    files are cached for the life of the process. ``what`` is the word for it in errors.

    Raises:
        UsageError: there is no such folder, checkpoint or revision.
        MissingError: the commit cannot be determined.
        DataError: a file of the folder cannot be read.
    """
    local = local_path(checkpoint)
    if local.is_dir():
        digest = hashlib.sha256()
        for path in _weight_files(local):
            digest.update(f"{path.relative_to(local).as_posix()}:{hash_weights(path)}\n".encode())
        return {"weights": digest.hexdigest()}
    if not HUB_ID.fullmatch(checkpoint):
        raise _no_such(what, checkpoint)
    revision = revision or PINNED.get(checkpoint)
    if revision is None or not _COMMIT.fullmatch(revision):
        revision = commit(checkpoint, revision, what)
    return {"repo": checkpoint, "revision": revision}


def _weight_files(folder: Path) -> list[Path]:
    """Return the weights and the files that change how they are used: configurations and vocabularies."""
    endings = (*WEIGHT_ENDINGS, *TEXT_ENDINGS)
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in endings
        and path.name != CARD  # how long a training took does not change its result
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _check_architecture(checkpoint: str, folder: Path, wanted: str) -> None:
    index, config = folder / "model_index.json", folder / "config.json"
    if index.exists():
        found = read_object(index).get("_class_name")
    elif config.exists():
        named = read_object(config).get("architectures")
        found = named[0] if isinstance(named, list) and named else None
    else:
        raise MissingError(
            f"checkpoint '{checkpoint}': neither model_index.json nor config.json in {folder}; "
            "it is not a checkpoint for diffusers or transformers, or only part of one"
        )
    if found != wanted:
        fitting = next((name for name, architecture in ARCHITECTURES.items() if architecture == found), None)
        advice = f"; use the model '{fitting}' for it" if fitting else ""
        raise UsageError(
            f"checkpoint '{checkpoint}' is a {found or 'checkpoint of unknown kind'}, not a {wanted}{advice}"
        )


def _is_complete(folder: Path) -> bool:
    try:
        return next(_incomplete(folder), None) is None
    except (DataError, MissingError):
        return False


def _incomplete(folder: Path) -> Iterator[str]:
    """Yield what is missing, in words; raise an error for what is damaged."""
    index = folder / "model_index.json"
    if not index.exists():
        yield from _incomplete_weights(folder, "")
        return
    parts = read_object(index)
    for name, entry in parts.items():
        if name.startswith("_") or not isinstance(entry, list) or entry[1:] == [None]:
            continue
        if not _PART.fullmatch(name) or len(entry) != 2 or not isinstance(entry[1], str):
            raise DataError(f"{index}: damaged, its part {name[:60]!r} names no folder and class; {AGAIN}")
        part = folder / name
        if (parts.get("_class_name"), name) in _MADE and not part.exists():
            continue
        if not part.is_dir() or not any(part.iterdir()):
            yield f"no {name}/"
        elif not _NO_WEIGHTS.search(entry[1]):
            yield from _incomplete_weights(part, f"{name}/")


def _incomplete_weights(folder: Path, where: str) -> Iterator[str]:
    if not (folder / "config.json").exists():
        yield f"no {where}config.json"
    indices = [path for path in folder.glob("*.index.json") if ".fp16." not in path.name]
    shards = {name for path in indices for name in _shards(path)}
    weights = [folder / name for name in sorted(shards)] or [p for e in WEIGHT_ENDINGS for p in folder.glob(f"*{e}")]
    if not weights:
        yield f"no weights in {where or '.'}"
    for path in weights:
        if path.exists():
            check_weights(path)
        else:
            yield f"no {where}{path.name}"


def _shards(index: Path) -> list[str]:
    """Return the files that an index says the weights are in, all beside it."""
    places = read_object(index).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(n, str) and Path(n).name == n for n in places.values()):
        raise DataError(f"{index}: damaged, its weight_map does not name files beside it; {AGAIN}")
    return list(places.values())
