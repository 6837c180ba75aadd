"""The configuration of a training: which base, on what data, how, and how it is judged while it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import ConfigDict, Field, model_validator

from bench.paths import StrPath
from bench.schema import Settings, load_settings, parse_settings, schema_line
from models.training.kinds import KINDS

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class BaseConfig(Settings):
    """The model that is tuned.

    kind: its architecture. checkpoint: a hub id or a local folder. revision: commit, tag or branch of the hub.
    """

    kind: Literal["stable-audio", "stable-audio-3", "audioldm", "audioldm2", "musicgen", "ace-step"]
    checkpoint: str
    revision: str | None = None


class DataConfig(Settings):
    """What is trained on.

    path: a folder of audio with captions in same-named ``.txt`` or ``.json`` files or in ``metadata.csv`` or
    ``.jsonl``, a manifest (``.csv``, ``.jsonl`` or AudioLDM's ``.json``), MusicCaps' CSV, a folder of latents that
    stable-audio-tools encoded (``pre_encode.py``), or ``composer`` for music that is composed now. format: format of
    the data; ``auto`` detects it. audio: the folder of MusicCaps' clips, named after their ytid. genres: genres of
    composed music. clips: number of composed clips. seconds: length of each composed clip. seed: seed of composed
    music. repertoire: half of the composer's repertoire; None for all. validation: share of the recordings that are
    held out, or ``eval`` for MusicCaps' own evaluation clips. bad_share: share of files that may be unreadable before
    the training refuses. captions: ``own``, or ``shuffled`` among the examples: a control that learns what the music
    is like and nothing of what its words mean.
    """

    path: str
    format: Literal["auto", "captions", "manifest", "audiofolder", "audioldm", "musiccaps", "latents", "composer"] = (
        "auto"
    )
    audio: Path | None = None
    genres: tuple[str, ...] = ()
    clips: Count = 60
    seconds: Annotated[float, Field(ge=1, le=300)] = 10.0
    seed: Annotated[int, Field(ge=0)] = 0
    repertoire: Literal["training", "reference"] | None = None
    validation: Share | Literal["eval"] = 0.1
    bad_share: Share = 0.05
    captions: Literal["own", "shuffled"] = "own"


class LoraConfig(Settings):
    """Low-rank adaptation. rank: rank of the adapter. alpha: the adapter's output is multiplied by alpha / rank; by
    default alpha is the rank. targets: names of layers or their ends; or, as one text, a regular expression that the
    whole name of a layer matches, or ``all-linear``; by default what published adapters of the base train. init:
    ``default`` (Kaiming-uniform first factor) or ``gaussian``; the second factor is zero. dropout: probability of
    dropping an input of the adapter during training. dora: train the magnitude of each output's weights apart from
    their direction (Liu et al., ICML 2024).
    """

    rank: Annotated[int, Field(ge=1, le=1024)] = 16
    alpha: Positive | None = None
    targets: tuple[str, ...] | Annotated[str, Field(min_length=1, max_length=10_000)] = ()
    init: Literal["default", "gaussian"] = "default"
    dropout: Share = 0.0
    dora: bool = False


class OptimizerConfig(Settings):
    """AdamW (Loshchilov and Hutter, ICLR 2019).

    lr: learning rate. betas: decay of the running means of the gradient and of its square. weight_decay: decoupled
    weight decay, multiplied by lr in each step. eps: added to the root of the gradient's mean square.
    """

    lr: Positive = 1e-4
    betas: tuple[Share, Share] = (0.9, 0.999)
    weight_decay: Annotated[float, Field(ge=0)] = 1e-3
    eps: Positive = 1e-8


class ScheduleConfig(Settings):
    """The learning rate over the steps, after a linear rise over ``warmup`` of them.

    kind: ``inverse`` falls as (1 + step / inverse_gamma) ** −power, the others reach 0 (``polynomial`` with ``power``)
    at the last step; ``constant`` does not fall. warmup: steps over which the learning rate rises from 0. power:
    exponent of ``polynomial`` and ``inverse``. inverse_gamma: steps after which ``inverse`` has fallen to 2 ** −power.
    """

    kind: Literal["constant", "linear", "cosine", "polynomial", "inverse"] = "constant"
    warmup: Annotated[int, Field(ge=0)] = 0
    power: Positive = 1.0
    inverse_gamma: Positive = 1e6


class ListeningConfig(Settings):
    """Clips that are generated and scored while training: fixed prompts and seeds, the benchmark's own metrics.

    every: optimizer steps between evaluations; 0 for none. suite: suite that the prompts come from; test prompts are
    not used if the suite has others. The card lists the prompts used, and runs on any of them get a warning. prompts:
    number of prompts. seeds: seeds for every prompt. duration: length of each clip in seconds. metrics: names of clip
    metrics. params: sampling parameters of the model, such as ``steps``.
    """

    every: Annotated[int, Field(ge=0)] = 0
    suite: str = "quick-dev@1"
    prompts: Count = 4
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(0,), min_length=1)
    duration: Positive = 10.0
    metrics: tuple[str, ...] = ("harmonic-accuracy", "rhythmic-inconsistency")
    params: dict[str, Any] = Field(default_factory=dict)


class ValidationConfig(Settings):
    """How the training is judged. every: optimizer steps between validation losses. times: diffusion times in (0, 1) at
    which the loss is taken, each with fixed noise. patience: validations without an improvement by min_delta after
    which the training stops; 0 goes on to the end. min_delta: how far a loss must lie below the best one to be
    better. most: maximum number of validation examples. clips: clips generated and scored during training.
    """

    every: Count = 100
    times: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(default=(0.1, 0.3, 0.5, 0.7, 0.9), min_length=1)
    patience: Annotated[int, Field(ge=0)] = 0
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    most: Count = 64
    clips: ListeningConfig = ListeningConfig()


class CheckpointConfig(Settings):
    """What is kept to resume from. every: optimizer steps between checkpoints. keep: number of most recent checkpoints
    to keep, besides the best."""

    every: Count = 500
    keep: Count = 2


def _set(**values: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON Schema of tables that hold these keys, each with such a value."""
    return {"required": list(values), "properties": values}


_GIVEN = {"not": {"type": "null"}}
_AUDIO = _set(condition={"const": "audio"})
_RULES: list[Any] = [  # what `TrainConfig._settings_agree` refuses, in its order
    {"oneOf": [_set(steps=_GIVEN), _set(epochs=_GIVEN)]},
    {"if": _set(ema=_GIVEN), "then": _set(method={"const": "full"})},
    {"if": _set(method={"const": "full"}), "then": {"not": _set(lora=_set(dora={"const": True}))}},
    {"if": _AUDIO, "then": _set(base=_set(kind={"const": "audioldm"}))},
    {"if": _AUDIO, "then": _set(clap=_GIVEN), "else": {"not": _set(clap=_GIVEN)}},
]


class TrainConfig(Settings):
    """Everything that decides what a training makes.

    base: the model that is tuned. data: what it is trained on. method: ``lora``, or ``full`` for all weights of the
    network. lora: the adapter. steps or epochs: how long, exactly one of them. batch: examples of one pass, over all
    processes. accumulation: passes in one optimizer step. crop: maximum number of seconds of each example that are
    trained on; None for all that the base can take. optimizer: AdamW. schedule: schedule of the learning rate.
    clip_norm: maximum norm of the gradients. guidance_dropout: share of examples trained without their condition.
    condition: what AudioLDM is conditioned on; ``audio`` needs clap. clap: a CLAP checkpoint, which embeds audio.
    precision: floating-point type of the forward and backward passes; adapters and their optimizer stay in fp32.
    device: such as ``cuda:0``; by default the fastest available. gradient_checkpointing: compute activations again
    instead of keeping them, to save memory. ema: decay of the averaged weights, for ``full`` only. validation: how the
    model is judged during training. checkpoint: what is kept to resume from. seed: seed of all random choices.
    """

    base: BaseConfig
    data: DataConfig
    method: Literal["lora", "full"] = "lora"
    lora: LoraConfig = LoraConfig()
    steps: Count | None = None
    epochs: Count | None = None
    batch: Count = 8
    accumulation: Count = 1
    crop: Positive | None = None
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    clip_norm: Positive = 1.0
    guidance_dropout: Share = 0.1
    condition: Literal["text", "audio"] = "text"
    clap: str | None = None
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    device: str | None = None
    gradient_checkpointing: bool = False
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    validation: ValidationConfig = ValidationConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    model_config = ConfigDict(json_schema_extra={"allOf": _RULES})

    @model_validator(mode="after")
    def _settings_agree(self) -> TrainConfig:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either 'steps' or 'epochs'")
        if self.ema is not None and self.method == "lora":
            raise ValueError("'ema' works only with method: full; leave it out")
        if self.lora.dora and self.method == "full":
            raise ValueError("'lora.dora' works only with method: lora; leave it out")
        if self.condition == "audio" and self.base.kind != "audioldm":
            raise ValueError("'condition: audio' works only with base.kind: audioldm; use condition: text")
        if (self.condition == "audio") != (self.clap is not None):
            raise ValueError(
                "give both 'condition: audio' and 'clap' (a CLAP checkpoint, which embeds the audio), or neither"
            )
        return self

    @property
    def targets(self) -> tuple[str, ...] | str:
        """The layers that LoRA adapts, as `LoraConfig` has them."""
        return self.lora.targets or KINDS[self.base.kind].targets

    @property
    def alpha(self) -> float:
        """LoRA's α."""
        return self.lora.rank if self.lora.alpha is None else self.lora.alpha

    @property
    def deciding(self) -> dict[str, Any]:
        """The settings that decide which numbers a step computes; a training resumes only with the same ones.

        Left out are how long it trains, where it runs and is stored, and how often it is validated. The checkpoint and
        the data have their own fingerprints, wherever they are.
        """
        free: dict[str, Any] = {
            "base": {"checkpoint", "revision"},
            "data": {"path", "format", "audio", "bad_share"},
            "steps": True,
            "epochs": True,
            "device": True,
            "gradient_checkpointing": True,
            "validation": {"every", "patience", "min_delta", "clips"},
            "checkpoint": True,
            "clap": True,
        }
        if self.data.repertoire is None:  # added later, and not part of what was trained without it
            free["data"].add("repertoire")
        if self.data.captions == "own":
            free["data"].add("captions")
        if self.method == "full":
            free["lora"] = True
        elif not self.lora.dora:  # added later, and not part of what was trained without it
            free["lora"] = {"dora"}
        return self.model_dump(mode="json", exclude=free)

    def as_yaml(self) -> str:
        """Return the whole configuration as YAML, defaults included."""
        return schema_line("train") + yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def load_train_config(path: StrPath) -> TrainConfig:
    """Read a YAML configuration; paths in it are relative to the working folder.

    Raises:
        UsageError: there is no such file, or it has an unknown or impossible setting.
        DataError: the file is not YAML.
    """
    return load_settings(TrainConfig, Path(path), "method: lora")


def parse_train_config(content: dict[str, Any], source: str = "configuration") -> TrainConfig:
    """Check a mapping as `load_train_config` does.

    Args:
        content: as read from YAML.
        source: where it comes from, for messages.

    Raises:
        UsageError: an unknown or impossible setting.
    """
    return parse_settings(TrainConfig, content, source)
