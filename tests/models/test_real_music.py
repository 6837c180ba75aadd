"""Human music as a row: one half of a collection is played, and the reference is the other."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bench
from bench import Audio, DataError, GenerationError, GenerationRequest, Prompt, UsageError
from bench.contracts.audio import content_hash, read_audio, write_flac
from bench.contracts.embedder import EmbedderRef
from bench.leaderboard.render import read_board, read_cells
from bench.recordings import recordings_in
from bench.references.build import ReferenceOptions, build_reference
from bench.references.file_format import read_tensors
from bench.storage.store import Store
from models.real_music import HalfRecording, RealMusic, halves

RATE = 8000


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight recordings of jazz and eight of rock, of 3 s."""
    folder = tmp_path_factory.mktemp("human") / "music"
    rng = np.random.default_rng(5)
    for place in range(16):
        genre = "Jazz" if place < 8 else "rock"
        write_flac(folder / f"{genre}/{place}.flac", Audio(rng.normal(0, 0.05, 3 * RATE).astype(np.float32), RATE))
    return folder


def prompts(*genres: str) -> list[Prompt]:
    return [Prompt(f"p{place}", "music", genre or None) for place, genre in enumerate(genres)]


def played(model: RealMusic, asked: list[Prompt], seconds: float = 1.0) -> dict[tuple[str, int], Audio]:
    requests = [GenerationRequest(p, seed, seconds) for p in asked for seed in model.available(asked).get(p.id, ())]
    clips = model.generate(requests)
    assert all(isinstance(clip, Audio) for clip in clips)
    return {(r.prompt.id, r.seed): clip for r, clip in zip(requests, clips, strict=True) if isinstance(clip, Audio)}


@given(st.dictionaries(st.text(min_size=1, max_size=4), st.sampled_from(["", "jazz", "rock", "pop"]), max_size=40))
def test_halves_are_equal_within_each_genre_and_in_all(contents: dict[str, str]) -> None:
    recordings = [HalfRecording(Path(), content, 1.0, genre) for content, genre in contents.items()]
    one, other = halves(recordings)
    assert {r.content for r in one} | {r.content for r in other} == set(contents)
    assert not {r.content for r in one} & {r.content for r in other}
    assert abs(len(one) - len(other)) <= 1
    counts = [Counter(r.genre for r in half) for half in (one, other)]
    assert all(abs(counts[0][genre] - counts[1][genre]) <= 1 for genre in contents.values())
    assert halves(reversed(recordings)) == (one, other)


def test_each_clip_is_the_beginning_of_another_recording_of_the_prompts_genre(music: Path) -> None:
    model, asked = RealMusic(music, clips=2), prompts("jazz", "rock", "jazz")
    clips = played(model, asked)
    assert Counter(id for id, _ in clips) == {"p0": 2, "p1": 2, "p2": 2}
    genres = {content_hash(read_audio(r.path).cropped(1.0)): r.genre for r in recordings_in(music, "folder")}
    assert {(id, str(genres[content_hash(clip)]).casefold()) for (id, _), clip in clips.items()} == {
        ("p0", "jazz"), ("p1", "rock"), ("p2", "jazz")
    }  # fmt: skip
    assert len({content_hash(clip) for clip in clips.values()}) == 6
    assert len(model.plays()) == 8


def test_recordings_that_last_answer_further_clips_and_prompts_too_many_have_none(music: Path) -> None:
    asked = prompts(*["jazz"] * 9)
    assert sorted(map(len, RealMusic(music, every=1.0).available(asked).values())) == [1] * 9
    clips = played(RealMusic(music, every=1.0), asked)
    assert len({content_hash(clip) for clip in clips.values()}) == 9
    once = RealMusic(music)
    assert list(once.available(asked)) == [f"p{place}" for place in range(4)]
    (none,) = once.generate([GenerationRequest(asked[8], 0, 1.0)])
    assert isinstance(none, GenerationError) and "of genre jazz" in str(none)
    assert once.request_fingerprint(GenerationRequest(asked[8], 0, 1.0)) == {"missing": True}


def test_music_without_the_suites_genres_answers_any_prompt(music: Path) -> None:
    assert len(played(RealMusic(music), prompts("choral", "", "dance"))) == 3
    assert list(RealMusic(music).available(prompts("choral", "rock"))) == ["p1"]


def test_what_cannot_be_used_is_left_out(music: Path, tmp_path: Path) -> None:
    from shutil import copytree

    folder = copytree(music, tmp_path / "music")
    (folder / "rock" / "bad.wav").write_bytes(b"RIFF no audio")
    write_flac(folder / "rock" / "silent.flac", Audio(np.zeros(RATE, np.float32), RATE))
    (folder / "rock" / "again.flac").write_bytes((folder / "rock" / "9.flac").read_bytes())
    assert RealMusic(folder).plays() == RealMusic(music).plays()
    for path in sorted(folder.rglob("*.flac"))[1:]:
        path.unlink()
    with pytest.raises(DataError):
        RealMusic(folder).plays()
    for wrong in ({"path": tmp_path / "no"}, {"path": music, "clips": 0}, {"path": music, "every": 0.0}):
        with pytest.raises(UsageError):
            RealMusic(**wrong)


@pytest.fixture
def settings(tiny: Path, music: Path) -> dict[str, Any]:
    return {
        "models": [{"name": "real", "params": {"path": str(music)}}, f"{tiny}:Sine"],
        "metrics": [f"{tiny}:Peak", {"name": "kad", "params": {"embedder": f"{tiny}:Bands"}}],
        "reference": str(music),
        "seeds": [7],
        "duration": 1.0,
        "executor": {"workers": 0},
    }


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    lines = [f"{{id: q{n}, text: music number {n}, genre: {'jazz' if n < 4 else 'rock'}}}" for n in range(8)]
    path = tmp_path / "suite.yaml"
    path.write_text("name: mine\nversion: 1\nprompts:\n" + "".join(f"  - {line}\n" for line in lines))
    return path


def test_the_reference_is_the_half_that_no_row_plays(settings: dict[str, Any], suite: Path, tmp_path: Path) -> None:
    from bench.storage.frozen_config import load_frozen

    music = Path(settings["reference"])
    run = bench.run({**settings, "suite": str(suite)}, tmp_path / "run")
    (reference,) = (run.folder / "references").glob("*.safetensors")
    held = {content for _, content, _ in read_tensors(reference)[1]["recordings"]}
    everything = {content_hash(read_audio(r.path)) for r in recordings_in(music)}
    with Store.read(run.folder) as store:
        played = store.plays()["real"]
        assert store.trained_on() == {"real": frozenset(), "Sine": frozenset()}
    assert (held | played, held & played, len(held)) == (everything, set(), 8)
    cells = {(c.model, c.column.ref.partition("[")[0]): c for c in read_cells(run.folder)}
    assert {c.planned for c in cells.values()} == {8}  # the run's seed 7 is not asked of it
    assert cells["real", "kad"].estimate.value is not None and cells["real", "Peak@1"].estimate.n == 8
    assert [w.code for c in cells.values() for w in c.estimate.warnings if w.code == "W-SHARED"] == []
    seeds = {model.row: load_frozen(run.folder).seeds_of(model) for model in load_frozen(run.folder).models}
    assert seeds == {"real": "auto", "Sine": (7,)}
    with pytest.raises(UsageError, match=r"'real'.*'seeds'|'seeds'.*'real'"):
        named = {**settings["models"][0], "seeds": [1]}
        bench.run({**settings, "models": [named], "suite": str(suite)}, tmp_path / "named")
    # It is the same half for all commands on the run, and scores are not made again.
    protocol = read_board(run.folder).protocol.id
    bench.run({**settings, "suite": str(suite)}, run.folder)
    assert read_board(run.folder).protocol.id == protocol


def test_a_reference_that_holds_what_is_played_is_refused_or_marked(
    settings: dict[str, Any], suite: Path, tmp_path: Path, tiny: Path
) -> None:
    file = tmp_path / "whole.safetensors"
    build_reference(settings["reference"], EmbedderRef(f"{tiny}:Bands"), file, options=ReferenceOptions())
    given = {**settings, "suite": str(suite), "reference": str(file)}
    with pytest.raises(UsageError, match=r"'real' .*8 of the 16"):
        bench.run(given, tmp_path / "run")
    run = bench.run({**given, "shared_recordings": "mark"}, tmp_path / "run")
    (notice,) = {w for c in read_cells(run.folder) for w in c.estimate.warnings if w.code == "W-SHARED"}
    assert notice.params["plays"] is True and "'real' plays 8 of the 16" in notice.text
