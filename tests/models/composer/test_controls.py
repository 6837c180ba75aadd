"""The controls spoil the composer's own scores by exactly what they are asked."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from bench.contracts.audio import content_hash
from bench.contracts.model import GenerationRequest
from bench.contracts.notes import Note, Notes
from bench.contracts.prompt import Prompt
from bench.errors import UsageError
from models.composer import Composer
from models.composer.chance import named_generator
from models.composer.controls import LooseComposer, Noise, OffKeyComposer, loose, off_key
from models.composer.writing.prompt_parser import STYLES

SCORE = Notes(
    tuple(Note(place / 4, 0.25, 60 + place % 12, 80, 0, place % 5 == 0) for place in range(4000)), quarter=0.5
)


def _moved(notes: Notes) -> dict[int, int]:
    """Place in the score → new pitch, of those whose pitch differs."""
    pairs = zip(SCORE.events, notes.events, strict=True)
    return {place: new.pitch for place, (old, new) in enumerate(pairs) if old.pitch != new.pitch}


def _chance() -> np.random.Generator:
    return named_generator("test")


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3, 0.4])
def test_the_asked_share_of_pitched_notes_moves(share: float) -> None:
    spoiled = off_key(SCORE, share, _chance())
    moved = _moved(spoiled)
    # Eleven in twelve draws are another pitch class.
    assert len(moved) / len(SCORE.pitches) == pytest.approx(share * 11 / 12, abs=4 * np.sqrt(share / 12 / 3200))
    for old, new in zip(SCORE.events, spoiled.events, strict=True):
        assert old._replace(pitch=0) == new._replace(pitch=0)
        assert abs(old.pitch - new.pitch) <= 6 and (not old.drum or old == new)


def test_new_pitch_classes_are_uniform() -> None:
    moved = _moved(off_key(SCORE, 0.4, _chance()))
    counts = np.bincount([pitch % 12 for pitch in moved.values()], minlength=12)
    expected = len(moved) / 12
    assert ((counts - expected) ** 2 / expected).sum() < 31.3  # chi-squared, 11 degrees of freedom, p = .001


def test_doses_are_nested() -> None:
    doses = [_moved(off_key(SCORE, share, _chance())) for share in (0.1, 0.2, 0.4)]
    for less, more in pairwise(doses):
        assert less.items() <= more.items() and len(less) < len(more)


@pytest.mark.parametrize("sd", [0.02, 0.08])
def test_onsets_move_by_the_asked_deviation(sd: float) -> None:
    late = Notes(tuple(note._replace(onset=note.onset + 5) for note in SCORE.events), quarter=0.5)
    moved = loose(late, sd, _chance())
    # Sorting by onset may swap neighbours, so compare by identity of what does not change: mean and spread do not.
    shifts = (np.sort(moved.onsets) - late.onsets) / 0.5
    assert shifts.std() == pytest.approx(sd, rel=0.05)
    assert abs(shifts.mean()) < 4 * sd / np.sqrt(len(shifts))


def test_larger_deviations_scale_smaller_ones() -> None:
    sparse = Notes(tuple(Note(10.0 + place, 0.5, 60) for place in range(50)), quarter=0.5)
    small, large = (loose(sparse, sd, _chance()).onsets - sparse.onsets for sd in (0.02, 0.08))
    np.testing.assert_allclose(4 * small, large, atol=1e-9)


@pytest.mark.parametrize("genre", STYLES)
def test_controls_play_the_same_score(genre: str) -> None:
    request = GenerationRequest(Prompt("p", f"lively {genre} music", genre, bpm=110), 0, 8.0)
    clean, offkey, late = (
        model.generate([request])[0] for model in (Composer(), OffKeyComposer(share=0.3), LooseComposer(sd=0.06))
    )
    assert clean.notes and offkey.notes and late.notes
    np.testing.assert_array_equal(offkey.notes.onsets, clean.notes.onsets)
    assert sorted(n.velocity for n in offkey.notes.events) == sorted(n.velocity for n in clean.notes.events)
    assert not np.array_equal(offkey.notes.pitches, clean.notes.pitches)
    assert abs(len(late.notes.events) - len(clean.notes.events)) <= 12  # some move over the clip's end
    assert set(late.notes.pitches) <= set(clean.notes.pitches)
    assert len({content_hash(audio) for audio in (clean, offkey, late)}) == 3
    assert content_hash(OffKeyComposer(share=0.3).generate([request])[0]) == content_hash(offkey)


@pytest.mark.parametrize("share", [0.0, -0.1, 0.41, float("nan")])
def test_shares_out_of_range_are_refused(share: float) -> None:
    with pytest.raises(UsageError, match=r"share.*\(0, 0\.4\]"):
        OffKeyComposer(share=share)


@pytest.mark.parametrize("sd", [0.0, -0.1, 0.081, float("inf")])
def test_deviations_out_of_range_are_refused(sd: float) -> None:
    with pytest.raises(UsageError, match=r"sd.*\(0, 0\.08\]"):
        LooseComposer(sd=sd)


def test_noise_is_white_stereo_at_minus_twenty_decibels() -> None:
    prompt = Prompt("p", "anything", "pop")
    noise, other = (Noise().generate([GenerationRequest(prompt, seed, 2.0)])[0] for seed in (0, 1))
    assert (noise.rate, noise.channels, noise.frames) == (44_100, 2, 88_200) and noise.notes is None
    assert 20 * np.log10(noise.samples.std()) == pytest.approx(-20, abs=0.1) and noise.peak < 1
    left, right = noise.samples.astype(np.float64)
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.02 and abs(np.corrcoef(left[1:], left[:-1])[0, 1]) < 0.02
    power = np.abs(np.fft.rfft(left)) ** 2
    low, high = power[1 : len(power) // 2].mean(), power[len(power) // 2 :].mean()
    assert low / high == pytest.approx(1, abs=0.05)
    assert content_hash(noise) != content_hash(other)
    again = Noise().generate([GenerationRequest(prompt, 0, 1.0)])[0]
    np.testing.assert_array_equal(again.samples, noise.samples[:, :44_100])
