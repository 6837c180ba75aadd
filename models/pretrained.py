"""What models with published weights share: how the weights are found, loaded, identified and released."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, ClassVar

from bench.contracts.audio import Audio, Samples
from bench.contracts.model import GenerationRequest, Json, MusicModel
from bench.contracts.notice import Notice
from bench.contracts.plugins import plain_name
from bench.contracts.tuning import Tuning
from bench.errors import DataError, GenerationError, MissingError, TunebenchError, UsageError, one_line
from bench.quiet import quiet_libraries
from models import adapters
from models.adapter_sources import Given, notices, parse_sources
from models.base_checkpoint import CARD, identity, locate, require_local
from models.batching import in_batches, out_of_memory, release_memory, trimmed
from models.card import Card, read_card
from models.device import check_dtype, choose_device, choose_dtype, dtype_name
from models.shipped import local_path

if TYPE_CHECKING:
    import torch

    from models.batching import Condition

KEPT_CONDITIONS = 256  # prompts; a plan asks for all seeds of a prompt one after another


@dataclass(eq=False)
class PretrainedModel(MusicModel):
    """A `MusicModel` on top of torch. A subclass opens its checkpoint, encodes a text, and makes clips of one length.

    Subclasses are dataclasses too: a field is a parameter, and a field that is declared again has another default.

    Args:
        checkpoint: a hub id, or a local folder.
        revision: commit, tag or branch of the hub.
        adapter: folder, file or hub id (``owner/name``, ``owner/name@revision``) of LoRA weights; or several, as a list
            of ``{path: …, weight: …}``, with a ``revision`` for one on the hub. Their contributions add up.
        adapter_scale: a factor on all of them, finite, ≥ 0; 0 is the base model bit for bit.
        device: ``cuda``, ``mps`` or ``cpu``; by default the fastest present.
        dtype: ``float32``, ``bfloat16`` or ``float16``; by default what suits the device.
        batch_size: clips in one pass, ≥ 1; halved by itself where memory runs out.

    Raises:
        UsageError: a parameter out of its range.
    """

    kind: ClassVar[str]
    # Modules, or what is used of a library that imports its parts on access: "library:name".
    needs: ClassVar[tuple[str, ...]] = ("torch", "transformers", "peft", "safetensors")
    max_workers = 1
    # The fingerprint holds the weights and the type that checkpoint, revision, adapter and dtype resolve to.
    provenance_params: ClassVar[frozenset[str]] = frozenset(
        {"checkpoint", "revision", "adapter", "dtype", "device", "batch_size"}
    )

    checkpoint: str
    _: KW_ONLY
    revision: str | None = None
    adapter: Given = None
    adapter_scale: float = 1.0
    device: str | None = None
    dtype: str | None = None
    batch_size: int = 8

    def __post_init__(self) -> None:
        self.require_range("adapter_scale", self.adapter_scale, low=0)
        self.require_range("batch_size", self.batch_size, low=1, whole=True)
        if self.adapter is None and self.adapter_scale != 1:
            raise UsageError(f"{self.kind}: adapter_scale is {self.adapter_scale:g}, but there is no adapter; name one")
        if self.dtype is not None:
            check_dtype(self.dtype)
        self._adapters = parse_sources(self.adapter, self.kind)
        self._given: Mapping[str, Any] = {}
        self._network: Any = None
        self._condition: Callable[[Any], Condition] | None = None
        self._refusal: TunebenchError | None = None

    @classmethod
    def require(cls) -> None:
        modules = [name.partition(":")[0] for name in cls.needs]
        if missing := [name for name in modules if find_spec(name) is None]:
            raise MissingError(f"{cls.kind} needs {', '.join(missing)}: pip install 'tunebench[diffusion]'")
        for name in cls.needs:
            try:
                resolve_name(name)
            except Exception as error:  # incompatible versions of libraries may raise anything
                problem = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
                raise MissingError(
                    f"{cls.kind}: {name.replace(':', '.')} cannot be imported ({problem}); reinstall it with: "
                    "pip install --upgrade 'tunebench[diffusion]'"
                ) from error

    def check_weights(self) -> None:
        require_local(self.checkpoint, self.revision)
        for adapter in self._adapters:
            adapter.require_local()

    def require_range(
        self,
        name: str,
        value: float,
        low: float = -math.inf,
        high: float = math.inf,
        above: float = -math.inf,
        whole: bool = False,
    ) -> None:
        """Check that low ≤ value ≤ high and value > above.

        Args:
            name: of the parameter, for the message.
            value: its value.
            low, high, above: the bounds; infinite for none.
            whole: whether it must be a whole number.

        Raises:
            UsageError: it is not, or is not finite, or not a number.
        """
        usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        usable = usable and (not whole or value == int(value))
        if usable and low <= value <= high and value > above:
            return
        bounds = {"from": low, "up to": high, "above": above}
        limits = [f"{word} {bound:g}" for word, bound in bounds.items() if math.isfinite(bound)]
        kind = "a whole number" if whole else "a number"
        raise UsageError(f"{self.kind}: {name} is {value!r}, must be {' '.join([kind, *limits])}")

    def fingerprint(self) -> Mapping[str, Json]:
        named = [adapter.identity() for adapter in self._adapters]
        tuned = {"adapter": named[0] if len(named) == 1 else named} if named else {}
        return {
            **identity(self.checkpoint, self.revision),
            "dtype": dtype_name(self.device, self.dtype),
            **tuned,
        }

    def cards(self) -> list[Card]:
        """Return what is known about the trainings behind the weights: first the adapter's card, then the checkpoint's.

        An adapter at scale 0 does not count, and adapters and checkpoints on the hub have no card here.

        Raises:
            UsageError: there is no adapter.
            DataError: a card is damaged.
        """
        return [card for _, card in self._named_cards() if card is not None]

    def _named_cards(self) -> list[tuple[str, Card | None]]:
        """Return each adapter in use, and a checkpoint that was trained here, with its card if it has one."""
        heard = [adapter for adapter in self._adapters if adapter.weight and self.adapter_scale]
        folder = local_path(self.checkpoint)
        own = [(folder.name, read_card(folder))] if (folder / CARD).is_file() else []
        return [*((adapter.name, adapter.card()) for adapter in heard), *own]

    def trained_on(self) -> frozenset[str]:
        return frozenset(recording for card in self.cards() for recording in card.data.train)

    def tuning(self) -> Tuning | None:
        """Return the tuning, as `MusicModel.tuning`, from the cards; an adapter whose card is missing or does not say
        is unknown.

        None without an adapter and without a card: a published base was tuned elsewhere, if at all.
        """
        named = self._named_cards()
        if not named:
            return None
        cards = [card for _, card in named if card is not None]
        unknown = [name for name, card in named if card is None or None in (card.scored_on, card.data.captions)]
        scored = {text: own.suite for card in cards for own in card.scored_on or () for text in own.prompts.values()}
        captions = frozenset(text for card in cards for text in card.data.captions or ())
        return Tuning(scored, captions, tuple(unknown))

    def trained_with(self) -> tuple[str, ...]:
        cards = self.cards()
        makers = [plain_name(str(card.data.about["model"])) for card in cards if "model" in card.data.about]
        return tuple(dict.fromkeys([*(family for card in cards for family in card.trained_with), *makers]))

    def notices(self) -> tuple[Notice, ...]:
        """Return the notices, as `MusicModel.notices`: for an adapter that changes nothing, or one whose α was not
        saved.

        Raises:
            UsageError, DataError: an adapter cannot be read.
        """
        heard = bool(self._adapters) and self.adapter_scale != 0
        return tuple(notices(self._adapters)) if heard and find_spec("torch") and find_spec("safetensors") else ()

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Audio | GenerationError]:
        """Generate clips, as `MusicModel.generate`.

        Raises:
            UsageError: a clip longer than the maximum, or a checkpoint or adapter that does not fit.
            MissingError: weights or software that are not here, or not enough memory for the weights.
            DataError: the checkpoint or the adapter is damaged.
        """
        for request in requests:
            if self.max_duration is not None and request.duration > self.max_duration:
                raise UsageError(f"{self.kind}: {request.duration:g} s asked for; {self._maximum()}")
        if self._refusal is not None:  # each clip is requested again after a failure, and loading takes minutes
            raise self._refusal.with_traceback(None)
        if self._network is None:
            self._load()
        return in_batches(requests, self.batch_size, self._generate_batch)

    def play_through(self, part: str, network: torch.nn.Module) -> None:
        """Generate with a network in memory in place of the checkpoint's own; call before anything is generated.

        It is used as it is, on its device and with whatever adapters it has, and is neither copied nor changed.

        Args:
            part: its name in the pipeline, such as ``transformer``.
            network: in evaluation mode, of the checkpoint's architecture.
        """
        self._given = {part: network}

    def close(self) -> None:
        self._refusal = None
        if self._network is not None:
            self._network = self._condition = None
            release_memory()

    def _maximum(self) -> str:
        return f"the maximum is {self.max_duration or 0:g} s, shorten the duration"

    def _load(self) -> None:
        self.require()
        device = choose_device(self.device)
        dtype = choose_dtype(device, self.dtype)
        folder = locate(self.checkpoint, self.revision, self.kind)
        try:
            with quiet_libraries():
                self._network = self._open(folder, device, dtype)
        except TunebenchError as error:
            self._refusal = type(error)(str(error))
            raise
        except Exception as error:  # the libraries raise a dozen classes for a damaged checkpoint
            if out_of_memory(error):
                raise MissingError(
                    f"checkpoint '{self.checkpoint}' does not fit into the memory of {device}; set dtype: bfloat16, or "
                    "another device"
                ) from error
            raise DataError(
                f"checkpoint '{self.checkpoint}' cannot be loaded ({one_line(error)[:200]}); {folder} is "
                "damaged, or not of these libraries' versions: download it again"
            ) from error
        self._condition = lru_cache(maxsize=KEPT_CONDITIONS)(self._encode)

    def _adapt(self, parts: Mapping[str, torch.nn.Module]) -> None:
        """Put the adapters, if there are any, into the parts of the model; the first is the one that they are for."""
        if self._adapters:
            found = [(adapter.locate(), self.adapter_scale * adapter.weight) for adapter in self._adapters]
            adapters.load_adapters(parts, found, identity(self.checkpoint, self.revision))

    def _generate_batch(self, batch: Sequence[GenerationRequest]) -> list[Audio | GenerationError]:
        import torch

        assert self._condition is not None
        results: dict[int, Audio | GenerationError] = {}
        lengths = [self._length(request.duration) for request in batch]
        for length in dict.fromkeys(lengths):
            places = [place for place, other in enumerate(lengths) if other == length]
            alike = [batch[place] for place in places]
            with torch.inference_mode(), quiet_libraries():
                conditions = [self._condition(self._told(request)) for request in alike]
                waves = self._clips(conditions, [request.seed for request in alike], length)
            clips = [trimmed(wave, request, self._rate()) for wave, request in zip(waves, alike, strict=True)]
            results |= dict(zip(places, clips, strict=True))
        return [results[place] for place in range(len(batch))]

    @abstractmethod
    def _open(self, folder: Path, device: str, dtype: torch.dtype) -> Any:
        """Load the network on its device, with the adapter."""

    def _told(self, request: GenerationRequest) -> Any:
        """Return everything in a request that the condition depends on, hashable; by default the prompt's text."""
        return request.prompt.text

    @abstractmethod
    def _encode(self, told: Any) -> Condition:
        """Encode what the network is conditioned on; called once for each value of `_told`."""

    @abstractmethod
    def _rate(self) -> int:
        """Sample rate in Hz."""

    @abstractmethod
    def _length(self, duration: float) -> int:
        """Return how many frames of the network cover so many seconds."""

    @abstractmethod
    def _clips(self, conditions: Sequence[Condition], seeds: Sequence[int], length: int) -> Samples:
        """Make clips of one length, shape (clips, channels, samples); row i only depends on condition i and seed i."""
