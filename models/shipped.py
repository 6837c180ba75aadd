"""Checkpoints and adapters that come with tunebench, which a configuration names without a path."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).with_name("nano") / "weights"


def shipped() -> tuple[str, ...]:
    """Names of the checkpoints and adapters that are shipped."""
    return tuple(sorted(path.name for path in FOLDER.iterdir() if path.is_dir())) if FOLDER.is_dir() else ()


def local_path(given: str) -> Path:
    """The path that a configuration gives; of a name that is shipped, unless a folder here is called so, its folder."""
    path = Path(given).expanduser()
    return FOLDER / given if not path.exists() and given in shipped() else path


def lasting_name(given: str) -> str:
    """How a configuration elsewhere names the same: a name that is shipped as it is, a path as an absolute one."""
    path = local_path(given)
    return path.name if path.parent == FOLDER else str(path.resolve())
