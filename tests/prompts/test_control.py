"""The suite that asks for tempos and keys."""

from __future__ import annotations

import re
from collections import Counter
from itertools import permutations, product
from pathlib import Path

import bench
from bench.leaderboard.render import records
from metrics.adherence import TOLERANCE
from metrics.notes.key import Key
from prompts import CONTROL_GENRES, CONTROL_KEYS, CONTROL_TEMPOS, control

PROMPTS = control().prompts


def test_every_tempo_meets_every_key_in_every_genre() -> None:
    assert control().ref == "control@1"
    wanted = Counter(product(CONTROL_GENRES, map(float, CONTROL_TEMPOS), CONTROL_KEYS))
    assert Counter((p.genre, p.bpm, p.key) for p in PROMPTS) == wanted
    assert len(PROMPTS) == 60


def test_the_texts_state_what_the_fields_say_and_differ_in_nothing_else() -> None:
    for prompt in PROMPTS:
        ((bpm, key),) = re.findall(r"at (\d+) bpm in ([A-G][#b]? (?:major|minor)),", prompt.text)
        assert (float(bpm), key) == (prompt.bpm, prompt.key)
    bare = {re.sub(r"at \d+ bpm in \S+ \w+,", "", p.text) for p in PROMPTS}
    assert len(bare) == len(CONTROL_GENRES)


def test_a_tempo_at_a_simple_multiple_hits_no_other_tempo() -> None:
    for one, other in permutations(CONTROL_TEMPOS, 2):
        for multiple in (1, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 4 / 3, 3 / 2, 2, 3):
            assert abs(one - other * multiple) > TOLERANCE * other * multiple


def test_keys_have_tonics_of_their_own() -> None:
    keys = [Key.named(name) for name in CONTROL_KEYS]
    assert len({key.tonic for key in keys}) == len(keys)
    assert Counter(key.minor for key in keys) == {False: 3, True: 2}


def test_a_composer_that_heeds_the_words_is_told_from_noise_at_chance(tmp_path: Path) -> None:
    """Six of the sixty: its notes have every tempo and key, and trackers hear far more of them than by chance."""
    from bench.leaderboard.render import read_cells

    out = tmp_path / "run"
    suite = tmp_path / "control.jsonl"
    suite.write_text("".join(_line(p) for p in PROMPTS[::11]))
    bench.run(
        {
            "suite": str(suite),
            "models": ["composer", "noise"],
            "metrics": ["tempo-adherence", "key-adherence"],
            "duration": 8,
            "executor": {"workers": 0},
        },
        out,
    )
    found = {(row["model"], row["metric"].partition("@")[0]): row for row in records(read_cells(out))}
    for metric in ("tempo-adherence", "key-adherence"):
        assert found["composer", metric]["known"] == 100
        assert found["composer", metric]["value"] >= 5 * found["composer", metric]["chance"]
        assert found["noise", metric]["value"] <= 40
        assert 0 < found["composer", metric]["chance"] < 10


def _line(prompt: bench.Prompt) -> str:
    import json

    fields = {"id": prompt.id, "text": prompt.text, "genre": prompt.genre, "bpm": prompt.bpm, "key": prompt.key}
    return json.dumps(fields) + "\n"
