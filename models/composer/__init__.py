"""A rule-based composer as a music model: prompts become scores, which are played with a soundfont."""

from __future__ import annotations

from collections.abc import Sequence

from bench.contracts.audio import Audio
from bench.contracts.model import GenerationRequest, MusicModel
from bench.contracts.notes import Notes
from bench.errors import UsageError, suggestion

REPERTOIRES = ("training", "reference")


class Composer(MusicModel):
    """Composes in the prompt's genre, key, tempo, instruments, mood and form; the seed decides what it leaves open.

    Six styles are known: choral, classical, dance, jazz, pop and rock; another genre, or none, is mapped to the nearest
    one by the words of genre and text, or else to pop. A longer duration gives the same piece, longer. The notes come
    with the audio. Nothing is downloaded; playing needs tinysoundfont, and a `MissingError` names the command that
    installs it.

    Args:
        repertoire: one of two halves that share no instrument, progression or melodic rhythm: ``training``, or
            ``reference`` for judging models trained on the other; None for everything.

    Raises:
        UsageError: another repertoire.
    """

    version = 1
    sample_rate = 44_100
    typical_speed = 25.0

    def __init__(self, repertoire: str | None = None) -> None:
        if repertoire is not None and repertoire not in REPERTOIRES:
            raise UsageError(
                f"composer: no repertoire '{repertoire}'{suggestion(repertoire, REPERTOIRES)}; known: "
                f"{', '.join(REPERTOIRES)}"
            )
        self.repertoire = repertoire

    @classmethod
    def require(cls) -> None:
        from models.composer.soundfont import synthesizer

        synthesizer()

    def generate(self, requests: Sequence[GenerationRequest]) -> Sequence[Audio]:
        from models.composer.render import render

        return [render(self._notes(request), request.duration) for request in requests]

    def _notes(self, request: GenerationRequest) -> Notes:
        """Return the score that is played."""
        from models.composer.repertoire import Repertoire
        from models.composer.score import compose

        half = None if self.repertoire is None else Repertoire(self.repertoire)
        return compose(request.prompt, request.seed, request.duration, half)
