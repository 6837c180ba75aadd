"""What prompts are for: declared by suites, read from files, and no part of any identity."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import DataError, Prompt, PromptSuite, UsageError
from bench.config.run_config import parse_config
from bench.contracts.prompt import Split, text_hash
from bench.contracts.prompt_suite import load_suite, load_suite_named
from bench.planning.plan import make_plan
from bench.scores.protocol import make_protocol

SUITE = """
name: mine
version: 3
{whole}
prompts:
  - {{id: a, text: One}}
  - {{id: b, text: Two, split: {own}}}
"""


def written(folder: Path, whole: str, own: str = "test") -> Path:
    path = folder / "mine.yaml"
    path.write_text(SUITE.format(whole=whole, own=own))
    return path


def test_a_suite_declares_a_split_as_a_whole_or_by_prompt(tmp_path: Path) -> None:
    assert load_suite(written(tmp_path, "")).splits == {"b": "test"}
    assert load_suite(written(tmp_path, "split: development")).splits == {"a": "development", "b": "test"}
    assert load_suite(written(tmp_path, "split: test")).declared == {"test"}
    assert load_suite(written(tmp_path, "")).declared == {"", "test"}


@pytest.mark.parametrize(
    ("whole", "own"),
    [("split: train", "test"), ("split: [test]", "test"), ("split: no", "test"), ("", "dev"), ("", "1")],
)
def test_other_splits_are_refused(tmp_path: Path, whole: str, own: str) -> None:
    with pytest.raises(DataError, match="split is"):
        load_suite(written(tmp_path, whole, own))
    with pytest.raises(DataError, match="split is 'train'"):
        PromptSuite("s", 1, (Prompt("a", "One"),), splits={"a": "train"})  # type: ignore[dict-item]


suites = st.lists(st.sampled_from(["development", "test", ""]), min_size=1, max_size=8).map(
    lambda found: PromptSuite(
        "s",
        1,
        tuple(Prompt(f"p{n}", f"text {n}") for n in range(len(found))),
        splits={f"p{n}": split for n, split in enumerate(found) if split},  # type: ignore[misc]
    )
)


@given(suites, st.sampled_from(["development", "test"]))
def test_parts(suite: PromptSuite, split: Split) -> None:
    """The parts of a suite are apart; what models are tuned by holds no test prompt unless there is nothing else."""
    own = [p for p in suite.prompts if suite.splits.get(p.id) == split]
    if not own:
        with pytest.raises(UsageError):
            suite.part(split)
    else:
        part = suite.part(split)
        assert list(part.prompts) == own and part.declared == {split}
        assert part.ref == ("s@1" if len(own) == len(suite.prompts) else f"s-{split}@1")
        assert part.part(split) == part
    tuned_by = suite.to_tune_by()
    assert suite.part(None) is suite and tuned_by.ref == suite.ref
    assert ("test" in tuned_by.declared) == (suite.declared == {"test"})
    if suite.declared != {"test"}:
        assert [p for p in suite.prompts if suite.splits.get(p.id) != "test"] == list(tuned_by.prompts)


@given(st.text(), st.text())
def test_texts_are_one_whatever_their_case_and_white_space(one: str, two: str) -> None:
    assert text_hash(f" {one}\t{two.upper()}\n") == text_hash(f"{one} {two.upper()}")
    assert (text_hash(one) == text_hash(two)) == (one.casefold().split() == two.casefold().split())


def test_a_split_changes_no_identity(tmp_path: Path) -> None:
    plain = {"suite": str(written(tmp_path, "")), "models": ["noise"], "metrics": []}
    before = make_plan(parse_config(plain))
    written(tmp_path, "split: development", "development")
    after = make_plan(parse_config(plain))
    assert [clip.id for clip in before.clips] == [clip.id for clip in after.clips]
    ids = [make_protocol(plan.suite.ref, 10.0, plan.suite.prompts, []).id for plan in (before, after)]
    assert ids[0] == ids[1]


def test_a_run_asks_for_one_part(tmp_path: Path) -> None:
    config = {"suite": str(written(tmp_path, "split: development")), "models": ["noise"], "metrics": []}
    parts = {split: make_plan(parse_config({**config, "split": split})) for split in ("development", "test", None)}
    assert {split: [p.id for p in plan.suite.prompts] for split, plan in parts.items()} == {
        "development": ["a"],
        "test": ["b"],
        None: ["a", "b"],
    }
    assert (parts["test"].suite.ref, parts["test"].suite_size) == ("mine-test@3", 1)
    with pytest.raises(UsageError) as caught:
        make_plan(parse_config({**config, "suite": "genres-dev@1", "split": "test"}))
    assert all(word in str(caught.value) for word in ("split: test", "'genres-dev@1'"))


def test_a_column_of_a_file_declares_it(tmp_path: Path) -> None:
    path = tmp_path / "captions.csv"
    path.write_text("caption,part\nOne,train\nTwo,eval\nThree,\nFour,Development\n")
    plain, declared = (load_suite_named({"file": str(path), **more}) for more in ({}, {"split": "part"}))
    assert declared.splits == {"p1": "development", "p2": "test", "p4": "development"} and plain.splits == {}
    assert (plain.ref, plain.prompts, plain.file_hash) == (declared.ref, declared.prompts, declared.file_hash)
    path.write_text("caption,part\nOne,third\n")
    with pytest.raises(DataError, match=r"line 2: part .*'third'.*development .*test"):
        load_suite_named({"file": str(path), "split": "part"})
    with pytest.raises(UsageError, match="'fold'"):
        load_suite_named({"file": str(path), "split": "fold"})


def test_the_name_of_a_file_of_prompts_is_as_it_was(tmp_path: Path) -> None:
    """A setting that came later changes no suite that does not use it."""
    path = tmp_path / "captions.jsonl"
    path.write_text(json.dumps({"id": "a", "text": "One", "genre": "jazz"}) + "\n")
    assert load_suite_named(str(path)).ref == "captions-fce6b1db@1"
