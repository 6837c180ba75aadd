from __future__ import annotations

import re
from collections import Counter
from itertools import combinations, pairwise

import pytest

from bench import Prompt
from prompts import genres, quick

GENRES = ("choral", "classical", "dance", "jazz", "pop", "rock")
WORDS = {1: (3, 5), 2: (7, 11), 3: (16, 23), 4: (25, 31), 5: (33, 39), 6: (46, 56)}  # promised in genres.yaml
PROMPTS = genres().prompts


def words(prompt: Prompt) -> list[str]:
    return prompt.text.split()


def test_every_genre_has_every_level_once() -> None:
    assert genres().ref == "genres@1"
    assert [(p.genre, p.level) for p in PROMPTS] == [(genre, level) for genre in GENRES for level in range(1, 7)]
    assert all(p.id == f"{p.genre}-{p.level}" for p in PROMPTS)


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda p: p.id)
def test_fields_repeat_what_the_text_states(prompt: Prompt) -> None:
    tempi = re.findall(r"(\d+(?:\.\d+)?)\s*(?:bpm|beats)", prompt.text, re.IGNORECASE)
    keys = re.findall(r"\b([A-G](?:#|b|-sharp|-flat| sharp| flat)? (?:major|minor))\b", prompt.text)
    assert [float(t) for t in tempi] == ([] if prompt.bpm is None else [prompt.bpm])
    assert keys == ([] if prompt.key is None else [prompt.key])
    assert len(re.findall(r"\d+", prompt.text)) == len(tempi), "a number that is no tempo"
    assert len(re.findall(r"\b(?:major|minor)\b", prompt.text)) == len(keys), "a mode without a key"


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda p: p.id)
def test_levels_say_what_they_promise(prompt: Prompt) -> None:
    assert prompt.level is not None
    low, high = WORDS[prompt.level]
    assert low <= len(words(prompt)) <= high
    assert (prompt.bpm is not None) == (prompt.level >= 4)
    assert (prompt.key is not None) == (prompt.level >= 5)
    assert prompt.text == " ".join(words(prompt)), "stray white space"


@pytest.mark.parametrize("genre", GENRES)
def test_texts_grow_with_the_level(genre: str) -> None:
    lengths = [len(words(p)) for p in PROMPTS if p.genre == genre]
    assert all(shorter < longer for shorter, longer in pairwise(lengths))


def test_tempi_and_keys_differ() -> None:
    tempi = [p.bpm for p in PROMPTS if p.bpm]
    keys = [p.key for p in PROMPTS if p.key]
    assert len(set(tempi)) == len(tempi) == 18
    assert len(set(keys)) == len(keys) == 12
    assert Counter(key.split()[1] for key in keys) == {"major": 6, "minor": 6}


def test_no_two_prompts_are_nearly_the_same() -> None:
    def content(prompt: Prompt) -> set[str]:
        return {w for w in re.findall(r"[a-z]+", prompt.text.lower()) if len(w) > 3}

    for a, b in combinations(PROMPTS, 2):
        shared, union = content(a) & content(b), content(a) | content(b)
        assert len(shared) / len(union) < 0.3, (a.id, b.id, shared)


def test_texts_name_their_genre_and_no_other_of_the_suite() -> None:
    for prompt in PROMPTS:
        named = {genre for genre in GENRES if re.search(rf"\b{genre}\b", prompt.text.lower())}
        if prompt.genre == "choral":
            assert re.search(r"choral|choir", prompt.text), prompt.id
            assert named <= {"choral"}
        elif prompt.genre == "dance":
            assert named <= {"dance"}
            assert named or re.search(r"techno|house|trance", prompt.text), prompt.id
        else:
            assert named == {prompt.genre}, prompt.id


def test_quick_is_a_part_of_genres() -> None:
    suite = quick()
    assert suite.ref == "quick@1"
    assert set(suite.prompts) < set(PROMPTS)
    assert Counter(p.genre for p in suite.prompts) == dict.fromkeys(GENRES, 2)
    stated = Counter((p.bpm is not None, p.key is not None) for p in suite.prompts)
    assert stated == {(False, False): 6, (True, True): 6}
