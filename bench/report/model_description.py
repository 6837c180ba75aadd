"""A model's identity in a sentence: its plugin, parameters, checkpoint and adapter, as far as the run recorded them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import PurePath
from typing import Any

from bench.contracts.identity import plugin_label
from bench.report.context import ModelEntry

_DIGITS = 12  # of a hash in print
_LONGEST = 120  # characters of a value in print


def described(model: ModelEntry) -> str:
    """``sao-lora: stable-audio@1 with steps = 50, checkpoint owner/name at revision 0123456789ab, …``."""
    identity, provenance = json.loads(model.identity), json.loads(model.provenance)
    parts = [f"{model.label}: {plugin_label(identity)}"]
    named = {**identity, **identity.get("plugin", {})}  # runs of layout 2 say it at the top
    identity = {name: value for name, value in identity.items() if name not in ("plugin", "class", "source")}
    params = {name: value for name, value in (identity.pop("params", None) or {}).items() if value is not None}
    adapter = identity.pop("adapter", None)
    scale = params.pop("adapter_scale", None)
    if params:
        parts[0] += " with " + ", ".join(f"{name} = {_short(value)}" for name, value in params.items())
    if checkpoint := _checkpoint(identity, provenance.get("checkpoint")):
        parts.append(checkpoint)
    if adapter is not None:
        weight = "" if scale is None else f" at scale {_short(scale)}"
        several = isinstance(adapter, list)
        given = provenance.get("adapter")
        entries: list[Any] = given if isinstance(given, list) and given else [given]
        told = [
            f"{_adapter_name(name)}{_adapter(own)}"
            for own, name in zip_longest(adapter if several else [adapter], entries)
            if own is not None
        ]
        parts.append(f"adapter{'s' * several} {' + '.join(told)}{weight}")
    if source := named.get("source"):
        parts.append(f"from a plugin file {_hash(source)}")
    parts += [f"{name} {_short(value)}" for name, value in identity.items() if value not in (None, {}, [], "")]
    return ", ".join(parts)


def _checkpoint(identity: dict[str, Any], given: object) -> str:
    """Take what identifies the weights out of an identity and say it."""
    repo, revision, weights = (identity.pop(name, None) for name in ("repo", "revision", "weights"))
    if repo is not None:
        return f"checkpoint {_short(repo)}" + (f" at revision {str(revision)[:_DIGITS]}" if revision else "")
    if weights is not None:
        return f"checkpoint {_named(given)}{_hashes(weights)}"
    return ""


def _named(given: object) -> str:
    """What a folder is called, without where it lies on somebody's disk."""
    return f"'{PurePath(given).name}' " if isinstance(given, str) and PurePath(given).name else ""


def _adapter_name(given: object) -> str:
    return _named(given.get("path") if isinstance(given, Mapping) else given)


def _adapter(identity: object) -> str:
    """The hashes of one adapter, or its revision, and the weight that it has among several."""
    if not isinstance(identity, Mapping):
        return _hashes(identity)
    hashes = {name: own for name, own in identity.items() if name not in ("weight", "repo", "revision")}
    times = f" times {_short(identity['weight'])}" if "weight" in identity else ""
    where = f"of {_short(identity['repo'])} at revision {str(identity.get('revision'))[:_DIGITS]}"
    return (where if "repo" in identity else _hashes(hashes)) + times


def _hashes(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_hash(own)}" for name, own in value.items())
    return f"weights {_hash(value)}"


def _hash(value: object) -> str:
    return f"SHA-256 {str(value)[:_DIGITS]}…"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split()) or '""'
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
