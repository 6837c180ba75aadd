"""Nano checkpoints, made from nothing in stages that each resume: music, parts, network, checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.atomic_write import replace_file
from bench.errors import UsageError, suggestion
from bench.progress import Progress
from bench.weights_file import read_object
from models.audioldm import AudioLDM
from models.composer.writing.prompt_parser import STYLES
from models.nano.music import RATE, compose_music, works

if TYPE_CHECKING:
    from models.training.config import TrainConfig
    from models.training.parts.loop import LoopSettings

KINDS = ("audioldm",)
HELD_OUT = "pop"
CLIPS = 3000
STEPS = 8000  # of the network
_VOCABULARY = 900
_TEXTS = 4000  # described pieces that the vocabulary is learned from, each twice
_SCALED = 200  # clips over which the latents' spread is measured


@dataclass(frozen=True)
class NanoPlan:
    """What is made.

    Args:
        kind: one of `KINDS`.
        out: folder of all stages.
        hold_out: genre that the network is not trained on. Its words are known to the text encoder, and its sounds to
            autoencoder and vocoder, as they would be to published ones, which are trained on audio of every kind.
        effort: share of clips and steps, in (0, 1]; below 1 to try the stages out.
        jobs: processes that compose.

    Raises:
        UsageError: an unknown kind or genre, or an effort out of its range.
    """

    kind: str
    out: Path
    hold_out: str = HELD_OUT
    effort: float = 1.0
    jobs: int = 2

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(
                f"no nano checkpoint of kind '{self.kind}'{suggestion(self.kind, KINDS)}; known: {', '.join(KINDS)}"
            )
        if self.hold_out not in STYLES:
            raise UsageError(
                f"hold-out: no genre '{self.hold_out}' is composed{suggestion(self.hold_out, STYLES)}; known: "
                f"{', '.join(STYLES)}"
            )
        if not 0 < self.effort <= 1:
            raise UsageError(f"effort is {self.effort:g}, must be above 0 and at most 1")

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres that the network is trained on."""
        return tuple(genre for genre in STYLES if genre != self.hold_out)

    def scaled(self, count: int) -> int:
        """A number of clips or steps at this effort."""
        return max(len(self.genres), round(self.effort * count))


def make(plan: NanoPlan, progress: Progress) -> Path:
    """Make a checkpoint, or go on with one that was begun; return its folder.

    The stages are ``music`` and ``held-out`` (the music of that genre), ``autoencoder``, ``vocoder``, ``adversary``
    (which the vocoder goes on against) and ``text_encoder``, each a folder in which it resumes; ``base``, a checkpoint
    with an untrained network; ``network``, which ``tunebench train`` makes of it; and ``checkpoint``, all of it in half
    precision. The same plan gives the same weights on one machine.

    Raises:
        MissingError: software that is not installed.
        UsageError: the folder was begun with another plan.
        DataError: a stage's files are damaged; the message says which to delete.
    """
    AudioLDM.require()  # before anything is composed
    from models.training.train import train

    _begin(plan)
    count, files = plan.scaled(CLIPS), []
    for folder, genres, clips in (
        (plan.out / "music", plan.genres, count),
        (plan.out / "held-out", (plan.hold_out,), count // len(plan.genres)),
    ):
        planned = list(works(genres, clips))
        compose_music(planned, folder, progress, plan.jobs)
        files += [folder / work.file for work in planned]
    files.sort(key=lambda file: file.name)
    base = plan.out / "base"
    if not (base / "model_index.json").is_file():
        _assemble(_parts(plan, files, progress), files, base)
    trained = train(network_config(plan), plan.out / "network", progress)
    return _finish(trained.folder, plan.out / "checkpoint")


def _begin(plan: NanoPlan) -> None:
    """Note in the folder what is made there; stages of another plan would be taken for this one's."""
    plan.out.mkdir(parents=True, exist_ok=True)
    noted, decides = plan.out / "plan.json", {"kind": plan.kind, "hold_out": plan.hold_out, "effort": plan.effort}
    if noted.is_file() and (before := read_object(noted)) != decides:
        told = ", ".join(f"{name} {value}" for name, value in before.items())
        raise UsageError(f"{plan.out} was begun with {told}; name another folder")
    replace_file(noted, json.dumps(decides) + "\n")


def network_config(plan: NanoPlan) -> TrainConfig:
    """How the network is trained, as `models.training.train.train` reads it."""
    from models.training.config import parse_train_config

    steps = plan.scaled(STEPS)
    return parse_train_config(
        {
            "base": {"kind": plan.kind, "checkpoint": str(plan.out / "base")},
            "data": {"path": str(plan.out / "music"), "format": "audiofolder", "validation": 0.05},
            "method": "full",
            "steps": steps,
            "batch": 16,
            "optimizer": {"lr": 8e-4, "betas": [0.9, 0.99], "weight_decay": 1e-2},
            "schedule": {"kind": "cosine", "warmup": min(200, steps // 10)},
            "guidance_dropout": 0.1,
            "precision": "bf16",
            "ema": 0.999,
            "validation": {"every": max(1, steps // 12), "most": 64},
            "checkpoint": {"every": max(1, min(250, steps // 2)), "keep": 1},
        },
        "nano network",
    )


def _parts(plan: NanoPlan, files: list[Path], progress: Progress) -> Mapping[str, Any]:
    """The trained parts around the network, by their names in the pipeline."""
    import torch

    from models.composer.chance import named_generator
    from models.nano import audioldm
    from models.nano.texts import AMOUNTS, CLASSES, draw_described
    from models.training.parts import adversary, autoencoder, text_encoder, vocoder
    from models.training.parts.clips import Clips
    from models.training.parts.loop import train_part

    def settings(published: LoopSettings) -> LoopSettings:
        return replace(published, steps=plan.scaled(published.steps))

    clips = Clips(files, RATE)
    torch.manual_seed(0)
    coded = audioldm.autoencoder()
    step = autoencoder.autoencoder_step(clips, audioldm.HOP, audioldm.BANDS)
    train_part(coded, step, settings(autoencoder.SETTINGS), plan.out / "autoencoder", progress)
    torch.manual_seed(0)
    played = audioldm.vocoder()
    step = vocoder.vocoder_step(clips, audioldm.HOP, audioldm.BANDS, coded)
    train_part(played, step, settings(vocoder.SETTINGS), plan.out / "vocoder", progress)
    torch.manual_seed(0)
    judged = adversary.VocoderTraining(played)
    step = adversary.adversarial_step(clips, audioldm.HOP, audioldm.BANDS, coded)
    train_part(judged, step, settings(adversary.SETTINGS), plan.out / "adversary", progress)
    chance = named_generator("nano vocabulary")
    texts = [text for _ in range(plan.scaled(_TEXTS)) for text in draw_described(chance).texts]
    tokenizer = text_encoder.train_tokenizer(texts, _VOCABULARY, plan.out / "text_encoder" / "tokenizer")
    torch.manual_seed(0)
    taught = text_encoder.TextTraining(audioldm.text_encoder(len(tokenizer)), CLASSES, AMOUNTS)
    step = text_encoder.text_step(tokenizer, draw_described)
    train_part(taught, step, settings(text_encoder.SETTINGS), plan.out / "text_encoder", progress)
    return {"vocoder": played, "vae": coded, "tokenizer": tokenizer, "text_encoder": taught.encoder.eval()}


def _assemble(parts: Mapping[str, Any], files: list[Path], folder: Path) -> None:
    """Write a checkpoint with these parts and an untrained network."""
    import torch
    from diffusers import AudioLDMPipeline

    from bench.quiet import quiet_libraries
    from models.nano import audioldm
    from models.training.parts.autoencoder import latent_spread
    from models.training.parts.clips import Clips
    from models.training.weights import replaced

    clips = Clips(files[:: max(1, len(files) // _SCALED)], RATE)
    spread = latent_spread(parts["vae"], clips, audioldm.HOP, audioldm.BANDS)
    parts["vae"].register_to_config(scaling_factor=round(1 / spread, 4))
    torch.manual_seed(0)
    with quiet_libraries(), replaced(folder) as whole:
        pipeline = AudioLDMPipeline(unet=audioldm.network(), scheduler=audioldm.scheduler(), **parts)
        pipeline.save_pretrained(whole, safe_serialization=True)


def _finish(trained: Path, folder: Path) -> Path:
    """Write a trained checkpoint in half precision, with its card."""
    import torch

    from bench.quiet import quiet_libraries
    from models.card import read_card
    from models.pipeline_parts import open_pipeline
    from models.training.weights import replaced, write_card

    card = read_card(trained)
    about = {**card.data.about, "synthetic": True, "model": "composer@1"}
    card = replace(card, base={**card.base, "checkpoint": "untrained"}, data=replace(card.data, about=about))
    with quiet_libraries(), replaced(folder) as whole:
        pipeline = open_pipeline("AudioLDMPipeline", trained, torch.float16)
        pipeline.save_pretrained(whole, safe_serialization=True)
        write_card(whole, card)
        page = whole / "README.md"  # which makes paths absolute, and the untrained network is nowhere to be found
        page.write_text(page.read_text("utf-8").replace(str(Path("untrained").resolve()), "untrained"), "utf-8")
        # Where it was made is nobody's business.
        for config in (whole / "model_index.json", *whole.glob("*/*config.json")):
            content = json.loads(config.read_text(encoding="utf-8"))
            content.pop("_name_or_path", None)
            config.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return folder
