"""Fingerprints of a training's recordings, stored beside its result, so that leaks are found without the recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.contracts.fingerprint_file import NAME, PrintedRecording, write_fingerprints
from bench.contracts.known_sounds import known_sounds
from bench.errors import DataError, MissingError
from bench.progress import Progress
from models.training.dataset import Example
from models.training.latent_files import is_latent


def keep_fingerprints(folder: Path, examples: Sequence[Example], hashes: Mapping[str, str], progress: Progress) -> None:
    """Write the fingerprints of the recordings that were trained on, each sound once, into a folder.

    Pre-encoded latents have no fingerprints, and files that no longer exist are left out; without any
    recording there is no file.

    Args:
        folder: of the adapter or the checkpoint.
        examples: that were trained on.
        hashes: content hash of each by its id.
        progress: shows the progress.

    Raises:
        UsageError: it cannot be written to the disk.
    """
    found: dict[str, PrintedRecording] = {}
    progress.begin("fingerprints of the training", len(examples), 0)
    with known_sounds() as sounds:
        for example in examples:
            content = hashes[example.id]
            if content not in found and not is_latent(example.path):
                try:
                    _, prints = sounds.prints_of(example.path, content)
                    found[content] = PrintedRecording(example.id, content, prints)
                except (DataError, MissingError) as error:
                    progress.note(f"no fingerprint of {example.id}: {error}")
            progress.advance(1)
    if found:
        write_fingerprints(folder / NAME, list(found.values()))
