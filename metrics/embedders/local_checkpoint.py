"""What embedders share whose weights are one file that the user brings."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.contracts.embedder import Embedder
from metrics.networks.checkpoint import hash_of


class LocalCheckpoint(Embedder):
    """An embedder with one file of weights; a subclass keeps its network in a cached property ``_network``."""

    def fingerprint(self) -> Mapping[str, Any]:
        return {"weights": hash_of([self._file])}

    def check_weights(self) -> None:
        self._file  # noqa: B018 - looks for it

    def close(self) -> None:
        self.__dict__.pop("_network", None)

    @property
    @abstractmethod
    def _file(self) -> Path:
        """The file of the weights.

        Raises:
            MissingError: it is not there.
        """
