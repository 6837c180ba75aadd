"""The plan: all clips, each with its identity, before anything is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts.entry_points import Plugin
from bench.contracts.family import Lineage
from bench.contracts.identity import identity_of, only_set, prompt_identity
from bench.contracts.model import GenerationRequest, MusicModel
from bench.contracts.parameters import bind
from bench.contracts.plugins import create, find
from bench.contracts.prompt import Prompt, PromptSuite
from bench.errors import TunebenchError, UsageError, one_line
from bench.file_hash import HashedFile, hashed_files
from bench.hashing import canonical_json, fingerprint, fingerprint_of_fields
from bench.planning.metric_plan import PlannedMetric, plan_metrics
from bench.planning.model_claims import hashes_of, lineage_of, notices_of, own_seeds
from bench.planning.requests import available_seeds, plan_requests
from bench.planning.tuning import model_tuning, sweep_notices, tuning_notices, tuning_record

if TYPE_CHECKING:  # workers need plans, not configurations
    from bench.config.run_config import ModelConfig, RunConfig


@dataclass(frozen=True)
class PlannedModel:
    """A row of the leaderboard.

    ``identity`` is everything that can change the sound; ``provenance`` is the rest of its parameters, its ``notices``
    if any, and known facts on its ``tuning``. ``rate`` is in Hz, or None if it varies between
    clips. ``speed`` is seconds of audio per second, and ``max_workers`` the maximum number of processes, as the
    model declares them. ``trained_on`` holds the content hashes of the recordings known to be its training
    data. ``own_clips`` says that it plays existing clips, and ``listed`` that the plan is exactly those: one
    that it no longer has leaves the row. ``lineage`` is what it is derived from. ``files`` are those that
    the identity depends on, such as weights. ``plays`` holds the content hashes of the recordings that its clips are
    taken from.
    """

    label: str
    plugin: Plugin
    params: Mapping[str, Any]
    identity: Mapping[str, Any]
    provenance: Mapping[str, Any]
    rate: int | None
    batch_size: int
    speed: float | None
    max_workers: int | None = None
    trained_on: frozenset[str] = frozenset()
    own_clips: bool = False
    listed: bool = False
    lineage: Lineage = field(default_factory=Lineage, compare=False)
    plays: frozenset[str] = frozenset()
    files: Mapping[Path, HashedFile] = field(default_factory=dict, compare=False)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the identity."""
        return fingerprint(self.identity)


_NOTHING: Mapping[str, Any] = {}  # shared by all clips


@dataclass(frozen=True, slots=True)
class PlannedClip:
    """A planned clip; ``id`` is the SHA-256 of its identity and the first 16 digits name its file.

    ``extra`` is what the model adds to the identity of this clip, such as the hash of a file. A plan may have a
    million clips, so a clip has only four fields, and shares common data with others.
    """

    id: str
    model: str
    request: GenerationRequest
    extra: Mapping[str, Any] = field(default_factory=lambda: _NOTHING, compare=False)

    @property
    def prompt(self) -> Prompt:
        """The prompt of its request."""
        return self.request.prompt

    @property
    def place(self) -> tuple[str, str, int]:
        """Its unique place in a run: model, prompt and seed."""
        return self.model, self.prompt.id, self.request.seed

    @property
    def path(self) -> str:
        """The path of its audio, relative to the run folder."""
        return f"audio/{self.model}/{self.id[:16]}.flac"


@dataclass(frozen=True)
class Plan:
    """A configuration resolved against installed plugins.

    Attributes:
        suite: the suite with the prompts to use: all, or the first ones if limited.
        models, metrics, clips: models, metrics, and the clips to make.
        duration: length of each clip in seconds.
        suite_size: number of prompts in the whole suite.
    """

    suite: PromptSuite
    models: tuple[PlannedModel, ...]
    metrics: tuple[PlannedMetric, ...]
    clips: tuple[PlannedClip, ...]
    duration: float
    suite_size: int

    def model(self, label: str) -> PlannedModel:
        """Return the model with a label, which must be one of the plan."""
        return next(model for model in self.models if model.label == label)

    def batches(self) -> Iterator[tuple[PlannedModel, tuple[PlannedClip, ...]]]:
        """Yield the clips in the chunks in which they are generated; the same plan always gives the same chunks."""
        rows: dict[str, list[PlannedClip]] = {model.label: [] for model in self.models}
        for clip in self.clips:
            rows[clip.model].append(clip)
        for model in self.models:
            own = rows[model.label]
            for start in range(0, len(own), model.batch_size):
                yield model, tuple(own[start : start + model.batch_size])


def make_plan(config: RunConfig) -> Plan:
    """Resolve names, fill in defaults and give every clip its identity.

    Raises:
        UsageError: an unknown name or parameter, or two rows that would hold the same clips.
        DataError: a suite file with a mistake, or existing clips that are unusable.
    """
    from bench.contracts.prompt_suite import load_suite_named  # it imports YAML, which workers do not need

    whole = load_suite_named(config.suite).part(config.split)
    suite = replace(whole, prompts=whole.prompts[: config.limit])
    texts = {prompt.id: prompt_text(prompt) for prompt in suite.prompts}
    models: list[PlannedModel] = []
    clips: list[PlannedClip] = []
    for entry in config.models:
        planned, instance = _plan_model(entry, config, suite)
        seeds, available = config.seeds_of(entry), available_seeds(instance, suite.prompts, entry.row)
        if instance.chooses_seeds:
            seeds = own_seeds(entry)
        own = available is not None
        planned = replace(planned, own_clips=own, listed=own and isinstance(seeds, str))
        models.append(planned)
        id_of = ClipIds(planned, config.duration)
        for request in plan_requests(suite.prompts, seeds, available, config.duration):
            extra = _request_identity(instance, request, planned.label)
            id = id_of(texts[request.prompt.id], request.seed, extra)
            clips.append(PlannedClip(id, planned.label, request, extra))
        instance.close()
    _refuse_same_clips(models, texts, clips)
    metrics = plan_metrics(config.metrics)
    return Plan(suite, tuple(models), metrics, tuple(clips), config.duration, len(whole.prompts))


def _request_identity(model: MusicModel, request: GenerationRequest, row: str) -> Mapping[str, Any]:
    try:
        extra = dict(model.request_fingerprint(request)) or _NOTHING
        if extra:
            canonical_json(extra)
        return extra
    except TunebenchError:
        raise
    except Exception as error:
        raise UsageError(
            f"model '{row}': the request_fingerprint of {request.prompt.id} must be a mapping of JSON values "
            f"({one_line(error)})"
        ) from error


def _plan_model(entry: ModelConfig, config: RunConfig, suite: PromptSuite) -> tuple[PlannedModel, MusicModel]:
    plugin = find("model", entry.name)
    instance: MusicModel = create(plugin, entry.params, MusicModel)
    params = bind(plugin, type(instance), entry.params)
    kind = type(instance)
    with hashed_files() as files:
        identity = model_identity(plugin, instance, params, entry.row)
    for name, least in (("sample_rate", 1), ("batch_size", 1), ("max_workers", 1)):
        value = getattr(instance, name)
        if not (isinstance(value, int) and value >= least) and not (name != "batch_size" and value is None):
            raise UsageError(f"model '{entry.row}': its {name} is {value!r}, must be an integer of at least {least}")
    provenance = {name: value for name, value in params.items() if name in kind.provenance_params}
    tuning = model_tuning(instance, entry.row)
    of_prompts = [*tuning_notices(tuning, suite), *sweep_notices(entry, config.models, suite)]
    if said := notices_of(instance, entry.row, of_prompts):
        provenance["notices"] = said
    if known := tuning_record(tuning):
        provenance["tuning"] = known
    planned = PlannedModel(
        entry.row,
        plugin,
        params,
        identity,
        provenance,
        instance.sample_rate,
        instance.batch_size,
        kind.typical_speed,
        instance.max_workers,
        hashes_of(instance.trained_on, entry.row),
        lineage=lineage_of(instance, entry),
        plays=hashes_of(instance.plays, entry.row),
        files=files,
    )
    return planned, instance


def model_identity(plugin: Plugin, model: MusicModel, params: Mapping[str, Any], row: str) -> dict[str, Any]:
    """Return everything that can change a model's audio: plugin, version, parameters and weights.

    Args:
        params: all its parameters, defaults filled in.
        row: its label for errors.

    Raises:
        UsageError: a part of it is not a JSON value.
    """
    kind = type(model)
    try:
        deciding = {name: value for name, value in params.items() if name not in kind.provenance_params}
        named = replace(plugin, name=kind.identity_name or plugin.name)
        identity = identity_of(named, kind.version, deciding, dict(model.fingerprint()))
        canonical_json(identity)
    except TunebenchError:
        raise
    except Exception as error:
        raise UsageError(
            f"model '{row}': its parameters and fingerprint must be JSON values ({one_line(error)})"
        ) from error
    return identity


class ClipIds:
    """The ids of the clips of one model and one duration: each is the SHA-256 of everything that can change the clip.

    Common parts are serialized once: the model here, and prompts by the caller.

    Args:
        model: the model.
        duration: length of each clip in seconds.
    """

    def __init__(self, model: PlannedModel, duration: float) -> None:
        # In samples, so that 10 and 10.0 s, or two roundings of a length, give the same clip.
        rate = model.rate
        length = {"samples": round(duration * rate)} if rate else {"seconds": round(duration, 6)}
        # Two systems may have the same clip, but each row has its own id.
        row = model.label if model.own_clips else None
        common = only_set({"length": length, "model": model.identity, "row": row})
        self._common = {name: canonical_json(value) for name, value in common.items()}

    def __call__(self, prompt: str, seed: int, extra: Mapping[str, Any]) -> str:
        """Return the id of one clip.

        Args:
            prompt: its `prompt_text`.
            seed: its seed.
            extra: the model's addition for this clip.
        """
        own = {"request": canonical_json(extra)} if extra else {}
        return fingerprint_of_fields({**self._common, "prompt": prompt, **own, "seed": str(seed)})


def prompt_text(prompt: Prompt) -> str:
    """Return the identity of a prompt as canonical JSON."""
    return canonical_json(prompt_identity(prompt))


def clip_id(model: PlannedModel, request: GenerationRequest, extra: Mapping[str, Any] = _NOTHING) -> str:
    """Return the id of a single clip, see `ClipIds`.

    Args:
        model: its model.
        request: its prompt, seed and duration.
        extra: the model's addition for this clip.
    """
    return ClipIds(model, request.duration)(prompt_text(request.prompt), request.seed, extra)


def _refuse_same_clips(
    models: Sequence[PlannedModel], prompts: Mapping[str, str], clips: Sequence[PlannedClip]
) -> None:
    """Refuse clips with the same id, which only equal models or prompts can have."""
    own = _alike((model.label, model.fingerprint) for model in models if not model.own_clips)
    same = _alike(prompts.items())
    if not own and not same:
        return
    seen: dict[str, PlannedClip] = {}
    for clip in clips:
        if clip.model not in own and clip.prompt.id not in same:
            continue
        other = seen.setdefault(clip.id, clip)
        if other is not clip and other.model != clip.model:
            raise UsageError(f"models '{other.model}' and '{clip.model}' are the same model with the same parameters")
        if other is not clip:
            raise UsageError(f"prompts '{other.prompt.id}' and '{clip.prompt.id}' are the same prompt with two ids")


def _alike(named: Iterable[tuple[str, str]]) -> set[str]:
    """Return the names of entries with a duplicate identity."""
    groups: dict[str, list[str]] = {}
    for name, identity in named:
        groups.setdefault(identity, []).append(name)
    return {name for names in groups.values() if len(names) > 1 for name in names}
