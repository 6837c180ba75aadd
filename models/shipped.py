"""Checkpoints and adapters that come with tunebench, which a configuration names without a path."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).with_name("nano") / "weights"


def shipped() -> tuple[str, ...]:
    """Return the names of the checkpoints and adapters that are shipped."""
    return tuple(sorted(path.name for path in FOLDER.iterdir() if path.is_dir())) if FOLDER.is_dir() else ()


def local_path(given: str) -> Path:
    """Return the path that a configuration gives; for a shipped name, unless a folder here has it too, its folder."""
    path = Path(given).expanduser()
    return FOLDER / given if not path.exists() and given in shipped() else path


def lasting_name(given: str) -> str:
    """Return the name for configurations elsewhere: a shipped name unchanged, a path as an absolute one."""
    path = local_path(given)
    return path.name if path.parent == FOLDER else str(path.resolve())
