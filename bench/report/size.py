"""The size of a report: in total, and what the first page loads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

# Files that a browser loads at once; audio and pictures are loaded on demand.
_LOADED = re.compile(r"""(?:<script\b[^>]*\bsrc|<link\b[^>]*\bhref)="([^"#?:]+)""")


@dataclass(frozen=True)
class FolderSize:
    """Sizes in bytes, and numbers of files and clips."""

    files: int
    total: int
    audio: int
    clips: int
    first_page: int

    def __str__(self) -> str:
        return (
            f"{self.files} files, {_size(self.total)}, of which {_size(self.audio)} are {self.clips} clips; "
            f"the first page loads {_size(self.first_page)}"
        )


def measure_report(folder: Path) -> FolderSize:
    """Measure a report that has been built."""
    files = {file.relative_to(folder).as_posix(): file.stat().st_size for file in folder.rglob("*") if file.is_file()}
    sounds = [size for name, size in files.items() if "audio" in name.split("/")[:-1]]
    loaded = {"index.html", *_LOADED.findall((folder / "index.html").read_text(encoding="utf-8"))}
    return FolderSize(
        len(files), sum(files.values()), sum(sounds), len(sounds), sum(files.get(name, 0) for name in loaded)
    )


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
