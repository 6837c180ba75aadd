"""The configuration of a run: what to make, with which models, scored by what."""

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

_MOST_ROWS = 1000  # of one sweep; a longer one is a mistake


class ModelConfig(Settings):
    """A model by name or ``path/to/file.py:Class``, and what is set of it.

    name: may carry the version that must be installed: ``composer@1``. as: its label in tables; without it, its name.
    params: of its class, as 'tunebench list parameters' shows them. sweep: some parameters with a list of values each;
    the entry then stands for a row at each combination of them. seeds: of this row; without them, it has the run's.
    conditioned_on: families of encoders that its network reads, beside those that its class names. trained_with:
    families of what it was trained or chosen by, such as a reward model, beside those of its card.
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
        """One entry for each row: itself, or what its sweep stands for, labelled like ``sao[adapter_scale=0.25]``."""
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
                raise ValueError(f"sweep.{name}: '{name}' is in params too; leave it in one of them")
            if wrong := problem(values):
                raise ValueError(f"sweep.{name}: {wrong}")
        if math.prod(map(len, self.sweep.values())) > _MOST_ROWS:
            raise ValueError(f"sweep: stands for more than {_MOST_ROWS} rows")
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
            raise ValueError(f"'{self.row}' is a row of every leaderboard; choose another name with 'as:'")
        return self


def _with_front_end(schema: dict[str, Any]) -> None:
    """Describe the front end of a metric's embedder in the schema of its parameters, which are otherwise open."""
    front_end = {"anyOf": [{"type": "string"}, {"type": "null"}, table_schema(FrontEndSettings)]}
    schema["properties"] = {"embedder_params": {"type": "object", "properties": {"front_end": front_end}}}


class MetricConfig(Settings):
    """A metric by name or ``path/to/file.py:Class``, and its parameters.

    name: may carry the version that must be installed: ``kad@2``. as: the column's name, for metrics that have none of
    their own, such as ``command``. params: of its class, as 'tunebench list parameters' shows them. family: what its
    values are derived from, such as ``clap-laion`` or ``[mert, notes]``; in place of what its class says.
    """

    name: str
    label: ColumnName | None = Field(default=None, alias="as")
    params: dict[str, Any] = Field(default_factory=dict, json_schema_extra=_with_front_end)
    family: Families = ()

    @property
    def base(self) -> str:
        """Its own name, whatever file it comes from: of one base, tables show what was asked for last."""
        return self.label or self.name.rpartition(":")[2].partition("@")[0]


class ExecutorConfig(Settings):
    """Where the work is done.

    kind: ``local`` processes or ``ray``. workers: how many; 0 works inside the calling process; None takes every core
    that this process may use, or the whole cluster. threads: of numerical libraries in each worker. timeout: seconds a
    clip may take before its worker is killed. retries: how often something is tried again that failed for a reason
    that may pass, such as a service that is busy, memory that ran out, or a worker that is lost. fail_limit: of how
    many failed clips on the rest of a model is not tried in this run; below 1, of which share of the clips that it is
    to make; None for no limit. memory: that each local worker and its children may use, such as ``8 GB``, or in bytes;
    more costs it the clip that it is at. address: of the Ray cluster, without which one is started on this machine.
    gpus: that each worker of Ray holds, which may be a fraction.

    There is no limit of memory unless it is set: what a model rightly needs goes from 0.2 to 80 GB, and a limit that is
    guessed would fail clips that were fine.
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
        json_schema_extra={  # what `_ray_for_a_cluster` refuses
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
        return usable_cores() if self.workers is None else self.workers


class CommonGround(Settings):
    """The part of every clip that embeddings are made of, so that unequal models are compared on common ground.

    seconds: only the beginning of the clips: ``auto`` takes what every model has, None whole clips. band: only
    frequencies up to so many Hz, such as 8000 when a model works at 16 kHz; None for all.
    """

    seconds: Annotated[float, Field(gt=0)] | Literal["auto"] | None = "auto"
    band: Annotated[float, Field(ge=500)] | None = None


_Models = Annotated[list[str | ModelConfig], Field(min_length=1)]
_Metrics = list[str | MetricConfig]


def _names(items: Any) -> Any:
    """Return a plain string is short for ``{name: string}``."""
    return [{"name": item} if isinstance(item, str) else item for item in items] if isinstance(items, list) else items


class RunConfig(Settings):
    """Everything that decides which clips and scores a run holds; the defaults are the run without a configuration.

    suite: of prompts, by name, as a YAML file or as a file of prompts; or how such a file is read. Where a model is
    swept and no suite is named, it is quick-dev@1, since settings are to be chosen on development prompts. split: only
    the prompts that the suite declares for ``development`` or for ``test``; None for all. limit: only so many of its
    prompts, from the first; None for all. models: the rows. metrics: the columns. seeds: asked of every prompt;
    ``auto`` takes the clips that a model has, or seed 0 where it can make any. duration: of each clip, in seconds.
    reference: the music that distances compare with: a name, a folder, a reference file or a fingerprint. pairs: the
    recording that goes with each prompt, for metrics that compare with it: a file of such, or how it is read.
    shared_recordings: what to do where the reference holds recordings that a model was trained on: ``refuse`` to
    compare, or compare and ``mark`` every such score. common: the part of every clip that is embedded. executor: where
    the work is done.
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
        """A sweep that names no suite is on development prompts."""
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
                    raise ValueError(f"{what} '{item}' is named twice{hint}")
        return self

    @property
    def suite_name(self) -> str:
        """The suite without its version: a name, or a file."""
        return self.suite.file if isinstance(self.suite, SuiteFile) else plain_name(self.suite)

    def seeds_of(self, model: ModelConfig) -> tuple[int, ...] | Literal["auto"]:
        """Return the seeds of one of its models: its own, or those of the run."""
        return self.seeds if model.seeds is None else model.seeds

    def as_yaml(self) -> str:
        """Return the whole configuration, defaults included, as it is frozen in the run folder."""
        return schema_line("run") + write_yaml(self.model_dump(mode="json", by_alias=True))


def load_config(path: StrPath) -> RunConfig:
    """Read a YAML configuration; paths in it are relative to the folder that the process works in, not to the file.

    Raises:
        UsageError: no such file, or an unknown or impossible setting, named with its place and the nearest known one.
        DataError: the file is not YAML.
    """
    return load_settings(RunConfig, Path(path), "suite: genres@1")


def parse_config(content: dict[str, Any], source: str = "configuration") -> RunConfig:
    """Check a mapping as `load_config` does.

    Raises:
        UsageError: as for `load_config`.
    """
    return parse_settings(RunConfig, content, source)


def with_workers(settings: RunConfig, workers: int | None) -> RunConfig:
    """Return the configuration with the number of workers replaced, if one is given."""
    if workers is None:
        return settings
    return settings.model_copy(update={"executor": settings.executor.model_copy(update={"workers": workers})})
