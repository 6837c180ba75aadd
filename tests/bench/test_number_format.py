"""Numbers for people to read say what was measured, to the digit that means something."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.number_format import decimals_for, number


def read(text: str) -> float:
    return float(text.replace("−", "-"))


@given(st.floats(-1e100, 1e100), st.integers(1, 12))
def test_what_is_written_is_the_number_and_short(value: float, decimals: int) -> None:
    text = number(value, decimals)
    assert read(text) == pytest.approx(value, rel=1e-5, abs=0.51 * 10.0**-decimals)
    assert len(text) <= 16
    assert "-" not in text and not (text.startswith("−") and not read(text))
    assert number(value, decimals, "+").lstrip("+") == text


@given(st.floats(1e-12, 1e6))
def test_the_usual_width_has_two_digits(width: float) -> None:
    written = number(width, decimals_for([width, width / 9, width * 9]))
    assert read(written) == pytest.approx(width, rel=0.051)


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (-0.02, "0.0"), (0.0, "0.0"), (-0.05001, "−0.1")])
def test_nothing_has_no_sign(value: float | None, text: str) -> None:
    assert number(value, 1) == number(value, 1, "+") == text
