"""``python -m metrics.references NAME [FILE]``: rebuild a shipped reference, bit for bit on one machine.

Every prompt of ``genres@1`` is played with eight seeds, 10 s each; a prompt-seed pair is a recording. The seeds are
2**40 and up: runs use small ones, so that no clip is ever compared with itself.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bench.contracts.audio import content_hash
from bench.contracts.embedder import EmbedderRef, embedder_identity, load_embedder
from bench.contracts.model import GenerationRequest, MusicModel
from bench.contracts.plugins import create, find
from bench.contracts.prompt_suite import load_suite_named
from bench.references.file_format import ReferenceWriter
from metrics.references import composer, composer_unheard

EMBEDDER = EmbedderRef("musicnn-msd")
SUITE = "genres@1"
SEEDS = 8
DURATION = 10.0


class Source(NamedTuple):
    """Where a reference's music comes from.

    Attributes:
        folder: where it is shipped.
        params: of the composer.
        first_seed: the first of `SEEDS`.
    """

    folder: Path
    params: Mapping[str, Any]
    first_seed: int


SOURCES = {
    "composer": Source(composer(), {}, 2**40),
    "composer-unheard": Source(composer_unheard(), {"repertoire": "reference"}, 2**40 + 1024),
}


def rebuild(name: str, path: Path) -> None:
    """Write a reference to ``path``; takes about three minutes.

    Args:
        name: of `SOURCES`.
        path: a file; its folder is made.

    Raises:
        UsageError: it cannot be written.
    """
    source = SOURCES[name]
    seeds = range(source.first_seed, source.first_seed + SEEDS)
    model: MusicModel = create(find("model", "composer"), dict(source.params), MusicModel)
    embedder = load_embedder(EMBEDDER)
    with ReferenceWriter(path) as writer:
        for prompt in load_suite_named(SUITE).prompts:
            for seed in seeds:
                (audio,) = model.generate([GenerationRequest(prompt, seed, DURATION)])
                if isinstance(audio, Exception):
                    raise audio
                id = f"{prompt.id}:{seed}"
                writer.add(id, content_hash(audio), prompt.genre, embedder.embed(audio), prompt.text)
                print(f"{id}: {writer.windows} windows", file=sys.stderr)
        writer.finish(
            name,
            embedder_identity(EMBEDDER, embedder),
            synthetic=True,
            licence="Apache-2.0; embeddings of music that tunebench's own composer made, no recording is contained",
            provenance={
                "model": f"composer@{model.version}",
                **source.params,
                "suite": SUITE,
                "seeds": [seeds[0], seeds[-1]],
                "seconds": DURATION,
                "command": f"python -m metrics.references {name}",
            },
        )


if __name__ == "__main__":
    asked, *file = sys.argv[1:] or ["composer"]
    if asked not in SOURCES:
        sys.exit(f"no shipped reference '{asked}'; known: {', '.join(SOURCES)}")
    rebuild(asked, Path(file[0]) if file else SOURCES[asked].folder / f"{EMBEDDER.name}.safetensors")
