"""``python -m metrics.references [FILE]``: make the composer reference again, bit for bit on one machine.

Every prompt of ``genres@1`` is played with eight seeds, 10 s each; a prompt-seed pair is a recording. The seeds are
2**40 and up: runs use small ones, so that no clip is ever compared with itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.contracts.audio import content_hash
from bench.contracts.embedder import EmbedderRef, embedder_identity, load_embedder
from bench.contracts.model import GenerationRequest, MusicModel
from bench.contracts.plugins import create, find
from bench.contracts.prompt_suite import load_suite_named
from bench.references.file_format import ReferenceWriter
from metrics.references import composer

EMBEDDER = EmbedderRef("musicnn-msd")
SUITE = "genres@1"
FIRST_SEED = 2**40
SEEDS = 8
DURATION = 10.0


def rebuild(path: Path) -> None:
    """Write the reference to ``path``; takes about three minutes."""
    model: MusicModel = create(find("model", "composer"), {}, MusicModel)
    embedder = load_embedder(EMBEDDER)
    with ReferenceWriter(path) as writer:
        for prompt in load_suite_named(SUITE).prompts:
            for seed in range(FIRST_SEED, FIRST_SEED + SEEDS):
                (audio,) = model.generate([GenerationRequest(prompt, seed, DURATION)])
                if isinstance(audio, Exception):
                    raise audio
                id = f"{prompt.id}:{seed}"
                writer.add(id, content_hash(audio), prompt.genre, embedder.embed(audio), prompt.text)
                print(f"{id}: {writer.windows} windows", file=sys.stderr)
        writer.finish(
            "composer",
            embedder_identity(EMBEDDER, embedder),
            synthetic=True,
            licence="Apache-2.0; embeddings of music that tunebench's own composer made, no recording is contained",
            provenance={
                "model": f"composer@{model.version}",
                "suite": SUITE,
                "seeds": [FIRST_SEED, FIRST_SEED + SEEDS - 1],
                "seconds": DURATION,
                "command": "python -m metrics.references",
            },
        )


if __name__ == "__main__":
    rebuild(Path(sys.argv[1]) if len(sys.argv) > 1 else composer() / f"{EMBEDDER.name}.safetensors")
