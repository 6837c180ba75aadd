"""MusicXML → the notes that a player would play."""

from __future__ import annotations

import io
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree
from xml.parsers import expat

from bench.contracts.notes import Note
from models.performance import MAX_NOTES, Performance, Tempo
from models.play_order import play_order, read_signs

MAX_XML_BYTES = 64_000_000  # after decompression

_DEFAULT_BPM = 120.0  # where a score states no tempo
_VELOCITY = 80  # where a score states none
_NEAR = 1e-6  # quarters

# Place on the drum staff → General MIDI key, after Weinberg, "Standardized drumset notation" (1994); music21 does
# not keep which instrument of a part a note belongs to.
_DRUMS = {"D4": 44, "F4": 36, "A4": 43, "C5": 38, "D5": 47, "E5": 50, "F5": 51, "G5": 42, "A5": 49}
_SNARE = 38


class _Tone(NamedTuple):
    """A written note: onset and end in quarters, and whether it continues the one before it."""

    onset: float
    end: float
    pitch: int
    velocity: int
    program: int
    drum: bool
    tied: bool


class _Passage(NamedTuple):
    """A measure as it is played: where it is written and when it begins, all in quarters."""

    begin: float
    end: float
    played: float


def parse_musicxml(content: bytes) -> Performance:
    """Parse notes and tempi of a MusicXML score: partwise, plain or compressed (``.mxl``).

    Repeats, endings and jumps are played (`models.play_order`), tied notes are one note, and transposing instruments
    sound at concert pitch. Grace notes and chord symbols, which have no length of their own, are left out, and so are
    cue notes, which others play. Drums are identified by their place on the staff. Without a tempo the score plays at
    120 bpm. A file that declares entities is refused.

    Raises:
        Exception: of any class, if the content is not such a score.
    """
    root = _parsed(_uncompressed(content) if content.startswith(b"PK") else content)
    if root.tag != "score-partwise":
        raise ValueError(f"its root is <{root.tag}>, not <score-partwise>; export it as partwise MusicXML")
    order = play_order(read_signs(root))
    _silence_cues(root)

    from music21.musicxml.xmlToM21 import MusicXMLImporter

    importer = MusicXMLImporter()
    score = importer.stream
    importer.xmlRootToScore(root, score)
    score.toSoundingPitch(inPlace=True)
    passages = _passages(score, order)
    tempi = _tempi(score, passages)
    begins, starts = [begin for begin, _ in tempi], [tempo.start for _, tempo in tempi]

    def seconds(quarters: float) -> float:
        i = max(bisect_right(begins, quarters) - 1, 0)
        return starts[i] + (quarters - begins[i]) * tempi[i][1].quarter

    events = []
    for part in score.parts:
        for tone in _performed(list(_tones(part)), passages):
            start = seconds(tone.onset)
            length = seconds(tone.end) - start
            events.append(Note(start, length, tone.pitch, tone.velocity, tone.program, tone.drum))
    return Performance(events, [tempo for _, tempo in tempi])


def _uncompressed(content: bytes) -> bytes:
    import zipfile

    def member(name: str) -> bytes:
        with archive.open(name) as file:
            data = file.read(MAX_XML_BYTES + 1)
        if len(data) > MAX_XML_BYTES:
            raise ValueError(f"{name} is larger than {MAX_XML_BYTES // 1_000_000} MB when decompressed")
        return data

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        rootfile = _parsed(member("META-INF/container.xml")).find(".//{*}rootfile")
        if rootfile is None:
            raise ValueError("its container names no score")
        return member(rootfile.get("full-path", ""))


def _parsed(content: bytes) -> ElementTree.Element:
    def refuse(*declaration: Any) -> None:
        raise ValueError(f"it declares the entity {declaration[0]!r}, which no score needs")

    # ElementTree has no way to forbid entities, whose expansion can fill the memory; expat by itself has.
    guard = expat.ParserCreate()
    guard.EntityDeclHandler = refuse
    guard.Parse(content, True)
    return ElementTree.fromstring(content)


def _silence_cues(root: ElementTree.Element) -> None:
    """Turn cue notes into rests: they show a player what somebody else plays."""
    for measure in root.iter("measure"):
        for note in [note for note in measure.findall("note") if note.find("cue") is not None]:
            if note.find("chord") is not None or note.find("grace") is not None:
                measure.remove(note)
                continue
            for name in ("cue", "pitch", "unpitched", "tie", "notations"):
                for part in note.findall(name):
                    note.remove(part)
            if note.find("rest") is None:
                note.insert(0, ElementTree.Element("rest"))


def _passages(score: Any, order: Sequence[int]) -> list[_Passage]:
    longest = max((part.getElementsByClass("Measure") for part in score.parts), key=len, default=())
    begins = [float(measure.offset) for measure in longest]
    ends = [*begins[1:], float(score.highestTime)]
    passages, played = [], 0.0
    for i in order:
        passages.append(_Passage(begins[i], ends[i], played))
        played += ends[i] - begins[i]
    return passages


def _tempi(score: Any, passages: Sequence[_Passage]) -> list[tuple[float, Tempo]]:
    """Return each tempo, with the quarter of the performance at which it begins; jumps take the tempo written there."""
    written = {0.0: _DEFAULT_BPM}
    for start, _, mark in score.metronomeMarkBoundaries():
        bpm = mark.getQuarterBPM()
        if bpm is not None:  # None: words that say nothing about the speed
            if not bpm > 0:
                raise ValueError(f"a tempo of {bpm} bpm")
            written[float(start)] = float(bpm)
    places = sorted(written)
    tempi: list[tuple[float, Tempo]] = []
    for begin, end, played in passages:
        in_force = places[bisect_right(places, begin + _NEAR) - 1]
        for place in [in_force, *(p for p in places if begin + _NEAR < p < end)]:
            quarter = 60.0 / written[place]
            at = played + max(place - begin, 0.0)
            if not tempi:
                tempi.append((at, Tempo(0.0, quarter)))
            elif quarter != tempi[-1][1].quarter:
                before, last = tempi[-1]
                tempi.append((at, Tempo(last.start + (at - before) * last.quarter, quarter)))
    return tempi


def _tones(part: Any) -> Iterator[_Tone]:
    """Yield the written notes of a part, in the order of their onsets."""
    from music21 import harmony, instrument, note

    program, drums = 0, False
    for element in part.flatten():
        if isinstance(element, instrument.Instrument):
            program = element.midiProgram or 0
            drums = element.midiChannel == 9 or isinstance(element, instrument.UnpitchedPercussion)
        if not isinstance(element, note.NotRest) or isinstance(element, harmony.Harmony):
            continue
        onset = float(element.offset)
        end = onset + float(element.duration.quarterLength)
        if end <= onset:
            continue
        for tone in getattr(element, "notes", (element,)):
            unpitched = isinstance(tone, note.Unpitched)
            pitch = _DRUMS.get(f"{tone.displayStep}{tone.displayOctave}", _SNARE) if unpitched else tone.pitch.midi
            velocity = min(max(int(tone.volume.velocity or element.volume.velocity or _VELOCITY), 1), 127)
            tied = tone.tie is not None and tone.tie.type in ("stop", "continue")
            yield _Tone(onset, end, pitch, velocity, program, unpitched or drums, tied)


def _performed(tones: Sequence[_Tone], passages: Sequence[_Passage]) -> list[_Tone]:
    """Return the notes in the order of playing, in quarters of the performance, ties joined."""
    onsets = [tone.onset for tone in tones]
    performed: list[_Tone] = []
    sounding: dict[int, int] = {}
    for begin, end, played in passages:
        for tone in tones[bisect_left(onsets, begin - _NEAR) : bisect_left(onsets, end - _NEAR)]:
            shifted = tone._replace(onset=tone.onset - begin + played, end=tone.end - begin + played)
            before = sounding.get(tone.pitch)
            if tone.tied and before is not None and abs(performed[before].end - shifted.onset) < _NEAR:
                performed[before] = performed[before]._replace(end=shifted.end)
                continue
            sounding[tone.pitch] = len(performed)
            performed.append(shifted)
            if len(performed) > MAX_NOTES:
                raise ValueError(f"more than {MAX_NOTES} notes are to be played")
    return performed
