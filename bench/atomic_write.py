"""Write a file or a new folder atomically."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import UsageError

_DEVICES = ("/dev", "/dev/fd")  # /dev/stdout may point to a regular file, and the link must stay


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; the file that the block makes there is flushed and then renamed.

    A reader of ``path`` sees the new file or the old one; a block that raises leaves nothing behind.

    Raises:
        UsageError: the path has no file name, or is a device or a pipe, which the file would replace.
    """
    if path.name in ("", ".."):
        raise UsageError(f"'{path}' is a folder; name a file")
    folder = os.path.realpath(path.parent)
    if folder in _DEVICES or folder.startswith("/proc/") or (path.exists() and not path.is_file()):
        raise UsageError(f"'{path}' is not a regular file; name a file")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_new_folder(folder: Path) -> None:
    """Check that a folder can be made: that nothing exists there but an empty folder.

    Raises:
        UsageError: something else exists there.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} already exists and is not an empty folder; name a new one with --out")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder that is renamed to ``folder`` at the end; a block that raises leaves nothing behind.

    Raises:
        UsageError: something exists there already, or the block cannot write to the disk.
    """
    check_new_folder(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as made:
            whole = Path(made) / folder.name
            whole.mkdir()
            yield whole
            whole.replace(folder)
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror}; free disk space or fix permissions") from None


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file that is never rewritten a second name; copy it if the disk does not support hard links.

    A reader sees the whole file or none.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)


def replace_file(path: Path, text: str) -> None:
    """Write a text file, UTF-8, as `replacing` does."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
