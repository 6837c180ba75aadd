"""Push an exported dataset to the Hugging Face hub: audio first, then the metadata.

The token is the one that huggingface_hub finds (``HF_TOKEN``, or a login); it is never shown. What the hub has already
is not sent again, so that the same push resumes an interrupted one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import DataError, MissingError, TransientError, TunebenchError, UsageError
from bench.export.hugging_face import CARD, CROISSANT, METADATA, audio_of
from bench.paths import StrPath
from bench.plain_text import plain_line

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_OURS = re.compile(rf"\.gitattributes|{CARD}|{METADATA}|{CROISSANT}|audio/[0-9a-f]{{2}}/[0-9a-f]{{16}}\.flac")
_REFUSED = {
    401: "the hub does not accept the token: renew HF_TOKEN, or log in with 'hf auth login'",
    403: "the token may not write to {repo}: use one with write permission, and your own namespace",
    404: "the hub has no {repo} that this token may write to",
    409: "{repo} was changed meanwhile; push again",
    413: "{repo} exceeds a size limit of the hub",
    429: "the hub's rate limit was reached; push again later",
}
_MAY_PASS = frozenset({408, 409, 425, 429})
_MOST = 400  # characters of the hub's message


def push(folder: StrPath, repo: str, private: bool = False, endpoint: str | None = None) -> str:
    """Update a dataset repository on the hub from an exported folder.

    It is created if missing. Audio of an earlier push that the folder no longer has is removed; files that
    others added stay.

    Args:
        folder: as `bench.export.hugging_face.export` wrote it.
        repo: ``NAME`` or ``OWNER/NAME``.
        private: make a new repository private; an existing one is not changed.
        endpoint: address of a hub other than ``HF_ENDPOINT``.

    Returns:
        The dataset's address.

    Raises:
        MissingError: huggingface_hub is not installed.
        UsageError: there is no token, the hub refuses it or the name, or the repository has other content.
        TransientError: the hub cannot be reached, or the connection broke; the same call resumes.
        DataError: the folder is not a complete exported dataset.
    """
    folder = Path(folder)
    audio = audio_of(folder)
    for name in (METADATA, CROISSANT, CARD, *audio):
        if not (folder / name).is_file():
            raise DataError(f"{folder}: {name} is missing; export into that folder again")
    api = _hub(endpoint)
    with _quiet(), _explained(repo, api.token):
        address = api.create_repo(repo, private=private or None, repo_type="dataset", exist_ok=True)
        repo = address.repo_id
        there = set(api.list_repo_files(repo, repo_type="dataset"))
        if METADATA not in there and (other := sorted(name for name in there if not _OURS.fullmatch(name))):
            raise UsageError(f"{repo} is not an export of tunebench ({other[0]}); name another one")
        message = f"Clips and scores, {len(audio)} files"
        api.upload_folder(
            repo_id=repo,
            repo_type="dataset",
            folder_path=folder,
            allow_patterns=["audio/*/*.flac"],
            commit_message=message,
        )
        gone = [name for name in there - set(audio) if name.startswith("audio/") and _OURS.fullmatch(name)]
        api.upload_folder(
            repo_id=repo,
            repo_type="dataset",
            folder_path=folder,
            allow_patterns=[METADATA, CROISSANT, CARD],
            delete_patterns=sorted(gone) or None,
            commit_message=message,
        )
    return str(address)


def _hub(endpoint: str | None) -> HfApi:
    """Return the hub, with the token that huggingface_hub finds.

    Raises:
        MissingError, UsageError: as `push`.
    """
    try:
        from huggingface_hub import HfApi, get_token
    except ImportError:
        raise MissingError("pushing needs huggingface_hub: pip install 'tunebench[hub]'") from None
    token = get_token()
    if not token:
        raise UsageError("no token for the hub: set HF_TOKEN, or log in with 'hf auth login'")
    return HfApi(endpoint=endpoint, token=token, library_name="tunebench")


@contextmanager
def _quiet() -> Iterator[None]:
    """Show the library's progress bars on terminals only; elsewhere they print a line per file and step."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    silent = not sys.stderr.isatty() and not are_progress_bars_disabled()
    if silent:
        disable_progress_bars()
    try:
        yield
    finally:
        if silent:
            enable_progress_bars()


@contextmanager
def _explained(repo: str, token: Any) -> Iterator[None]:
    """Report errors of a push in one line, without the token."""
    try:
        yield
    except TunebenchError:
        raise
    except Exception as error:  # the library passes on errors of several others
        said = plain_line(str(error).replace(str(token), "…") or type(error).__name__, _MOST)
        causes = [error, error.__cause__, error.__context__]
        status = next((code for cause in causes if (code := _status(cause)) is not None), None)
        if status is not None:
            why = _REFUSED.get(status, f"the hub answered {status}: {said}").format(repo=repo)
            again = status >= 500 or status in _MAY_PASS
            raise (TransientError if again else UsageError)(f"not pushed: {why}") from None
        if isinstance(error, ValueError):  # the name, or what the hub says of the card
            raise UsageError(f"not pushed to {repo!r:.120}: {said}") from None
        raise TransientError(
            f"not pushed to {repo}: the hub cannot be reached, or broke off ({said}); the same command goes on"
        ) from None


def _status(error: BaseException | None) -> int | None:
    """Return the HTTP status that an error is about, where it is about one."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None
