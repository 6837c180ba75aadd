"""A report whose words are hostile and whose clips are real: three models, six prompts, two seeds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest

from bench.comparison.result import Chance, Comparison
from bench.contracts.metric import Estimate
from bench.contracts.notice import Notice
from bench.contracts.prompt import Prompt
from bench.leaderboard.published import PublishedRow
from bench.leaderboard.ranks import RankRange
from bench.report.context import ClipEntry, ClipMedia, ModelEntry, ReportContext, ScoreWarning, Survey
from bench.scores.aggregate import Cell, Column
from bench.scores.protocol import Protocol
from bench.storage.failures import FailureGroup
from bench.survey.report import Section
from bench.survey.report_tables import Rows

MODELS = ("base", "tuned[adapter_scale=0.25]", "a+b@x=1,y_-.z")
SEEDS = (0, 7)
SECONDS = 6.0
HOSTILE = "</script><img src=x onerror=alert(1)> \"quoted\" & 'single'"
PROMPTS = (
    Prompt("jazz-1", HOSTILE, "jazz", 1, 120.0, "F# minor"),
    Prompt("jazz-2", "מוזיקה עם קצב מהיר, then left to right again", "jazz", 2),
    Prompt("jazz-3", "one line\nand another {{ 7 * 7 }} ${alert(1)} \u2028 \u2029", "jazz", 2),
    Prompt("rock-1", "loud guitars", "rock & <b>roll</b>", 1, 140.0),
    Prompt("rock-2", "javascript:alert(1)", "rock & <b>roll</b>", 2, None, "Bb major"),
    Prompt("rock-3", "word" * 60, "rock & <b>roll</b>", 1),
)
COLUMNS = (
    Column("harmonic-accuracy@1", "%", "higher", bounds=(0.0, 100.0)),
    Column("melodic-complexity@1", "pitches", "none"),
    Column("rhythm-grid@1", "of chance", "lower"),
    Column("kad@1", "", "lower", of_sets=True, view="{}", reference="composer"),
    Column("nothing-has-a-value-of-this[window=0.125,threshold=0.5,model=an-embedder-of-note]@1", "", "higher"),
)
UNSCORED = COLUMNS[4]
CENTRES = {COLUMNS[0].ref: 80.0, COLUMNS[1].ref: 20.0, COLUMNS[2].ref: 0.4, COLUMNS[3].ref: 12.0}


def write_media(out: Path) -> dict[tuple[str, str, int], ClipMedia]:
    """A sine and a picture for each clip but the last; seed 7 is MP3."""
    import soundfile
    from PIL import Image

    rate = 16000
    time = np.arange(int(SECONDS * rate)) / rate
    found = {}
    for (m, model), (p, prompt), seed in product(enumerate(MODELS), enumerate(PROMPTS), SEEDS):
        if (m, p, seed) == (2, 5, 7):
            continue
        sound, picture = (f"{kind}/{model}/{p}-{seed}" for kind in ("audio", "pictures"))
        sound, picture = f"{sound}.{'mp3' if seed else 'flac'}", f"{picture}.png"
        for name in (sound, picture):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
        samples = 0.2 * np.sin(2 * np.pi * 220 * (m + 1) * time)
        soundfile.write(out / sound, samples, rate)
        Image.fromarray(np.full((8, 40), 40 * m + p, dtype=np.uint8)).save(out / picture)
        waveform = tuple(0.2 * abs(float(np.sin(i / 5 + m))) for i in range(100))
        found[model, prompt.id, seed] = ClipMedia(sound, picture, waveform, SECONDS, None if p == 4 else -18.3, -4.7)
    return found


def make_content(out: Path) -> ReportContext:
    """The content of the report, with its media in ``out``."""
    rng = np.random.default_rng(5)
    media = write_media(out)
    clips = []
    for prompt, model, seed in product(PROMPTS, MODELS, SEEDS):
        scores: dict[str, float | str | None] = {
            c.ref: float(CENTRES[c.ref] * (1 + 0.1 * rng.normal())) for c in COLUMNS[:3]
        }
        scores[UNSCORED.ref] = "no notes"
        if prompt.id == "rock-1":
            scores[COLUMNS[0].ref] = "12 notes, <i>needs</i> 20"
        own = media.get((model, prompt.id, seed))
        problem = None if own else "out of memory: <script>alert(2)</script>"
        clips.append(ClipEntry(f"{prompt.id}{model}{seed}", model, prompt.id, seed, own, scores, problem))
    return ReportContext(
        title="night <run> & day",
        about={"suite": "hostile@1", "machine": "<script>alert(3)</script>", "seeds": "0, 7"},
        protocol=Protocol("0123456789ab", {"suite": "</script>"}, "protocol 0123456789ab: hostile@1, 6 s, 4 metrics"),
        models=tuple(
            ModelEntry(m, "ab" * 32, '{"class": "<b>"}', '{"torch": "2"}', 16000, 11 if m == MODELS[2] else 12, 12)
            for m in MODELS
        ),
        columns=COLUMNS,
        cells=tuple(_cells(rng)),
        ranks=_ranks(),
        comparisons=tuple(_comparisons(rng)),
        prompts=PROMPTS,
        clips=tuple(clips),
        cautions=(ScoreWarning("W-SYNTHETIC", "the reference is <synthetic> music", ("kad@1",)),),
        failures=(
            FailureGroup("base", ("",), "<img src=x onerror=alert(4)>", 12, 12, "jazz-1, seed 0"),
            FailureGroup("base", ("kad", "fad"), "/a-folder-with-a-long-name" * 20, 2, 0, ""),
        ),
        published=(
            PublishedRow(model="A <paper>", metric="CLAP", value=0.5, protocol="theirs", source="A & B, 2025"),
            PublishedRow(model="Another", metric="KAD", text="lower", protocol="theirs", source="A & B, 2025"),
        ),
        methods=("First paragraph <b>not bold</b>.", "Second paragraph."),
        survey=_survey(),
        doses=tuple(_doses()),
        chances=_chances(),
    )


def _ranks() -> dict[tuple[str, str], RankRange]:
    """The first two tied before the third; of the third metric, the third model has no rank."""
    places = {model: RankRange(1, 2, (MODELS[1 - place],)) for place, model in enumerate(MODELS[:2])}
    places[MODELS[2]] = RankRange(3, 3)
    ranked = (COLUMNS[0], COLUMNS[2], COLUMNS[3])
    found = {(model, column.ref): rank for model, rank in places.items() for column in ranked}
    del found[MODELS[2], COLUMNS[2].ref]
    return found


def _chances() -> dict[tuple[str, str], Chance]:
    """The last model has none."""
    units = {c.ref: CENTRES[c.ref] / 20 for c in COLUMNS[:3]}
    return {(m, ref): Chance(0.1 * u, -u, 1.2 * u, 0.7) for m in MODELS[:2] for ref, u in units.items()}


def _cells(rng: np.random.Generator) -> Iterator[Cell]:
    genres = dict.fromkeys(prompt.genre or "" for prompt in PROMPTS)
    for group, (place, model), column in product(("all", *genres, "1", "2"), enumerate(MODELS), COLUMNS):
        planned = 12 if group == "all" else 6
        if column is UNSCORED:
            yield Cell(model, column, group, Estimate(None, None, None, 0, "no clip has a value"), planned, None, None)
            continue
        value = CENTRES[column.ref] * (1 + 0.08 * place + 0.01 * float(rng.normal()))
        estimate = Estimate(value, 0.95 * value, 1.05 * value, planned)
        if column.of_sets and group != "all":
            estimate = Estimate(None, None, None, 0, "3 prompts, <needs> 4")
        elif group in genres or model == MODELS[2]:
            estimate = Estimate(value, None, None, planned - 1, "3 prompts, an interval needs 4")
        known = 99.0 if column is COLUMNS[0] else None
        yield Cell(model, column, group, estimate, planned, 68.0 if known else None, known)


def _comparisons(rng: np.random.Generator) -> Iterator[Comparison]:
    first, other = PROMPTS[0].genre or "", PROMPTS[3].genre or ""
    groups = (("all", "all"), ("genre", first), ("genre", other), ("level", "1"), ("level", "2"))
    for (a, b), column, (grouping, group) in product(combinations(MODELS, 2), COLUMNS, groups):
        if column is UNSCORED:
            missing = "no prompt that both have a value for"
            yield Comparison(a, b, column, grouping, group, *(None,) * 6, n=0, reason=missing)
            continue
        unit = CENTRES[column.ref] / 20
        estimate = unit * float(1 + rng.normal())
        p = 0.4
        if b == MODELS[1] and column in COLUMNS[:2]:
            # Both have a small p; the interval of the second reaches 0.
            p, estimate = 0.004, -2 * unit if column is COLUMNS[0] else 0.5 * unit
        whole = grouping == "all"
        yield Comparison(
            *(a, b, column, grouping, group, estimate, estimate - unit, estimate + unit, p),
            p_holm=p if whole else None,
            p_bh=None if whole else p,
            n=6 if whole else 3,
            effect=0.8,
            superiority=None if column.of_sets else 0.75,
            detectable=1.4 * unit,
            warnings=(Notice("W-FEW", {}, "<6> prompts"),),
        )


def _survey() -> Survey:
    models = [
        {"model": m, "scale": "Harmony", "mean": 3.0 + i / 2, "low": 2.5 + i / 2, "high": 3.5 + i / 2}
        for i, m in enumerate(MODELS)
    ]
    pairs = [
        {"a": a, "b": b, "scale": "Harmony", "estimate": 0.5, "low": 0.1, "high": 0.9, "p_holm": 0.04}
        for a, b in combinations(MODELS, 2)
    ]
    table = Rows(["scale", "model", "mean"], [["Harmony", "<b>base</b>", "3.0"]], 2)
    sections = (Section("Models", table, ("A sentence <i>here</i>.",)),)
    return Survey("ratings.csv", sections, {"models": models, "comparisons": pairs})


def _doses() -> Iterator[dict[str, object]]:
    for metric, spoiler in product(("harmonic-accuracy@1", "../../<fad>@1"), ("noise", "detune <b>")):
        yield {
            "metric": metric,
            "unit": "%",
            "direction": "higher",
            "spoiler": spoiler,
            "doses": ["clean", "1", "2"],
            "values": [90.0, 80.0, None],
            "defined": [6, 6, 0],
            "low": [None, -14.0, None],
            "high": [None, -6.0, None],
            "p": [None, 0.01, None],
            "correlation": -1.0,
            "detected": "1",
            "reason": None,
            "improved": False,
        }


@pytest.fixture(scope="session")
def report_content(tmp_path_factory: pytest.TempPathFactory) -> tuple[ReportContext, Path]:
    """The content, and the folder with its media."""
    out = tmp_path_factory.mktemp("report")
    return make_content(out), out


@pytest.fixture(scope="session")
def report_folder(report_content: tuple[ReportContext, Path]) -> Path:
    """The written report, with files in place of the downloads that another part of the build writes."""
    from bench.report.page import write_pages

    content, out = report_content
    write_pages(content, out)
    for name in ("leaderboard", "comparisons", "scores"):
        for ending in ("csv", "json"):
            (out / "data" / f"{name}.{ending}").write_text("[]")
    for name in ("provenance", "report"):
        (out / "data" / f"{name}.json").write_text("{}")
    return out
