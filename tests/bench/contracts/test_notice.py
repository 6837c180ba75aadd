"""Warnings as data: what is stored is a code with parameters, and the sentence is made of it."""

from __future__ import annotations

import ast
import doctest
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.contracts.notice import _TEXTS, Notice, checked, joined
from bench.errors import DataError

ROOT = Path(__file__).parents[3]
KNOWN: dict[str, tuple[dict[str, Any], list[str]]] = {
    "W-ALPHA": (
        {"adapter": "a/checkpoint-7", "model": "tuned", "alpha": 8.0},
        ["'a/checkpoint-7'", "'tuned'", "8", "adapter_scale"],
    ),
    "W-BASE": ({"model": "tuned", "adapters": 1}, ["'tuned'", "its adapter changes"]),
    "W-BIAS": ({"clips": 40, "needed": 300}, ["40 clips", "300"]),
    "W-CAPTIONS": ({"model": "tuned", "prompts": 2, "of": 12}, ["'tuned'", "2", "12 prompts"]),
    "W-CLIP-LENGTH": (
        {"model": "m", "shorter": 2, "longer": 1, "of": 12, "asked": 10.0, "shortest": 0.4, "longest": 12.5},
        ["12 clips", "'m'", "2 shorter", "1 longer", "10 s", "0.4", "12.5 s"],
    ),
    "W-CLIP-RATE": (
        {"model": "m", "clips": 1, "of": 12, "rates": [22050], "declared": 44100},
        ["1", "12 clips", "'m'", "22050 Hz", "44100 Hz"],
    ),
    "W-CLIPS": ({"a": 10, "b": 20}, ["A", "10", "B", "20"]),
    "W-CONSTANT": ({"windows": 180}, ["180 windows"]),
    "W-COUNT": ({"reference": "theirs", "windows": 5}, ["'theirs'", "5"]),
    "W-DOSES": ({"problem": "d.json: not JSON"}, ["d.json: not JSON"]),
    "W-DURATION": ({"a": 10.0, "b": 0.25}, ["A", "10 s", "B", "0.25 s"]),
    "W-FAMILY": (
        {"model": "m", "conditioned_on": ["clap-laion"], "trained_with": ["songeval"]},
        ["'m'", "conditioned", "clap-laion", "trained", "songeval"],
    ),
    "W-EQUAL": ({"reference": "music", "value": 0.08}, ["'music'", "0.08"]),
    "W-FEW": ({"prompts": 5, "p": 0.0625}, ["5 prompts", "0.062"]),
    "W-FLOOR": ({"permutations": 999, "p": 0.001}, ["999 permutations", ".001"]),
    "W-FRONT-END": (
        {"reference": "fma", "music": "fadtk", "clips": "tunebench"},
        ["'fma'", "fadtk", "clips", "tunebench"],
    ),
    "W-GENRES": (
        {"reference": "music", "common": ["jazz"], "clips": ["", "folk"], "music": ["pop"]},
        ["clips of genre none, folk", "music of genre pop", "'music'"],
    ),
    "W-ONE-EACH": ({"genres": 6, "reference": "music"}, ["6 genres", "'music'", "0"]),
    "W-ONE-MAKER": (
        {"model": "nano", "maker": "composer", "reference": "composer-unheard"},
        ["'nano' was", "'composer'", "'composer-unheard'", "score"],
    ),
    "W-LENGTH": ({"a": 0.5, "b": 0.4}, ["A", "0.50 s", "B", "0.40 s"]),
    "W-PROMPT-CUT": ({"model": "m", "prompts": 2, "of": 12, "tokens": 40}, ["'m'", "2", "12 prompts", "40 tokens"]),
    "W-ORDER": (
        {"a": "x", "b": "y", "by_a": {"notes": ["n@1", "o@1"]}, "by_b": {"mert": ["k@1"], "clap-laion": ["c@1"]}},
        ["'x'", "'y'", "notes (n@1, o@1) puts x", "mert (k@1)", "clap-laion (c@1) put y"],
    ),
    "W-OWN-MUSIC": ({"model": "m", "reference": "music"}, ["'music'", "'m'"]),
    "W-RANK": ({"of": "reference", "windows": 200, "dimension": 400}, ["reference", "200 windows", "400 dimensions"]),
    "W-RATINGS": ({"source": "r.csv", "models": ["x", "y"]}, ["r.csv", "x, y"]),
    "W-SEEDS": ({"a": [2, 2], "b": [1, 3]}, ["A", "2 seeds", "B", "1 to 3 seeds"]),
    "W-SHARED": (
        {"model": "tuned", "shared": 2, "of": 6, "reference": "music"},
        ["'tuned'", "trained", "2", "6 recordings", "'music'"],
    ),
    "W-SKEW": ({"p": 0.012, "mean_p": 0.21}, ["p .012", "p .210"]),
    "W-SWEEP": (
        {"model": "m[steps=5]", "settings": 3, "prompts": 12, "of": 12, "suite": "quick@1"},
        ["'m[steps=5]'", "3 settings", "12 test prompts", "quick@1"],
    ),
    "W-SYNTHETIC": ({"reference": "composer"}, ["'composer'", "synthetic"]),
    "W-TUNED": (
        {"model": "tuned", "prompts": 4, "of": 36, "suites": ["genres@1", "quick@1"]},
        ["'tuned'", "4", "36 prompts", "genres@1, quick@1"],
    ),
    "W-UNPAIRED": ({"only_a": 2, "only_b": 1}, ["3 prompts", "2 of A, 1 of B"]),
    "W-WORDS": ({"prompts": 11, "of": 12}, ["11", "12 prompts", "A", "B"]),
}
"""By code, parameters and what their sentence says of them, in this order."""


def _names(text: str, values: list[str]) -> bool:
    """Whether a text has these values, each whole, in this order."""
    return re.search(".*".join(rf"(?<!\w){re.escape(value)}(?!\w)" for value in values), text) is not None


@pytest.mark.parametrize("code", KNOWN)
def test_sentences_name_the_values(code: str) -> None:
    params, values = KNOWN[code]
    notice = Notice(code, params)
    assert _names(notice.text, values), notice.text
    assert notice.sentence == f"{code}: {notice.text}" and "\n" not in notice.text
    assert Notice.of_json(json.loads(json.dumps(notice.as_json()))) == notice
    assert notice.as_json() == {"code": code, "params": params}


def test_every_code_of_ours_has_its_sentence_in_the_table() -> None:
    root = Path(__file__).parents[3]
    sources = (file for folder in ("bench", "metrics", "models") for file in (root / folder).rglob("*.py"))
    used = {code for file in sources for code in re.findall(r'Notice\(\s*"(W-[A-Z-]+)"', file.read_text())}
    # Two codes are constants, one is of the examples.
    assert used - {"W-TINY"} | {"W-SHARED", "W-ONE-MAKER"} == set(_TEXTS)
    assert _TEXTS.keys() == KNOWN.keys()


def test_other_forms_of_a_warning() -> None:
    assert _names(Notice("W-FEW", {"prompts": 12, "differing": 3}).text, ["3", "12 prompts", ".05"])
    assert Notice("W-RATINGS", {"problem": "r.csv: empty"}).text == "r.csv: empty"
    assert _names(Notice("W-RANK", {"of": "clips", "windows": 1, "dimension": 2}).text, ["clips", "1 window", "2"])
    assert _names(Notice("W-UNPAIRED", {"only_a": 0, "only_b": 1}).text, ["1 prompt", "1 of B"])
    assert _names(Notice("W-ALPHA", {"adapter": "a", "model": "m", "alpha": None}).text, ["'a'", "'m'", "its rank"])


def test_a_plugins_own_code_brings_its_text() -> None:
    own = Notice("W-MINE", {"clips": 3}, "3 clips, {clips} of them short")
    assert own.sentence == "W-MINE: 3 clips, {clips} of them short"  # no template: it may come from anybody
    assert Notice.of_json(own.as_json()) == own
    assert Notice("W-MINE", {"clips": 3}).text == '{"clips":3}'
    assert checked(["W-MINE: as before", own, "no code"], "m") == (
        Notice("W-MINE", {}, "as before"),
        own,
        Notice("W-OTHER", {}, "no code"),
    )
    with pytest.raises(DataError, match=r"\bm\b.*\b3\b.*bench\.Notice"):
        checked([3], "m")  # type: ignore[list-item]


def test_equal_warnings_are_one() -> None:
    one, two = Notice("W-SEEDS", {"a": 1, "b": 2}), Notice("W-SEEDS", {"b": 2, "a": 1})
    assert one == two and len({one, two, Notice("W-SEEDS", {"a": 2, "b": 2})}) == 2


@pytest.mark.parametrize("code", ["", "W-", "w-few", "W-FEW: x", "FEW", "W-" + "A" * 99, 7, None])
def test_what_is_no_code(code: object) -> None:
    with pytest.raises(DataError):
        Notice(code)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "stored", [None, "W-FEW", [], {}, {"code": "W-FEW", "more": 1}, {"code": "W-FEW", "params": []}, {"code": 1},
               {"code": "W-FEW", "params": {"p": float("nan")}}, {"code": "W-FEW", "text": 3}]
)  # fmt: skip
def test_what_is_no_stored_warning(stored: object) -> None:
    with pytest.raises(DataError):
        Notice.of_json(stored)


@given(
    st.sampled_from(sorted(_TEXTS)),
    st.dictionaries(
        st.sampled_from(["a", "b", "p", "of", "only_a", "only_b", "windows", "prompts", "differing", "models", "x"]),
        st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | st.lists(st.text()),
    ),
)
def test_strange_parameters_are_shown_and_break_nothing(code: str, params: dict[str, object]) -> None:
    assert isinstance(Notice(code, params).sentence, str)


def test_the_examples_hold() -> None:
    assert doctest.testmod(sys.modules["bench.contracts.notice"]).failed == 0


def _emitted() -> set[str]:
    """The codes that begin a text in the sources, alone or before their sentence: ``W-CODE``, ``W-CODE: text``."""
    files = [file for room in ("bench", "metrics", "models") for file in sorted((ROOT / room).rglob("*.py"))]
    texts = [
        node.value
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return {found[1] for text in texts if (found := re.match(r"(W-[A-Z0-9-]+)(?=: |$)", text))}


def test_the_page_of_warnings_has_every_code_and_no_other() -> None:
    page = (ROOT / "docs" / "warnings.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `W-")]
    listed = [code for row in rows for code in re.findall(r"`(W-[A-Z0-9-]+)`", row.split("|")[1])]
    assert len(listed) == len(set(listed))  # a code means one thing
    assert set(listed) == _emitted()
    assert {*_TEXTS, "W-OTHER", "W-ORDER-EFFECT", "W-SIDE"} == set(listed)
    assert all(len(row.split(" | ")) == 3 for row in rows)


def test_one_maker_of_several_models_is_one_warning() -> None:
    def maker(model: str, reference: str = "r") -> Notice:
        return Notice("W-ONE-MAKER", {"model": model, "maker": "composer", "reference": reference})

    shared = Notice("W-SHARED", {"model": "a", "shared": 1, "of": 9, "reference": "r"})
    warned = {maker("a"): ["kad"], shared: ["kad"], maker("b"): ["kad"], maker("c"): ["fad"], maker("d", "s"): ["kad"]}
    found = joined(warned)
    both = Notice("W-ONE-MAKER", {"model": ["a", "b"], "maker": "composer", "reference": "r"})
    assert found == {both: ["kad"], shared: ["kad"], maker("c"): ["fad"], maker("d", "s"): ["kad"]}
    assert list(found)[:2] == [both, shared]
    assert _names(both.text, ["'a', 'b' were", "'composer'", "'r'", "scores"])
    seven = Notice("W-ONE-MAKER", {"model": [*"abcdefgh"], "maker": "composer", "reference": "r"})
    assert _names(seven.text, ["'f'", "2 more were"])


def test_warnings_of_models_without_a_name_are_joined_too() -> None:
    """A run from another source may store anything."""
    nameless, other = (Notice("W-ONE-MAKER", {"maker": "m", "reference": "r", **more}) for more in ({}, {"model": 1}))
    (found,) = joined({nameless: ["kad"], other: ["kad"]})
    assert found.sentence.startswith("W-ONE-MAKER: ")
