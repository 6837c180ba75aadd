"""Front ends of references: how their audio was prepared, and which clips may be compared."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.contracts.embedder import EmbedderRef, load_embedder
from bench.contracts.front_end import OWN, FrontEnd, describe
from bench.contracts.identity import plugin_label
from bench.contracts.plugins import find, installed, load
from bench.errors import TunebenchError, UsageError

HEARD = "heard"
"""Key in a reference file for a front end that differs from its embedder's: the identity of
that front end, or the name of tunebench's own."""


AnyFrontEnd = str | Mapping[str, Any]
"""A front end by name, or as a table of settings."""


def with_front_end(ref: EmbedderRef, name: AnyFrontEnd) -> EmbedderRef:
    """Return the embedder with a front end by name or settings; ``tunebench`` means its own.

    Args:
        ref: the embedder, without a front end or with the same one.
        name: the front end.

    Raises:
        UsageError: the embedder has no such front end, or ``ref`` names another.
    """
    given = ref.params.get("front_end")
    if given not in (None, name):
        raise UsageError(
            f"--front-end is {front_end_words(name)} and the parameter front_end is {front_end_words(given)}; give one "
            "of them"
        )
    params = {key: value for key, value in ref.params.items() if key != "front_end"}
    embedder = load_embedder(replace(ref, params=params))
    own_only = not embedder.front_ends
    embedder.close()
    if name == OWN:
        return replace(ref, params=params)
    if own_only:
        raise UsageError(f"{ref.name} has no published front ends, only its own: --front-end {OWN}")
    chosen = replace(ref, params={**params, "front_end": name})
    load_embedder(chosen).close()  # refuses an unknown one
    return chosen


def compared_by(ref: EmbedderRef, compare_with: AnyFrontEnd | None) -> tuple[EmbedderRef, dict[str, Any]]:
    """Return the embedder of the clips to compare with, and the file's entry about the music if it differs.

    Args:
        ref: the embedder of the music.
        compare_with: front end of the clips, if it differs.

    Raises:
        UsageError: as `with_front_end`.
    """
    if compare_with is None:
        return ref, {}
    plain = {name: value for name, value in ref.params.items() if name != "front_end"}
    other = with_front_end(replace(ref, params=plain), compare_with)
    heard = heard_by(ref)
    return other, {HEARD: heard} if heard != heard_by(other) else {}


def front_end_words(front_end: AnyFrontEnd) -> str:
    """Return a front end as written on the command line."""
    return front_end if isinstance(front_end, str) else json.dumps(dict(front_end))


def ask_for_front_end(ref: EmbedderRef, source: Path, command: Sequence[str], likely: str | None) -> None:
    """Refuse a file that does not say how its audio was prepared, unless the embedder has only one front end.

    Args:
        ref: the embedder.
        source: the file.
        command: the equivalent command, without the front end.
        likely: the tool that probably wrote the file, if recognized.

    Raises:
        UsageError: the embedder has several front ends, and none was named.
    """
    embedder = load_embedder(ref)
    known = [*embedder.front_ends, OWN] if embedder.own_front_end or embedder.front_ends else []
    embedder.close()
    if ref.params.get("front_end") is not None or not known:
        return
    proposed = likely if likely in known else known[0]
    raise UsageError(
        f"{source} does not say how its audio was prepared ({', '.join(known)}); name the front end, for example: "
        f"{shlex.join([*command, '--front-end', proposed])}"
    )


def heard_by(ref: EmbedderRef) -> str | dict[str, Any]:
    """Return the front end of an embedder as a reference file stores it under `HEARD`."""
    embedder = load_embedder(ref)
    published = embedder.published_front_end
    embedder.close()
    return published.identity() if published else OWN


def front_end_of(about: Mapping[str, Any]) -> str:
    """Describe in a line how the audio of a reference was prepared, from its metadata."""
    identity = about["embedder"]
    heard = about.get(HEARD, identity.get("front_end", OWN))
    if isinstance(heard, Mapping):
        try:
            return describe(heard)
        except (KeyError, TypeError, ValueError):  # written by another version of tunebench
            return str(heard.get("name"))
    name = str(identity.get("plugin", {}).get("name"))
    try:
        own = load(find("embedder", name)).own_front_end if name in installed("embedder") else None
    except (TunebenchError, AttributeError):
        own = None
    return own.text if isinstance(own, FrontEnd) else f"that of {plugin_label(identity)}"


def heard_name(heard: Any) -> str:
    """Return the name of the front end under `HEARD`."""
    return str(heard.get("name")) if isinstance(heard, Mapping) else str(heard)
