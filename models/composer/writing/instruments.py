"""Instruments: the words for them, the General MIDI programs that play them, and what they can do in a band."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

# Word pattern → program for each style ("*": any other). Earlier patterns win and hide the words they match.
_PROGRAMS: tuple[tuple[str, dict[str, int]], ...] = tuple(
    (pattern, {"*": programs} if isinstance(programs, int) else programs)
    for pattern, programs in (
        (r"electric pianos?|rhodes|wurlitzer|wurly|e-?piano", 4),
        (r"honky[- ]tonk", 3),
        (r"toy piano|music box", 10),
        (r"pianos?|pianist", 0),
        (r"harpsichords?", 6),
        (r"clavinets?", 7),
        (r"celest[ae]", 8),
        (r"glockenspiels?", 9),
        (r"vibraphones?|vibes solo", 11),
        (r"marimbas?", 12),
        (r"xylophones?", 13),
        (r"tubular bells|church bells|chimes", 14),
        (r"(?:church|pipe) organs?", 19),
        (r"hammond(?: organs?)?|b-?3 organ|rock organ", 16),
        (r"organs?", {"*": 16, "choral": 19, "classical": 19, "rock": 18}),
        (r"accordions?", 21),
        (r"harmonicas?", 22),
        (r"bandone[oó]ns?", 23),
        (r"bass guitars?|electric bass(?:es)?|fingered bass", 33),
        (r"(?:nylon[- ]string(?:ed)?|classical|spanish) guitars?", 24),
        (r"(?:acoustic|steel[- ]string(?:ed)?|strummed|folk) guitars?", {"*": 25, "classical": 24}),
        (r"(?:jazz|archtop|hollow[- ]body) guitars?", 26),
        (r"(?:clean|jangly|chorused)(?: electric)? guitars?", 27),
        (r"(?:palm[- ]muted|muted) (?:electric )?guitars?", 28),
        (r"(?:chopped |funky )?rhythm guitars?", {"*": 27, "jazz": 26, "rock": 30}),
        (r"(?:overdriven|crunchy?|bluesy)(?: electric)? guitars?", 29),
        (r"(?:distorted|fuzz(?:y|ed)?|heavy|power)(?: electric)? guitars?|guitar riffs?|power chords?", 30),
        (r"(?:lead )?guitar solos?|lead guitars?", {"*": 29, "jazz": 26, "classical": 24, "pop": 27}),
        (r"electric guitars?", {"*": 27, "rock": 30, "jazz": 26}),
        (r"guitars?|guitarist", {"*": 25, "rock": 30, "jazz": 26, "classical": 24, "dance": 27}),
        (r"pizzicato(?: strings)?|plucked (?:strings|violins|cellos(?: and basses)?|basses)", 45),
        (
            r"(?:upright|double|acoustic|string|walking) bass(?:es)?|contrabass(?:es)?",
            {"*": 32, "classical": 43, "choral": 43},
        ),
        (r"picked bass(?:es)?", 34),
        (r"fretless bass", 35),
        (r"slap(?:ped)? bass", 36),
        (r"(?:synth|synthesi[sz]er|sub|acid|electronic|analog(?:ue)?|reese) ?-?bass(?:es|lines?)?", 38),
        (r"violas?", 41),
        (r"violins?|fiddles?", 40),
        (r"(?:violon)?cell(?:os?|i)", 42),
        (r"tremolo strings", 44),
        (r"harps?", 46),
        (r"timpani|kettledrums?", 47),
        (r"synth(?:esi[sz]er)? strings", 50),
        (r"string (?:section|ensemble|orchestra|stab)s?|strings|orchestra(?:l strings)?", 48),
        (r"(?:synth|vocal) choir", 54),
        (r"alto sax(?:ophone)?s?", 65),
        (r"soprano sax(?:ophone)?s?", 64),
        (r"bari(?:tone)? sax(?:ophone)?s?", 67),
        (r"tenor sax(?:ophone)?s?", 66),
        (r"sax(?:ophone)?s?|saxophonist", 66),
        (r"synth(?:esi[sz]er)? brass", 62),
        (r"muted trumpets?|harmon mute", 59),
        (r"trumpets?|trumpeter|cornets?|fl[uü]gelhorns?", 56),
        (r"trombones?|low brass", 57),
        (r"tubas?", 58),
        (r"english horns?|cor anglais", 69),
        (r"french horns?|horn calls?", 60),
        (r"brass(?: section| stabs| ensemble)?|horn section", 61),
        (r"horns?", {"*": 61, "classical": 60, "choral": 60}),
        (r"oboes?", 68),
        (r"bassoons?", 70),
        (r"clarinets?", 71),
        (r"piccolos?", 72),
        (r"pan ?flutes?", 75),
        (r"flutes?", 73),
        (r"recorders?", 74),
        (r"(?:synth(?:esi[sz]er)?|saw|trance|supersaw) ?leads?|lead synth(?:esi[sz]er)?s?", 81),
        (r"square(?: wave)? leads?|chip ?tune leads?", 80),
        (r"plucked synths?|synth plucks?|plucks?|arpeggiated synths?|synth arpeggios?|arps?\b", 90),
        (r"(?:synth(?:esi[sz]er)?|warm|lush|airy|soft|ambient) pads?|pads?", 89),
        (r"(?:synth(?:esi[sz]er)?|chord|piano|house) stabs?|synth chords?", {"*": 90}),
        (r"supersaws?|synth(?:esi[sz]er)?s?", {"*": 81, "pop": 90}),
        (r"vocal (?:chops?|synths?)|vocoders?", 54),
        (r"whistled?(?: melody)?|whistles|whistling", 78),
        (r"ukuleles?|ukes?|mandolins?", 24),
        (r"keyboards?", 4),
        (r"sitars?", 104),
        (r"banjos?", 105),
        (r"kotos?", 107),
        (r"kalimbas?|mbiras?", 108),
        (r"bagpipes?", 109),
        (r"steel ?(?:drum|pan)s?", 114),
        (r"choirs?|choral voices|choristers|backing vocals|harmony vocals", 52),
        (r"vocals?|vocalists?|singers?|voices?|sung|humming", {"*": 53, "choral": 52}),
    )
)

STYLE_KIT = -1  # drums are requested, with whichever kit the style uses

_KITS: tuple[tuple[str, int], ...] = (
    (r"brush(?:es|ed)(?: (?:drums?|snare))?", 40),
    (r"(?:tr-?)?808s?|drum machines?", 25),
    (r"electronic (?:drums?|beats?)", 24),
    (r"(?:orchestral|concert) percussion|cymbal crash(?:es)?", 48),
    (
        r"drums?|drum ?kit|drummer|percussion|backbeat|kick|snare|hi-?hats?|ride cymbal|beats?\b(?! (?:per|a) minute)",
        STYLE_KIT,
    ),
)
_WITHOUT = re.compile(r"\b(?:no|without(?: any)?|minus)\s+((?:\w+[ -]?){1,2})")

# A word for a whole family adds nothing after one of its members has been named: "an alto saxophone ... the
# saxophone". Families by program.
_FAMILIES = {r"sax(?:ophone)?s?|saxophonist": range(64, 68), r"guitars?|guitarist": range(24, 32)}


class Scoring(NamedTuple):
    """Who is to play.

    Attributes:
        programs: General MIDI programs in the order in which the text names them.
        excluded: programs that the text rules out.
        kit: the drum kit's program, `STYLE_KIT`, or None if the text says nothing of drums.
        drumless: whether drums are ruled out.
        alone: whether only the named players play.
    """

    programs: tuple[int, ...]
    excluded: frozenset[int]
    kit: int | None
    drumless: bool
    alone: bool


def read_scoring(text: str, style: str) -> Scoring:
    """Parse the instruments that a text names, as the style interprets the words.

    Args:
        text: a prompt's, in any case.
        style: one of `models.composer.writing.prompt_parser.STYLES`.
    """
    text = text.lower()
    unwanted = " ; ".join(_WITHOUT.findall(text))
    text = _WITHOUT.sub(" ", text)
    kits = [kit for pattern, kit in _KITS if re.search(rf"\b(?:{pattern})(?!\w)", text)]
    programs = _programs(text, style)
    soloist = len(programs) == 1 and not kits and re.search(r"\b(?:solo|lone)\b", text)
    alone = bool(soloist or re.search(r"a cappella|unaccompanied", text))
    drumless = alone or any(re.search(rf"\b(?:{pattern})", unwanted) for pattern, _ in _KITS)
    kit = kits[0] if kits else None
    return Scoring(tuple(programs), frozenset(_programs(unwanted, style)), kit, drumless, alone)


def _programs(text: str, style: str) -> list[int]:
    found: dict[int, int] = {}
    if re.search(r"\bstring quartet\b", text):
        place = text.index("string quartet")
        found.update({40: place, 41: place + 1, 42: place + 2})
        text = text.replace("string quartet", " ")
    for pattern, programs, family in _compiled():
        if family and any(program in family for program in found):
            continue
        for match in pattern.finditer(text):
            found.setdefault(programs.get(style, programs["*"]), match.start())
        text = pattern.sub(lambda match: " " * len(match.group()), text)
    return sorted(found, key=lambda program: found[program])


@lru_cache(maxsize=1)
def _compiled() -> tuple[tuple[re.Pattern[str], dict[str, int], range | None], ...]:
    return tuple(
        (re.compile(rf"\b(?:{pattern})(?!\w)"), programs, _FAMILIES.get(pattern)) for pattern, programs in _PROGRAMS
    )
