"""How fast clips are embedded and scored by everything that needs no download, on one core."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from bench_note_metrics import SECONDS, score_all, speed
from row import Row

from bench import Audio, DecodedClip, GenerationRequest
from bench.contracts.embedder import Embedder, EmbedderRef, load_embedder
from metrics.genre_fit import GenreFit
from metrics.genre_tags import MSD, MTT
from models.composer import Composer
from prompts import quick

GENRE_FIT = GenreFit()


@cache
def loaded(ref_name: str) -> Embedder:
    return load_embedder(EmbedderRef(ref_name))


def everything_offline(clip: DecodedClip) -> None:
    """The note metrics, both embeddings that the set metrics need, and genre fit on the same embeddings."""
    score_all(clip)
    clip.embedding(MSD)
    clip.embedding(MTT)
    GENRE_FIT.score(clip)


def measure() -> Iterable[Row]:
    requests = [GenerationRequest(prompt, 0, SECONDS) for prompt in quick().prompts if prompt.level == 5]
    audios = [audio for audio in Composer().generate(requests) if isinstance(audio, Audio)]

    def clips() -> list[DecodedClip]:
        return [
            DecodedClip(audio, request.prompt, embedders=lambda ref: loaded(ref.name))
            for audio, request in zip(audios, requests, strict=True)
        ]

    everything_offline(clips()[0])  # loads the networks
    note = f"median of {len(audios)} clips of {SECONDS:g} s, one thread"
    yield Row("all offline metrics and embeddings", speed(everything_offline, clips()), "× real time", 10, note=note)
    yield Row("musicnn-msd embedding", speed(lambda clip: clip.embedding(MSD), clips()), "× real time", note=note)
    embedded = clips()
    for clip in embedded:
        clip.embedding(MSD), clip.embedding(MTT)
    yield Row("genre fit of embedded clips", speed(GENRE_FIT.score, embedded), "× real time", note=note)
