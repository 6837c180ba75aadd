"""A model's identity in a sentence: its plugin, parameters, checkpoint and adapter, as recorded by the run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import PurePath
from typing import Any

from bench.contracts.identity import plugin_identity, plugin_label
from bench.contracts.plugins import installed, load
from bench.errors import TunebenchError
from bench.report.context import ModelEntry
from bench.report.metric_info import first_paragraph

_DIGITS = 12  # shown of a hash
_LONGEST = 120  # shown characters of a value


def described(model: ModelEntry) -> str:
    """``sao-lora: stable-audio@1 with steps = 50, checkpoint owner/name at revision 0123456789ab, …``."""
    identity, provenance = json.loads(model.identity), json.loads(model.provenance)
    parts = [f"{model.label}: {plugin_label(identity)}"]
    named = {**identity, **identity.get("plugin", {})}  # runs of layout 2 have it at the top level
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
        parts.append(f"{_adapters(adapter, provenance.get('adapter'))}{weight}")
    if unknown := (provenance.get("tuning") or {}).get("unknown"):
        parts.append(f"what {_short(', '.join(map(str, unknown)))} was tuned by is unknown")
    if source := named.get("source"):
        parts.append(f"from a plugin file {_hash(source)}")
    parts += [f"{name} {_short(value)}" for name, value in identity.items() if value not in (None, {}, [], "")]
    return ", ".join(parts)


def purpose(identity: Mapping[str, Any]) -> str:
    """Return the description of a model's plugin with its parameters; empty if this version is not installed."""
    own = identity.get("plugin")
    plugin = installed("model").get(str(own.get("name"))) if isinstance(own, Mapping) else None
    if plugin is None:
        return ""
    try:
        kind = load(plugin)
    except TunebenchError:
        return ""
    if plugin_identity(plugin, kind.version) != own or not (said := first_paragraph(kind)):
        return ""
    params = {name: value for name, value in (identity.get("params") or {}).items() if value is not None}
    told = ", ".join(f"{name} = {_short(value)}" for name, value in params.items())
    return f"{said} ({told})" if told else said


def _checkpoint(identity: dict[str, Any], given: object) -> str:
    """Remove the identity of the weights from a mapping and return it as text."""
    repo, revision, weights = (identity.pop(name, None) for name in ("repo", "revision", "weights"))
    if repo is not None:
        return f"checkpoint {_short(repo)}" + (f" at revision {str(revision)[:_DIGITS]}" if revision else "")
    if weights is not None:
        return f"checkpoint {_named(given)}{_hashes(weights)}"
    return ""


def _named(given: object) -> str:
    """Return the name of a folder, without its path on disk."""
    return f"'{PurePath(given).name}' " if isinstance(given, str) and PurePath(given).name else ""


def _adapters(identity: object, given: object) -> str:
    """Return the adapters as text, with their names if recorded."""
    several = isinstance(identity, list)
    identities = identity if isinstance(identity, list) else [identity]
    entries = given if isinstance(given, list) else [given]
    paths = [entry.get("path") if isinstance(entry, Mapping) else entry for entry in entries]
    told = [f"{_named(path)}{_adapter(own)}" for own, path in zip_longest(identities, paths) if own is not None]
    return f"adapter{'s' * several} {' + '.join(told)}"


def _adapter(identity: object) -> str:
    """Return the hashes of one adapter, or its revision, and its weight among several."""
    if not isinstance(identity, Mapping):
        return _hashes(identity)
    repo, revision = identity.get("repo"), str(identity.get("revision"))[:_DIGITS]
    numbers = {name: identity[name] for name in ("alpha", "weight") if name in identity}
    hashes = {name: own for name, own in identity.items() if name not in (*numbers, "repo", "revision")}
    told = _hashes(hashes) if repo is None else f"of {_short(repo)} at revision {revision}"
    return "".join([told, *(f", {name} {_short(value)}" for name, value in numbers.items())])


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
