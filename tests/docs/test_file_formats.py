"""The page on file formats: its examples are read by the code that commands use, and unknown keys end as it says."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import yaml

import bench
from bench.bundle.pack import pack
from bench.config.recipe import load_recipe
from bench.config.run_config import load_config
from bench.contracts.pairs_file import PairsFile, read_pairs
from bench.contracts.prompt import Prompt
from bench.errors import DataError, TunebenchError, UsageError
from bench.leaderboard.published import load_published
from bench.listening_test.settings import load_listening_test
from bench.pipeline.import_scores import ImportedColumn, import_scores
from bench.storage.layout import is_known
from bench.survey.forms.clip_map import read_clip_map
from models.card import read_card
from models.manifest import read_manifest
from models.training.config import DataConfig, load_train_config
from models.training.formats import list_examples
from tests.code_blocks import code_blocks

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "file-formats.md").read_text(encoding="utf-8")
KINDS: Mapping[str, Callable[[Path], object]] = {
    "run": load_config,
    "train": load_train_config,
    "recipe": load_recipe,
    "listening-test": load_listening_test,
}


def example(heading: str, language: str, number: int = 0) -> str:
    """A block of the page by its section."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return code_blocks(section, language)[number]


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> bench.Run:
    """A run of few prompts and a metric that costs nothing."""
    tiny = ROOT / "tests" / "plugins" / "tiny.py"
    config = {
        "suite": "quick@1",
        "limit": 2,
        "models": [{"name": f"{tiny}:Sine", "as": "composer"}],
        "metrics": [f"{tiny}:Loudest"],
        "seeds": [0],
        "duration": 0.5,
        "executor": {"workers": 0},
    }
    return bench.run(config, tmp_path_factory.mktemp("run"))


@pytest.mark.parametrize("number", range(4))
def test_a_configuration_is_read_and_has_its_schema(number: int, tmp_path: Path) -> None:
    text = example("Configurations", "yaml", number)
    named = re.match(r"# yaml-language-server: \$schema=([a-z-]+)\.schema\.json\n", text)
    assert named and named[1] == list(KINDS)[number]
    schema = json.loads((files("bench") / "schemas" / f"{named[1]}.schema.json").read_text("utf-8"))
    KINDS[named[1]](written(tmp_path / "example.yaml", text))
    jsonschema.validate(yaml.safe_load(text), schema)
    wrong = written(tmp_path / "wrong.yaml", text + "extra: 1\n")
    with pytest.raises(UsageError, match="extra"):
        KINDS[named[1]](wrong)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(wrong.read_text()), schema)


def test_suites(tmp_path: Path) -> None:
    text = example("Suites", "yaml")
    suite = bench.load_suite(str(written(tmp_path / "lullabies.yaml", text)))
    assert (suite.ref, [prompt.id for prompt in suite.prompts]) == ("lullabies@1", ["harp-1", "harp-2"])
    with pytest.raises(DataError, match="mood"):
        bench.load_suite(str(written(tmp_path / "wrong.yaml", text.replace("bpm: 60", "mood: 60"))))
    table = bench.load_suite(str(written(tmp_path / "prompts.csv", example("Suites", "csv"))))
    assert [(prompt.id, prompt.genre) for prompt in table.prompts] == [("harp-1", "lullaby"), ("harp-2", "lullaby")]


def test_manifests(tmp_path: Path) -> None:
    heading = "Clips that were made elsewhere"
    table = read_manifest(written(tmp_path / "a.csv", example(heading, "csv")))
    assert [(entry.model, entry.seed) for entry in table] == [("mine", 0), ("mine", 1), ("theirs", 0)]
    lines = read_manifest(written(tmp_path / "a.jsonl", example(heading, "json")))
    assert [entry.seed for entry in lines] == [0, 3]
    assert len(read_manifest(written(tmp_path / "b.csv", "prompt,file,remark\na,b.wav,c\n"))) == 1


def test_scores_to_import(run: bench.Run, tmp_path: Path) -> None:
    prompts = {prompt.id for prompt in run.suite().prompts}
    assert prompts == {"choral-2", "choral-5"}
    file = written(tmp_path / "scores.csv", example("Scores to import", "csv"))
    own = shutil.copytree(run.folder, tmp_path / "own")
    assert tuple(import_scores(own, file, ImportedColumn("mos"))) == (1, 0, 1)
    stray = written(tmp_path / "stray.csv", file.read_text() + "composer,nowhere,0,1,ann\n")
    with pytest.raises(DataError, match="line 4"):
        import_scores(own, stray, ImportedColumn("mos"))


def test_recordings_for_prompts(tmp_path: Path) -> None:
    prompts = [Prompt(id, "music") for id in ("choral-2", "choral-5")]
    file = written(tmp_path / "pairs.csv", example("Recordings for prompts", "csv") + "elsewhere,none.wav\n")
    for name in ("hymn", "motet"):
        written(tmp_path / "recordings" / f"{name}.wav", "")
    found = read_pairs(PairsFile(file=str(file)), prompts)
    assert {id: path.stem for id, path in found.items()} == {"choral-2": "hymn", "choral-5": "motet"}


def test_captions(tmp_path: Path) -> None:
    written(tmp_path / "metadata.csv", example("Captions of a training", "csv"))
    for name in ("one", "two"):
        bench.contracts.audio.write_flac(tmp_path / f"{name}.wav", bench.Audio(np.zeros(800, dtype=np.float32), 8000))
    kind, listing = list_examples(DataConfig(path=str(tmp_path)))
    assert kind == "audiofolder" and "slow piano" in str(listing)


def test_ratings_and_votes(tmp_path: Path) -> None:
    ratings = bench.read_survey(written(tmp_path / "ratings.csv", example("Ratings", "csv")))
    votes = bench.read_survey(written(tmp_path / "votes.csv", example("Ratings", "csv", 1)))
    assert isinstance(ratings, bench.Ratings) and set(ratings.models) == {"base", "tuned"}
    assert isinstance(votes, bench.Preferences)


def test_clip_map(tmp_path: Path) -> None:
    text = example("Clip map", "csv").replace("genre", "remark")
    found = read_clip_map(written(tmp_path / "clips.csv", text))
    assert {label: clip.model for label, clip in found.labels.items()} == {"c01": "base", "c02": "tuned"}


def test_cards(tmp_path: Path) -> None:
    content: dict[str, Any] = json.loads(example("Cards", "json"))
    card = read_card(written(tmp_path / "card.json", json.dumps({**content, "remark": 1})))
    assert (card.method, card.data.train_recordings) == ("lora", 12)
    with pytest.raises(DataError, match="format 2"):
        read_card(written(tmp_path / "later.json", json.dumps({**content, "format": 2})))
    for key in content.keys() - {"format"}:
        with pytest.raises(DataError):
            read_card(written(tmp_path / "less.json", json.dumps({k: v for k, v in content.items() if k != key})))


def test_published_figures(tmp_path: Path) -> None:
    text = example("Published figures", "yaml")
    (row,) = load_published(written(tmp_path / "doe.yaml", text))
    assert (row.value, row.protocol) == (0.31, "12 prompts of 10 s")
    with pytest.raises(DataError, match="page"):
        load_published(written(tmp_path / "wrong.yaml", text.replace("where:", "page:")))


def test_everything_in_a_run_folder_is_named(run: bench.Run) -> None:
    run.report()
    section = PAGE.partition("## The folder of a run\n")[2].partition("\n## ")[0]
    named = {name.split("/")[0] for name in re.findall(r"`([^` ]+)`", section)}
    assert {path.name for path in run.folder.iterdir()} <= named


def test_keys_of_tables(run: bench.Run) -> None:
    """What programs are told to find is there."""
    section = PAGE.partition("## The folder of a run\n")[2].partition("\n## ")[0]
    keys = {
        command: set(re.findall(r"`([a-z_]+)`", line.rpartition(" | ")[2]))
        for line in section.splitlines()
        for command in re.findall(r"^\| `tunebench (leaderboard|compare|export scores)", line)
    }
    from bench.comparison.result import Comparison
    from bench.scores.clip_table import DESCRIPTION

    assert keys["export scores"] == set(DESCRIPTION)
    column = bench.scores.aggregate.Column("m@1", "", "none")
    blank = Comparison("a", "b", column, "all", "all", None, None, None, None, None, None, 0).record()
    assert keys["compare"] <= set(blank)
    assert keys["leaderboard"] <= set(bench.leaderboard.render.read_board(run.folder).records()[0])


def test_a_bundle_holds_the_files_that_are_named(run: bench.Run, tmp_path: Path) -> None:
    import zipfile

    file = tmp_path / "run.zip"
    pack(run.folder, file)
    text = PAGE.partition("## Bundles and boards\n")[2].partition("\n## ")[0]
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
    assert all(is_known(name) for name in names) and not is_known("remark.txt")
    assert {name for name in names if "/" not in name} == set(re.findall(r"`([\w.]+\.(?:json|yaml|db|csv))`", text))


@pytest.mark.parametrize("status", [2, 5])
def test_statuses_are_those_of_the_errors(status: int) -> None:
    kind: type[TunebenchError] = {2: UsageError, 5: DataError}[status]
    assert f"status {status}" in PAGE and kind.exit_code == status
