"""The order in which the measures of a score are played: repeats, endings, da capo, dal segno, fine and coda."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

MAX_PLAYED = 20_000  # measures; the longest symphonies have about 2,000


@dataclass
class Signs:
    """The signs at one measure.

    Attributes:
        opens: a repeat begins with this measure.
        times: how often the section that this measure closes is played; 1 if it closes none.
        endings: the passes that this measure is played in, empty for every one.
        dacapo, dalsegno, segno, tocoda, coda, fine: the jumps after it, and where they lead.
    """

    opens: bool = False
    times: int = 1
    endings: set[int] = field(default_factory=set)
    dacapo: bool = False
    dalsegno: bool = False
    segno: bool = False
    tocoda: bool = False
    coda: bool = False
    fine: bool = False


def play_order(signs: Sequence[Signs]) -> list[int]:
    """Return indices of measures in the order of playing.

    A section without an opening sign begins after the section before it. After da capo or dal segno, which are
    followed once, nothing is repeated and the last of several endings is taken.

    Raises:
        ValueError: more than 20,000 measures are to be played.
    """
    order: list[int] = []
    here = start = 0
    turn, jumped = 1, False
    while here < len(signs):
        sign = signs[here]
        after_endings = here > 0 and bool(signs[here - 1].endings) and not sign.endings
        if here != start and (sign.opens or after_endings):
            start, turn = here, 1
        if sign.endings and (max(_group(signs, here)) if jumped else turn) not in sign.endings:
            here += 1
            continue
        order.append(here)
        if len(order) > MAX_PLAYED:
            raise ValueError(f"with its repeats it is longer than {MAX_PLAYED} measures")
        if jumped and sign.fine:
            break
        if jumped and sign.tocoda and any(other.coda for other in signs[here + 1 :]):
            here = next(i for i in range(here + 1, len(signs)) if signs[i].coda)
        elif not jumped and _repeats(signs, here, turn):
            here, turn = start, turn + 1
        elif not jumped and (sign.dacapo or sign.dalsegno):
            segno = next((i for i, other in enumerate(signs) if other.segno), 0)
            here = start = segno if sign.dalsegno else 0
            turn, jumped = 1, True
        else:
            here += 1
            if sign.times > 1 and here < len(signs) and not signs[here].endings:
                start, turn = here, 1
    return order


def _repeats(signs: Sequence[Signs], here: int, turn: int) -> bool:
    sign = signs[here]
    if not sign.endings or sign.times == 1:
        return turn < sign.times
    # A lone first ending is left out the second time; otherwise there must be an ending for the next pass.
    group = _group(signs, here)
    return turn + 1 in group or group == {1}


def _group(signs: Sequence[Signs], here: int) -> set[int]:
    """Return the passes of all endings that stand side by side with the one at ``here``."""
    first = last = here
    while first > 0 and signs[first - 1].endings:
        first -= 1
    while last + 1 < len(signs) and signs[last + 1].endings:
        last += 1
    return set().union(*(sign.endings for sign in signs[first : last + 1]))


_PASS = re.compile(r"(\d{1,4})(?:\s*[-–—]\s*(\d{1,4}))?")


def _passes(number: str) -> set[int]:
    """Return the passes that an ending is for, from its number; empty where it has none.

    >>> _passes("1, 2"), _passes("1-3"), _passes("1.2.")
    ({1, 2}, {1, 2, 3}, {1, 2})

    Raises:
        ValueError: it has a name, but no number.
    """
    found = {n for one in _PASS.finditer(number) for n in range(int(one[1]), int(one[2] or one[1]) + 1)}
    if not found and number.strip():
        raise ValueError(f"an ending is numbered {number[:40]!r}")
    return found


def read_signs(score: Element) -> list[Signs]:
    """Read the signs of a partwise MusicXML score, of all parts together; jumps as its ``sound`` elements give them.

    Raises:
        ValueError: a number of times or of an ending is not a number.
    """
    parts = [part.findall("measure") for part in score.findall("part")]
    signs = [Signs() for _ in range(max(map(len, parts), default=0))]
    for part in parts:
        open_ending: set[int] = set()
        for sign, measure in zip(signs, part, strict=False):
            for ending in measure.iterfind("barline/ending[@type='start']"):
                open_ending = _passes(ending.get("number", "1"))
            sign.endings |= open_ending
            if any(ending.get("type") != "start" for ending in measure.iterfind("barline/ending")):
                open_ending = set()
            for repeat in measure.iterfind("barline/repeat"):
                if repeat.get("direction") == "forward":
                    sign.opens = True
                else:
                    sign.times = max(sign.times, int(repeat.get("times", 2)))
            for sound in measure.iter("sound"):
                for jump in ("dacapo", "dalsegno", "segno", "tocoda", "coda", "fine"):
                    if sound.get(jump, "no") != "no":
                        setattr(sign, jump, True)
    return signs
