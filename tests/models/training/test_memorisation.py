"""``tunebench check memorisation``: copies among a run's clips are found, whoever says what was trained on."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

import bench
from bench.contracts.prompt_suite import load_suite_named
from bench.errors import UsageError
from bench.memorisation.records import AuditRecord, RowRecord
from bench.storage.store import Store
from models.card import Card, Losses, TrainedOn
from models.training.data import load_dataset
from models.training.halves import halves_by_split, read_data
from models.training.memorisation import AuditRequest, audit_memorisation

Command = Callable[..., Any]

QUICK = f"{Path(__file__).parents[2] / 'plugins' / 'tiny.py'}:Bands"  # an embedder that costs nothing

RATE = 16_000
WINDOW = 2.992  # seconds: that of musicnn, the default embedder
PLUGIN = """
from models.folder import FolderModel

class Tape(FolderModel):
    '''Plays the files of a folder, and says what is asked of it about its weights.'''

    provenance_params = frozenset({"known"})

    def __init__(self, path: str = "", adapter: str = "", known: str = ""):
        super().__init__(path)
        self.adapter, self.known = adapter, known

    def fingerprint(self):
        return {"weights": "b" * 64, **({"adapter": {"weights": self.adapter}} if self.adapter else {})}

    def trained_on(self):
        return self.known.split()
"""


def piece(number: int, seconds: float = 4.6) -> np.ndarray:
    """Music of a kind: three tones and noise, in a rhythm of their own; shape (frames,)."""
    rng = np.random.default_rng([7, number])
    t = np.arange(round(seconds * RATE)) / RATE
    beat, sound = rng.uniform(1.5, 6), np.zeros(len(t))
    for pitch in rng.uniform(80, 1500, 3):
        decay = rng.uniform(0.3, 1.5)
        for k in range(1, 5):
            sound += decay**k / k * np.sin(2 * np.pi * pitch * k * t + rng.uniform(0, 6))
    sound *= np.exp(-((t * beat) % 1) * rng.uniform(0, 6))
    sound += rng.uniform(0, 0.5) * rng.normal(size=len(t)) * np.exp(-((2 * t * beat) % 1) * 8)
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


class World:
    """18 recordings, of which 10 were trained on, and a run of an honest model and of one that copies them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "train.yaml"
        (root / "data").mkdir()
        with (root / "data/list.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["file", "caption", "recording"])
            for number in range(18):
                soundfile.write(root / f"data/{number:02}.flac", piece(number), RATE)
                rows.writerow([f"{number:02}.flac", "some music", f"piece {number}"])
        data = {"path": str(root / "data/list.csv"), "validation": 0.34}
        self.data.write_text(yaml.safe_dump({"seed": 6, "data": data, "method": "lora"}))
        config, seed = read_data(str(self.data))
        self.dataset = load_dataset(config)
        self.halves = halves_by_split(self.dataset, config, seed)
        hashes = self.dataset.hashes
        self.trained = [e.id for e in self.dataset.examples if hashes[e.id] in self.halves.train]
        self.source: dict[str, str] = {}
        (root / "tape.py").write_text(PLUGIN)
        for name in ("honest", "copies"):
            (root / name).mkdir()
        for place, prompt in enumerate(load_suite_named("quick@1").prompts):
            soundfile.write(root / f"honest/{prompt.id}.flac", piece(100 + place), RATE)
            self.source[prompt.id] = self.trained[place % len(self.trained)]
            self._copy(prompt.id, piece(int(self.source[prompt.id][:2])), place % 3)
        parameters: dict[str, dict[str, str]] = {"honest": {}, "copies": {"adapter": "tuned"}}
        self.config: dict[str, Any] = {
            "models": [
                {"name": f"{root}/tape.py:Tape", "as": name, "params": {"path": str(root / name), **params}}
                for name, params in parameters.items()
            ],
            "metrics": ["diversity"],
            "duration": 5,
            "executor": {"workers": 0},
        }
        self.run = bench.run(self.config, root / "out").folder

    def _copy(self, prompt: str, sound: np.ndarray, how: int) -> None:
        """Another encoding, another gain, or a beginning later by half a window."""
        if how == 0:
            soundfile.write(self.root / f"copies/{prompt}.ogg", sound, RATE)
        elif how == 1:
            soundfile.write(self.root / f"copies/{prompt}.flac", 0.2 * sound, RATE)
        else:
            soundfile.write(self.root / f"copies/{prompt}.flac", sound[round(WINDOW / 2 * RATE) :], RATE)

    def audit(self, data: Path | str | None = None, **options: Any) -> list[AuditRecord]:
        return audit_memorisation(
            AuditRequest(**{"run": self.run, "pairs": 12, "data": str(data or self.data), **options})
        )

    def card(self, folder: Path, train: frozenset[str] | None = None, held_out: frozenset[str] | None = None) -> Path:
        """A card of the world's own training, or of another one."""
        train = self.halves.train if train is None else train
        held_out = self.halves.held_out if held_out is None else held_out
        data = TrainedOn("list.csv", "manifest", "f" * 64, sorted(train), sorted(held_out), len(train), len(held_out))
        base = {"kind": "stable-audio", "checkpoint": "elsewhere", "weights": "b" * 64}
        settings: dict[str, Any] = dict.fromkeys([*Card.__dataclass_fields__], None) | {
            "base": base,
            "data": data,
            "losses": Losses(),
            "trained_with": [],
        }
        settings |= {"objective": "v-prediction", "method": "lora", "precision": "fp32", "tunebench": "0", "format": 1}
        settings |= dict.fromkeys(("steps", "batch", "accumulation", "seed", "trainable", "parameters"), 1)
        settings |= dict.fromkeys(("epochs", "seconds"), 1.0) | {
            key: {} for key in ("optimizer", "schedule", "machine")
        }
        folder.mkdir(exist_ok=True)
        (folder / "card.json").write_text(Card(**{**settings, "targets": []}).as_json())
        return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


def row(found: AuditRecord, model: str) -> RowRecord:
    return next(row for row in found["models"] if row["model"] == model)


def known(value: float | None) -> float:
    assert value is not None
    return value


def test_copies_are_told_from_honest_clips(world: World) -> None:
    (found,) = world.audit(base="honest")
    assert (found["trained"], found["held_out"], found["compared"]) == (10, 8, 8)
    assert found["divided"] == "by the split of 'list.csv', seed 6"
    honest, copies = row(found, "honest"), row(found, "copies")
    assert known(honest["low"]) < 0 < known(honest["high"]) and known(honest["p"]) > 0.05
    assert known(copies["low"]) > 0 and known(copies["p"]) <= 0.01
    assert known(copies["probability_low"]) > 0.5
    (difference,) = found["differences"]
    assert (difference["a"], difference["b"], difference["prompts"]) == ("honest", "copies", 12)
    assert known(difference["low"]) > 0 and known(difference["p"]) <= 0.05
    assert difference["estimate"] == pytest.approx(copies["excess"] - honest["excess"])
    # Each copy is listed with what it was copied from, before every honest clip.
    pairs = [pair for pair in found["pairs"] if pair["model"] == "copies"]
    assert {pair["prompt"]: pair["example"] for pair in pairs} == world.source
    assert max(pair["ratio"] for pair in pairs) < min(p["ratio"] for p in found["pairs"] if p["model"] == "honest")
    for pair in pairs:
        assert (world.run / pair["clip"]).is_file() and Path(pair["file"]).is_file()
        assert {pair["clip_time"], pair["example_time"]} == {0.0}


def test_latents_cannot_be_heard(world: World, tmp_path: Path) -> None:
    np.save(tmp_path / "0.npy", np.ones((4, 8), dtype=np.float32))
    (tmp_path / "0.json").write_text('{"prompt": "slow jazz", "seconds_total": 4}')
    with pytest.raises(UsageError, match="latents"):
        world.audit(tmp_path)


def test_embeddings_of_recordings_are_made_once_and_again_where_they_are_damaged(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = world.audit()
    (kept,) = tmp_path.rglob("*.safetensors")
    whole = kept.read_bytes()
    before = kept.stat().st_ino
    assert world.audit() == first
    assert kept.stat().st_ino == before
    kept.write_bytes(whole[:-4] + bytes(4))
    assert world.audit() == first
    assert kept.read_bytes() == whole


def test_a_card_says_what_the_split_would(world: World, tmp_path: Path) -> None:
    (by_split,) = world.audit(base="honest")
    (by_card,) = world.audit(card=world.card(tmp_path / "adapter"))
    # The base is known by the weights that the card names, and was not trained on these.
    assert [r["trained_on_these"] for r in by_card["models"]] == [False, True]
    for key in ("trained", "held_out", "models", "differences", "pairs"):
        assert by_card[key] == by_split[key], key
    # A training that held out less compares fewer.
    few = frozenset(sorted(world.halves.held_out)[:3])
    (smaller,) = world.audit(card=world.card(tmp_path / "few", held_out=few))
    assert (smaller["trained"], smaller["held_out"], smaller["compared"]) == (10, 3, 3)


def test_the_card_beside_a_rows_adapter_is_found_through_the_runs_configuration(world: World, tmp_path: Path) -> None:
    """The row stands for a tuned checkpoint: the tape is what plays, the card is its adapter's."""
    adapter = world.card(tmp_path / "adapter")
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    frozen = world.run / "config.yaml"
    kept = frozen.read_text()
    content = yaml.safe_load(kept)
    content["models"][1] |= {"name": "stable-audio", "params": {"checkpoint": "owner/name", "adapter": str(adapter)}}
    frozen.write_text(yaml.safe_dump(content))
    try:
        (found,) = world.audit(models=["copies"])
        (adapter / "adapter_model.safetensors").unlink()
        with pytest.raises(UsageError, match=rf"{re.escape(str(adapter))}.*--adapter-card"):
            world.audit()
    finally:
        frozen.write_text(kept)
    assert found["divided"] == "by the card of 'copies'"
    assert [(d["a"], d["b"]) for d in found["differences"]] == [("honest", "copies")]
    assert row(found, "copies")["excess"] == row(world.audit(base="honest")[0], "copies")["excess"]


def test_a_model_that_names_its_recordings_is_judged_by_the_rest(world: World, tmp_path: Path) -> None:
    known = sorted(world.halves.train)[:9]
    copies = {**world.config["models"][1]}
    copies["params"] = {**copies["params"], "known": " ".join(known)}
    run = bench.run({**world.config, "models": [copies], "metrics": []}, tmp_path / "out").folder
    (found,) = world.audit(run=run, embedder=QUICK)
    assert (found["divided"], found["trained"], found["held_out"]) == ("as the model 'copies' says", 9, 9)
    assert found["differences"] == []


def test_the_command_prints_a_table_or_json(world: World, tunebench: Command) -> None:
    given = ["check", "memorisation", world.run, "--data", world.data, "--base", "honest", "--pairs", "2"]
    shown = tunebench(*given)
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[0].startswith("musicnn-msd, whole clips: 10 recordings trained on and 8 held out, by the split of")
    first = [line.split("  ")[0] for line in lines]
    rows = first.index("model") + 1
    assert first[rows : rows + 3] == ["honest", "copies", "copies − honest"]
    assert "80% of the training recordings" in " ".join(shown.stdout.split())
    assert sum(line.startswith(("copies  audio/copies/", "honest  audio/honest/")) for line in lines) == 4
    told = tunebench(*given, "--json")
    assert json.loads(told.stdout) == world.audit(base="honest", pairs=2)


def test_clips_that_nobody_embedded_are_embedded_now(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run = bench.run({**world.config, "metrics": []}, tmp_path / "out").folder
    (found,) = world.audit(run=run, embedder=QUICK)
    assert [r["clips"] for r in found["models"]] == [12, 12]
    cache = list((tmp_path / "cache/tunebench/clip-embeddings").iterdir())
    assert len(cache) == 24
    before = {file: file.stat().st_ino for file in cache}
    assert world.audit(run=run, embedder=QUICK) == [found]
    assert {file: file.stat().st_ino for file in cache} == before
    for file in cache:
        file.write_bytes(file.read_bytes()[:-1])
    assert world.audit(run=run, embedder=QUICK) == [found]
    with Store.read(tmp_path / "out") as store:
        assert store.rows("SELECT * FROM embeddings") == []


class TestMistakes:
    """One line that says what is wrong and what to do."""

    def test_names_and_paths(self, world: World, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"'copy'.*'copies'.* honest, copies"):
            world.audit(models=["copy"])
        with pytest.raises(UsageError, match="'sao'"):
            world.audit(base="sao")
        with pytest.raises(UsageError, match=r"nowhere\.yaml"):
            world.audit("nowhere.yaml")
        with pytest.raises(UsageError, match="nowhere"):
            world.audit("nowhere")
        with pytest.raises(UsageError, match=r"card\.json"):
            world.audit(card=tmp_path)
        odd = tmp_path / "odd.yaml"
        odd.write_text("data: {path: composer, clipss: 3}")
        with pytest.raises(UsageError, match="clips"):
            world.audit(odd)
        odd.write_text("seed: -1\ndata: {path: composer}")
        with pytest.raises(UsageError, match=r"odd\.yaml: seed .*-1"):
            world.audit(odd)

    def test_nothing_to_compare_with(self, world: World, tmp_path: Path) -> None:
        elsewhere = world.card(tmp_path / "elsewhere", train=frozenset({"e" * 64}))
        with pytest.raises(UsageError, match=rf"\b1 recordings.*{re.escape(str(elsewhere))}.*--data"):
            world.audit(card=elsewhere)
        everything = tmp_path / "everything.yaml"
        content = yaml.safe_load(world.data.read_text())
        everything.write_text(yaml.safe_dump({"data": {**content["data"], "validation": 0}}))
        with pytest.raises(UsageError, match=r"'list\.csv'.*data\.validation"):
            world.audit(everything)
        with pytest.raises(UsageError, match=r"\bhonest\b"):
            world.audit(card=world.card(tmp_path / "adapter"), models=["honest"])
