"""Where a model's weights are, whether all of them are there, and what identifies them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.errors import MissingError, UsageError
from bench.file_hash import hash_file
from models.hub import HUB_ID, TEXT_ENDINGS, WEIGHT_ENDINGS, cached_snapshot, commit, snapshot

ARCHITECTURES = {
    "stable-audio": "StableAudioPipeline",
    "audioldm": "AudioLDMPipeline",
    "audioldm2": "AudioLDM2Pipeline",
    "musicgen": "MusicgenForConditionalGeneration",
}
# What a published checkpoint means unless a revision is asked for: the same bits for everybody, for good.
PINNED = {"stabilityai/stable-audio-open-1.0": "f21265c1e2710b3bd2386596943f0007f55f802e"}

CARD = "card.json"  # beside weights that were trained here: what on, and how

_COMMIT = re.compile(r"[0-9a-f]{40}")
_NO_WEIGHTS = re.compile(r"(Scheduler|Tokenizer|TokenizerFast|FeatureExtractor|Processor)$")


def locate(checkpoint: str, revision: str | None, what: str, licence_page: str | None = None) -> Path:
    """Folder of a checkpoint that is complete and of the right architecture; downloads what the cache lacks.

    Args:
        checkpoint: a local folder, or a Hugging Face hub id such as ``cvssp/audioldm-s-full-v2``.
        revision: a commit, tag or branch of the hub; None for the commit in ``PINNED``, or the main branch.
        what: ``stable-audio``, ``audioldm``, ``audioldm2`` or ``musicgen``, or the name of the class to load.
        licence_page: where the licence of a gated checkpoint is accepted; by default the checkpoint's own page.

    Raises:
        UsageError: no such folder, checkpoint or revision, or a checkpoint of another architecture.
        MissingError: gated and not logged in, no network, or half downloaded.
    """
    local = Path(checkpoint).expanduser()
    if local.exists() or not HUB_ID.fullmatch(checkpoint):
        if not local.is_dir():
            problem = "is not a folder" if local.exists() else "does not exist"
            raise UsageError(f"checkpoint '{checkpoint}' {problem}; give a folder or a hub id such as owner/name")
        advice = "download it again, or copy the whole folder"
    else:
        local = snapshot(checkpoint, identity(checkpoint, revision)["revision"], licence_page, _is_complete)
        advice = f"run `hf download {checkpoint}` again"
    _check_architecture(checkpoint, local, ARCHITECTURES.get(what, what))
    if missing := next(_incomplete(local), None):
        raise MissingError(f"checkpoint '{checkpoint}' is incomplete: {missing} in {local}; {advice}")
    return local


def require_local(checkpoint: str, revision: str | None) -> None:
    """Check that a whole checkpoint is on this machine, by a look at the disk; no network is asked.

    Raises:
        UsageError: it is neither a folder nor a hub id.
        MissingError: it is a hub id that is not in the cache, or incomplete.
    """
    folder = Path(checkpoint).expanduser()
    if not folder.is_dir():
        if not HUB_ID.fullmatch(checkpoint):
            raise UsageError(f"checkpoint '{checkpoint}' does not exist; give a folder or a hub id such as owner/name")
        cached = cached_snapshot(checkpoint, revision or PINNED.get(checkpoint))
        if cached is None:
            raise MissingError(
                f"checkpoint '{checkpoint}' is not on this machine: the first clip downloads it, "
                f"or run `hf download {checkpoint}`"
            )
        folder = cached
    if missing := next(_incomplete(folder), None):
        raise MissingError(f"checkpoint '{checkpoint}' is incomplete: {missing} in {folder}")


def identity(checkpoint: str, revision: str | None) -> dict[str, str]:
    """What identifies the weights: the hash of a local folder's weight files, or a hub id and its commit.

    Needs neither torch nor, where the commit is given or the checkpoint is cached, a network. Hashes of unchanged
    files are kept in the user's cache.

    Raises:
        UsageError: no such folder, checkpoint or revision.
        MissingError: the commit cannot be found out.
    """
    local = Path(checkpoint).expanduser()
    if local.is_dir():
        digest = hashlib.sha256()
        for path in _weight_files(local):
            digest.update(f"{path.relative_to(local).as_posix()}:{hash_file(path, lasting=True)}\n".encode())
        return {"weights": digest.hexdigest()}
    if not HUB_ID.fullmatch(checkpoint):
        raise UsageError(f"checkpoint '{checkpoint}' does not exist; give a folder or a hub id such as owner/name")
    revision = revision or PINNED.get(checkpoint)
    if revision is None or not _COMMIT.fullmatch(revision):
        revision = commit(checkpoint, revision)
    return {"repo": checkpoint, "revision": revision}


def _weight_files(folder: Path) -> list[Path]:
    """The weights, and what changes how they are used: configurations and vocabularies."""
    endings = (*WEIGHT_ENDINGS, *TEXT_ENDINGS)
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in endings
        and path.name != CARD  # how long a training took changes nothing of what it made
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _check_architecture(checkpoint: str, folder: Path, wanted: str) -> None:
    index, config = folder / "model_index.json", folder / "config.json"
    if index.is_file():
        found = _json(index).get("_class_name")
    elif config.is_file():
        found = next(iter(_json(config).get("architectures") or ()), None)
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
    except MissingError:
        return False


def _incomplete(folder: Path) -> Iterator[str]:
    """What is missing or cut short, in words."""
    index = folder / "model_index.json"
    if not index.is_file():
        yield from _incomplete_weights(folder, "")
        return
    for name, entry in _json(index).items():
        if name.startswith("_") or not isinstance(entry, list) or entry[1] is None:
            continue
        part = folder / name
        if not part.is_dir() or not any(part.iterdir()):
            yield f"no {name}/"
        elif not _NO_WEIGHTS.search(entry[1]):
            yield from _incomplete_weights(part, f"{name}/")


def _incomplete_weights(folder: Path, where: str) -> Iterator[str]:
    if not (folder / "config.json").is_file():
        yield f"no {where}config.json"
    indices = [path for path in folder.glob("*.index.json") if ".fp16." not in path.name]
    shards = {name for path in indices for name in _json(path).get("weight_map", {}).values()}
    weights = [folder / name for name in sorted(shards)] or [p for e in WEIGHT_ENDINGS for p in folder.glob(f"*{e}")]
    if not weights:
        yield f"no weights in {where or '.'}"
    for path in weights:
        if not path.is_file():
            yield f"no {where}{path.name}"
        elif path.suffix == ".safetensors" and not _whole(path):
            yield f"{where}{path.name} is cut short"


def _whole(path: Path) -> bool:
    """Whether a safetensors file is as long as its header says."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= size - 8:
            return False
        try:
            header = json.loads(file.read(length))
        except ValueError:
            return False
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return size == 8 + length + max(ends, default=0)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        raise MissingError(f"{path} is cut short or damaged; download the checkpoint again") from None
    if not isinstance(content, dict):
        raise MissingError(f"{path} is not a checkpoint's index; download the checkpoint again")
    return content
