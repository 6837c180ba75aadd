from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.play_order import Signs, play_order, read_signs

OPEN, CLOSE = Signs(opens=True), Signs(times=2)


def ending(*passes: int, closes: bool = True) -> Signs:
    return Signs(endings=set(passes), times=2 if closes else 1)


@pytest.mark.parametrize(
    ("signs", "order"),
    [
        ([], []),
        ([Signs(), Signs()], [0, 1]),
        ([CLOSE, Signs()], [0, 0, 1]),
        ([Signs(), OPEN, CLOSE, Signs()], [0, 1, 2, 1, 2, 3]),
        ([Signs(opens=True, times=3)], [0, 0, 0]),
        # A :| B :| C: the second section begins where the first one ends
        ([CLOSE, CLOSE, Signs()], [0, 0, 1, 1, 2]),
        # A |1 B :|2 C | D :| E
        ([Signs(), ending(1), ending(2, closes=False), CLOSE, Signs()], [0, 1, 0, 2, 3, 3, 4]),
        # A |1 B :|2 C :|3 D
        ([Signs(), ending(1), ending(2), ending(3, closes=False)], [0, 1, 0, 2, 0, 3]),
        # A |1,2 B :|3 C
        ([Signs(), ending(1, 2), ending(3, closes=False)], [0, 1, 0, 1, 0, 2]),
        # a first ending of two measures
        (
            [OPEN, ending(1, closes=False), ending(1), ending(2, closes=False), Signs()],
            [0, 1, 2, 0, 3, 4],
        ),
        # a first ending alone
        ([Signs(), ending(1), Signs()], [0, 1, 0, 2]),
        # da capo al fine, without the repeats
        ([Signs(times=2), Signs(fine=True), Signs(dacapo=True)], [0, 0, 1, 2, 0, 1]),
        # dal segno al coda
        (
            [Signs(), Signs(segno=True), Signs(tocoda=True), Signs(dalsegno=True), Signs(coda=True)],
            [0, 1, 2, 3, 1, 2, 4],
        ),
        # da capo takes the last ending
        ([Signs(), ending(1), ending(2, closes=False), Signs(dacapo=True)], [0, 1, 0, 2, 3, 0, 2, 3]),
        # an opening sign that is never closed
        ([OPEN, Signs(), OPEN, CLOSE], [0, 1, 2, 3, 2, 3]),
    ],
)
def test_known_forms(signs: list[Signs], order: Any) -> None:
    assert play_order(signs) == order


SIGNS = st.builds(
    Signs,
    opens=st.booleans(),
    times=st.integers(1, 4),
    endings=st.sets(st.integers(1, 3), max_size=2),
    dacapo=st.booleans(),
    dalsegno=st.booleans(),
    segno=st.booleans(),
    tocoda=st.booleans(),
    coda=st.booleans(),
    fine=st.booleans(),
)


@given(st.lists(SIGNS, max_size=12))
def test_any_signs_come_to_an_end(signs: list[Signs]) -> None:
    assert set(play_order(signs)) <= set(range(len(signs)))


@given(st.lists(st.builds(Signs, opens=st.booleans(), times=st.integers(1, 4)), max_size=12))
def test_repeats_alone_leave_nothing_out(signs: list[Signs]) -> None:
    order = play_order(signs)
    assert list(dict.fromkeys(order)) == list(range(len(signs)))
    assert len(order) <= 4 * len(signs)


def test_endless_repeats_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\b20000 measures"):
        play_order([Signs(times=10**9)])


def test_signs_of_all_parts_count() -> None:
    def barline(content: str) -> str:
        return f"<measure><barline>{content}</barline></measure>"

    forward, backward = '<repeat direction="forward"/>', '<repeat direction="backward" times="3"/>'
    first = barline('<ending number="1, 2" type="start"/>') + "<measure/>"
    stop = barline(f'<ending number="1,2" type="stop"/>{backward}')
    jumps = '<measure><direction><sound segno="A"/></direction><sound dacapo="no" fine="yes"/></measure>'
    score = f"<score-partwise><part>{barline(forward)}{first}{stop}</part><part>{jumps}</part></score-partwise>"
    assert read_signs(ElementTree.fromstring(score)) == [
        Signs(opens=True, segno=True, fine=True),
        Signs(endings={1, 2}),
        Signs(endings={1, 2}),
        Signs(endings={1, 2}, times=3),
    ]
