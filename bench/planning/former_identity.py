"""Identities in runs of layouts 1 and 2, so that such a run is recognized and continued.

Identities contained the path of a class, ``module:Class@version``, and views and warnings were kept as sentences.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts.clip_view import View
from bench.contracts.entry_points import Plugin
from bench.contracts.identity import only_set, portable
from bench.contracts.parameters import bind
from bench.contracts.plugins import find
from bench.errors import DataError
from bench.hashing import fingerprint

if TYPE_CHECKING:
    from bench.contracts.embedder import Embedder, EmbedderRef
    from bench.contracts.model import GenerationRequest

# Former modules of our plugins. Plugins of others are assumed not to have moved.
_TARGETS = {
    ("model", "composer"): "models.composer:Composer",
    ("model", "composer-offkey"): "models.composer.controls:OffKeyComposer",
    ("model", "composer-loose"): "models.composer.controls:LooseComposer",
    ("model", "noise"): "models.composer.controls:Noise",
    ("model", "folder"): "models.folder:FolderModel",
    ("model", "audioldm"): "models.audioldm:AudioLDM",
    ("model", "audioldm-lora"): "models.audioldm:AudioLDMLora",
    ("model", "audioldm2"): "models.audioldm2:AudioLDM2",
    ("model", "musicgen"): "models.musicgen:MusicGen",
    ("model", "command"): "models.command:CommandModel",
    ("model", "stable-audio"): "models.stable_audio:StableAudio",
    ("model", "stable-audio-lora"): "models.stable_audio:StableAudioLora",
    ("embedder", "musicnn-msd"): "metrics.embedders.musicnn:MusicnnMSD",
    ("embedder", "musicnn-mtt"): "metrics.embedders.musicnn:MusicnnMTT",
    ("embedder", "clap"): "metrics.embedders.clap:Clap",
    ("embedder", "clap-laion"): "metrics.embedders.laion:ClapLaion",
    ("embedder", "vggish"): "metrics.embedders.vggish:VGGish",
    ("embedder", "pann"): "metrics.embedders.pann:PANN",
}
_VIEW = re.compile(r"(?:whole clips|the first (?P<seconds>[0-9.e+-]+) s)(?:, up to (?P<band>[0-9.e+-]+) Hz)?")


def former_target(plugin: Plugin) -> str:
    """Return the class as identities named it: ``module:Class``, or ``file.py:Class``."""
    if plugin.source:
        return Path(plugin.target).name
    return _TARGETS.get((plugin.kind, plugin.name), plugin.target)


def is_former_model(stored: Mapping[str, Any], plugin: Plugin, identity: Mapping[str, Any]) -> bool:
    """Return whether a stored identity is the former one of a model.

    Args:
        stored: the stored identity.
        plugin: plugin of the model.
        identity: the model's identity now.
    """
    place, _, name = str(stored.get("class")).rpartition(":")
    where, _, attribute = former_target(plugin).rpartition(":")
    # A file may have another name today: its content decides.
    if name != f"{attribute}@{identity['plugin']['version']}" or not (plugin.source or place == where):
        return False
    params = {name: portable(value) for name, value in stored.get("params", {}).items() if value is not None}
    own = {name: value for name, value in stored.items() if name not in ("class", "params", "source")}
    was = only_set({"params": params, **own})
    return stored.get("source") == plugin.source and was == {k: v for k, v in identity.items() if k != "plugin"}


def former_clip_id(
    stored: Mapping[str, Any], rate: int | None, request: GenerationRequest, extra: Mapping[str, Any], row: str = ""
) -> str:
    """Return the id that a clip had.

    Args:
        stored: the model's stored identity.
        rate: its sample rate in Hz, or None.
        request, extra: as for `bench.planning.plan.clip_id`.
        row: the model's label if it was part of the id, for existing clips.
    """
    prompt = request.prompt
    return fingerprint(
        {
            "model": stored,
            "prompt": {
                "text": prompt.text,
                "genre": prompt.genre,
                "level": prompt.level,
                "bpm": prompt.bpm,
                "key": prompt.key,
            },
            "seed": request.seed,
            "duration": round(request.duration * rate) if rate else f"{request.duration:.6f} s",
            **({"row": row} if row else {}),
            **({"request": dict(extra)} if extra else {}),
        }
    )


def former_embedder(ref: EmbedderRef, embedder: Embedder) -> str:
    """Return the former fingerprint of an embedder.

    Args:
        ref: its name and parameters.
        embedder: an instance of it.
    """
    plugin, kind = find("embedder", ref.name), type(embedder)
    params = bind(plugin, kind, ref.params)
    return fingerprint(
        {
            "class": f"{former_target(plugin)}@{kind.version}",
            # There was no parameter 'front_end'.
            "params": {
                name: value
                for name, value in params.items()
                if name not in kind.provenance_params and (name, value) != ("front_end", None)
            },
            **embedder.fingerprint(),
            **({"source": plugin.source} if plugin.source else {}),
        }
    )


def former_params_hashes(plugin: Plugin, params: Mapping[str, Any]) -> tuple[str, ...]:
    """Return possible former values of a metric's ``params_hash``; the package was part of it for a while.

    Args:
        plugin: the metric's.
        params: all its parameters, defaults filled in.
    """
    if plugin.source:
        return (fingerprint([dict(params), Path(plugin.target).name, plugin.source]),)
    return fingerprint([dict(params)]), fingerprint([dict(params), plugin.distribution])


def view_of_words(words: str) -> str:
    """Return the key of a view stored as words, with its numbers as rounded there.

    Raises:
        DataError: the words do not describe a view.
    """
    if not words:
        return ""
    found = _VIEW.fullmatch(words)
    try:
        numbers = {name: float(text) for name, text in (found.groupdict() if found else {}).items() if text}
    except ValueError:
        found = None
    if found is None:
        raise DataError(f"{words!r:.80} does not describe a part of a clip")
    return View(**numbers).key
