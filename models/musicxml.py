"""MusicXML → the notes a player would play."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, NamedTuple
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np
import numpy.typing as npt

from bench.notes import Note

MAX_XML_BYTES = 64_000_000  # after decompression
MAX_MEASURES = 5_000  # of one part, after repeats; the longest symphonies have about 2,000

_DEFAULT_BPM = 120.0  # where a score states no tempo
_VELOCITY = 80  # where a score states none

# Place on the drum staff → General MIDI key, after Weinberg, "Standardized drumset notation" (1994); music21 does
# not keep which instrument of a part a note belongs to.
_DRUMS = {"D4": 44, "F4": 36, "A4": 43, "C5": 38, "D5": 47, "E5": 50, "F5": 51, "G5": 42, "A5": 49}
_SNARE = 38


class Tempo(NamedTuple):
    """The length of a quarter note, in seconds, from ``start`` on, in seconds."""

    start: float
    quarter: float


def parse_musicxml(content: bytes) -> tuple[list[Note], list[Tempo]]:
    """Notes and tempi of a MusicXML score: partwise, plain or compressed (``.mxl``).

    Repeats, endings and da capo are played; where they are badly formed, or differ between the parts, the score
    is read once from beginning to end. Tied notes are one note. Transposing instruments sound at concert pitch.
    Grace notes and chord symbols, which have no length of their own, are left out. Drums are told by their place
    on the staff. Without a tempo the score plays at 120 bpm. A file that declares entities is refused.

    Raises:
        Exception: of any class, if the content is not such a score.
    """
    root = _parsed(_uncompressed(content) if content.startswith(b"PK") else content)
    if root.tag != "score-partwise":
        raise ValueError(f"its root is <{root.tag}>, not <score-partwise>; export it as partwise MusicXML")
    if max(map(_played_measures, root.iter("part")), default=0) > MAX_MEASURES:
        raise ValueError(f"with its repeats it is longer than {MAX_MEASURES} measures")

    from music21.musicxml.xmlToM21 import MusicXMLImporter

    importer = MusicXMLImporter()
    importer.xmlRootToScore(root, importer.stream)
    importer.stream.toSoundingPitch(inPlace=True)
    score = _expanded(importer.stream)
    starts, bpms = _tempo_marks(score)
    offsets = np.append(starts, max(float(score.highestTime), starts[-1]) + 1)
    times = np.concatenate([[0.0], np.cumsum(np.diff(offsets) * 60.0 / bpms)])

    events = []
    for part in score.parts:
        for onset, end, pitch, velocity, program, drum in _sounding(part):
            start, stop = np.interp([onset, end], offsets, times)
            events.append(Note(float(start), float(stop - start), pitch, velocity, program, drum))
    return events, [Tempo(float(time), 60.0 / float(bpm)) for time, bpm in zip(times, bpms, strict=False)]


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


def _played_measures(part: ElementTree.Element) -> int:
    """How many measures the repeats of a part unfold to: nested ones multiply, so a small file can be endless."""
    played, open_sections = 0, [0]
    for measure in part.iter("measure"):
        repeats = list(measure.iter("repeat"))
        open_sections += [0 for repeat in repeats if repeat.get("direction") == "forward"]
        open_sections[-1] += 1
        for repeat in repeats:
            if repeat.get("direction") == "backward":
                section = open_sections.pop() * int(repeat.get("times", 2))
                if open_sections:
                    open_sections[-1] += section
                else:
                    played, open_sections = played + section, [0]
    return played + sum(open_sections)


def _expanded(score: Any) -> Any:
    from music21.exceptions21 import Music21Exception

    try:
        expanded = score.expandRepeats()
    except Music21Exception:  # badly formed
        return score
    before = {float(part.highestTime) for part in score.parts}
    after = {float(part.highestTime) for part in expanded.parts}
    return expanded if len(after) <= len(before) else score


def _tempo_marks(score: Any) -> tuple[list[float], npt.NDArray[np.float64]]:
    """Where tempi begin, in quarters, ascending from 0, and the tempi, in quarters a minute."""
    marks = {0.0: _DEFAULT_BPM}
    for start, _, mark in score.metronomeMarkBoundaries():
        bpm = mark.getQuarterBPM()
        if bpm is not None:  # None: words that say nothing about the speed
            if not bpm > 0:
                raise ValueError(f"a tempo of {bpm} bpm")
            marks[float(start)] = float(bpm)
    starts = sorted(marks)
    return starts, np.array([marks[start] for start in starts])


def _sounding(part: Any) -> Iterator[tuple[float, float, int, int, int, bool]]:
    """Onset and end in quarters, pitch, velocity, program and drum of each note, ties joined."""
    from music21 import harmony, instrument, note

    program, drums = 0, False
    held: dict[int, list[Any]] = {}
    played: list[list[Any]] = []
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
            tied = held.get(pitch)
            if tone.tie and tone.tie.type in ("stop", "continue") and tied and abs(tied[1] - onset) < 1e-6:
                tied[1] = end
                continue
            velocity = tone.volume.velocity or element.volume.velocity or _VELOCITY
            held[pitch] = [onset, end, pitch, min(max(int(velocity), 1), 127), program, unpitched or drums]
            played.append(held[pitch])
    for values in played:
        yield tuple(values)
