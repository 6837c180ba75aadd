"""On audio whose notes are known, spoiled music falls where it must, and by the dose."""

from functools import cache

import numpy as np
import pytest

from bench import Audio, ClipMetric, DecodedClip, GenerationRequest, MusicModel, Score
from metrics.harmony import HarmonicAccuracy
from metrics.rhythm import RhythmGrid, RhythmicInconsistency
from models.composer import Composer
from models.composer.controls import LooseComposer, Noise, OffKeyComposer
from prompts import genres

pytestmark = pytest.mark.slow(4)

# Slow attacks (choirs) leave no onsets that could be placed to a hundredth of a second.
FAST_ATTACKS = ("classical", "dance", "jazz", "pop", "rock")
SECONDS = 15
PROMPTS = [prompt for prompt in genres().prompts if prompt.level == 5 and prompt.genre in FAST_ATTACKS]


@cache
def clips(model: type[MusicModel], **dose: float) -> list[DecodedClip]:
    requests = [GenerationRequest(prompt, seed=0, duration=SECONDS) for prompt in PROMPTS]
    audios = model(**dose).generate(requests)
    return [
        DecodedClip(audio, prompt, audio.notes)
        for audio, prompt in zip(audios, PROMPTS, strict=True)
        if isinstance(audio, Audio)
    ]


def scores(metric: ClipMetric, model: type[MusicModel], **dose: float) -> list[Score]:
    scored = [metric.score(clip) for clip in clips(model, **dose)]
    assert len(scored) == len(FAST_ATTACKS)
    return scored


def heard(scored: list[Score]) -> float:
    values = [score.value for score in scored if score.value is not None]
    assert len(values) == len(scored)
    return float(np.mean(values))


def known(scored: list[Score]) -> float:
    return float(np.mean([score.details["known"] for score in scored]))


def test_wrong_notes_lower_harmonic_accuracy_by_the_dose() -> None:
    metric = HarmonicAccuracy()
    doses = [
        scores(metric, Composer),
        scores(metric, OffKeyComposer, share=0.2),
        scores(metric, OffKeyComposer, share=0.4),
    ]
    right, some, many = map(heard, doses)
    assert right > some + 3 and some > many + 3
    for scored in doses:
        assert heard(scored) == pytest.approx(known(scored), abs=3.5)


@pytest.mark.parametrize(
    ("metric", "apart", "error"),
    [(RhythmicInconsistency(), 1.0, 3.0), (RhythmGrid(), 0.2, 0.3)],
    ids=["inconsistency", "grid"],
)
def test_loose_playing_raises_the_distance_from_the_grid_by_the_dose(
    metric: ClipMetric, apart: float, error: float
) -> None:
    doses = [scores(metric, Composer), scores(metric, LooseComposer, sd=0.04), scores(metric, LooseComposer, sd=0.08)]
    tight, loose, looser = map(heard, doses)
    assert tight + apart < loose and loose + apart < looser
    for scored in doses:
        assert heard(scored) == pytest.approx(known(scored), abs=error)


def test_each_control_leaves_the_other_property_alone() -> None:
    off_key = heard(scores(RhythmicInconsistency(), OffKeyComposer, share=0.4))
    assert off_key == pytest.approx(heard(scores(RhythmicInconsistency(), Composer)), abs=0.2)
    loose = heard(scores(HarmonicAccuracy(), LooseComposer, sd=0.08))
    assert loose == pytest.approx(heard(scores(HarmonicAccuracy(), Composer)), abs=1.5)


def test_noise_gets_a_reason() -> None:
    for metric in (HarmonicAccuracy(), RhythmicInconsistency(), RhythmGrid()):
        assert all(score.reason for score in scores(metric, Noise))
