"""What a prompt asks for, read from its fields and its words; what it leaves open stays None."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.contracts.prompt import Prompt
from models.composer.writing.instruments import Scoring, read_scoring
from models.composer.writing.theory import Key

STYLES = ("choral", "classical", "dance", "jazz", "pop", "rock")

# Words for styles outside the six, and the nearest of the six. Searched for in the genre first, then in the text.
_STYLE_WORDS = {
    "choral": r"choral|choirs?|chorale|hymn|motet|a cappella|gregorian|chant|mass|requiem|madrigal|gospel",
    "jazz": r"jazz\w*|swing|bebop|bop|big band|bossa|dixieland|ragtime|walking bass",
    "rock": r"rock\w*|metal|punk|grunge|shoegaze|indie|blues|garage",
    "dance": r"dance|edm|house|techno|trance|electro\w*|disco|club|rave|dubstep|drum and bass|dnb|synthwave|ambient",
    "classical": r"classical|baroque|romantic era|symphon\w+|orchestra\w*|sonata|concerto|nocturne|minuet|waltz"
    r"|chamber|string quartet|cinematic|film|soundtrack|opera",
    "pop": r"pop|folk|country|r&b|soul|funk|hip[- ]?hop|rap|reggae|latin|singer|ballad|lo-?fi",
}

# Absolute tempo terms in quarters per minute, the middle of what metronomes print; "slow" and "fast" depend on style.
_TEMPO_TERMS = {
    "largo": 52, "larghetto": 62, "lento": 54, "adagio": 68, "andante": 84, "andantino": 90, "moderato": 108,
    "allegretto": 116, "allegro": 132, "vivace": 150, "presto": 172,
}  # fmt: skip

# Word → (mode or "", energy from -2 to 2). Pace and loudness follow from the energy.
_MOODS: tuple[tuple[str, str, float], ...] = (
    (r"sad|sorrow\w*|mourn\w*|lament\w*|tragic|grie\w+|melanchol\w+|wistful|lonely|bittersweet|tearful", "minor", -1),
    (r"dark|sombre|somber|brooding|ominous|haunting|mysterious|eerie|tense|smoky|moody|gloomy|bleak", "minor", 0),
    (r"dramatic|stormy|menacing|urgent|ferocious|angry|aggressive|furious", "minor", 1.5),
    (
        r"happy|joy\w*|cheer\w*|merry|sunny|playful|feel-good|carefree|bright|radiant|sweet|hopeful|optimistic",
        "major",
        0.5,
    ),
    (r"uplifting|triumph\w*|festive|euphoric|proud|anthem\w*|heroic|celebrat\w+|glorious|exuberant", "major", 1.2),
    (
        r"calm\w*|peaceful|gentle|serene|tranquil|soothing|tender|solemn|soft\w*|quiet|hushed|intimate|meditative",
        "",
        -1.2,
    ),
    (
        r"slow-burning|laid-back|relax\w*|mellow|lazy|dreamy|ethereal|floating|ambient|late- night|warm|romantic",
        "",
        -0.7,
    ),
    (
        r"energetic|driv\w+|powerful|loud|rebellious|raw|fiery|relentless|pounding|epic|huge|explosive|heavy|wild",
        "",
        1.2,
    ),
    (r"lively|upbeat|bouncy|bouncing|groovy|funky|catchy|danceable|nimble|swinging|brisk", "", 0.6),
)


@dataclass(frozen=True)
class PromptRequests:
    """What a prompt asks for.

    Attributes:
        style: one of `STYLES`; a genre outside them, or none, is mapped to the nearest by its words and the text's, or
            else to pop.
        scoring: the instruments.
        bpm: quarters per minute, or None.
        pace: place in the style's tempo range that words like "slow" ask for, 0 to 1, or None.
        key: the key, or None.
        mode: ``major`` or ``minor`` where words of mood ask for one, or None.
        energy: -2 (hushed) to 2 (ferocious).
        beats: quarters in a bar, 3 for waltzes.
        traits: further features asked for: ``blues``, ``bossa``, ``aaba``, ``ternary``, ``rondo``, ``claps``.
    """

    style: str
    scoring: Scoring
    bpm: float | None
    pace: float | None
    key: Key | None
    mode: str | None
    energy: float
    beats: int
    traits: frozenset[str]


_TRAITS = {
    "blues": r"blues|bluesy|(?:12|twelve)[- ]bar",
    "bossa": r"bossa(?: nova)?|samba|latin",
    "aaba": r"aaba|(?:32|thirty-two)[- ]bar",
    "ternary": r"ternary|aba|da capo|opening theme returns",
    "rondo": r"rondo",
    "claps": r"(?:hand)?claps?|clapping",
    "unison": r"unison",
}


def parse_prompt(prompt: Prompt) -> PromptRequests:
    """Read a prompt. Its fields (genre, bpm, key) take precedence over its words."""
    text = prompt.text
    style = _style(prompt)
    moods = [(mode, energy) for words, mode, energy in _MOODS for _ in re.findall(rf"\b(?:{words})\b", text, re.I)]
    modes = [mode for mode, _ in moods if mode]
    waltz = style in ("choral", "classical", "jazz") and _has(r"waltz|minuet|3/4|three-four|triple met(?:er|re)", text)
    return PromptRequests(
        style=style,
        scoring=read_scoring(text, style),
        bpm=prompt.bpm or _bpm(text),
        pace=_pace(text),
        key=Key.parse(prompt.key) if prompt.key else _key(text),
        mode=max(sorted(set(modes)), key=modes.count) if modes else None,
        energy=max(-2.0, min(2.0, sum(energy for _, energy in moods) / max(1, len(moods)) ** 0.5)),
        beats=3 if waltz else 4,
        traits=frozenset(trait for trait, words in _TRAITS.items() if _has(words, text)),
    )


def _has(words: str, text: str) -> bool:
    return re.search(rf"\b(?:{words})(?!\w)", text, re.I) is not None


def _style(prompt: Prompt) -> str:
    for where in ((prompt.genre or "").lower(), prompt.text.lower()):
        if where in STYLES:
            return where
        found = {
            match.start(): style
            for style, words in _STYLE_WORDS.items()
            if (match := re.search(rf"\b(?:{words})(?!\w)", where))
        }
        if found:
            return found[min(found)]
    return "pop"


def _bpm(text: str) -> float | None:
    number = r"(\d{2,3}(?:\.\d+)?)"
    match = re.search(rf"{number}\s*(?:bpm|beats (?:per|a) minute)|(?:bpm|tempo)(?: of|:| is)?\s*{number}", text, re.I)
    if match:
        bpm = float(match[1] or match[2])
        return bpm if 20 <= bpm <= 400 else None
    terms = [bpm for term, bpm in _TEMPO_TERMS.items() if _has(term, text)]
    return float(terms[0]) if terms else None


def _pace(text: str) -> float | None:
    paces = (
        (r"very slow(?:ly)?|glacial", 0.0),
        (r"slow(?:ly)?|slow-burning|ballad|nocturne|lullaby|lazy|laid-back", 0.1),
        (r"(?:mid|medium)[- ](?:tempo|swing)|moderate(?:ly)?", 0.45),
        (r"very fast|breakneck|breathless|frantic|up-?tempo", 1.0),
        (r"fast|quick(?:ly)?|brisk|lively|upbeat|racing", 0.85),
    )
    return next((pace for words, pace in paces if _has(words, text)), None)


def _key(text: str) -> Key | None:
    """Find a key written out: capital tonic, ``sharp``/``flat`` or a sign, then the mode.

    A bare ``A minor`` at a sentence's beginning, as in "A minor setback", is not a key.
    """
    pattern = r"\b([A-G])(?:\s?([#♯b♭])|[ -](sharp|flat))?[ -]?\s?(major|minor)\b"
    for match in re.finditer(pattern, text):
        if (
            match[1] == "A"
            and not (match[2] or match[3])
            and not re.search(r"(?:\bin|\bof|:|,|\()\s*$", text[: match.start()])
        ):
            continue
        sign = {"#": "#", "♯": "#", "sharp": "#", "b": "b", "♭": "b", "flat": "b"}.get(match[2] or match[3] or "", "")
        return Key(match[1] + sign, match[4])
    return None
