"""Clips while training: fixed prompts and seeds through the network as it is, scored by the benchmark's own metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from bench.atomic_write import replace_file
from bench.contracts.audio import Audio, write_flac
from bench.contracts.metric import ClipMetric
from bench.contracts.model import GenerationRequest
from bench.contracts.plugins import create, find, short_name
from bench.contracts.prompt import Prompt
from bench.contracts.prompt_suite import load_suite_named
from bench.contracts.set_metric import SetMetric
from bench.errors import MissingError, UsageError, one_line
from bench.execution.score_audio import AudioScores, score_audio
from bench.progress import Progress, Silent
from models.card import ScoredOn
from models.pretrained import PretrainedModel
from models.training.base import Trainee
from models.training.config import TrainConfig

if TYPE_CHECKING:
    import torch

SCORES = "scores.json"


@dataclass
class SampleClip:
    """A clip and its outcome: ``file`` if there is one, ``error`` if it failed, and scores by metric."""

    prompt: str
    text: str
    seed: int
    file: str | None = None
    error: str | None = None
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)


class ClipSampler:
    """Generates and scores the clips of ``validation.clips``.

    The backend that generates them is the one that runs use, with the network in memory in place of the checkpoint's
    own: there is no second copy of it. Text encoder and decoder are loaded for this and released afterwards.

    Args:
        config: of the training; its settings for clips are checked here, before anything is trained.
        trainee: whose network generates the clips.
        progress: gets notes of clips that could not be made.

    Attributes:
        scored_on: the prompts, for the card.

    Raises:
        UsageError: an unknown suite, metric or parameter, or a metric that single clips do not have.
        MissingError: software that a metric needs is not installed.
    """

    def __init__(self, config: TrainConfig, trainee: Trainee, progress: Progress | None = None) -> None:
        self._config, self._trainee = config, trainee
        self._progress = progress or Silent()
        wanted = config.validation.clips
        score_audio([], wanted.metrics)  # checks them
        self._units = dict(map(_unit, wanted.metrics))
        suite = load_suite_named(wanted.suite).to_tune_by()
        self._prompts = _spread(suite.prompts, wanted.prompts)
        self.scored_on = ScoredOn.of(suite, self._prompts, "clips while training")
        if self.scored_on.split == "test":
            self._progress.note(
                f"validation.clips.suite: {suite.ref} holds test prompts; runs on these get a warning. "
                "Development prompts are in quick-dev@1 and genres-dev@1"
            )
        model = self._model("cpu", "float32")
        if model.max_duration is not None and wanted.duration > model.max_duration:
            raise UsageError(
                f"validation.clips.duration: {wanted.duration:g} s asked for; {config.base.kind} makes at most "
                f"{model.max_duration:g} s"
            )

    def sample(self, step: int, network: torch.nn.Module, folder: Path) -> dict[str, float | None]:
        """Generate the clips, write them as FLAC, and score the files.

        Failures are recorded and do not end the training: the scores are then None. The network's modes and the global
        random generators are restored afterwards.

        Args:
            step: for the record.
            network: as `Trainee.network`, with what is trained in it.
            folder: gets the clips and ``scores.json``, with the value of each clip and metric, or why there is
                none.

        Returns:
            For each metric, as ``name@version``, the mean over prompts; None where no clip has a value.

        Raises:
            UsageError: the clips are longer than the checkpoint can make.
            OSError: the disk is full or cannot be written to.
        """
        wanted = self._config.validation.clips
        requests = [GenerationRequest(p, seed, wanted.duration) for p in self._prompts for seed in wanted.seeds]
        with undisturbed(network):
            produced = self._generate(network, requests)
        folder.mkdir(parents=True, exist_ok=True)
        clips = [self._written(request, audio, folder) for request, audio in zip(requests, produced, strict=True)]
        there = [(clip, request) for clip, request in zip(clips, requests, strict=True) if clip.file]
        files, prompts = [folder / str(clip.file) for clip, _ in there], [request.prompt for _, request in there]
        for (clip, _), scored in zip(there, score_audio(files, wanted.metrics, prompts), strict=True):
            clip.scores = {ref: _as_json(scored, ref) for ref in self._units}
        summary = {ref: _summary(ref, unit, clips) for ref, unit in self._units.items()}
        record = {"step": step, "metrics": summary, "clips": [vars(clip) for clip in clips]}
        replace_file(folder / SCORES, json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        return {name: entry["value"] for name, entry in summary.items()}

    def _model(self, device: str, dtype: str) -> PretrainedModel:
        base, identity = self._config.base, self._trainee.identity
        params = dict(self._config.validation.clips.params)
        fixed = {
            "checkpoint": base.checkpoint,
            "revision": identity.get("revision", base.revision),
            "device": device,
            "dtype": dtype,
        }
        for name in (*fixed, "adapter", "adapter_scale"):
            if name in params:
                raise UsageError(f"validation.clips.params: '{name}' is taken from the training and cannot be set here")
        model: PretrainedModel = create(find("model", base.kind), {**fixed, **params}, PretrainedModel)
        return model

    def _generate(self, network: torch.nn.Module, requests: list[GenerationRequest]) -> Sequence[Audio | Exception]:
        model = self._model(*_place(network))
        model.play_through(self._trainee.part, network)
        try:
            return model.generate(requests)
        except MissingError as error:
            return [error] * len(requests)
        finally:
            model.close()

    def _written(self, request: GenerationRequest, audio: Audio | Exception, folder: Path) -> SampleClip:
        prompt = request.prompt
        clip = SampleClip(prompt.id, prompt.text, request.seed)
        if isinstance(audio, Exception):
            clip.error = one_line(audio)
            self._progress.note(f"no clip for prompt '{prompt.id}', seed {request.seed}: {clip.error}")
            return clip
        clip.file = f"{prompt.id}-{request.seed}.flac"
        write_flac(folder / clip.file, audio)
        return clip


@contextmanager
def undisturbed(network: torch.nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode; afterwards restore each of its modules, and torch's generators."""
    import torch

    modes = [(module, module.training) for module in network.modules()]
    device = next(network.parameters()).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        network.eval()
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode


def _spread(prompts: Sequence[Prompt], count: int) -> list[Prompt]:
    """Return so many prompts from all over a suite, whose neighbors are of one genre."""
    count = min(count, len(prompts))
    return [prompts[place * len(prompts) // count] for place in range(count)]


def _place(network: torch.nn.Module) -> tuple[str, str]:
    """Return device and precision of a network; adapters on top of it are more precise than the network."""
    own = next(weight for name, weight in network.named_parameters() if ".lora_" not in name)
    return str(own.device), str(own.dtype).removeprefix("torch.")


def _unit(name: str) -> tuple[str, str]:
    """Return name and version, and the unit, of a metric of single clips.

    Raises:
        UsageError: it is a metric of sets.
    """
    plugin = find("metric", name)
    metric: ClipMetric | SetMetric = create(plugin, {}, ClipMetric, SetMetric)
    if isinstance(metric, SetMetric):
        raise UsageError(
            f"validation.clips.metrics: '{name}' compares sets of clips with a reference; name metrics of single "
            "clips, and score sets by 'tunebench run'"
        )
    return f"{short_name(plugin.name)}@{metric.version}", metric.unit


def _as_json(scored: AudioScores, metric: str) -> dict[str, Any]:
    """Return a metric's value, the reason why it is undefined, or the error that it failed with."""
    score = scored.scores.get(metric)
    if score is None:
        return {"error": scored.error or scored.errors[metric]}
    return {"reason": score.reason} if score.value is None else {"value": score.value}


def _summary(metric: str, unit: str, clips: Sequence[SampleClip]) -> dict[str, Any]:
    """Return the mean over prompts of the means over their seeds, and the number of clips behind it."""
    by_prompt: dict[str, list[float]] = {}
    reasons: list[str] = []
    for clip in clips:
        score: Mapping[str, Any] = clip.scores.get(metric, {})
        if "value" in score:
            by_prompt.setdefault(clip.prompt, []).append(score["value"])
        else:
            reasons.append(clip.error or score.get("error") or score.get("reason") or "not scored")
    return {
        "value": fmean(fmean(values) for values in by_prompt.values()) if by_prompt else None,
        "unit": unit,
        "clips": sum(map(len, by_prompt.values())),
        "planned": len(clips),
        **({"reason": reasons[0]} if reasons else {}),
    }
