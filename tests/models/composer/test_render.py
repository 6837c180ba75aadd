"""Notes to audio and to MIDI."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pretty_midi
import pytest

from bench.contracts.audio import content_hash
from bench.contracts.model import GenerationRequest
from bench.contracts.notes import Note, Notes
from bench.contracts.prompt import Prompt
from bench.errors import UsageError
from models.composer import Composer
from models.composer.midi import to_midi
from models.composer.render import render
from models.composer.score import compose
from models.composer.writing.prompt_parser import STYLES


def _request(genre: str, seed: int = 0, duration: float = 5.0) -> GenerationRequest:
    return GenerationRequest(Prompt(genre, f"lively {genre} music", genre), seed, duration)


def _pitch(samples: np.ndarray) -> float:
    """Strongest frequency in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * 44_100 / len(samples))


@pytest.mark.parametrize(("program", "pitch"), [(73, 72), (79, 69), (0, 60), (40, 76)])
def test_a_note_sounds_at_its_frequency_from_its_onset(program: int, pitch: int) -> None:
    audio = render(Notes((Note(0.5, 2.0, pitch, 90, program),)))
    assert audio.frames == round(3.5 * 44_100)
    sound = audio.mono()
    assert np.abs(sound[: round(0.49 * 44_100)]).max() < 1e-4
    expected = 440 * 2 ** ((pitch - 69) / 12)
    heard = _pitch(sound[round(0.8 * 44_100) : round(2.2 * 44_100)])
    partial = round(heard / expected)  # in some presets an overtone is the strongest
    assert partial >= 1 and abs(1200 * np.log2(heard / (partial * expected))) < 20


def test_velocity_makes_notes_louder() -> None:
    soft, loud = (render(Notes((Note(0, 1, 60, v),))).samples.std() for v in (40, 120))
    assert loud / soft == pytest.approx(3, rel=0.2)  # the soundfont's amplitude follows velocity


def test_players_sit_where_they_sit() -> None:
    def levels(program: int) -> np.ndarray:  # over an octave, since a room favours single frequencies
        return render(Notes(tuple(Note(place / 4, 0.25, 55 + place, 90, program) for place in range(12)))).samples.std(
            axis=1
        )

    violin, cello = levels(40), levels(42)
    assert violin[0] > 1.2 * violin[1] and cello[1] > 1.2 * cello[0]


def test_all_programs_and_drums_sound_together() -> None:
    events = tuple(Note(0.01 * program, 0.5, 60, 60, program) for program in range(120))
    drums = (Note(0.0, 0.5, 38, 100, 0, True), Note(0.0, 0.5, 38, 100, 25, True))
    everything = render(Notes(events + drums), 2.0)
    assert 0.1 < everything.peak < 1
    assert content_hash(everything) == content_hash(render(Notes(events + drums), 2.0))


def test_silence_and_short_and_wrong_durations() -> None:
    assert render(Notes(()), 0.5).peak == 0 and render(Notes(())).duration == 1.0
    assert render(Notes((Note(0, 1, 60),)), 0.01).frames == 441
    with pytest.raises(UsageError, match="duration"):
        render(Notes(()), 0.0)


def test_notes_that_are_too_late_to_be_heard_are_left_out() -> None:
    audio = render(Notes(tuple(Note(place / 2, 1, 60) for place in range(5)), quarter=0.5, key="C major"), 1.5)
    assert audio.notes is not None
    assert [note.onset for note in audio.notes.events] == [0.0, 0.5, 1.0]
    assert audio.notes.quarter == 0.5 and audio.notes.key == "C major"


@pytest.mark.parametrize("genre", STYLES)
def test_clips_are_exact_stereo_and_never_clip(genre: str) -> None:
    for duration in (1.0, 5.003):
        (audio,) = Composer().generate([_request(genre, duration=duration)])
        assert (audio.rate, audio.channels, audio.frames) == (44_100, 2, round(duration * 44_100))
        level = 20 * np.log10(audio.samples.std())
        assert audio.peak < 0.99 and -30 < level < -9
        assert np.abs(audio.samples[:, :8820]).max() > 0.01  # it starts at once
        assert np.abs(audio.samples[:, -4:]).max() < 1e-3  # and ends without a click
        assert audio.notes is not None and audio.notes.origin == "known"


def test_clips_depend_on_their_own_request_only() -> None:
    requests = [_request(genre, duration=3.0) for genre in STYLES]
    together = [content_hash(audio) for audio in Composer().generate(requests)]
    backwards = [content_hash(Composer().generate([request])[0]) for request in reversed(requests)]
    assert together == backwards[::-1]
    assert len(set(together)) == len(STYLES)
    assert content_hash(Composer().generate([_request("pop", seed=1, duration=3.0)])[0]) not in together


def test_a_longer_clip_begins_like_a_shorter_one() -> None:
    short, long = (Composer().generate([_request("rock", duration=duration)])[0] for duration in (4.0, 9.0))
    untouched = short.frames - round(0.03 * 44_100)
    np.testing.assert_allclose(short.samples[:, :untouched], long.samples[:, :untouched], atol=1e-6)


def test_midi_files_hold_the_same_notes(tmp_path: Path) -> None:
    notes = compose(Prompt("p", "jazz quintet with trumpet and saxophone", "jazz", bpm=137), 0, 20)
    to_midi(notes).write(str(tmp_path / "piece.mid"))
    midi = pretty_midi.PrettyMIDI(str(tmp_path / "piece.mid"))
    assert midi.get_tempo_changes()[1] == pytest.approx([137], rel=1e-4)
    read = sorted(
        (note.start, note.end - note.start, note.pitch, note.velocity, track.program, track.is_drum)
        for track in midi.instruments
        for note in track.notes
    )
    key = [(program, drum, pitch, velocity, round(onset, 2)) for onset, _, pitch, velocity, program, drum in read]
    wanted = [(n.program, n.drum, n.pitch, n.velocity, round(n.onset, 2)) for n in notes.events]
    assert len(read) == len(notes.events)
    assert sorted(k[:4] for k in key) == sorted(w[:4] for w in wanted)
    assert np.allclose(sorted(r[0] for r in read), notes.onsets, atol=1e-3)


_BLOCKED = """
import sys
sys.modules["tinysoundfont"] = None
from bench.errors import MissingError
from bench.contracts.notes import Note, Notes
from models.composer.render import render
try:
    render(Notes((Note(0, 1, 60),)))
except MissingError as error:
    print(error)
"""


def test_a_missing_synthesizer_names_its_command() -> None:
    run = subprocess.run([sys.executable, "-c", _BLOCKED], capture_output=True, text=True, timeout=60)
    assert "pip install --no-deps tinysoundfont==0.3.7" in run.stdout and run.returncode == 0


def test_importing_the_model_loads_nothing_heavy() -> None:
    heavy = ["music21", "tinysoundfont", "pretty_midi", "scipy", "librosa"]
    code = f"import sys, models.composer, models.composer.controls; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == "[]"
