"""Surveys written for a tool: what the tool exports of them opens with the clip map that was written beside."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

import bench
from bench.errors import DataError, UsageError
from bench.storage.store import Store
from bench.survey.forms.clip_map import Clip, read_clip_map
from bench.survey.forms.layouts import LAYOUTS
from bench.survey.forms.questionnaire import SCALES, BlindClip, Questionnaire
from bench.survey.ratings import Ratings
from bench.survey.reading import read_ratings
from bench.survey.template import TOOLS, write_template
from tests.bench.survey.forms.conftest import delimited

NAMES = [scale.name for scale in SCALES]
PEOPLE = 4
Table = list[list[str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    folder = tmp_path_factory.mktemp("template")
    models = [
        {"name": f"{tiny}:Sine", "as": name, "params": {"hz": hz}} for name, hz in (("base", 200), ("tuned", 300))
    ]
    config = {"suite": "quick@1", "models": models, "metrics": [], "duration": 0.1, "executor": {"workers": 0}}
    (folder / "c.yaml").write_text(yaml.safe_dump(config))
    return bench.run(folder / "c.yaml", folder / "out").folder


def clips(folder: Path) -> list[dict[str, str]]:
    with (folder / "clips.csv").open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["clip"]]


def answer(person: int, clip: str, scale: str) -> str:
    """An answer that depends on all three, and from which they can be told."""
    return str(1 + (person + 2 * int(clip[1:]) + 3 * NAMES.index(scale)) % 5)


def told(texts: list[str], person: int) -> list[str]:
    """Answers to questions, by the clip and the scale that their texts name."""
    found = []
    for text in texts:
        (clip,) = set(re.findall(r"\bc\d\d\b", text))
        (scale,) = [name for name in NAMES if f"[{name}]" in text or text.endswith(name)]
        found.append(answer(person, clip, scale))
    return found


def google_forms(folder: Path) -> Table:
    script = (folder / "form.gs").read_text()
    # Every literal of the script is JSON.
    about, items = (json.loads(found) for found in re.findall(r"of (\[\[.*?\]\]|\[\n.*?\n\])\) \{", script, re.DOTALL))
    (rows,) = re.findall(r"setRows\((\[.*?\])\)", script)
    questions = [f"{title} [{row}]" for title, _ in items for row in json.loads(rows)]
    head = ["Timestamp", *(title for title, _, _ in about), *questions]
    return [
        head,
        *([f"2026/11/0{p + 1}", *(one[2][p % 2] for one in about), *told(questions, p)] for p in range(PEOPLE)),
    ]


def microsoft_forms(folder: Path) -> Table:
    asked = re.findall(r"^\d+\. (.*)$", (folder / "questions.txt").read_text(), re.MULTILINE)
    questions = [text for text in asked if text.startswith("Clip ")]
    own = ["ID", "Start time", "Completion time", "Email", "Name", *(text for text in asked if text not in questions)]
    assert len(own) == 7
    rows = [[str(p + 1), "1/1/26", "1/1/26", "anonymous", "", "Headphones", "none"] for p in range(PEOPLE)]
    return [[*own, *questions], *([*row, *told(questions, p)] for p, row in enumerate(rows))]


def limesurvey(folder: Path) -> Table:
    with (folder / "survey.txt").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert {row["class"] for row in rows} == {"S", "SL", "G", "Q", "A", "SQ"}
    head, texts, question, text = [], [], "", ""
    for row in rows:
        if row["class"] == "Q":
            question, text = row["name"], re.sub(r"<[^>]+>", " ", row["text"])
            if row["type/scale"] == "L":
                head.append(question)
        elif row["class"] == "SQ":
            assert len(row["name"]) <= 5  # more is cut by older versions
            head.append(f"{question}[{row['name']}]")
            texts.append(f"{text} [{row['text']}]")
    own = ["id", "submitdate", "lastpage", "startlanguage"]
    rows_of = [[str(p + 1), "2026-11-01", "9", "en", "A1", f"A{p % 3 + 1}", *told(texts, p)] for p in range(PEOPLE)]
    (folder / "texts.csv").write_text(
        delimited([["Response ID", "Date submitted", "Last page", "Start language", *head[:2], *texts], *rows_of])
    )
    return [[*own, *head], *rows_of]


def qualtrics(folder: Path) -> Table:
    text = (folder / "survey.txt").read_text()
    assert text.startswith("[[AdvancedFormat]]")
    names, labels = [], []
    for block in text.split("[[Question:Matrix]]\n")[1:]:
        ids = re.findall(r"\[\[ID:(\w+)\]\]\n(.*)\n", block)
        ((code, question),) = ids
        for number, row in re.findall(r"\[\[Choice:(\d)\]\]\n(.*)\n", block):
            names.append(f"{code}_{number}")
            labels.append(f"{re.sub(r'<[^>]+>', ' ', question)} - {row}")
    own = ["StartDate", "Status", "Progress", "Finished", "ResponseId", "PHONES"]
    imports = [json.dumps({"ImportId": name}) for name in (*own, *names)]
    rows = [["", "IP Address", "100", "True", f"R_{p}", "Headphones", *told(labels, p)] for p in range(PEOPLE)]
    return [[*own, *names], [*own, *labels], imports, *rows]


def surveymonkey(folder: Path) -> Table:
    asked = [block.splitlines()[0] for block in (folder / "questions.txt").read_text().split("\n\n")]
    questions = [text for text in asked if text.startswith("Clip ")]
    own = ["Respondent ID", "Collector ID", "Start Date", "End Date"]
    rows = [[f"1{p}", "4", "", "", "Headphones", "none", *told(questions, p)] for p in range(PEOPLE)]
    return [[*own, *asked[:2], *questions], [*([""] * 4), *(["Response"] * (len(questions) + 2))], *rows]


def mturk(folder: Path) -> Table:
    layout = (folder / "layout.html").read_text()
    fields = list(dict.fromkeys(re.findall(r'name="(\w+)" value="1"', layout)))
    asked = re.findall(r"<p>([^<:]+): [^<]+</p>", layout)
    scales = dict(zip(fields, [text for text in asked if text in NAMES], strict=True))
    with (folder / "batch.csv").open(encoding="utf-8") as file:
        batch = list(csv.DictReader(file))
    assert set(re.findall(r"\$\{(\w+)\}", layout)) <= set(batch[0])
    head = ["HITId", "WorkerId", "AssignmentStatus", *(f"Input.{name}" for name in batch[0])]
    head += [f"Answer.{field}.{n}" for field in fields for n in range(1, 6)]
    rows = []
    for p in range(PEOPLE):
        for hit in batch:
            values = [answer(p, hit["clip"], scales[field]) for field in fields]
            marks = [str(value == str(n)).lower() for value in values for n in range(1, 6)]
            rows.append([f"H{hit['clip']}", f"W{p}", "Approved", *hit.values(), *marks])
    return [head, *rows]


def jspsych(folder: Path) -> Table:
    page = (folder / "index.html").read_text()
    (data,) = re.findall(r"const survey = (\{.*?\n\});", page, re.DOTALL)
    survey = json.loads(data)
    head = [
        "rt",
        "response",
        "question_order",
        "trial_type",
        "trial_index",
        "time_elapsed",
        "subject",
        "Headphones",
        "clip",
    ]
    rows = []
    for p in range(PEOPLE):
        own = [f"s{p}", "Headphones"]
        rows.append(["9", '{"Headphones":"Headphones"}', "[0]", "survey-multi-choice", "1", "9", *own, ""])
        for number, one in enumerate(survey["clips"], 2):
            chosen = {scale["name"]: int(answer(p, one["clip"], scale["name"])) - 1 for scale in survey["scales"]}
            rows.append(["9", json.dumps(chosen), "[0,1]", "survey-likert", str(number), "9", *own, one["clip"]])
    return [head, *rows]


def webmushra(folder: Path) -> Table:
    text = (folder / "survey.yaml").read_text()
    # webMUSHRA's own reader of YAML takes neither a list beside another nor a text over several lines.
    assert all(re.match(r" *(- )?[\w]+: ?\S*|(  )*-( random)?$", line) for line in text.splitlines())
    assert "- - " not in text
    pages = yaml.safe_load(text)["pages"]
    (shuffled,) = [page for page in pages if isinstance(page, list)]
    person, *about = pages[-1]["questionnaire"]
    head = ["session_test_id", person["name"], *(one["name"] for one in about), "trial_id"]
    head += [*(f"stimuli_rating{n}" for n in range(1, 6)), "stimuli", "rating_time"]
    rows = []
    for p in range(PEOPLE):
        for page in shuffled[1:]:
            labels = [scale[0]["label"].removesuffix(" 1") for scale in page["response"]]
            ((stimulus, file),) = page["stimuli"].items()
            assert (folder / file).is_file()
            values = [answer(p, stimulus, label) for label in labels]
            rows.append(["tunebench", f"l{p}", "Headphones", "none", page["id"], *values, stimulus, "9"])
    return [head, *rows]


EXPORTS: dict[str, Callable[[Path], Table]] = {
    "google-forms": google_forms,
    "microsoft-forms": microsoft_forms,
    "limesurvey": limesurvey,
    "qualtrics": qualtrics,
    "surveymonkey": surveymonkey,
    "mturk": mturk,
    "jspsych": jspsych,
    "webmushra": webmushra,
}


def same_answers(found: Ratings, folder: Path) -> bool:
    assert sorted(found.scales) == sorted(NAMES)
    assert len(found.listeners) == PEOPLE
    place = {listener: number for number, listener in enumerate(found.listeners)}
    label = {(row["prompt"], row["model"], row["seed"]): row["clip"] for row in clips(folder)}
    table = found.table
    assert len(table) == PEOPLE * len(label) * len(NAMES)
    expected = [
        answer(place[who], label[prompt, model, seed], scale)
        for who, prompt, model, seed, scale in zip(
            *(table[name] for name in ("listener", "prompt", "model", "seed", "scale")), strict=True
        )
    ]
    np.testing.assert_array_equal(table["value"], np.array(expected, dtype=float))
    return True


@pytest.mark.parametrize("tool", TOOLS)
def test_what_a_tool_exports_opens_with_the_map(tool: str, run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "survey"
    write_template(run, tool, folder, url="https://example.org/sounds/")
    path = tmp_path / "export.csv"
    if tool == "webmushra":
        write_template(run, tool, tmp_path / "beside")  # whose clips lie beside the page
        folder = tmp_path / "beside"
    path.write_text(delimited(EXPORTS[tool](folder)))
    found = read_ratings(path, clips=folder / "clips.csv")
    assert found.excluded == 0
    genres = set(found.genres.values())
    assert "jazz" in genres
    assert len(genres) == 6
    assert same_answers(found, folder)
    if tool == "limesurvey":  # exported with full question texts
        assert same_answers(read_ratings(folder / "texts.csv", clips=folder / "clips.csv"), folder)


def test_labels_tell_nothing_of_the_model(run: Path, tmp_path: Path) -> None:
    surveys = [
        write_template(run, "webmushra", tmp_path / name, seed=seed)
        for name, seed in zip("abc", (0, 0, 1), strict=True)
    ]
    assert surveys[0].clips == surveys[1].clips
    assert surveys[0].clips != surveys[2].clips
    models = [clip.model for clip in surveys[0].clips]
    assert models.count("base") == models.count("tuned") == 12
    assert models not in (sorted(models), sorted(models, reverse=True), ["base", "tuned"] * 12, ["tuned", "base"] * 12)
    with Store.read(run) as store:
        audio = {(clip.prompt, clip.model): (run / clip.path).read_bytes() for clip in store.made()}
    for clip in surveys[0].clips:
        assert (tmp_path / "a" / clip.file).read_bytes() == audio[clip.prompt, clip.model]
    public = [path.read_text() for path in (tmp_path / "a").iterdir() if path.is_file() and path.name != "clips.csv"]
    assert not any(word in text for text in public for word in ("base", "tuned"))


def test_models_and_seeds_may_be_chosen(run: Path, tmp_path: Path) -> None:
    found = write_template(run, "jspsych", tmp_path / "one", models=["tuned"], seeds=[0])
    assert {clip.model for clip in found.clips} == {"tuned"}
    with pytest.raises(UsageError, match="no model 'none'"):
        write_template(run, "mturk", tmp_path / "two", models=["none"])
    with pytest.raises(UsageError, match="mturk"):
        write_template(run, "turk", tmp_path / "two")
    with pytest.raises(UsageError):
        write_template(tmp_path / "no", "mturk", tmp_path / "two")
    with pytest.raises(DataError):
        write_template(run, "mturk", tmp_path / "two", seeds=[9])
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot write"):
        write_template(run, "mturk", tmp_path / "file" / "two")
    (tmp_path / "file").unlink()
    assert not (tmp_path / "two").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["one"]  # nothing half-made beside it
    with pytest.raises(UsageError, match=re.escape(str(tmp_path / "one"))):
        write_template(run, "mturk", tmp_path / "one")


def test_texts_of_prompts_cannot_break_out() -> None:
    text = "</script><script>alert(1)</script>\"' \n[[PageBreak]] ${audio} `"
    clip = BlindClip("c01", "clips/c01.flac", "clips/c01.flac", " ".join(text.split()), "p", "m", "jazz", "0")
    for tool in TOOLS:
        write = LAYOUTS[tool].write
        assert write is not None
        for name, content in write(Questionnaire([clip], False)).files.items():
            if name.endswith((".html", ".yaml")) or tool in ("limesurvey", "qualtrics"):
                assert "<script>alert" not in content
            if name.endswith(".yaml"):
                yaml.safe_load(content)
            if name.endswith(".csv"):
                assert "<script>" not in content
                assert len(list(csv.reader(io.StringIO(content)))) == 2


def test_the_page_about_files_is_true(
    run: Path, tmp_path: Path, tunebench: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    page = (Path(__file__).parents[4] / "docs" / "survey-files.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```csv\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "clips.csv").write_text(example)
    found = read_clip_map(tmp_path / "clips.csv")
    assert found.in_question("How good is the last piece?") == (Clip("rock-2", "base", "rock", "Harmony"), "")
    assert (found.scale("OVL"), found.in_cell("c03")) == ("Overall quality", Clip("", ""))
    assert all(f"| {tool} |" in page for tool in TOOLS)
    assert all(name in page for name in LAYOUTS)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "my_run").symlink_to(run)
    (block,) = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    for line in block.splitlines():
        if (tmp_path / "my_survey").exists():
            (tmp_path / "export.csv").write_text(delimited(google_forms(tmp_path / "my_survey")))
        done = tunebench(*shlex.split(line)[1:])
        assert done.returncode == 0, done.stderr
    assert "Genre Fit" in done.stdout
