"""Check declarations of models: warnings, families, and known recordings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from bench.contracts.family import Lineage, families
from bench.contracts.model import MusicModel
from bench.contracts.notice import Notice, checked
from bench.errors import TunebenchError, UsageError

if TYPE_CHECKING:  # workers need plans, not configurations
    from bench.config.run_config import ModelConfig

_HASH = re.compile(r"[0-9a-f]{64}")


def own_seeds(entry: ModelConfig) -> Literal["auto"]:
    """Return the seeds of a row whose model chooses them.

    Raises:
        UsageError: its configuration names some.
    """
    if entry.seeds is not None and not isinstance(entry.seeds, str):
        raise UsageError(f"model '{entry.row}': it chooses its own seeds; leave 'seeds' out of its entry")
    return "auto"


def notices_of(model: MusicModel, row: str, more: Sequence[Notice]) -> list[dict[str, Any]]:
    """Return its own warnings, and those about its prompts, as stored.

    Args:
        model: an instance.
        row: its label, which becomes the parameter ``model`` of each warning.
        more: the warnings about its prompts.

    Raises:
        DataError: the model does not return warnings.
    """
    given = (*checked(model.notices(), f"model '{row}'"), *more)
    return [replace(notice, params={**notice.params, "model": row}).as_json() for notice in given]


def lineage_of(model: MusicModel, entry: ModelConfig) -> Lineage:
    """Return the lineage declared by the model and its configuration.

    Raises:
        UsageError: the model names an invalid family.
    """
    whose = f"model '{entry.row}'"
    conditioned, trained = families(model.conditioned_on(), whose), families(model.trained_with(), whose)
    return Lineage(
        tuple(dict.fromkeys([*conditioned, *entry.conditioned_on])),
        tuple(dict.fromkeys([*trained, *entry.trained_with])),
    )


def hashes_of(method: Callable[[], Iterable[str]], row: str) -> frozenset[str]:
    """Return the content hashes that a model's ``trained_on()`` or ``plays()`` gives, each of 64 hexadecimal digits.

    Args:
        method: the bound method.
        row: label of the model for errors.

    Raises:
        UsageError: it fails, or returns other values.
        TunebenchError: raised by the method.
    """
    name = method.__name__
    try:
        hashes = frozenset(method())
    except TunebenchError:
        raise
    except Exception as error:
        raise UsageError(f"model '{row}': its {name}() raises {type(error).__name__}: {error}") from error
    if wrong := next((h for h in hashes if not (isinstance(h, str) and _HASH.fullmatch(h))), None):
        raise UsageError(
            f"model '{row}': its {name}() gives {wrong!r}, which is not a bench.contracts.audio.content_hash"
        )
    return hashes
