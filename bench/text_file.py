"""Read text files written by users."""

from __future__ import annotations

from pathlib import Path

from bench.errors import DataError, UsageError
from bench.file_names import looked_for
from bench.regular_file import read_bytes


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, without a byte order mark.

    Raises:
        UsageError: no such file.
        DataError: it is not a regular file, cannot be read, or is not UTF-8.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file{looked_for(path)}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except ValueError:  # a zero byte, or an unpaired surrogate
        raise UsageError(f"{str(path)!r} is not a valid file name") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")  # universal newlines
