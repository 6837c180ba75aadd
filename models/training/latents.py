"""What a training reads repeatedly, computed once: posteriors of the autoencoder, and conditions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from bench.contracts.audio import content_hash, read_audio
from bench.errors import DataError, MissingError
from bench.hashing import fingerprint
from bench.number_format import counted
from bench.progress import Progress, Silent
from models.batching import out_of_memory
from models.training.base import Latent, Trainee
from models.training.latent_files import is_latent, read_latent
from models.training.latent_shards import LatentShards

if TYPE_CHECKING:
    from bench.contracts.audio import Audio
    from models.training.base import Condition
    from models.training.dataset import Dataset, Example


class LatentCache:
    """The latents and conditions of a dataset's examples for one checkpoint, on disk.

    Latents are kept under the hash of the sound and conditions under the caption, or the hash of the sound where that
    is the condition, in a folder for each fingerprint of what made them: equal sounds and captions are encoded once,
    whatever dataset they come from, and another checkpoint's entries are neither used nor touched. Mean and standard
    deviation are kept, so that each epoch draws anew.

    Attributes:
        unread: by caption, how many of its tokens the text encoder does not read, where there are any.
    """

    def __init__(self, latents: LatentShards, conditions: LatentShards, dataset: Dataset, trainee: Trainee) -> None:
        self._latents, self._conditions = latents, conditions
        self._hashes, self._heard = dataset.hashes, trainee.conditioned_on == "audio"
        self._told = trainee.told
        self.unread: Mapping[str, int] = {}

    @classmethod
    def build(cls, trainee: Trainee, dataset: Dataset, folder: Path, progress: Progress | None = None) -> LatentCache:
        """Compute what is missing in the folder; what an interrupted build has written is kept and reused.

        Args:
            trainee: with its encoders, on the device that computes.
            dataset: whose examples are encoded, each sound once.
            folder: made where it is missing; may hold latents of other checkpoints and datasets.
            progress: told of each sound and each caption.

        Raises:
            UsageError: the folder cannot be written to, or the disk is full.
            DataError: a file cannot be read, or has changed since the dataset was read; or latents are not finite.
            MissingError: a file does not fit into memory.
        """
        progress = progress or Silent()
        latents = _shards(folder, "latents", trainee.fingerprint, progress)
        conditions = _shards(folder, "conditions", trainee.condition_fingerprint, progress)
        cache = cls(latents, conditions, dataset, trainee)
        with latents, conditions:
            cache._encode(trainee, dataset, progress)
            latents.flush()  # conditions may depend on an example's length
            if not cache._heard:
                cache._read_captions(trainee, dataset, progress)
        return cache

    def latent(self, example: Example) -> Latent:
        """Return the example's posterior, mapped from disk: unused parts are not read. Do not change it in place."""
        entry = self._latents.read(self._hashes[example.id])
        return Latent(entry["mean"], entry["std"], float(entry["seconds"]), float(entry.get("start", 0.0)))

    def seconds(self, example: Example) -> float:
        """Return the length of the example's audio."""
        return float(self._latents.read(self._hashes[example.id])["seconds"])

    def condition(self, example: Example) -> Condition:
        """Return the network's condition for the example."""
        return self._conditions.read(self._condition_key(example))

    def _condition_key(self, example: Example) -> str:
        return self._hashes[example.id] if self._heard else fingerprint(self._told_of(example))

    def _told_of(self, example: Example) -> str:
        return self._told(example.caption, self.seconds(example))

    def _encode(self, trainee: Trainee, dataset: Dataset, progress: Progress) -> None:
        sounds: dict[str, Example] = {}
        for example in dataset.examples:
            sounds.setdefault(dataset.hashes[example.id], example)
        missing = {
            key: example
            for key, example in sounds.items()
            if key not in self._latents or (self._heard and key not in self._conditions)
        }
        progress.begin("encoding audio", len(sounds), len(sounds) - len(missing))
        for key, example in missing.items():
            if is_latent(example.path):
                self._latents.add(key, _stored(trainee, example, key))
                progress.advance(1)
                continue
            audio = read_audio(example.path)
            if content_hash(audio) != key:
                raise _changed(example)
            if key not in self._latents:
                self._latents.add(key, _encoded(trainee, audio, example))
            if self._heard and key not in self._conditions:
                self._conditions.add(key, _finite(trainee.condition_of_audio(audio), str(example.path)))
            progress.advance(1)

    def _read_captions(self, trainee: Trainee, dataset: Dataset, progress: Progress) -> None:
        captions = {self._condition_key(example): self._told_of(example) for example in dataset.examples}
        missing = {key: caption for key, caption in captions.items() if key not in self._conditions}
        progress.begin("encoding captions", len(captions), len(captions) - len(missing))
        for key, caption in missing.items():
            self._conditions.add(key, _finite(trainee.condition(caption), f"caption '{caption[:60]}'"))
            progress.advance(1)
        unread = {caption: trainee.unread_tokens(caption) for caption in captions.values()}
        self.unread = {caption: tokens for caption, tokens in unread.items() if tokens}
        if self.unread:
            progress.note(
                f"the text encoder does not read the end of {len(self.unread)} of {counted(len(captions), 'caption')} "
                f"(up to {counted(max(self.unread.values()), 'token')}): shorten them"
            )


def _shards(folder: Path, what: str, about: Mapping[str, object], progress: Progress) -> LatentShards:
    return LatentShards(folder / f"{what}-{fingerprint(about)[:16]}", about, progress)


def _changed(example: Example) -> DataError:
    return DataError(f"{example.path}: changed since the dataset was read; start again")


def _stored(trainee: Trainee, example: Example, key: str) -> Mapping[str, torch.Tensor]:
    """Return what is stored of a pre-encoded latent."""
    stored = read_latent(example.path)
    if stored.hash != key:
        raise _changed(example)
    return _tensors(trainee.take(stored), example)


def _encoded(trainee: Trainee, audio: Audio, example: Example) -> Mapping[str, torch.Tensor]:
    try:
        latent = trainee.encode(audio)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise MissingError(
            f"{example.path}: {audio.duration:g} s do not fit into memory to be encoded; cut the file, or use "
            "a device with more memory"
        ) from error
    return _tensors(latent, example)


def _tensors(latent: Latent, example: Example) -> Mapping[str, torch.Tensor]:
    place = {"seconds": latent.seconds, **({"start": latent.start} if latent.start else {})}
    told = {name: torch.tensor(value, dtype=torch.float64) for name, value in place.items()}
    return _finite({"mean": latent.mean, "std": latent.std, **told}, str(example.path))


def _finite(tensors: Mapping[str, torch.Tensor], what: str) -> Mapping[str, torch.Tensor]:
    if all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        return tensors
    raise DataError(f"{what}: the checkpoint's encoding of it is not finite; are its weights the published ones?")
