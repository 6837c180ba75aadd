"""The base of models on a diffusers pipeline: how it is loaded and sampled, and where an adapter goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from models.pretrained import PretrainedModel
from models.quiet import quiet_libraries
from models.vocabulary import check_vocabulary

if TYPE_CHECKING:
    import torch


@dataclass(eq=False)
class DiffusersModel(PretrainedModel):
    """A `PretrainedModel` whose checkpoint is a diffusers pipeline.

    A subclass names the pipeline's class, the network that is tuned, and each tokenizer's encoder; it encodes a text
    and makes clips of one length, as `PretrainedModel` says.

    Class attributes:
        pipeline: name of the class in diffusers.
        tuned: the part of the pipeline that adapters change, such as ``transformer``.
        encoders: tokenizer → encoder, by their names in the pipeline.
        beside: further parts that an adapter may change.

    Args:
        guidance: classifier-free guidance scale ≥ 0; up to 1 there is none, and the negative prompt has no effect.
        steps: denoising steps, ≥ 1.
        negative_prompt: what to steer away from; None for nothing in particular.

    Raises:
        UsageError: a parameter out of its range.
    """

    needs = (*PretrainedModel.needs, "diffusers")
    pipeline: ClassVar[str]
    tuned: ClassVar[str]
    encoders: ClassVar[Mapping[str, str]] = {"tokenizer": "text_encoder"}

    beside: ClassVar[tuple[str, ...]] = ()

    _: KW_ONLY
    guidance: float = 1.0
    steps: int = 100
    negative_prompt: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_range("guidance", self.guidance, low=0)
        self.require_range("steps", self.steps, low=1, whole=True)

    @property
    def guided(self) -> bool:
        """Whether each step also asks for the unconditional prediction."""
        return self.guidance > 1

    def _open(self, folder: Path, device: str, dtype: torch.dtype) -> Any:
        import diffusers

        with quiet_libraries():
            parts = {"local_files_only": True, "torch_dtype": dtype, **self._parts(folder, dtype), **self._given}
            pipeline = getattr(diffusers, self.pipeline).from_pretrained(str(folder), **parts)
        self._check(pipeline)
        for tokenizer, encoder in self.encoders.items():
            check_vocabulary(getattr(pipeline, tokenizer), getattr(pipeline, encoder), folder / tokenizer)
        others = [name for name in (*self.encoders.values(), *self.beside) if name != self.tuned]
        self._adapt({name: getattr(pipeline, name) for name in (self.tuned, *others)})
        pipeline.set_progress_bar_config(disable=True)
        return pipeline.to(device)

    def _parts(self, folder: Path, dtype: torch.dtype) -> Mapping[str, Any]:
        """Parts of the pipeline that are loaded in another way than the checkpoint says; none by default."""
        del folder, dtype
        return {}

    def _check(self, pipeline: Any) -> None:
        """Raise UsageError if the checkpoint cannot be used; each subclass knows its own reasons."""
