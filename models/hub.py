"""Checkpoints of the Hugging Face hub: what to download, where it is, and why it could not be downloaded."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from bench.errors import MissingError, TunebenchError, UsageError

HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
WEIGHT_ENDINGS = (".safetensors", ".bin")
TEXT_ENDINGS = (".json", ".txt", ".model")


def wanted_files(names: Iterable[str]) -> list[str]:
    """Return the files of a repository that loading needs.

    That leaves out weights in other formats, precisions and frameworks, and, beside a pipeline's folders, the
    single-file checkpoint of the original authors; repositories hold several times what is needed.
    """
    names = list(names)
    pipeline = "model_index.json" in names
    wanted = []
    for name in map(PurePosixPath, names):
        depth = len(name.parts)
        if name.suffix not in (*TEXT_ENDINGS, *WEIGHT_ENDINGS) or depth > 2 or ".fp16" in name.name:
            continue
        if depth == (1 if pipeline else 2) and name.name != "model_index.json":
            continue
        beside = [other for other in map(PurePosixPath, names) if other.parent == name.parent]
        if name.suffix == ".bin" and any(other.suffix == ".safetensors" for other in beside):
            continue
        if name.suffix == ".bin" and not name.name.startswith(("pytorch_model", "diffusion_pytorch_model")):
            continue
        wanted.append(str(name))
    return wanted


def snapshot(
    repo: str,
    revision: str,
    licence_page: str | None,
    complete: Callable[[Path], bool],
    wanted: Callable[[Sequence[str]], list[str]] = wanted_files,
    what: str = "checkpoint",
) -> Path:
    """Return the folder of a repository's commit in the local cache; download what is missing if not ``complete``.

    Args:
        repo: such as ``owner/name``.
        revision: the commit.
        licence_page: where the license of a gated repository is accepted; by default its own page.
        complete: whether a folder of the cache holds all that is needed.
        wanted: selects the files to download from the names in a repository.
        what: the word for it in errors: a ``checkpoint`` or an ``adapter``.

    Raises:
        UsageError: there is no such repository or revision.
        MissingError: it is gated and not logged in, there is no network, or no space.
    """
    cached = cached_snapshot(repo, revision)
    if cached and complete(cached):
        return cached
    hub = _hub()
    try:
        info = hub.HfApi().model_info(repo, revision=revision)
        files = wanted([sibling.rfilename for sibling in info.siblings or ()])
        return Path(hub.snapshot_download(repo, revision=revision, allow_patterns=files))
    except Exception as error:  # the hub's client also raises the errors of its HTTP library
        raise _explained(error, repo, revision, licence_page, what) from error


def cached_snapshot(repo: str, revision: str | None) -> Path | None:
    """Return the folder of a repository's commit in the local cache, or None; the network is not used.

    Files may be missing from the folder.

    Args:
        repo: such as ``owner/name``.
        revision: commit, tag or branch; None for the main branch.

    Raises:
        MissingError: huggingface_hub is not installed.
    """
    hub = _hub()
    try:
        return Path(hub.snapshot_download(repo, revision=revision, local_files_only=True))
    except (hub.errors.LocalEntryNotFoundError, OSError) as error:
        # Newer clients refuse a folder from which files are left out; tunebench decides which of them are needed.
        partly = getattr(error, "snapshot_path", None)
        return Path(partly) if partly else None


def commit(repo: str, revision: str | None, what: str = "checkpoint") -> str:
    """Return the commit of a branch or tag: the one in the cache, if there is one, since that is what will be loaded.

    Args:
        repo: such as ``owner/name``.
        revision: branch or tag; None for the main branch.
        what: the word for it in errors: a ``checkpoint`` or an ``adapter``.

    Raises:
        UsageError: there is no such repository or revision.
        MissingError: it is not cached, and the hub cannot be reached; or huggingface_hub is not installed.
    """
    hub = _hub()
    reference = Path(hub.constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}" / "refs" / (revision or "main")
    if reference.is_file():
        return reference.read_text().strip()
    try:
        return str(hub.HfApi().model_info(repo, revision=revision).sha)
    except Exception as error:
        raise _explained(error, repo, revision, None, what) from error


def _explained(
    error: Exception, repo: str, revision: str | None, licence_page: str | None, what: str
) -> TunebenchError:
    errors = _hub().errors
    if isinstance(error, errors.GatedRepoError):
        page = licence_page or f"https://huggingface.co/{repo}"
        return MissingError(
            f"{what} '{repo}' is gated: accept its license at {page} and log in with `hf auth login`, "
            f"or give `{what}: FOLDER`"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return UsageError(
            f"{what} '{repo}' is neither a folder here nor on the hub; if it is private, log in with `hf auth login`"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return UsageError(f"{what} '{repo}' has no revision '{revision}'; see https://huggingface.co/{repo}/commits")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return MissingError(f"{what} '{repo}': the disk is full; free space, or set HF_HOME to another disk")
    reason = " ".join(str(error).split())[:160] or type(error).__name__
    return MissingError(
        f"{what} '{repo}' is not in the cache and the hub cannot be reached ({reason}); go online, run "
        f"`hf download {repo}` elsewhere and copy the folder, or give `{what}: FOLDER`"
    )


def _hub() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.constants
        import huggingface_hub.errors
    except ImportError:
        raise MissingError("huggingface_hub is not installed: pip install 'tunebench[diffusion]'") from None
    return huggingface_hub
