"""The base of models on a diffusers pipeline: how it is loaded and sampled, and which part an adapter changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bench.contracts.prompt import Prompt
from bench.errors import UsageError
from bench.number_format import counted
from models.pipeline_parts import open_pipeline
from models.pretrained import PretrainedModel
from models.vocabulary import check_vocabulary, unread_tokens

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
        kinds: part → class of transformers, for parts that are loaded as another class than the checkpoint says.
        unused: parts that are not loaded.
        beside: further parts that an adapter may change.
        text_tokens: most tokens of a text that the pipeline reads, where its tokenizers may give more.

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
    kinds: ClassVar[Mapping[str, str]] = {}
    unused: ClassVar[tuple[str, ...]] = ()
    beside: ClassVar[tuple[str, ...]] = ()
    text_tokens: ClassVar[int | None] = None

    _: KW_ONLY
    guidance: float = 1.0
    steps: int = 100
    negative_prompt: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, low, whole in (("guidance", 0, False), ("steps", 1, True)):
            value: float | None = getattr(self, name)
            if value is not None:  # a subclass may allow None, for the checkpoint's own value
                self.require_range(name, value, low=low, whole=whole)

    @property
    def guided(self) -> bool:
        """Whether each step also asks for the unconditional prediction."""
        return self.guidance > 1

    def _open(self, folder: Path, device: str, dtype: torch.dtype) -> Any:
        given = dict.fromkeys(self.unused) | dict(self._given)
        pipeline = open_pipeline(self.pipeline, folder, dtype, self.kinds, **given)
        self._check(pipeline)
        for tokenizer, encoder in self.encoders.items():
            check_vocabulary(getattr(pipeline, tokenizer), getattr(pipeline, encoder), folder / tokenizer)
            against = self.negative_prompt if self.guided else None
            unread = unread_tokens(getattr(pipeline, tokenizer), against or "", self.text_tokens)
            if unread:
                raise UsageError(
                    f"{self.kind}: negative_prompt is {counted(unread, 'token')} longer than the text encoder of "
                    f"checkpoint '{self.checkpoint}' reads; shorten it"
                )
        others = [name for name in (*self.encoders.values(), *self.beside) if name != self.tuned]
        self._adapt({name: getattr(pipeline, name) for name in (self.tuned, *others)})
        pipeline.set_progress_bar_config(disable=True)
        return pipeline.to(device)

    def unread_tokens(self, prompt: Prompt) -> int:
        if self._network is None:
            self._load()
        tokenizers = [getattr(self._network, tokenizer) for tokenizer in self.encoders]
        return max(unread_tokens(tokenizer, prompt.text, self.text_tokens) for tokenizer in tokenizers)

    def _check(self, pipeline: Any) -> None:
        """Raise UsageError if the checkpoint cannot be used; each subclass has its own reasons."""
