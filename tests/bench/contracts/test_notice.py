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
KNOWN: dict[str, tuple[dict[str, Any], str]] = {
    "W-ALPHA": (
        {"adapter": "a/checkpoint-7", "model": "tuned", "alpha": 8.0},
        "the adapter 'a/checkpoint-7' of 'tuned' does not say its alpha; 8 is taken, weigh another by adapter_scale",
    ),
    "W-BASE": ({"model": "tuned", "adapters": 1}, "'tuned' is equal to its base: its adapter changes nothing"),
    "W-BIAS": (
        {"clips": 40, "needed": 300},
        "too large by chance at 40 clips (needs 300); compare at equal numbers only",
    ),
    "W-CAPTIONS": (
        {"model": "tuned", "prompts": 2, "of": 12},
        "'tuned' was trained on captions that are 2 of the 12 prompts, word for word",
    ),
    "W-CLIP-LENGTH": (
        {"model": "m", "shorter": 2, "longer": 1, "of": 12, "asked": 10.0, "shortest": 0.4, "longest": 12.5},
        "of 12 clips of 'm', 2 shorter and 1 longer than the 10 s asked for (0.4 to 12.5 s)",
    ),
    "W-CLIP-RATE": (
        {"model": "m", "clips": 1, "of": 12, "rates": [22050], "declared": 44100},
        "1 of 12 clips of 'm' have 22050 Hz, not the 44100 Hz that it declares",
    ),
    "W-CLIPS": ({"a": 10, "b": 20}, "A has 10 clips and B 20; compare at equal numbers"),
    "W-CONSTANT": ({"windows": 180}, "all 180 windows have the same embedding"),
    "W-COUNT": (
        {"reference": "theirs", "windows": 5},
        "the reference 'theirs' does not say how many windows it is of; by its rank 5 or more",
    ),
    "W-DOSES": ({"problem": "d.json: not JSON"}, "d.json: not JSON"),
    "W-DURATION": ({"a": 10.0, "b": 0.25}, "A was asked for clips of 10 s and B for clips of 0.25 s"),
    "W-FAMILY": (
        {"model": "m", "conditioned_on": ["clap-laion"], "trained_with": ["songeval"]},
        "'m' is conditioned on clap-laion and was trained with songeval, and so is what it is scored by: no "
        "independent judge, it may favor it",
    ),
    "W-EQUAL": (
        {"reference": "music", "value": 0.08},
        "music like the reference 'music' reads about 0.08 at these numbers, not 0",
    ),
    "W-FEW": ({"prompts": 5, "p": 0.0625}, "with 5 prompts p is never below 0.062"),
    "W-FLOOR": ({"permutations": 999, "p": 0.001}, "999 permutations, so p is never below .001"),
    "W-FRONT-END": (
        {"reference": "fma", "music": "fadtk", "clips": "tunebench"},
        "the audio of the reference 'fma' was prepared by fadtk and that of the clips by tunebench, which moves the "
        "distance",
    ),
    "W-GENRES": (
        {"reference": "music", "common": ["jazz"], "clips": ["", "folk"], "music": ["pop"]},
        "left aside, since only one side has it: clips of genre none, folk and music of genre pop (the reference is "
        "'music')",
    ),
    "W-ONE-EACH": (
        {"genres": 6, "reference": "music"},
        "each of the 6 genres has one prompt, and the reference 'music' none of these genres: music like it reads "
        "below 0",
    ),
    "W-ONE-MAKER": (
        {"model": "nano", "maker": "composer", "reference": "composer-unheard"},
        "'nano' was trained on music by 'composer', which made the reference 'composer-unheard', too: the score tells "
        "of such music only",
    ),
    "W-LENGTH": ({"a": 0.5, "b": 0.4}, "A's clips are 0.50 s long and B's 0.40 s (medians)"),
    "W-PROMPT-CUT": (
        {"model": "m", "prompts": 2, "of": 12, "tokens": 40},
        "'m' did not read the end of 2 of 12 prompts, up to 40 tokens: shorten them",
    ),
    "W-ORDER": (
        {"a": "x", "b": "y", "by_a": {"notes": ["n@1", "o@1"]}, "by_b": {"mert": ["k@1"], "clap-laion": ["c@1"]}},
        "families disagree on 'x' and 'y': notes (n@1, o@1) puts x first, mert (k@1) and clap-laion (c@1) put y first",
    ),
    "W-OWN-MUSIC": (
        {"model": "m", "reference": "music"},
        "the reference 'music' is music by 'm' itself, which favors it",
    ),
    "W-RANK": (
        {"of": "reference", "windows": 200, "dimension": 400},
        "the reference has 200 windows in 400 dimensions, no full covariance",
    ),
    "W-RATINGS": ({"source": "r.csv", "models": ["x", "y"]}, "r.csv rates x, y, which this run does not hold"),
    "W-SEEDS": ({"a": [2, 2], "b": [1, 3]}, "A has 2 seeds and B 1 to 3 seeds a prompt"),
    "W-SHARED": (
        {"model": "tuned", "shared": 2, "of": 6, "reference": "music"},
        "'tuned' was trained on 2 of the 6 recordings of the reference 'music', which flatters it",
    ),
    "W-SKEW": (
        {"p": 0.012, "mean_p": 0.21},
        "exchanging A and B gives p .012, a test of the mean that allows for skew (bootstrap-t) p .210: some prompts "
        "differ far more than the rest",
    ),
    "W-SWEEP": (
        {"model": "m[steps=5]", "settings": 3, "prompts": 12, "of": 12, "suite": "quick@1"},
        "'m[steps=5]' is one of 3 settings swept over 12 test prompts of quick@1: the best of them is flattered there; "
        "choose on development prompts",
    ),
    "W-SYNTHETIC": ({"reference": "composer"}, "the reference 'composer' is synthetic music"),
    "W-TUNED": (
        {"model": "tuned", "prompts": 4, "of": 36, "suites": ["genres@1", "quick@1"]},
        "'tuned' was tuned or chosen by its scores on 4 of the 36 prompts (of genres@1, quick@1), which flatters it",
    ),
    "W-UNPAIRED": (
        {"only_a": 2, "only_b": 1},
        "3 prompts that only one of the two has are left out (2 of A, 1 of B)",
    ),
    "W-WORDS": (
        {"prompts": 11, "of": 12},
        "A and B were asked in other words by 11 of 12 prompts; metrics that read the text read each its own",
    ),
}  # fmt: skip


@pytest.mark.parametrize("code", KNOWN)
def test_sentences(code: str) -> None:
    params, text = KNOWN[code]
    notice = Notice(code, params)
    assert (notice.text, notice.sentence) == (text, f"{code}: {text}")
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
    assert Notice("W-FEW", {"prompts": 12, "differing": 3}).text.startswith("A and B differ on 3 of the 12 prompts")
    assert Notice("W-RATINGS", {"problem": "r.csv: empty"}).text == "r.csv: empty"
    assert Notice("W-RANK", {"of": "clips", "windows": 1, "dimension": 2}).text.startswith("the clips have 1 windows")
    assert Notice("W-UNPAIRED", {"only_a": 0, "only_b": 1}).text.endswith("is left out (1 of B)")


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
    assert "'a', 'b' were trained on music by 'composer'" in both.text
    seven = Notice("W-ONE-MAKER", {"model": [*"abcdefgh"], "maker": "composer", "reference": "r"})
    assert "'f', and 2 more were trained" in seven.text


def test_warnings_of_models_without_a_name_are_joined_too() -> None:
    """A run from another source may store anything."""
    nameless, other = (Notice("W-ONE-MAKER", {"maker": "m", "reference": "r", **more}) for more in ({}, {"model": 1}))
    (found,) = joined({nameless: ["kad"], other: ["kad"]})
    assert found.sentence.startswith("W-ONE-MAKER: ")
