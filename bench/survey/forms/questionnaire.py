"""The questions of a survey about a run's clips, the same for every tool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bench.spreadsheet import csv_text
from bench.survey.forms.clip_map import EXAMPLE

TITLE = "Music listening survey"
INTRODUCTION = (
    "You will hear short pieces of music, each made for a text. Please use headphones, listen to each piece to its end "
    "before you answer, and rate it on five scales from 1 (bad) to 5 (excellent)."
)
CHOICES = ("1", "2", "3", "4", "5")


class Scale(NamedTuple):
    """A rating scale: its name, a short code for tools whose names are short, and its question."""

    name: str
    code: str
    question: str


SCALES = (
    Scale("Overall quality", "OVL", "How good is the music as a whole?"),
    Scale("Text relevance", "REL", "How well does the music fit the text?"),
    Scale("Harmony", "HARM", "How good is the harmony: do the notes go together?"),
    Scale("Rhythm", "RHYT", "How good is the rhythm: is it steady, and does it groove?"),
    Scale("Genre Fit", "GENR", "How well does the music fit the genre that the text names?"),
)
"""OVL and REL as AudioGen and MusicGen were rated (Kreuk et al. 2022; Copet et al. 2023), and three musical scales."""


class About(NamedTuple):
    """A question about the listener, and its choices; its answers can be compared as groups."""

    name: str
    code: str
    question: str
    choices: tuple[str, ...]


ABOUT = (
    About("Headphones", "PHONES", "What do you listen with?", ("Headphones", "Loudspeakers")),
    About(
        "Musicianship",
        "MUSIC",
        "For how many years have you played an instrument or sung?",
        ("none", "1 to 5", "6 or more"),
    ),
)


class BlindClip(NamedTuple):
    """A clip with a label that does not reveal its model.

    Attributes:
        id: the label, such as ``c07``.
        file: the name of its copy.
        address: its URL for listeners.
        text: text of its prompt.
        prompt, model, genre, seed: facts about the clip.
    """

    id: str
    file: str
    address: str
    text: str
    prompt: str
    model: str
    genre: str
    seed: str


@dataclass(frozen=True)
class Questionnaire:
    """All clips in random order of labels, and whether their addresses are public."""

    clips: Sequence[BlindClip]
    hosted: bool


class Template(NamedTuple):
    """Files for import into a tool: text by file name, instructions (a line per step), and rows for the clip map."""

    files: dict[str, str]
    steps: Sequence[str]
    scale_columns: dict[str, str]


def clip_map_text(clips: Sequence[BlindClip], scale_columns: dict[str, str]) -> str:
    """Return the clip map as CSV: a row per clip, then a row per column or code of a scale.

    Args:
        clips: the clips.
        scale_columns: names of scales by their column or code.
    """
    rows = [[clip.id, clip.file, "", clip.prompt, clip.model, clip.genre, "", clip.seed] for clip in clips]
    rows += [["", "", column, "", "", "", scale, ""] for column, scale in scale_columns.items()]
    return csv_text(EXAMPLE.split(","), rows)
