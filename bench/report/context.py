"""The content of a report's pages, collected before writing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.comparison.result import Chance, Comparison
from bench.contracts.prompt import Prompt
from bench.leaderboard.published import PublishedRow
from bench.leaderboard.ranks import RankRange
from bench.report.metric_info import MetricInfo
from bench.scores.aggregate import Cell, Column
from bench.scores.protocol import Protocol
from bench.storage.failures import FailureGroup
from bench.survey.report import Section

SILENT = "this report was built without audio"


@dataclass(frozen=True)
class ModelEntry:
    """A row: its identity and provenance (both as indented JSON), and its number of clips.

    ``what`` is the description of its plugin, if exactly that plugin is installed here.
    """

    label: str
    fingerprint: str
    identity: str
    provenance: str
    rate: int | None
    made: int
    planned: int
    what: str = ""


@dataclass(frozen=True)
class ClipMedia:
    """Files and facts to play and show a clip.

    Attributes:
        audio: path of the sound, relative to the report's folder.
        spectrogram: path of the picture of its mel spectrogram, relative to the report's folder.
        waveform: for equal slices of the clip, the largest absolute sample, in [0, 1], after ``gain``.
        duration: in seconds.
        loudness: integrated loudness as generated, in LUFS, or None for silence and clips that are too short.
        gain: gain in dB applied to match the loudness of the prompt's clips.
    """

    audio: str
    spectrogram: str
    waveform: tuple[float, ...]
    duration: float
    loudness: float | None
    gain: float


@dataclass(frozen=True)
class ClipEntry:
    """A planned clip. ``scores`` has a value or a reason for each clip metric; ``media`` is None if there is none.

    ``problem`` says why there is no clip.
    """

    id: str
    model: str
    prompt: str
    seed: int
    media: ClipMedia | None
    scores: Mapping[str, float | str | None]
    problem: str | None = None


@dataclass(frozen=True)
class ScoreWarning:
    """A warning with its code (``W-SYNTHETIC``), its text, and the metrics that it concerns."""

    code: str
    sentence: str
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class Survey:
    """Results of a listening survey: text sections, and comparisons and models as records for charts.

    ``preview`` is the address of pages as listeners saw them, or "".
    """

    source: str
    sections: tuple[Section, ...]
    record: Mapping[str, Any]
    preview: str = ""


@dataclass(frozen=True)
class ReportContext:
    """The content of a run's report.

    Attributes:
        title: name of the run.
        about: request and environment of the run: suite, duration, seeds, tunebench, Python, machine, libraries.
        protocol: protocol that another run must share to be comparable.
        models: in the order of the run.
        columns: the metrics, in the order of the run.
        cells: the leaderboard over all prompts, and for each genre and level.
        ranks: by (model, metric), the ranks that the tests support.
        comparisons: of every pair of models, over all prompts and by genre and level.
        prompts: in the order of the suite.
        clips: every planned clip, by prompt, then model, then seed.
        cautions: warnings about the numbers.
        failures: failures, by model and reason.
        published: figures of papers, which are not comparable.
        methods: paragraphs for a paper.
        survey: the listening survey, if there are ratings.
        doses: the records of ``tunebench check metrics --json``, if given.
        chances: by (model, metric), over all prompts, the model against itself with other seeds, if it has any.
        infos: what each metric measures and cannot tell, in the order of the columns.
        limits: what the numbers do not show, in sentences.
    """

    title: str
    about: Mapping[str, str]
    protocol: Protocol
    models: tuple[ModelEntry, ...]
    columns: tuple[Column, ...]
    cells: tuple[Cell, ...]
    ranks: Mapping[tuple[str, str], RankRange]
    comparisons: tuple[Comparison, ...]
    prompts: tuple[Prompt, ...]
    clips: tuple[ClipEntry, ...]
    cautions: tuple[ScoreWarning, ...]
    failures: tuple[FailureGroup, ...]
    published: tuple[PublishedRow, ...]
    methods: tuple[str, ...]
    survey: Survey | None
    doses: tuple[Mapping[str, Any], ...]
    chances: Mapping[tuple[str, str], Chance] = field(default_factory=dict)
    infos: tuple[MetricInfo, ...] = ()
    limits: tuple[str, ...] = ()
