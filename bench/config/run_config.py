"""The configuration of a run: prompts, models, metrics and execution."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from bench.config.json_schema import table_schema
from bench.config.sweep import combinations, problem, suffix
from bench.config.value_types import (
    AUTO,
    LABEL,
    ROWS_OF_EVERY_TABLE,
    ColumnName,
    FailLimit,
    Families,
    Gpus,
    Label,
    Memory,
    Seeds,
    Sweep,
)
from bench.contracts.front_end_settings import FrontEndSettings
from bench.contracts.pairs_file import PairsFile
from bench.contracts.plugins import plain_name, short_name
from bench.contracts.prompt import Split
from bench.contracts.prompt_file import SuiteFile
from bench.environment import usable_cores
from bench.paths import StrPath
from bench.schema import Settings, load_settings, parse_settings, schema_line
from bench.yaml_config import write_yaml

DEFAULT_METRICS = (
    "harmonic-accuracy",
    "melodic-complexity",
    "pitch-variety",
    "rhythmic-inconsistency",
    "rhythm-grid",
    "tempo-adherence",
    "key-adherence",
    "genre-fit",
    "kad",
)
DEVELOPMENT_SUITE = "quick-dev@1"
Shared = Literal["refuse", "mark"]

_MOST_ROWS = 1000  # of one sweep; more is probably a mistake


class ModelConfig(Settings):
    """A model by name or ``path/to/file.py:Class``, and its settings.

    name: may include the required version: ``composer@1``. as: its label in tables; by default its name.
    params: parameters of its class, see 'tunebench list parameters'. sweep: parameters with a list of values each;
    the entry then makes a row for each combination. seeds: seeds of this row; by default those of the run.
    conditioned_on: families of encoders that its network reads, besides those that its class names. trained_with:
    families of what it was trained or chosen by, such as a reward model, besides those of its card.
    """

    name: str
    label: Label | None = Field(default=None, alias="as")
    params: dict[str, Any] = Field(default_factory=dict)
    sweep: Sweep = Field(default_factory=dict)
    seeds: Seeds | None = None
    conditioned_on: Families = ()
    trained_with: Families = ()

    @property
    def row(self) -> str:
        """The label in tables and the name of the clips' folder."""
        return self.label or short_name(self.name)

    @property
    def rows(self) -> tuple[ModelConfig, ...]:
        """Return one entry for each row: itself, or the rows of its sweep, labeled like ``sao[adapter_scale=0.25]``."""
        if not self.sweep:
            return (self,)
        return tuple(
            self.model_copy(
                update={"label": f"{self.row}{suffix(values)}", "params": {**self.params, **values}, "sweep": {}}
            )
            for values in combinations(self.sweep)
        )

    @model_validator(mode="after")
    def _sweep_is_of_other_parameters(self) -> ModelConfig:
        for name, values in self.sweep.items():
            if name in self.params:
                raise ValueError(f"sweep.{name}: '{name}' is also in params; remove one of them")
            if wrong := problem(values):
                raise ValueError(f"sweep.{name}: {wrong}")
        if math.prod(map(len, self.sweep.values())) > _MOST_ROWS:
            raise ValueError(f"sweep: makes more than {_MOST_ROWS} rows")
        return self

    @model_validator(mode="after")
    def _label_is_a_file_name(self) -> ModelConfig:
        for row in [f"{self.row}{suffix(values)}" for values in combinations(self.sweep)]:
            if not LABEL.fullmatch(row):
                raise ValueError(
                    f"'{row}' cannot name a folder: use up to 80 letters, digits and . _ - = @ + , [ ]; "
                    "set it with 'as:'"
                )
        if self.row in ROWS_OF_EVERY_TABLE:
            raise ValueError(f"'{self.row}' is the name of a row in every leaderboard; choose another name with 'as:'")
        return self


def _with_front_end(schema: dict[str, Any]) -> None:
    """Describe the front end of a metric's embedder in the schema of its parameters, which is otherwise open."""
    front_end = {"anyOf": [{"type": "string"}, {"type": "null"}, table_schema(FrontEndSettings)]}
    schema["properties"] = {"embedder_params": {"type": "object", "properties": {"front_end": front_end}}}


class MetricConfig(Settings):
    """A metric by name or ``path/to/file.py:Class``, and its parameters.

    name: may include the required version: ``kad@2``. as: the column's name, for metrics without a name of
    their own, such as ``command``. params: parameters of its class, see 'tunebench list parameters'. family: what its
    values are derived from, such as ``clap-laion`` or ``[mert, notes]``; instead of what its class says.
    """

    name: str
    label: ColumnName | None = Field(default=None, alias="as")
    params: dict[str, Any] = Field(default_factory=dict, json_schema_extra=_with_front_end)
    family: Families = ()

    @property
    def base(self) -> str:
        """Its name without the file; of metrics with the same base, tables show the one requested last."""
        return self.label or self.name.rpartition(":")[2].partition("@")[0]


class ExecutorConfig(Settings):
    """Where and how clips are made and scored.

    kind: ``local`` processes or ``ray``. workers: number of workers; 0 works inside the calling process; None uses
    every core that this process may use, or the whole cluster. threads: threads of numerical libraries in each worker.
    timeout: seconds per clip before its worker is killed. retries: how often to retry after a failure that may be
    temporary, such as a busy service, memory that ran out, or a lost worker. fail_limit: number of failed clips after
    which the rest of a model is skipped in this run; below 1, as a share of the clips that it has to make; None for no
    limit. memory: limit for each local worker and its children, such as ``8 GB``, or in bytes; above it, the current
    clip fails. address: address of the Ray cluster; by default, one is started on this machine. gpus: GPUs per Ray
    worker; may be a fraction.

    By default, memory is unlimited: models need from 0.2 to 80 GB, and a guessed limit would fail valid clips.
    """

    kind: Literal["local", "ray"] = "local"
    workers: Annotated[int, Field(ge=0, le=4096)] | None = None
    threads: Annotated[int, Field(ge=1)] = 1
    timeout: Annotated[float, Field(gt=0)] = 1800
    retries: Annotated[int, Field(ge=0, le=20)] = 2
    fail_limit: FailLimit | None = None
    memory: Memory | None = None
    address: str | None = None
    gpus: Gpus = 0

    model_config = ConfigDict(
        json_schema_extra={  # as `_ray_for_a_cluster` checks
            "if": {"properties": {"kind": {"const": "ray"}}, "required": ["kind"]},
            "then": {"properties": {"memory": {"type": "null"}}},
            "else": {"properties": {"address": {"enum": [None, ""]}, "gpus": {"const": 0}}},
        }
    )

    @model_validator(mode="after")
    def _ray_for_a_cluster(self) -> ExecutorConfig:
        for name in ("address", "gpus"):
            if self.kind != "ray" and getattr(self, name):
                raise ValueError(f"'{name}' is for kind: ray; local workers see all GPUs of this machine")
        if self.kind == "ray" and self.memory:
            raise ValueError("'memory' is for local workers; Ray watches the memory of its nodes itself")
        return self

    @property
    def worker_count(self) -> int:
        """Number of worker processes, by default one for each usable core; 0 works in the calling process."""
        return usable_cores() if self.workers is None else self.workers


class CommonGround(Settings):
    """The part of every clip that is embedded, so that models of different length or bandwidth are comparable.

    seconds: use only this many seconds from the beginning of the clips: ``auto`` is the length that every model has,
    None whole clips. band: use only frequencies up to this limit in Hz, such as 8000 for a model at 16 kHz; None for
    all.
    """

    seconds: Annotated[float, Field(gt=0)] | Literal["auto"] | None = "auto"
    band: Annotated[float, Field(ge=500)] | None = None


_Models = Annotated[list[str | ModelConfig], Field(min_length=1)]
_Metrics = list[str | MetricConfig]


def _names(items: Any) -> Any:
    """Expand plain strings to ``{name: string}``."""
    return [{"name": item} if isinstance(item, str) else item for item in items] if isinstance(items, list) else items


class RunConfig(Settings):
    """Everything that determines the clips and scores of a run; the defaults are the run without a configuration.

    suite: the suite of prompts: a name, a YAML file, a file of prompts, or how to read such a file. If a model is
    swept and no suite is named, it is quick-dev@1, since settings should be chosen on development prompts. split: only
    the prompts that the suite declares for ``development`` or for ``test``; None for all. limit: number of
    prompts to use, from the first; None for all. models: the rows. metrics: the columns. seeds: seeds for every prompt;
    ``auto`` uses the clips that a model has, or seed 0 if it can make any. duration: length of each clip in seconds.
    reference: reference music of the distances: a name, a folder, a reference file or a fingerprint. pairs: the
    recording of each prompt, for metrics that compare with it: a file, or how to read it.
    shared_recordings: what to do if the reference contains recordings that a model was trained on: ``refuse`` to
    compare, or compare and ``mark`` every such score. common: the part of every clip to embed. executor: where
    and how the work is done.
    """

    suite: str | SuiteFile = "quick@1"
    split: Split | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    models: tuple[ModelConfig, ...] = Field(
        default=(
            ModelConfig(name="composer"),
            ModelConfig(name="composer-offkey"),
            ModelConfig(name="composer-loose"),
            ModelConfig(name="noise"),
        ),
        min_length=1,
    )
    metrics: tuple[MetricConfig, ...] = tuple(MetricConfig(name=name) for name in DEFAULT_METRICS)
    seeds: Seeds = AUTO
    duration: Annotated[float, Field(gt=0, le=3600)] = 10.0
    reference: Annotated[str, Field(min_length=1)] = "composer"
    pairs: PairsFile | None = None
    shared_recordings: Shared = "refuse"
    common: CommonGround = CommonGround()
    executor: ExecutorConfig = ExecutorConfig()

    _models = field_validator("models", mode="before", json_schema_input_type=_Models)(_names)
    _metrics = field_validator("metrics", mode="before", json_schema_input_type=_Metrics)(_names)

    @model_validator(mode="before")
    @classmethod
    def _swept_on_development_prompts(cls, content: Any) -> Any:
        """Use development prompts for a sweep without a suite."""
        named = not isinstance(content, dict) or "suite" in content
        models = [] if named else content.get("models")
        swept = isinstance(models, list | tuple) and any(isinstance(m, dict) and m.get("sweep") for m in models)
        return {**content, "suite": DEVELOPMENT_SUITE} if swept else content

    @field_validator("pairs", mode="before", json_schema_input_type=str | PairsFile | None)
    @classmethod
    def _pairs_of_a_file(cls, pairs: Any) -> Any:
        return {"file": pairs} if isinstance(pairs, str) else pairs

    @field_validator("models")
    @classmethod
    def _swept(cls, models: tuple[ModelConfig, ...]) -> tuple[ModelConfig, ...]:
        return tuple(row for model in models for row in model.rows)

    @model_validator(mode="after")
    def _nothing_twice(self) -> RunConfig:
        rows = [model.row for model in self.models]
        for what, items in (
            ("model", rows),
            (
                "metric",
                [" ".join(map(str, filter(None, (m.label or plain_name(m.name), m.params)))) for m in self.metrics],
            ),
        ):
            for item, times in Counter(items).items():
                if times > 1:
                    hint = "; give each its own name with 'as:'" if what == "model" else ""
                    raise ValueError(f"{what} '{item}' is listed twice{hint}")
        return self

    @property
    def suite_name(self) -> str:
        """The suite without its version: a name or a file."""
        return self.suite.file if isinstance(self.suite, SuiteFile) else plain_name(self.suite)

    def seeds_of(self, model: ModelConfig) -> tuple[int, ...] | Literal["auto"]:
        """Return the seeds of a model: its own, or those of the run."""
        return self.seeds if model.seeds is None else model.seeds

    def as_yaml(self) -> str:
        """Return the whole configuration, defaults included, as stored in the run folder."""
        return schema_line("run") + write_yaml(self.model_dump(mode="json", by_alias=True))


def load_config(path: StrPath) -> RunConfig:
    """Read a YAML configuration; paths in it are relative to the current folder, not to the file.

    Raises:
        UsageError: no such file, or an unknown or invalid setting, named with its place and the nearest known one.
        DataError: the file is not YAML.
    """
    return load_settings(RunConfig, Path(path), "suite: genres@1")


def parse_config(content: dict[str, Any], source: str = "configuration") -> RunConfig:
    """Validate a mapping as `load_config` does.

    Args:
        content: as read from YAML.
        source: where it comes from, for messages.

    Raises:
        UsageError: as for `load_config`.
    """
    return parse_settings(RunConfig, content, source)


def with_workers(settings: RunConfig, workers: int | None) -> RunConfig:
    """Return the configuration with the number of workers replaced, if one is given."""
    if workers is None:
        return settings
    return settings.model_copy(update={"executor": settings.executor.model_copy(update={"workers": workers})})
