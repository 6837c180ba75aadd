"""What nano models are trained on: descriptions of pieces, each of which can be said in many ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.composer.styles import style_named
from models.composer.writing.theory import MAJOR_KEYS, MINOR_KEYS

# For each genre, names that the composer takes for it. The first is the plain one.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "choral": ("choral", "choral", "choir", "hymn", "chorale", "motet", "madrigal", "requiem"),
    "classical": ("classical", "classical", "chamber", "orchestral", "baroque", "symphonic", "sonata", "concerto"),
    "dance": ("dance", "dance", "house", "techno", "trance", "electronic dance", "club", "disco", "edm"),
    "jazz": ("jazz", "jazz", "swing", "bebop", "jazzy", "jazz club"),
    "pop": ("pop", "pop", "pop song", "singer-songwriter pop", "radio pop", "soul pop", "folk pop"),
    "rock": ("rock", "rock", "punk rock", "garage rock", "hard rock", "metal", "grunge", "indie rock"),
}

# Words of one mood, which the composer reads alike.
_MOODS: Mapping[str, tuple[str, ...]] = {
    "sad": ("melancholic", "sad", "wistful", "mournful", "lonely", "bittersweet"),
    "dark": ("dark", "brooding", "moody", "ominous", "mysterious", "gloomy"),
    "stormy": ("dramatic", "stormy", "urgent", "angry", "furious"),
    "happy": ("joyful", "happy", "cheerful", "sunny", "playful", "bright", "carefree"),
    "proud": ("uplifting", "triumphant", "festive", "euphoric", "heroic", "glorious"),
    "calm": ("calm", "peaceful", "gentle", "tender", "serene", "quiet", "solemn"),
    "mellow": ("dreamy", "mellow", "relaxed", "romantic", "warm", "laid-back"),
    "strong": ("energetic", "powerful", "driving", "fiery", "heavy", "wild", "loud"),
    "lively": ("lively", "upbeat", "groovy", "funky", "catchy", "brisk"),
}

# For each genre, its players, and how else one may call them.
_PLAYERS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "choral": (
        ("a mixed choir", "a large choir", "sopranos, altos, tenors and basses"),
        ("a choir and a pipe organ", "voices over a pipe organ", "singers with church organ"),
        ("an a cappella choir", "unaccompanied voices", "voices alone, a cappella"),
        ("a choir and a string orchestra", "voices with strings", "singers over a string section"),
    ),
    "classical": (
        ("a solo piano", "piano solo", "a lone piano"),
        ("a string quartet", "violin, viola and cello", "a quartet of strings"),
        ("flute and piano", "a flute with piano", "piano and solo flute"),
        ("an orchestra of strings, horns and oboe", "strings, oboe and french horns", "oboe with strings and horns"),
        ("clarinet and strings", "a clarinet over strings", "strings with solo clarinet"),
        ("violin and harp", "a harp with violin", "harp under a solo violin"),
    ),
    "dance": (
        ("synth leads and synth bass", "a synth lead over a synth bass", "saw leads with synth bass"),
        ("warm pads and a drum machine", "soft pads over electronic drums", "pads with a 909 kick and hi-hats"),
        ("plucked synths", "synth plucks", "arpeggiated synths"),
        ("piano and strings over a four-on-the-floor kick", "piano, synth strings and a house beat", "house piano"),
    ),
    "jazz": (
        ("a piano trio", "piano, upright bass and drums", "a trio of piano, bass and ride cymbal"),
        ("tenor saxophone and piano", "a saxophone with piano, bass and drums", "a sax quartet"),
        ("trumpet and piano", "a trumpet over piano, walking bass and drums", "trumpet, bass and drums"),
        ("vibraphone and guitar", "a vibraphone with jazz guitar", "guitar, vibes and upright bass"),
    ),
    "pop": (
        ("acoustic guitar and drums", "a strummed acoustic guitar with drums", "acoustic guitars over a beat"),
        ("piano, strings and drums", "piano with strings and a drum kit", "piano chords, strings and beat"),
        ("electric piano and bass guitar", "an electric piano over bass guitar and drums", "keyboards and bass"),
        ("synth pads and electronic drums", "pads, synth bass and electronic beats", "synth pop instruments"),
    ),
    "rock": (
        ("distorted guitars and drums", "two distorted electric guitars, bass and drums", "a loud guitar band"),
        ("overdriven guitar and organ", "an overdriven lead guitar with rock organ", "organ, guitars and drums"),
        ("power chords and bass guitar", "power chords over bass and drums", "crunchy guitars, bass and drum kit"),
        ("a lead guitar over a driving rhythm section", "lead guitar, rhythm guitar, bass and drums", "guitar solos"),
    ),
}

_SHAPES = (
    "{mood} {genre} music{players}{tempo}{key}",
    "{mood} {genre}{players}{tempo}{key}",
    "a {mood} {genre} piece{players}{key}{tempo}",
    "{genre}{players}, {mood}{tempo}{key}",
    "{genre} track, {mood}{players}{tempo}{key}",
    "an instrumental{players} in {genre} style, {mood}{key}{tempo}",
    "this is {mood} {genre} music{tempo}{players}{key}",
)
_TEMPOS = (" at {bpm:g} bpm", ", {bpm:g} bpm", " at {bpm:g} beats per minute", ", tempo {bpm:g}")
_KEYS = (" in {key}", ", {key}", ", key of {key}", " written in {key}")
_FOR = (" for {players}", " with {players}", ", played by {players}", ", {players}")


# What texts say besides, which decides nothing that is played.
_ASIDES = (
    "as if heard from far away", "for a long evening", "with a memorable tune", "in a small room", "recorded live",
    "that builds slowly", "with a clear beginning", "made for listening", "like an old film", "full of detail",
    "with room to breathe", "simple and direct", "for the end of the day", "played with care", "of great beauty",
    "with a strong melody", "for a celebration", "like a memory", "on an open stage", "with rich harmony",
    "and a steady pulse", "with gentle dynamics", "in an open space", "for walking through a city", "at night",
    "in the morning light", "short and complete", "with a surprising end", "for a crowd", "with a soft ending",
)  # fmt: skip


# Further names of genres, which texts use and captions of music do not.
_FURTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "choral": ("a cappella choir", "gospel choir", "plainchant", "carol", "anthem for choir", "cantata", "psalm"),
    "classical": ("nocturne", "symphony", "waltz", "string quartet", "minuet", "classical overture", "chamber music"),
    "dance": ("deep house", "progressive house", "electro", "disco house", "dance track", "rave", "synthwave"),
    "jazz": ("big band jazz", "bossa nova", "hard bop", "cool jazz", "jazz quartet", "jazz ballad", "ragtime"),
    "pop": ("synth-pop", "indie pop", "pop ballad", "bedroom pop", "folk", "r&b", "pop anthem"),
    "rock": ("blues rock", "alternative rock", "arena rock", "classic rock", "shoegaze", "rock anthem", "heavy metal"),
}
_OPENINGS = ("", "", "", "a ", "an instrumental ", "some ", "this is ", "a piece of ", "modern ", "old ")
_ENDINGS = ("", "", "", " music", " piece", " track", " instrumental", " song", " number")
_WORDS = (
    "above", "across", "air", "always", "and", "answer", "around", "away", "bare", "before", "begins", "below",
    "beneath", "between", "beyond", "body", "both", "breath", "broad", "building", "but", "by", "carried", "change",
    "clear", "close", "clouds", "cold", "colour", "coming", "corner", "crisp", "crowd", "day", "deep", "detail",
    "distance", "door", "drifts", "each", "easy", "edge", "ends", "enters", "even", "evening", "ever", "every",
    "falls", "far", "feeling", "few", "field", "fills", "finally", "first", "flows", "fog", "for", "from", "full",
    "garden", "glass", "gold", "ground", "grows", "hand", "hard", "heart", "here", "high", "home", "horizon",
    "hour", "house", "huge", "in", "inner", "into", "joins", "keeps", "landscape", "last", "layer", "leaves",
    "left", "life", "light", "line", "little", "long", "low", "made", "many", "middle", "moment", "moon", "more",
    "morning", "motion", "moves", "narrow", "near", "never", "new", "night", "of", "off", "old", "on", "once",
    "one", "open", "opens", "out", "over", "own", "pale", "part", "passes", "place", "plain", "quick", "rain",
    "returns", "rich", "rises", "river", "road", "round", "sea", "season", "second", "shadow", "short", "side",
    "silence", "simple", "sky", "slowly", "small", "smooth", "snow", "soft", "space", "spring", "stays", "steady",
    "still", "stone", "street", "strong", "summer", "sun", "surface", "sweet", "tall", "texture", "that", "the",
    "then", "thick", "thin", "three", "through", "time", "to", "together", "toward", "town", "tree", "turns",
    "twice", "two", "under", "up", "valley", "voice", "waiting", "walk", "wall", "water", "while", "white", "whole",
    "wide", "wind", "window", "winter", "with", "without", "world", "year", "young",
)  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """What a piece is, apart from the words for it.

    Attributes:
        genre: one of the composer's.
        mood: one of `MOODS`.
        players: number of its players within those of the genre, or None where nothing is said of them.
        bpm: quarters a minute, or None where it is not said.
        key: such as ``Eb major``, or None where it is not said.
    """

    genre: str
    mood: str
    players: int | None
    bpm: float | None
    key: str | None


MOODS: Sequence[str] = tuple(_MOODS)


def players_of(genre: str) -> int:
    """Return how many sets of players a genre has."""
    return len(_PLAYERS[genre])


def draw_piece(genre: str, chance: np.random.Generator) -> Piece:
    """Draw what a piece of a genre is: two in three say who plays, as many the tempo, half the key.

    Args:
        genre: one of `models.composer.writing.prompt_parser.STYLES`.
        chance: generator of the choices.
    """
    style = style_named(genre)
    mood = str(chance.choice(MOODS))
    players = int(chance.integers(len(_PLAYERS[genre]))) if chance.random() < 2 / 3 else None
    bpm = float(chance.integers(round(style.tempo[0]), round(style.tempo[1]) + 1)) if chance.random() < 2 / 3 else None
    mode = "minor" if chance.random() < style.minor else "major"
    tonic = str(chance.choice(MINOR_KEYS if mode == "minor" else MAJOR_KEYS))
    return Piece(genre, mood, players, bpm, f"{tonic} {mode}" if chance.random() < 1 / 2 else None)


def caption(piece: Piece, chance: np.random.Generator) -> str:
    """Return one of the ways to say what a piece is."""
    said = (
        str(chance.choice(_FOR)).format(players=_one(_PLAYERS[piece.genre][piece.players], chance))
        if (piece.players is not None)
        else ""
    )
    text = str(chance.choice(_SHAPES)).format(
        mood=_one(_MOODS[piece.mood], chance),
        genre=_one(_NAMES[piece.genre], chance),
        players=said,
        tempo=str(chance.choice(_TEMPOS)).format(bpm=piece.bpm) if piece.bpm is not None else "",
        key=str(chance.choice(_KEYS)).format(key=piece.key) if piece.key is not None else "",
    )
    return text[0].upper() + text[1:]


def reworded(piece: Piece, chance: np.random.Generator) -> str:
    """Return a caption as strangers write them: its parts in any order and case, among words that decide nothing."""
    if chance.random() < 0.3:
        text = caption(piece, chance)
        text = f"{text}, {_one(_ASIDES, chance)}" if chance.random() < 0.5 else text
        return text.lower() if chance.random() < 0.25 else text
    mood, name = _one(_MOODS[piece.mood], chance), _one((*_NAMES[piece.genre], *_FURTHER_NAMES[piece.genre]), chance)
    head = _one((f"{mood} {name}", f"{name}, {mood}", f"{mood} and {_one(_WORDS, chance)} {name}"), chance)
    parts = [f"{_one(_OPENINGS, chance)}{head}{_one(_ENDINGS, chance)}"]
    if piece.players is not None:
        parts.append(f"{_one(('for ', 'with ', ''), chance)}{_one(_PLAYERS[piece.genre][piece.players], chance)}")
    if piece.bpm is not None:
        parts.append(_one(_TEMPOS, chance).format(bpm=piece.bpm).strip(" ,"))
    if piece.key is not None:
        parts.append(_one(_KEYS, chance).format(key=piece.key).strip(" ,"))
    parts += [_one(_ASIDES, chance) for _ in range(chance.integers(3))]
    for _ in range(chance.integers(3)):
        parts.append(" ".join(_one(_WORDS, chance) for _ in range(chance.integers(3, 10))))
    order = chance.permutation(len(parts)) if chance.random() < 0.5 else np.arange(len(parts))
    joined: str = parts[order[0]]
    for place in order[1:].tolist():
        joined += f"{_one((', ', ', ', ' ', '. ', ': '), chance)}{parts[place]}"
    return joined[0].upper() + joined[1:] if chance.random() < 0.75 else joined.lower()


def _one(words: Sequence[str], chance: np.random.Generator) -> str:
    return words[int(chance.integers(len(words)))]
