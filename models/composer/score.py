"""A prompt and a seed → the notes of a piece, as long as asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from bench.contracts.notes import Note, Notes
from bench.contracts.prompt import Prompt
from models.composer.chance import named_generator
from models.composer.repertoire import Repertoire
from models.composer.settle import settle
from models.composer.styles import Style, style_named
from models.composer.writing.band import tune_range
from models.composer.writing.brief import Brief
from models.composer.writing.form import Section, spell
from models.composer.writing.melody import melody
from models.composer.writing.prompt_parser import parse_prompt
from models.composer.writing.rhythm import swung


def compose(prompt: Prompt, seed: int, duration: float, repertoire: Repertoire | None = None) -> Notes:
    """Compose as much of a piece as starts within ``duration`` seconds.

    Prompt (text, genre, bpm, key), seed and repertoire determine the piece, and the duration only how much of it there
    is: a section's notes are drawn from a generator named by its place, and its harmony and tune from one named by its
    letter.

    Args:
        prompt: what is asked for.
        seed: decides what the prompt leaves open.
        duration: seconds.
        repertoire: half of what the composer plays; None for all of it.

    Returns:
        The notes, with tempo and key; the last ones may end after ``duration``.
    """
    name = f"composer:{prompt.genre or ''}:{prompt.bpm}:{prompt.key}:{prompt.text}:{seed}"
    wishes = parse_prompt(prompt)
    style = style_named(wishes.style)
    if repertoire is not None:
        style = repertoire.of(style)
    brief = settle(wishes, style, named_generator(f"{name}:brief"))
    quarter = 60 / brief.bpm
    straight = not style.swing or "bossa" in brief.traits
    form = _form(style, brief)
    repeats: Counter[str] = Counter()
    events: list[Note] = []
    begin, place = 0.0, 0
    while begin * quarter < duration:
        letter = form[place % len(form)]
        section = _section(letter, repeats[letter], style, brief, name)
        repeats[letter] += 1
        notes = style.arrange(section, brief, named_generator(f"{name}:arrangement:{place}"))
        for note in _one_key_once(notes):
            start, end = begin + note.onset, begin + note.onset + note.duration
            onset, release = (start, end) if straight else (swung(start), swung(end))
            if onset * quarter < duration:
                events.append(note._replace(onset=onset * quarter, duration=(release - onset) * quarter))
        begin += section.length
        place += 1
    piece = Notes(tuple(events), origin="known", quarter=quarter, key=str(brief.key))
    return piece if repertoire is None else repertoire.cast(piece)


def _one_key_once(notes: Sequence[Note]) -> list[Note]:
    """Keep the strongest of notes struck at once on one key of one instrument; a key struck again ends its last
    note."""
    keys: dict[tuple[int, bool, int], list[Note]] = {}
    for note in sorted(notes, key=lambda note: (note.onset, -note.velocity)):
        struck = keys.setdefault((note.program, note.drum, note.pitch), [])
        if struck and struck[-1].onset == note.onset:
            longest = max(struck[-1].duration, note.duration)
            struck[-1] = struck[-1]._replace(duration=longest)
            continue
        if struck and struck[-1].onset + struck[-1].duration > note.onset:
            struck[-1] = struck[-1]._replace(duration=note.onset - struck[-1].onset)
        struck.append(note)
    return [note for struck in keys.values() for note in struck]


def _form(style: Style, brief: Brief) -> str:
    if "blues" in brief.traits and "L" in style.progressions[brief.key.mode]:
        return "L"
    for trait, form in (("rondo", "ABACA"), ("ternary", "ABA"), ("aaba", "AABA")):
        if trait in brief.traits:
            return form
    return style.form


def _section(letter: str, repeat: int, style: Style, brief: Brief, name: str) -> Section:
    choices = style.progressions[brief.key.mode]
    # Letters for which a style has no progressions (a rondo's C) use the B material under another name.
    progressions = choices.get(letter) or choices["B"]
    chance = named_generator(f"{name}:material:{letter}")
    harmony = spell(_drawn(progressions, chance), brief.key, brief.beats)
    bars = round((harmony[-1].start + harmony[-1].length) / brief.beats)
    span = tune_range(brief.band.lead)
    tones = melody(harmony, brief.beats, brief.key, span, style.manner, chance)
    return Section(letter, repeat, brief.beats, bars, harmony, tones, brief.key)


def _drawn(choices: tuple[str, ...], chance: np.random.Generator) -> str:
    return choices[int(chance.integers(len(choices)))]
