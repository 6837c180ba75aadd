"""The siblings of ``genres@1``: development prompts, paraphrases, and prompts without the names of genres."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from itertools import combinations, pairwise, product

import pytest

from bench import Prompt, PromptSuite
from bench.contracts.prompt import text_hash
from bench.contracts.prompt_suite import load_suite_named
from models.composer.writing.prompt_parser import parse_prompt
from models.composer.writing.theory import Key
from prompts import control, genres, genres_dev, genres_paraphrased, genres_unnamed, quick, quick_dev
from tests.prompts.test_genres import GENRES, WORDS, words

SIBLINGS: tuple[Callable[[], PromptSuite], ...] = (genres_dev, genres_paraphrased, genres_unnamed)
NAMES = [f"{suite().ref}-{prompt.id}" for suite in SIBLINGS for prompt in suite().prompts]
ORIGINALS = {prompt.id: prompt for prompt in genres().prompts}
EACH = pytest.mark.parametrize("prompt", [prompt for suite in SIBLINGS for prompt in suite().prompts], ids=NAMES)

# Stems of what names one of the six genres, a style of it or a form that belongs to it. A chorus is an effect, or a
# part of a song, and "four-on-the-floor", "bedroom" and instruments name none.
STEMS = """
    choral choir chorale carol hymn motet mass psalm chant madrigal gospel cappella
    classic symphon concert sonata nocturne waltz minuet chamber baroque orchestr opera quartet
    danc disco house techno trance edm rave club garage
    jazz bebop bop bossa swing swung blues ragtime dixieland big\\s+band
    pop rock punk metal grunge indie alternative ballad
"""
NAMED = re.compile(rf"\b(?:{'|'.join(STEMS.split())})", re.IGNORECASE)


def content(text: str) -> set[str]:
    return {word for word in re.findall(r"[a-z]+", text.lower()) if len(word) > 3}


def shared(one: str, two: str) -> float:
    a, b = content(one), content(two)
    return len(a & b) / len(a | b)


def test_what_each_is_for() -> None:
    assert [(s().ref, len(s().prompts), set(s().declared)) for s in (*SIBLINGS, quick_dev, quick, genres, control)] == [
        ("genres-dev@1", 36, {"development"}),
        ("genres-paraphrased@1", 24, {"test"}),
        ("genres-unnamed@1", 36, {"test"}),
        ("quick-dev@1", 12, {"development"}),
        ("quick@1", 12, {"test"}),
        ("genres@1", 36, {"test"}),
        ("control@1", 60, {"test"}),
    ]
    for suite in (*SIBLINGS, quick_dev):
        assert load_suite_named(suite().ref) == suite()


@EACH
def test_lengths_and_fields_are_those_of_the_level(prompt: Prompt) -> None:
    assert prompt.level is not None and prompt.id == f"{prompt.genre}-{prompt.level}"
    low, high = WORDS[prompt.level]
    assert low <= len(words(prompt)) <= high, len(words(prompt))
    assert prompt.text == " ".join(words(prompt)), "stray white space"
    tempi = re.findall(r"(\d+(?:\.\d+)?)\s*bpm", prompt.text)
    keys = re.findall(r"\b([A-G][#b]? (?:major|minor))\b", prompt.text)
    assert [float(t) for t in tempi] == ([] if prompt.bpm is None else [prompt.bpm])
    assert keys == ([] if prompt.key is None else [prompt.key])
    assert (prompt.bpm is not None, prompt.key is not None) == (prompt.level >= 4, prompt.level >= 5)
    assert len(re.findall(r"\d+", prompt.text)) == len(tempi), "a number that is no tempo"


@EACH
def test_the_composer_reads_tempo_key_and_genre(prompt: Prompt) -> None:
    words_alone = Prompt(prompt.id, prompt.text)  # what is known by the fields must be in the text, too
    asked = parse_prompt(words_alone)
    assert asked.bpm == prompt.bpm
    assert asked.key == (None if prompt.key is None else Key.parse(prompt.key))
    assert parse_prompt(prompt).style == prompt.genre


@pytest.mark.parametrize("genre", GENRES)
def test_texts_grow_with_the_level(genre: str) -> None:
    for suite in SIBLINGS:
        lengths = [len(words(p)) for p in suite().prompts if p.genre == genre]
        assert all(shorter < longer for shorter, longer in pairwise(lengths))


def test_no_text_is_in_two_suites() -> None:
    suites = (genres, genres_dev, genres_paraphrased, genres_unnamed, control)
    seen: dict[str, str] = {}
    for suite in suites:
        for prompt in suite().prompts:
            assert text_hash(prompt.text) not in seen, (prompt.id, seen[text_hash(prompt.text)])
            seen[text_hash(prompt.text)] = f"{suite().ref} {prompt.id}"


def test_no_text_is_a_caption_of_composed_training_music() -> None:
    from models.training.composed import commissions
    from models.training.config import DataConfig

    captions = {prompt.text for prompt, *_ in commissions(DataConfig(path="composer", clips=600))}
    texts = {text_hash(p.text) for s in (genres, genres_dev, genres_paraphrased, genres_unnamed) for p in s().prompts}
    assert len(captions) > 100 and not texts & set(map(text_hash, captions))


class TestDevelopment:
    def test_has_the_design_of_genres(self) -> None:
        assert [(p.genre, p.level) for p in genres_dev().prompts] == [(p.genre, p.level) for p in genres().prompts]
        tempi = [p.bpm for p in genres_dev().prompts if p.bpm]
        keys = [p.key for p in genres_dev().prompts if p.key]
        assert len(set(tempi)) == len(tempi) == 18 and len(set(keys)) == len(keys) == 12
        assert Counter(key.split()[1] for key in keys) == {"minor": 6, "major": 6}
        ours = {(p.genre, p.bpm) for p in genres_dev().prompts if p.bpm}
        assert not ours & {(p.genre, p.bpm) for p in genres().prompts}

    def test_is_far_from_genres_and_from_itself(self) -> None:
        own = genres_dev().prompts
        pairs = [*combinations(own, 2), *product(own, genres().prompts)]
        assert max(shared(a.text, b.text) for a, b in pairs) < 0.3

    def test_names_its_genre_and_no_other(self) -> None:
        for prompt in genres_dev().prompts:
            named = {genre for genre in GENRES if re.search(rf"\b{genre}\b", prompt.text.lower())}
            if prompt.genre == "choral":
                assert re.search(r"choral|choir", prompt.text) and named <= {"choral"}
            elif prompt.genre == "dance":
                assert named == {"dance"}
            else:
                assert named == {prompt.genre}, prompt.id

    def test_quick_dev_is_the_part_that_quick_is(self) -> None:
        assert [p.id for p in quick_dev().prompts] == [p.id for p in quick().prompts]
        assert set(quick_dev().prompts) < set(genres_dev().prompts)


@pytest.mark.parametrize("suite", [genres_paraphrased, genres_unnamed])
def test_links_are_valid(suite: Callable[[], PromptSuite]) -> None:
    """A prompt differs from the one of its id in its text alone, and is about as long."""
    for prompt in suite().prompts:
        original = ORIGINALS[prompt.id]
        assert (prompt.genre, prompt.level, prompt.bpm, prompt.key) == (
            *(original.genre, original.level, original.bpm, original.key),
        )
        assert prompt.text != original.text
        assert abs(len(words(prompt)) - len(words(original))) <= max(2, 0.2 * len(words(original))), prompt.id


def test_paraphrases_are_of_levels_2_to_5_in_other_words() -> None:
    found = genres_paraphrased().prompts
    assert [p.id for p in found] == [f"{genre}-{level}" for genre in GENRES for level in range(2, 6)]
    for prompt in found:
        original = ORIGINALS[prompt.id]
        assert shared(prompt.text, original.text) < 0.6, prompt.id
        runs = [" ".join(words(original)[at : at + 5]) for at in range(len(words(original)) - 4)]
        assert not [run for run in runs if run in prompt.text], prompt.id
        # Who names a genre in the one names it in the other, so that a paraphrase leaks what its original does.
        assert [bool(re.search(rf"\b{g}\b", prompt.text, re.I)) for g in GENRES] == [
            bool(re.search(rf"\b{g}\b", original.text, re.I)) for g in GENRES
        ], prompt.id


def test_unnamed_prompts_name_no_genre() -> None:
    assert [p.id for p in genres_unnamed().prompts] == list(ORIGINALS)
    for prompt in genres_unnamed().prompts:
        assert not NAMED.findall(prompt.text), prompt.id
    for named in ORIGINALS.values():  # the stems find the names where there are any
        assert NAMED.search(named.text), named.id
