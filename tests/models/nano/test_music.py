"""What nano models are trained on: seeds and words of its own, composed once, in one half of the repertoire."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.contracts.prompt_suite import load_suite_named
from bench.progress import Silent
from models.composer.writing.prompt_parser import STYLES, parse_prompt
from models.composer.writing.theory import Key
from models.nano.captions import caption, draw_piece, reworded
from models.nano.music import RATE, SECONDS, compose_music, works
from models.training.composed import LAST_SEED

SUITES = ("genres@1", "genres-dev@1", "genres-paraphrased@1", "genres-unnamed@1", "quick@1", "quick-dev@1")


def test_a_larger_dataset_holds_the_smaller_one_and_no_seed_of_anything_else() -> None:
    genres = ("jazz", "pop", "rock")
    small, large = list(works(genres, 30)), list(works(genres, 90))
    assert large[:30] == small
    assert [work.prompt.genre for work in small[:4]] == ["jazz", "pop", "rock", "jazz"]
    seeds = [work.seed for work in large]
    assert min(seeds) > LAST_SEED and len(set(seeds)) == len(seeds)
    assert not {work.seed for work in works(genres, 90, "other")} & set(seeds)


def test_captions_are_not_those_of_a_suite() -> None:
    asked = {prompt.text.lower().rstrip(".") for suite in SUITES for prompt in load_suite_named(suite).prompts}
    said = {work.prompt.text.lower().rstrip(".") for work in works(STYLES, 3000)}
    assert not asked & said


def test_captions_say_what_the_composer_reads() -> None:
    """Tempo, key and genre by the words alone are those that the piece has."""
    rng = np.random.default_rng(0)
    agreed = 0
    for number in range(300):
        piece = draw_piece(STYLES[number % 6], rng)
        read = parse_prompt(type(next(works(("pop",), 1)).prompt)("p", caption(piece, rng), None))
        assert read.bpm == piece.bpm or piece.bpm is None
        assert read.key == (Key.parse(piece.key) if piece.key else None)
        agreed += read.style == piece.genre
    assert agreed > 250  # the others name the players of another style first, such as a choir with strings


def test_rewording_keeps_what_is_said() -> None:
    rng = np.random.default_rng(1)
    pieces = [draw_piece("jazz", rng) for _ in range(50)]
    for piece in pieces:
        texts = {reworded(piece, rng) for _ in range(8)}
        assert len(texts) > 4
        if piece.bpm is not None:
            assert all(f"{piece.bpm:g}" in text for text in texts)


@pytest.mark.slow
def test_music_is_composed_once_and_whole(tmp_path: Path) -> None:
    planned = list(works(("rock", "pop"), 4))
    compose_music(planned, tmp_path, Silent(), jobs=1)
    files = sorted(tmp_path.glob("*.flac"))
    assert [file.stem for file in files] == sorted(work.name for work in planned)
    for file in files:
        told = soundfile.info(file)
        assert (told.samplerate, told.channels, told.frames) == (RATE, 1, round(SECONDS * RATE))
    lines = [json.loads(line) for line in (tmp_path / "metadata.jsonl").read_text("utf-8").splitlines()]
    assert [line["text"] for line in lines] == [work.prompt.text for work in planned]
    before = {file: file.stat().st_mtime_ns for file in files}
    files[0].unlink()
    compose_music(planned, tmp_path, Silent(), jobs=1)
    assert files[0].is_file() and all(file.stat().st_mtime_ns == before[file] for file in files[1:])
