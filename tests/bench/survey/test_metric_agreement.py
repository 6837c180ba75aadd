"""``tunebench survey agree`` on a real run whose metrics know the music's quality, its opposite, or the genre only."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import bench
from bench import DataError, UsageError
from bench.storage.store import Store
from bench.survey.metric_agreement import Prediction, Predictions, predict
from bench.survey.plot_agreement import agreement
from bench.survey.prediction_table import table
from bench.survey.rating_range import Range
from bench.survey.ratings import Preferences
from bench.survey.reading import read_ratings, read_survey
from bench.survey.vote_agreement import predict_votes

PLUGINS = '''
"""Sines whose level is how good they are."""

import numpy as np

from bench import Audio, ClipMetric, Embedder, EmbedderRef, Estimate, MusicModel, Score, SetMetric


class Level(MusicModel):
    sample_rate = 8000
    typical_speed = 1000.0

    def __init__(self, skill=0.0):
        self.skill = skill

    def generate(self, requests):
        return [self._one(request) for request in requests]

    def _one(self, request):
        rng = np.random.default_rng([request.seed, *request.prompt.id.encode(), round(self.skill * 100)])
        level = 0.45 + 0.15 * self.skill + 0.1 * rng.uniform(-1, 1)
        t = np.arange(round(request.duration * 8000)) / 8000
        return Audio((level * np.sin(2 * np.pi * 440 * t)).astype(np.float32), 8000)


class Loudness(ClipMetric):
    direction = "higher"

    def score(self, clip):
        return Score.of(clip.audio.peak)


class Distance(ClipMetric):
    direction = "lower"

    def score(self, clip):
        return Score.of(1 - clip.audio.peak) if clip.prompt.level > 1 else Score.undefined("too short a text")


class Genre(ClipMetric):
    def score(self, clip):
        return Score.of(float(sorted(clip.prompt.genre)[0] < "c") + 1e-3 * (clip.audio.peak * 1e5 % 1))


class Levels(Embedder):
    dimension = 1

    def embed(self, audio):
        return np.array([[audio.peak]], dtype=np.float32)


class Mean(SetMetric):
    direction = "higher"
    needs_reference = False
    embedders = (EmbedderRef(f"{__file__}:Levels"),)

    def evaluate(self, evaluated, reference):
        return Estimate(float(evaluated.vectors.mean()), None, None, len(np.unique(evaluated.recordings)), "none")
'''
Command = Callable[..., "subprocess.CompletedProcess[str]"]
MODELS = ("base", "tuned", "large", "small", "other")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("agree")
    plugins = folder / "music.py"
    plugins.write_text(PLUGINS)
    prompts = [
        {"id": f"{genre}-{level}", "text": f"{genre} in {level} words", "genre": genre, "level": level}
        for genre in ("choral", "classical", "dance", "jazz", "pop", "rock")
        for level in (1, 2)
    ]
    (folder / "pairs.yaml").write_text(yaml.safe_dump({"name": "pairs", "version": 1, "prompts": prompts}))
    config = {
        "suite": str(folder / "pairs.yaml"),
        "models": [
            {"name": f"{plugins}:Level", "as": name, "params": {"skill": skill / 2}}
            for skill, name in enumerate(MODELS)
        ],
        "metrics": [f"{plugins}:{name}" for name in ("Loudness", "Distance", "Genre", "Mean")],
        "duration": 0.05,
        "seeds": [0, 1],
        "executor": {"workers": 0},
    }
    (folder / "c.yaml").write_text(yaml.safe_dump(config))
    return bench.run(folder / "c.yaml", folder / "out").folder


@pytest.fixture(scope="module")
def answers(run: Path) -> pd.DataFrame:
    """6 listeners who like the louder clip, and the genres in which Genre is high; the first four models, seed 0."""
    with Store.read(run) as store:
        rows = store.rows(
            "SELECT prompt, model, seed, genre, value FROM clips JOIN prompts ON prompts.id = prompt "
            "JOIN scores ON clip = clips.id WHERE metric = 'Loudness' AND seed = 0 AND model != 'other'"
        )
    rng = np.random.default_rng(1)
    answers = []
    for listener in range(6):
        for prompt, model, seed, genre, level in rows:
            taste = 3 + 4 * (level - 0.5) + (sorted(genre)[0] < "c") - 0.5
            value = int(np.clip(np.round(taste + 0.5 * rng.normal()), 1, 5))
            answers.append((f"l{listener}", prompt, model, "Harmony", value, seed))
    return pd.DataFrame(answers, columns=["listener", "prompt", "model", "scale", "value", "seed"])


def save(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_csv(path, index=False)
    return path


def predicted(run: Path, frame: pd.DataFrame, folder: Path, resamples: int = 200) -> Predictions:
    return predict(run, read_ratings(save(frame, folder / "r.csv")), resamples)


def row(found: Predictions, metric: str, level: str, scale: str = "Harmony") -> Prediction:
    (one,) = [r for r in found.rows if (r.metric, r.level, r.scale) == (f"{metric}@1", level, scale)]
    return one


def test_what_predicts_within_prompts_and_what_only_over_them(run: Path, answers: pd.DataFrame, tmp_path: Path) -> None:
    found = predicted(run, answers, tmp_path)
    loud, genre = row(found, "Loudness", "within prompts"), row(found, "Genre", "within prompts")
    assert loud.kendall.value is not None and loud.kendall.low is not None and loud.kendall.low > 0.3
    assert (loud.clips, loud.prompts, loud.pairs, loud.note) == (48, 12, 72, None)
    assert genre.kendall.low is not None and genre.kendall.high is not None
    assert genre.kendall.low < 0 < genre.kendall.high
    pooled = row(found, "Genre", "all clips").kendall
    assert pooled.low is not None and pooled.low > 0
    assert (found.listeners, found.prompts, found.models, found.ratings) == (6, 12, MODELS[:4], 288)
    assert found.unrated_models == ("other",) and found.unmatched == 0


def test_a_metric_of_which_lower_is_better_is_turned(run: Path, answers: pd.DataFrame, tmp_path: Path) -> None:
    """On the prompts where it is defined, the distance is the loudness upside down; turned, it agrees as well."""
    long = answers[~answers["prompt"].str.endswith("-1")]
    found = predicted(run, long, tmp_path)
    for level in ("within prompts", "all clips"):
        loud, distance = row(found, "Loudness", level), row(found, "Distance", level)
        assert (distance.kendall, distance.spearman) == (loud.kendall, loud.spearman)
    assert row(predicted(run, answers, tmp_path), "Distance", "within prompts").prompts == 6
    assert "Distance@1 ↓ turned" in table(found)


def test_models_are_compared_from_five_up_and_only_there_metrics_of_sets(
    run: Path, answers: pd.DataFrame, tmp_path: Path
) -> None:
    four = predicted(run, answers, tmp_path, 20)
    assert "5" in (row(four, "Mean", "models").note or "")
    assert {r.level for r in four.rows if r.metric == "Mean@1"} == {"models"}
    best = answers[answers["model"] == "small"].assign(model="other", value=5)
    five = predicted(run, pd.concat([answers, best]), tmp_path)
    assert row(five, "Mean", "models").kendall.value == pytest.approx(1)
    assert row(five, "Mean", "models").pairs == 10
    assert row(five, "Loudness", "models").kendall.value == pytest.approx(1)


def test_without_seeds_scores_are_averaged_over_them(run: Path, answers: pd.DataFrame, tmp_path: Path) -> None:
    """A rating of both seeds alike says less than one of the very clip, and the output says what was done."""
    exact = row(predicted(run, answers, tmp_path), "Loudness", "within prompts")
    found = predicted(run, answers.drop(columns="seed"), tmp_path)
    mean = row(found, "Loudness", "within prompts")
    assert mean.clips == 48 and exact.kendall.value is not None and mean.kendall.value is not None
    assert 0 < mean.kendall.value < exact.kendall.value
    assert any("mean score of the prompt's 2 clips" in note for note in found.notes)


def test_what_the_run_does_not_have_is_named_and_left_out(run: Path, answers: pd.DataFrame, tmp_path: Path) -> None:
    strange = answers.replace({"model": {"base": "studio"}, "prompt": {"jazz-1": "polka-1"}})
    found = predicted(run, strange, tmp_path, 20)
    assert found.unknown_models == ("studio",) and found.unknown_prompts == ("polka-1",)
    assert found.ratings == 6 * 11 * 3 and found.ratings + found.unmatched == 288
    text = table(found)
    assert "90 ratings" in text and "studio" in text and "polka-1" in text
    other_seed = predicted(run, pd.concat([answers, answers.assign(seed=7, value=1)]), tmp_path, 20)
    assert other_seed.unmatched == 288
    assert row(other_seed, "Loudness", "all clips") == row(
        predicted(run, answers, tmp_path, 20), "Loudness", "all clips"
    )


def test_when_nothing_matches_it_says_what_to_do(
    run: Path, answers: pd.DataFrame, tmp_path: Path, tunebench: Command
) -> None:
    with pytest.raises(DataError) as caught:
        predicted(run, answers.assign(model=answers["model"] + "_v1"), tmp_path)
    assert all(word in str(caught.value) for word in ("base_v1", "base, tuned, large"))
    with pytest.raises(DataError, match="1jazz"):
        predicted(run, answers.assign(prompt="1jazz" + answers["prompt"]), tmp_path)
    with pytest.raises(DataError, match="seeds"):
        predicted(run, answers.assign(seed=3), tmp_path)
    done = tunebench("survey", "agree", run, save(answers.assign(seed=3), tmp_path / "other.csv"))
    assert done.returncode == 5 and done.stdout == "" and len(done.stderr.splitlines()) == 1


def test_a_folder_without_a_run_or_clips_is_refused(answers: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"run\.db"):
        predicted(tmp_path, answers, tmp_path)
    Store.open(tmp_path / "empty").close()
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "empty"))):
        predicted(tmp_path / "empty", answers, tmp_path)


def test_command_prints_json_that_says_what_the_table_says(
    run: Path, answers: pd.DataFrame, tmp_path: Path, tunebench: Command
) -> None:
    both = pd.concat([answers, answers.assign(scale="Rhythm", value=6 - answers["value"])]).rename(
        columns={"listener": "who", "value": "stars"}
    )
    file = save(both, tmp_path / "ratings.csv")
    options = ("--column", "listener=who", "--column", "value=stars", "--rating-scale", "1-5")
    told = tunebench("survey", "agree", run, file, *options, "--json")
    assert told.returncode == 0, told.stderr
    record = json.loads(told.stdout)
    text = table(predict(run, read_ratings(file, {"listener": "who", "value": "stars"}, Range(1, 5))))
    first = record["rows"][0]
    assert (first["metric"], first["scale"], first["level"]) == ("Loudness@1", "Harmony", "within prompts")
    assert f"{first['kendall']:.2f} [{first['kendall_low']:.2f}, {first['kendall_high']:.2f}]" in text
    assert "agree with listeners within prompts, interval above 0: Loudness@1, Distance@1" in text
    assert "none; disagree, below 0: Loudness@1, Distance@1" in text
    assert "nan" not in text.lower() and "NaN" not in told.stdout
    assert record["unrated_models"] == ["other"]


def test_one_listener_gets_numbers_without_intervals(run: Path, answers: pd.DataFrame, tmp_path: Path) -> None:
    found = predicted(run, answers[answers["listener"] == "l0"], tmp_path)
    loud = row(found, "Loudness", "within prompts")
    assert loud.kendall.value is not None and loud.kendall.low is None
    assert "one listener" in (loud.note or "")
    assert "one listener" in table(found)


def test_metrics_stand_beside_the_ceiling_of_listeners(run: Path, answers: pd.DataFrame, tmp_path: Path) -> None:
    """Loudness is what these listeners like: they agree with it as with each other; the genre is nothing to them."""
    (ceiling,) = predicted(run, answers, tmp_path).ceilings
    assert (ceiling.scale, ceiling.listeners, ceiling.prompts) == ("Harmony", 6, 12)
    assert ceiling.low is not None and ceiling.high is not None
    loud, genre = ceiling.metrics["Loudness@1"], ceiling.metrics["Genre@1"]
    assert loud.value is not None and genre.low is not None and genre.high is not None
    assert ceiling.low - 0.05 < loud.value < ceiling.high and genre.low < 0 < genre.high
    assert "Mean@1" not in ceiling.metrics
    (alone,) = predicted(run, answers[answers["listener"] == "l0"], tmp_path).ceilings
    assert alone.low is None


def test_each_metric_picks_a_model_and_a_wrong_pick_costs(run: Path, answers: pd.DataFrame, tmp_path: Path) -> None:
    right = {pick.metric: pick for pick in predicted(run, answers, tmp_path, 20).picks}
    assert {right[f"{name}@1"].pick for name in ("Loudness", "Distance", "Mean")} == {"small"}
    assert right["Loudness@1"].listeners_pick == "small" and right["Loudness@1"].loss == 0.0
    assert right["Genre@1"].pick is None and right["Genre@1"].note
    turned = answers.assign(value=6 - answers["value"])
    wrong = {pick.metric: pick for pick in predicted(run, turned, tmp_path, 20).picks}["Loudness@1"]
    means = turned.groupby("model")["value"].mean()
    assert (wrong.listeners_pick, wrong.pick) == ("base", "small")
    assert wrong.loss == pytest.approx(means["base"] - means["small"])
    assert wrong.low is not None and wrong.low > 0
    alone = turned[turned["listener"] == "l0"]
    means = alone.groupby("model")["value"].mean()
    pick = {pick.metric: pick for pick in predicted(run, alone, tmp_path, 20).picks}["Loudness@1"]
    assert pick.pick == "small" and pick.loss == pytest.approx(means[pick.listeners_pick] - means["small"])
    assert pick.low is None and "one listener" in (pick.note or "")


@pytest.fixture(scope="module")
def ballots(answers: pd.DataFrame) -> pd.DataFrame:
    """Whom of two models each listener rated higher, by prompt: a vote a pair, in one order or the other."""
    rng = np.random.default_rng(2)
    rows = []
    for (listener, prompt), group in answers.groupby(["listener", "prompt"]):
        own = dict(zip(group["model"], group["value"], strict=True))
        for a, b in (("base", "tuned"), ("large", "base"), ("tuned", "small")):
            first, second = (a, b) if rng.random() < 0.5 else (b, a)
            choice = "tie" if own[a] == own[b] else "a" if own[first] > own[second] else "b"
            rows.append((listener, prompt, first, second, choice))
    return pd.DataFrame(rows, columns=["listener", "prompt", "a", "b", "choice"])


def test_votes_give_pairwise_accuracy(run: Path, ballots: pd.DataFrame, tmp_path: Path) -> None:
    survey = read_survey(save(ballots, tmp_path / "votes.csv"))
    assert isinstance(survey, Preferences)
    found = predict_votes(run, survey, 200)
    by_name = {row.metric: row for row in found.rows}
    decided = ballots[ballots["choice"] != "tie"]
    with Store.read(run) as store:
        level = {
            (prompt, model): value
            for prompt, model, value in store.rows(
                "SELECT prompt, model, AVG(value) FROM clips JOIN scores ON clip = clips.id "
                "WHERE metric = 'Loudness' GROUP BY prompt, model"
            )
        }
    hits = [
        (level[row.prompt, row.b] > level[row.prompt, row.a]) == (row.choice == "b") for row in decided.itertuples()
    ]
    loud = by_name["Loudness@1"]
    assert loud.accuracy == pytest.approx(np.mean(hits)) and loud.low is not None and loud.low > 0.5
    assert (found.votes, found.undecided, loud.votes) == (len(decided), len(ballots) - len(decided), len(decided))
    assert "Mean@1" not in by_name and by_name["Distance@1"].votes < len(decided)
    (ceiling,) = found.ceilings
    assert ceiling.low is not None and ceiling.high is not None and 0.5 < ceiling.low < ceiling.high <= 1


def test_the_command_takes_votes_and_draws(
    run: Path, ballots: pd.DataFrame, tmp_path: Path, tunebench: Command
) -> None:
    file = save(ballots, tmp_path / "votes.csv")
    told = tunebench("survey", "agree", run, file, "--plots", tmp_path / "plots", "--json")
    assert told.returncode == 0, told.stderr
    record = json.loads(told.stdout)
    assert record["rows"][0]["metric"] == "Loudness@1" and 0.5 < record["rows"][0]["accuracy"] <= 1
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"agreement.png", "agreement.svg"}
    text = tunebench("survey", "agree", run, file).stdout
    assert f"{100 * record['rows'][0]['accuracy']:.1f}" in text and "listeners (ceiling)" in text
    strange = save(ballots.replace({"base": "studio", "large": "studio2", "tuned": "x"}), tmp_path / "strange.csv")
    assert tunebench("survey", "agree", run, strange).returncode == 5


def test_the_figure_shows_every_metric_and_pick(run: Path, answers: pd.DataFrame, tmp_path: Path) -> None:
    both = pd.concat([answers, answers.assign(scale="Rhythm", value=6 - answers["value"])])
    figure = agreement(predicted(run, both, tmp_path, 50))
    assert [axes.get_title(loc="left").split(" ")[0] for axes in figure.axes] == ["Harmony", "Rhythm"]
    metrics = ["Loudness@1", "Distance@1", "Genre@1", "Mean@1"]
    for axes in figure.axes:
        assert [label.get_text() for label in axes.get_yticklabels()] == metrics
    said = [text.get_text() for text in figure.axes[1].texts]
    assert any(text.startswith("picks small, −") for text in said) and "picks none" in said
