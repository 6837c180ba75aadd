from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pretty_midi
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench import Notes
from bench.errors import DataError
from models.symbolic import read_notes

Read = Callable[..., Notes]
PART_LIST = '<part-list><score-part id="P1"><part-name>Piano</part-name></score-part></part-list>'
ATTRIBUTES = "<attributes><divisions>2</divisions><time><beats>4</beats><beat-type>4</beat-type></time></attributes>"
FORWARD = '<barline location="left"><repeat direction="forward"/></barline>'
BACKWARD = '<barline location="right"><repeat direction="backward"/></barline>'


def pitch(name: str, eighths: int = 2, more: str = "", before: str = "") -> str:
    step, alter, octave = name[0], {"#": 1, "b": -1}.get(name[1:-1], 0), name[-1]
    return (
        f"<note>{before}<pitch><step>{step}</step><alter>{alter}</alter><octave>{octave}</octave></pitch>"
        f"<duration>{eighths}</duration>{more}</note>"
    )


def tempo(bpm: float) -> str:
    return f'<direction><sound tempo="{bpm}"/></direction>'


def score(*measures: str, parts: Any = None) -> str:
    """MusicXML of one part (or of several), a string a measure."""
    parts = parts or {"P1": measures}
    names = "".join(f'<score-part id="{name}"><part-name>{name}</part-name></score-part>' for name in parts)
    bodies = ""
    for name, content in parts.items():
        numbered = (
            f'<measure number="{i}">{ATTRIBUTES if i == 1 else ""}{m}</measure>' for i, m in enumerate(content, 1)
        )
        bodies += f'<part id="{name}">{"".join(numbered)}</part>'
    return f'<score-partwise version="4.0"><part-list>{names}</part-list>{bodies}</score-partwise>'


@pytest.fixture
def xml(tmp_path: Path) -> Read:
    def read(content: str, duration: float = np.inf) -> Notes:
        (tmp_path / "x.musicxml").write_text(content, encoding="utf-8")
        return read_notes(tmp_path / "x.musicxml", duration)

    return read


def sounding(notes: Notes) -> list[tuple[int, float, float]]:
    return [(note.pitch, round(note.onset, 6), round(note.duration, 6)) for note in notes.events]


def names(notes: Notes) -> list[int]:
    return [note.pitch for note in notes.events]


# MIDI


def test_midi_notes_come_back(tmp_path: Path) -> None:
    midi = pretty_midi.PrettyMIDI(initial_tempo=90, resolution=480)
    violin, drums = pretty_midi.Instrument(40), pretty_midi.Instrument(0, is_drum=True)
    violin.notes += [pretty_midi.Note(100, 67, 0.5, 1.0), pretty_midi.Note(64, 72, 1.0, 2.0)]
    drums.notes += [pretty_midi.Note(90, 36, 0.0, 0.25)]
    midi.instruments += [violin, drums]
    midi.write(str(tmp_path / "x.mid"))

    notes = read_notes(tmp_path / "x.mid")
    assert notes.origin == "symbolic"
    assert notes.quarter == pytest.approx(60 / 90, rel=1e-6)
    expected = [(0, 0.25, 36, 90, 0, True), (0.5, 0.5, 67, 100, 40, False), (1, 1, 72, 64, 40, False)]
    for note, wanted in zip(notes.events, expected, strict=True):
        assert note[:2] == pytest.approx(wanted[:2], abs=2e-3)  # one tick is 1.4 ms
        assert tuple(note[2:]) == wanted[2:]
    assert list(notes.pitches) == [67, 72]


def file_with(tmp_path: Path, *tracks: Any, kind: int = 1, ticks: int = 480) -> Path:
    file = mido.MidiFile(type=kind, ticks_per_beat=ticks)
    file.tracks += [mido.MidiTrack(track) for track in tracks]
    file.save(tmp_path / "x.mid")
    return tmp_path / "x.mid"


def quarter_notes(count: int, pitch: int = 60) -> list[Any]:
    message = mido.Message
    pairs = [(message("note_on", note=pitch), message("note_off", note=pitch, time=480)) for _ in range(count)]
    return [event for pair in pairs for event in pair]


def set_tempo(bpm: float, ticks: int = 0) -> Any:
    return mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm), time=ticks)


def test_midi_tempo_changes_on_any_track_count(tmp_path: Path) -> None:
    path = file_with(tmp_path, quarter_notes(4), [set_tempo(60), set_tempo(120, 960)])
    notes = read_notes(path)
    assert list(notes.onsets) == pytest.approx([0, 1, 2, 2.5])
    assert notes.quarter is None
    assert read_notes(path, 2).quarter == 1.0, "constant as far as the excerpt goes"


def test_midi_without_a_tempo_is_at_120(tmp_path: Path) -> None:
    notes = read_notes(file_with(tmp_path, quarter_notes(3)))
    assert (list(notes.onsets), notes.quarter) == ([0, 0.5, 1], 0.5)


def test_a_repeated_tempo_is_no_change(tmp_path: Path) -> None:
    path = file_with(tmp_path, [set_tempo(100), set_tempo(100, 480)], quarter_notes(4))
    assert read_notes(path).quarter == pytest.approx(0.6)


def test_an_excerpt_ends_where_it_ends(tmp_path: Path) -> None:
    notes = read_notes(file_with(tmp_path, quarter_notes(8)), 1.25)
    assert sounding(notes) == [(60, 0, 0.5), (60, 0.5, 0.5), (60, 1.0, 0.25)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"<html>not found</html>", "as MIDI ("),
        (b"MThd\0\0\0\6\0\1\0\1\1\xe0", "as MIDI ("),
        (b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\0\x28\0\x90\x3c", "MIDI (it ends too early)"),
        (b"MThd\0\0\0\6\0\1\0\1\xe7\x28MTrk\0\0\0\4\0\xff\x2f\0", "film frames"),
        (b"MThd\0\0\0\6\0\2\0\1\1\xe0MTrk\0\0\0\4\0\xff\x2f\0", "format 2"),
        (b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\0\4\0\xff\x2f\0", "no notes"),
        (b"MThd\0\0\0\6\0\1\0\1\0\0MTrk\0\0\0\4\0\xff\x2f\0", "as MIDI ("),
        # a note-on after 2**27 ticks
        (b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\0\x0b\xff\xff\xff\x7f\x90\x3c\x40\0\xff\x2f\0", " ticks"),
    ],
)
def test_damaged_midi_is_refused_by_name(tmp_path: Path, content: Any, reason: str) -> None:
    (tmp_path / "x.mid").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_notes(tmp_path / "x.mid")
    assert str(tmp_path / "x.mid") in str(caught.value)
    assert reason in str(caught.value)


def test_music_that_starts_late_is_named(tmp_path: Path) -> None:
    path = file_with(tmp_path, [mido.Message("note_on", note=60, time=4800), mido.Message("note_off", note=60, time=9)])
    with pytest.raises(DataError, match=rf"{re.escape(str(path))}.*\b3 s"):
        read_notes(path, 3)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(position=st.integers(0, 200), value=st.integers(0, 255))
def test_a_flipped_byte_gives_notes_or_a_refusal(tmp_path: Path, position: int, value: int) -> None:
    path = file_with(tmp_path, [set_tempo(100)], quarter_notes(6))
    content = bytearray(path.read_bytes())
    content[position % len(content)] = value
    path.write_bytes(content)
    try:
        notes = read_notes(path, 30)
    except DataError as error:
        assert str(path) in str(error)
    else:
        assert all(0 <= n.onset < 30 and n.onset + n.duration <= 30 + 1e-9 for n in notes.events)


# MusicXML


def test_musicxml_pitches_and_times(xml: Read) -> None:
    notes = xml(score(tempo(90) + pitch("C4") + pitch("F#4", 1) + pitch("Bb3", 1) + pitch("C5", 4)))
    beat = 60 / 90
    assert notes.origin == "symbolic"
    assert notes.quarter == pytest.approx(beat)
    assert [n.pitch for n in notes.events] == [60, 66, 58, 72]
    assert list(notes.onsets) == pytest.approx([0, beat, 1.5 * beat, 2 * beat])
    assert notes.events[-1].duration == pytest.approx(2 * beat)


def test_musicxml_without_a_tempo_is_at_120(xml: Read) -> None:
    assert xml(score(pitch("C4") * 4)).quarter == 0.5


def test_musicxml_tempo_changes(xml: Read) -> None:
    notes = xml(score(tempo(60) + pitch("C4") * 4, tempo(120) + pitch("D4") * 4))
    assert list(notes.onsets) == pytest.approx([0, 1, 2, 3, 4, 4.5, 5, 5.5])
    assert notes.quarter is None
    assert xml(score(tempo(60) + pitch("C4") * 4, tempo(120) + pitch("D4") * 4), 4).quarter == 1.0


def test_repeats_are_played(xml: Read) -> None:
    notes = xml(score(FORWARD + pitch("C4", 8), pitch("D4", 8) + BACKWARD, pitch("E4", 8)))
    assert names(notes) == [60, 62, 60, 62, 64]
    assert list(notes.onsets) == [0, 2, 4, 6, 8]


def test_first_and_second_endings(xml: Read) -> None:
    def ending(number: Any, body: str, repeat: str = "") -> str:
        return (
            f'<barline location="left"><ending number="{number}" type="start"/></barline>{body}'
            f'<barline location="right"><ending number="{number}" type="stop"/>{repeat}</barline>'
        )

    back = '<repeat direction="backward"/>'
    first, second = ending(1, pitch("D4", 8), back), ending(2, pitch("E4", 8))
    assert names(xml(score(FORWARD + pitch("C4", 8), first, second))) == [60, 62, 60, 64]


def test_parts_stay_together_where_only_one_of_them_repeats(xml: Read) -> None:
    upper = [FORWARD + pitch("C5", 8) + BACKWARD, pitch("D5", 8)]
    notes = xml(score(parts={"P1": upper, "P2": [pitch("C3", 8), pitch("D3", 8)]}))
    once = [(48, 0, 2), (72, 0, 2), (48, 2, 2), (72, 2, 2), (50, 4, 2), (74, 4, 2)]
    assert sounding(notes) == once


def test_da_capo_takes_up_the_tempo_of_the_beginning(xml: Read) -> None:
    jump = '<direction><sound dacapo="yes"/></direction>'
    notes = xml(score(tempo(60) + pitch("C4", 8), tempo(120) + pitch("D4", 8) + jump))
    assert sounding(notes) == [(60, 0, 4), (62, 4, 2), (60, 6, 4), (62, 10, 2)]
    assert notes.quarter is None


def test_repeats_unfold_as_music21_unfolds_them(tmp_path: Path) -> None:
    import music21

    path = tmp_path / "tune.musicxml"  # with first and second endings
    music21.corpus.parse("ryansMammoth/BanjoReel").write("musicxml", path)
    tune = music21.converter.parse(path, forceSource=True)
    expanded = [n for n in tune.expandRepeats().stripTies().flatten().notes if n.quarterLength > 0]
    notes = read_notes(path)
    assert len(expanded) > 1.5 * len(tune.flatten().notes)
    assert list(notes.pitches) == [n.pitch.midi for n in expanded]
    assert list(notes.onsets) == pytest.approx([float(n.offset) * (notes.quarter or 0) for n in expanded])


def test_tied_notes_are_one(xml: Read) -> None:
    start, stop = '<tie type="start"/>', '<tie type="stop"/>'
    notes = xml(score(pitch("C4", 8, start), pitch("C4", 4, stop) + pitch("C4", 4)))
    assert sounding(notes) == [(60, 0, 3), (60, 3, 1)]


def test_a_chord_may_be_tied_in_part(xml: Read) -> None:
    start, stop, chord = '<tie type="start"/>', '<tie type="stop"/>', "<chord/>"
    first = pitch("C4", 8, start) + pitch("E4", 8, before=chord)
    second = pitch("C4", 8, stop) + pitch("F4", 8, before=chord)
    assert sorted(sounding(xml(score(first, second)))) == [(60, 0, 4), (64, 0, 2), (65, 2, 2)]


def test_transposing_instruments_sound_at_concert_pitch(xml: Read) -> None:
    in_b_flat = "<attributes><transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose></attributes>"
    assert names(xml(score(in_b_flat + pitch("C5", 8)))) == [70]


def test_grace_notes_and_chord_symbols_do_not_count(xml: Read) -> None:
    symbol = "<harmony><root><root-step>G</root-step></root><kind>dominant</kind></harmony>"
    grace = pitch("D5").replace("<duration>2</duration>", "").replace("<note>", "<note><grace/>")
    assert names(xml(score(symbol + grace + pitch("C5", 8)))) == [72]


def test_cue_notes_are_silent(xml: Read) -> None:
    played = pitch("C4", 4) + pitch("G4", 4)
    cue, cue_chord = pitch("D4", 4, before="<cue/>"), pitch("F4", 4, before="<cue/><chord/>")
    notes = xml(score(pitch("C4", 4) + cue + cue_chord, played))
    assert sounding(notes) == [(60, 0, 1), (60, 2, 1), (67, 3, 1)]
    tied = pitch("E4", 4, '<tie type="start"/>', before="<cue/>") + pitch("E4", 4, '<tie type="stop"/>')
    assert names(xml(score(tied))) == [64]


@pytest.mark.parametrize("number", ["1-2", "1, 2", "1,2", "1 2", "1.–2.", "1.2."])
def test_an_ending_of_several_passes(xml: Read, number: str) -> None:
    def bar(name: str, which: str, more: str = "") -> str:
        left = f'<barline location="left"><ending number="{which}" type="start"/></barline>'
        right = f'<barline location="right"><ending number="{which}" type="stop"/>{more}</barline>'
        return left + pitch(name, 8) + right

    first = bar("D4", number, '<repeat direction="backward" times="3"/>')
    assert names(xml(score(pitch("C4", 8), first, bar("E4", "3")))) == [60, 62, 60, 62, 60, 64]


def test_drums_are_told_by_their_place_on_the_staff(xml: Read) -> None:
    def hit(step: str, octave: int) -> str:
        place = f"<display-step>{step}</display-step><display-octave>{octave}</display-octave>"
        return f"<note><unpitched>{place}</unpitched><duration>2</duration></note>"

    notes = xml(score(hit("F", 4) + hit("C", 5) + hit("G", 5) + hit("B", 3)))
    assert [(n.pitch, n.drum) for n in notes.events] == [(36, True), (38, True), (42, True), (38, True)]
    assert len(notes.pitches) == 0


def test_compressed_scores_are_the_same(tmp_path: Path, xml: Read) -> None:
    content = score(pitch("C4", 8), pitch("E4", 8))
    container = '<container><rootfiles><rootfile full-path="in/score.xml"/></rootfiles></container>'
    with zipfile.ZipFile(tmp_path / "x.mxl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("in/score.xml", content)
    assert read_notes(tmp_path / "x.mxl") == xml(content)


def test_what_music21_writes_is_read_as_it_sounds(tmp_path: Path) -> None:
    import music21

    music21.corpus.parse("bwv66.6").write("musicxml", tmp_path / "chorale.musicxml")
    notes = read_notes(tmp_path / "chorale.musicxml")
    independent = music21.converter.parse(tmp_path / "chorale.musicxml", forceSource=True).stripTies()
    assert sorted(notes.pitches) == sorted(p.midi for n in independent.flatten().notes for p in n.pitches)
    seconds = sorted(float(n.offset) * (notes.quarter or 0) for n in independent.flatten().notes)
    assert list(notes.onsets) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("hello", "MusicXML (syntax error"),
        (score(pitch("C4"))[:-40], "MusicXML (unclosed token"),
        ("<score-timewise/>", "<score-timewise>"),
        ("<html><body/></html>", "<html>"),
        (score(""), "holds no notes"),
        (score(pitch("C4").replace(">C<", ">H<")), "as MusicXML ("),
        (score(tempo(-3) + pitch("C4")), "as MusicXML ("),
        (score(FORWARD + pitch("C4") + BACKWARD.replace("/>", ' times="999999"/>', 1)), "20000 measures"),
        (score(FORWARD + pitch("C4") * 100 + BACKWARD.replace("/>", ' times="9999"/>', 1)), "500000 notes"),
        ('<!DOCTYPE s [<!ENTITY a "x">]>' + score("&a;"), "entity 'a'"),
        ('<!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + score("&a;"), "entity 'a'"),
        ('<!DOCTYPE s [<!ENTITY % a SYSTEM "http://localhost:1/"> %a;]>' + score(""), "entity 'a'"),
        ('<!DOCTYPE s SYSTEM "http://localhost:1/s.dtd">' + score("&a;"), "undefined entity"),
    ],
)
def test_damaged_or_hostile_musicxml_is_refused(xml: Read, content: Any, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        xml(content)
    assert "x.musicxml: " in str(caught.value)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_usual_document_type_is_no_threat(xml: Read) -> None:
    doctype = (
        '<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE score-partwise PUBLIC '
        '"-//Recordare//DTD MusicXML 3.1 Partwise//EN" "http://www.musicxml.org/dtds/partwise.dtd">'
    )
    assert names(xml(doctype + score(pitch("C4", 8)))) == [60]


def mxl(path: Path, **members: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return path


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    container = '<container><rootfiles><rootfile full-path="s.xml"/></rootfiles></container>'
    members = {"META-INF__container.xml": container, "s.xml": b" " * 65_000_000}
    with pytest.raises(DataError, match=r"x\.mxl.*s\.xml .*\b64 MB"):
        read_notes(mxl(tmp_path / "x.mxl", **members))


@pytest.mark.parametrize(
    "members",
    [
        {"other.txt": "x"},
        {"META-INF__container.xml": "<container/>"},
        {"META-INF__container.xml": '<container><rootfile full-path="../../etc/passwd"/></container>'},
        {"META-INF__container.xml": "not xml"},
    ],
)
def test_archives_that_hold_no_score(tmp_path: Path, members: Any) -> None:
    with pytest.raises(DataError, match=r"x\.mxl: .*MusicXML"):
        read_notes(mxl(tmp_path / "x.mxl", **members))


def test_a_damaged_archive(tmp_path: Path) -> None:
    path = mxl(tmp_path / "x.mxl", **{"META-INF__container.xml": "<container/>" * 50})
    content = bytearray(path.read_bytes())
    content[60:70] = bytes(10)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.mxl: .*MusicXML"):
        read_notes(path)
    path.write_bytes(b"PK" + bytes(100))
    with pytest.raises(DataError, match=r"x\.mxl: .*MusicXML"):
        read_notes(path)


def test_a_file_beyond_all_measure(tmp_path: Path) -> None:
    with (tmp_path / "x.xml").open("wb") as file:
        file.truncate(16_000_001)
    with pytest.raises(DataError, match=r"x\.xml: .*\b16 MB"):
        read_notes(tmp_path / "x.xml")
