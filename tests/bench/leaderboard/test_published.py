"""Published figures: what the papers say, where, and who says the rest."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from bench import DataError
from bench.config.recipe import load_recipe
from bench.leaderboard.published import TITLE, load_published, published, published_block, published_records

FILE = """
paper: Doe 2024
about: "J. Doe: A Paper. 2024."
protocol: 12 prompts of 10 s
rows:
  - {model: Tuned, metric: CLAP score, value: 0.31, where: table 2}
  - {model: Tuned, metric: rhythm, text: "better, | they say", protocol: 5 listeners, second_hand: a friend}
"""


def written(folder: Path, text: str = FILE) -> Path:
    path = folder / "doe.yaml"
    path.write_text(text)
    return path


def test_every_figure_is_there_with_who_states_it() -> None:
    papers = {load_recipe(name).about for name in ("audioldm-lora", "stable-audio-lora-musiccaps")}
    figures = {row.value: row for row in published() if row.value is not None and row.source in papers}
    stated = {1.9375: "V-A", 0.9: "V-A", 115.278: "V-A", 0.0498: "abstract", -0.8349: "abstract"}
    second_hand = {0.6497, 0.6995, 1.1255, 0.2906, 0.0464}
    assert set(figures) == set(stated) | second_hand
    for value, where in stated.items():
        assert (figures[value].where, figures[value].second_hand) == (where, "")
    for value in second_hand:
        assert figures[value].second_hand and not figures[value].where
    replicated = figures[0.0464]
    assert (replicated.low, replicated.high) == (0.0221, 0.0720)
    assert "replication" in replicated.second_hand and "64 held-out prompts" in replicated.protocol


def test_differences_agree_with_what_they_are_between() -> None:
    """0.6995 − 0.6497 and 0.2906 − 1.1255 are the abstract's two; 1.9375/0.9 is 115.278 % more."""
    of = {row.value for row in published()}
    assert {round(0.6995 - 0.6497, 4), round(0.2906 - 1.1255, 4), round(100 * (1.9375 / 0.9 - 1), 3)} <= of


def test_papers_are_cited_as_by_the_recipes() -> None:
    cited = {load_recipe(name).about for name in ("audioldm-lora", "stable-audio-lora-musiccaps")}
    assert cited <= {row.source for row in published()}


def test_figures_of_released_models_are_those_of_their_cards() -> None:
    """Model cards of facebookresearch/audiocraft: MAGNeT's "Evaluation results", JASCO's second table."""
    of = {(row.model, row.metric): row for row in published()}
    fad = {"small-10secs": 4.22, "medium-10secs": 4.61, "small-30secs": 4.35, "medium-30secs": 4.63}
    kl = {"small-10secs": 1.11, "medium-10secs": 1.14, "small-30secs": 1.17, "medium-30secs": 1.20}
    for name in fad:
        assert of[f"magnet-{name}", "FAD (VGGish)"].value == fad[name]
        assert of[f"magnet-{name}", "KL (PaSST)"].value == kl[name]
        assert of[f"magnet-{name}", "CLAP score"].value == 0.28
    jasco = {"400M": (5.648, 0.272), "1B": (5.602, 0.281), "melody-400M": (5.816, 0.293), "melody-1B": (5.470, 0.297)}
    for name, figures in jasco.items():
        found = [of[f"jasco-chords-drums-{name}", metric].value for metric in ("FAD (VGGish)", "CLAP score")]
        assert tuple(found) == figures
    musicgen = {"small": (4.88, 1.42, 0.27), "medium": (5.14, 1.38, 0.28), "large": (5.48, 1.37, 0.28)}
    stated = {f"musicgen-{size}": figures for size, figures in musicgen.items()}
    stated |= {"musicgen-melody": (4.93, 1.41, 0.27), "melodyflow-t24-30secs": (4.79, 1.28, 0.29)}
    for name, own in stated.items():
        assert tuple(of[name, metric].value for metric in ("FAD (VGGish)", "KL (PaSST)", "CLAP score")) == own
    assert [of["Stable Audio 3", f"prompted {what}"].value for what in ("tempo", "key (exact)")] == [61, 64]


def test_songs_are_those_of_the_benchmark() -> None:
    """YuE2's docs/benchmarks.md, rounded as there; the repository's CSV has the means in full."""
    own = [row for row in published() if row.paper == "YuE2, 2026"]
    assert len(own) == 50 and {row.prompts for row in own} == {192}
    of = {(row.model, row.metric): row.value for row in own}
    in_full = {
        "YuE2": (6.731599404761909, 4.262452916666666, 8.25979095697403, 0.5068482221880307, 8.443630690279864),
        "HeartMuLa": (6.248347544642855, 4.551859166666667, 8.293305036922296, 0.3823466453177389, 10.705881594471056),
        "SongBloom": (4.235043750000001, 3.2051130208333345, 8.153916046023369, 0.2697471845106823, 19.193351857701904),
        "ACE-Step 1.5": (6.011793824404761, 3.846484166666666, 8.051833018660545, 0.43723272854307044, 7.45788499848),
    }
    metrics = ("SongBench Avg", "SongEval Avg", "AudioBox PQ", "MuLan", "PER")
    for model, figures in in_full.items():
        for metric, figure in zip(metrics, figures, strict=True):
            assert of[model, metric] == round(figure, 2 if metric == "PER" else 4), (model, metric)


def test_every_figure_says_where_it_was_read() -> None:
    for row in published():
        assert row.where or row.second_hand, (row.model, row.metric)
        assert re.search(r"https?://|arXiv|github\.com|Computing at Scale", row.source), row.source
    assert [row["prompts"] for row in published_records(published()) if row["metric"] == "SongBench Avg"] == [192] * 10


def test_rows_share_what_stands_above_them_unless_they_say_otherwise(tmp_path: Path) -> None:
    first, second = load_published(written(tmp_path))
    assert (first.protocol, first.source, first.second_hand) == ("12 prompts of 10 s", "J. Doe: A Paper. 2024.", "")
    assert (second.protocol, second.paper, second.second_hand) == ("5 listeners", "Doe 2024", "a friend")
    assert first.caveat


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["rows"][0].update(figure=1), r"unknown setting 'rows\.0\.figure'"),
        (lambda c: c["rows"][0].update(metrc="x"), r"rows\.0\.metrc.*did you mean 'metric'"),
        (lambda c: c["rows"][1].pop("text"), r"rows\.1: a row needs a value, or a finding"),
        (lambda c: c["rows"][0].update(value="high"), r"rows\.0\.value: "),
        (lambda c: c["rows"][0].update(value=float("nan")), r"rows\.0\.value: "),
        (lambda c: c["rows"][0].update(low=0.4, high=0.5), r"rows\.0: the value 0\.31 is outside"),
        (lambda c: c["rows"][0].update(low=0.1), r"rows\.0: an interval needs"),
        (lambda c: c["rows"][0].pop("model"), r"rows\.0\.model: field required"),
        (lambda c: c.pop("about"), r"about: field required|rows\.0\.source: field required"),
        (lambda c: c.update(rows=[]), r"rows: "),
        (lambda c: c.update(rows=["fast"]), r"rows\.0: "),
        (lambda c: c.update(rows=7), r"rows: "),
    ],
)
def test_mistakes_are_named_with_file_and_place(
    tmp_path: Path, change: Callable[[dict[str, object]], object], message: str
) -> None:
    content = yaml.safe_load(FILE)
    change(content)
    with pytest.raises(DataError, match=rf"doe\.yaml: .*({message})") as raised:
        load_published(written(tmp_path, yaml.safe_dump(content)))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("text", "message"), [("rows: [", "line 2"), ("- 1", "must be a mapping"), ("", "required")])
def test_what_is_no_such_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"doe\.yaml: .*{message}"):
        load_published(written(tmp_path, text))
    with pytest.raises(DataError, match=r"none\.yaml"):
        load_published(tmp_path / "none.yaml")


def test_block_stands_apart_with_source_protocol_and_caveat(tmp_path: Path) -> None:
    rows = load_published(written(tmp_path))
    text = published_block(rows, markdown=False)
    assert text.splitlines()[0] == TITLE
    for said in ("J. Doe: A Paper. 2024.", "12 prompts of 10 s", "0.31", "Second-hand, from a friend: 5 listeners"):
        assert said in text
    assert text.count("rhythm: other checkpoint, prompts or clip length") == 1
    markdown = published_block(rows, markdown=True)
    assert "| Tuned | rhythm | better, \\| they say | – |" in markdown.splitlines()


def test_records_bear_the_names_of_measured_rows() -> None:
    for record, row in zip(published_records(published()), published(), strict=True):
        assert record["published"] is True
        assert (record["value"], record["note"], record["source"]) == (row.value, row.protocol, row.source)
        assert not re.search(r"@\d", record["metric"])
