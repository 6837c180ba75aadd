"""What `adapter:` names: a folder, a file or a repository of the hub, or several of them with their weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.contracts.notice import Notice
from bench.errors import MissingError, UsageError, suggestion
from models import adapters
from models.adapter_files import NAMES, read_adapter, weight_file
from models.base_checkpoint import CARD, identity
from models.card import Card, read_card
from models.hub import HUB_ID, cached_snapshot, snapshot
from models.shipped import local_path

Given = str | Sequence[Mapping[str, Any] | str] | None

_KEYS = ("path", "weight", "revision")


@dataclass(frozen=True)
class AdapterSource:
    """One adapter of a model.

    Attributes:
        path: a folder, a file, or a hub id such as ``owner/name``.
        weight: factor on its contribution, finite, ≥ 0.
        revision: commit, tag or branch of the hub; None for the main branch.
    """

    path: str
    weight: float = 1.0
    revision: str | None = None

    @property
    def on_hub(self) -> bool:
        """Whether it is a repository of the hub: there is no such folder here."""
        return not self._place.exists() and bool(HUB_ID.fullmatch(self.path))

    @property
    def name(self) -> str:
        """What to call it, without its path on somebody's disk."""
        return self.path if self.on_hub else self._place.name

    @property
    def _place(self) -> Path:
        return local_path(self.path)

    def identity(self) -> dict[str, Any]:
        """Return what identifies it: the hashes of its files, or the repository and its commit, and a weight other than
        1.

        Raises:
            UsageError: there is no such adapter.
            MissingError: the commit cannot be determined.
        """
        found: dict[str, Any] = {**(self._repository() if self.on_hub else adapters.identity(self._place))}
        return found if self.weight == 1 else {**found, "weight": self.weight}

    def locate(self) -> Path:
        """Return its folder or file, downloaded if need be.

        Raises:
            UsageError: there is no such repository or revision, or it holds no adapter.
            MissingError: gated and not logged in, no network, or no space.
        """
        if not self.on_hub:
            return self._place
        return snapshot(self.path, self._repository()["revision"], None, _has_weights, _wanted_files, "adapter")

    def on_this_machine(self) -> Path | None:
        """Return its folder or file if it is here already; the network is not used."""
        if not self.on_hub:
            return self._place
        found = cached_snapshot(self.path, self.revision)
        return found if found is not None and _has_weights(found) else None

    def require_local(self) -> None:
        """Check that it is on this machine.

        Raises:
            UsageError: there is no such adapter.
            MissingError: it is on the hub and not in the cache.
        """
        found = self.on_this_machine()
        if found is None:
            raise MissingError(
                f"adapter '{self.path}' is not on this machine: the first clip downloads it, or run "
                f"`hf download {self.path}`"
            )
        weight_file(found)

    def card(self) -> Card | None:
        """Return the card beside it, if it was trained by tunebench."""
        folder = None if self.on_hub else weight_file(self._place).parent
        return read_card(folder) if folder and (folder / CARD).is_file() else None

    def _repository(self) -> dict[str, str]:
        return identity(self.path, self.revision, "adapter")


def parse_sources(given: Given, kind: str) -> tuple[AdapterSource, ...]:
    """Parse the adapters that the parameter ``adapter`` names: a path, or a list of ``{path: …, weight: …}``.

    Args:
        given: the parameter; None for no adapter. In a list, a path alone has weight 1; a hub id may name its revision,
            as in ``owner/name@main``.
        kind: of the model, for messages.

    Raises:
        UsageError: it is neither, or an entry is invalid.
    """
    if given is None:
        return ()
    if isinstance(given, str):
        return (_source({"path": given}, kind),)
    if not isinstance(given, Sequence) or not given:
        raise UsageError(
            f"{kind}: adapter is {given!r:.80}; give a folder, or a list such as [{{path: a, weight: 0.5}}]"
        )
    return tuple(_source({"path": entry} if isinstance(entry, str) else entry, kind) for entry in given)


def _source(entry: Any, kind: str) -> AdapterSource:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("path"), str) or not entry["path"]:
        raise UsageError(f"{kind}: an adapter is {entry!r:.80}; each needs a path, as in {{path: a, weight: 0.5}}")
    if unknown := next((key for key in entry if key not in _KEYS), None):
        raise UsageError(
            f"{kind}: adapter '{entry['path']}' has no '{unknown}'{suggestion(str(unknown), _KEYS)}; it takes "
            f"{', '.join(_KEYS)}"
        )
    weight, revision = entry.get("weight", 1.0), entry.get("revision")
    usable = isinstance(weight, int | float) and not isinstance(weight, bool) and math.isfinite(weight) and weight >= 0
    if not usable:
        raise UsageError(
            f"{kind}: adapter '{entry['path']}' has weight {weight!r:.80}, must be a finite number of at least 0"
        )
    if revision is not None and not isinstance(revision, str):
        raise UsageError(f"{kind}: adapter '{entry['path']}' has revision {revision!r:.80}, must be text")
    # A hub id may name its revision itself, as in owner/name@main.
    repo, at, commit = entry["path"].partition("@")
    if at and commit and revision is None and HUB_ID.fullmatch(repo) and not Path(entry["path"]).expanduser().exists():
        return AdapterSource(repo, float(weight), commit)
    return AdapterSource(entry["path"], float(weight), revision)


def notices(sources: Sequence[AdapterSource]) -> Iterator[Notice]:
    """Yield the notices for the row of a model with these adapters, as far as they are on this machine.

    Raises:
        UsageError, DataError: as `models.adapter_files.read_adapter`.
    """
    found = [(source, source.on_this_machine()) for source in sources if source.weight]
    read = [(source, read_adapter(path)) for source, path in found if path is not None]
    if read and len(read) == len(found) and all(adapter.changes_nothing for _, adapter in read):
        yield Notice("W-BASE", {"adapters": len(read)})
    for source, adapter in read:
        if adapter.assumed_alpha:
            yield Notice("W-ALPHA", {"adapter": source.name, "alpha": adapter.default_alpha})


def _has_weights(folder: Path) -> bool:
    try:
        weight_file(folder)
    except UsageError:
        return False
    return True


def _wanted_files(names: Sequence[str]) -> list[str]:
    """Return the files of a repository that `models.adapter_files` reads: weights at its top, and the configuration."""
    weights = next(([name] for name in NAMES if name in names), None)
    if weights is None:
        weights = [name for name in names if "/" not in name and name.endswith((".safetensors", ".ckpt"))]
    return [*weights, *(name for name in names if name in ("adapter_config.json", CARD))]
