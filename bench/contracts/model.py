"""The contract of a music model: the class that a backend subclasses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from bench.contracts.audio import Audio
from bench.contracts.notice import Notice
from bench.contracts.prompt import Prompt
from bench.contracts.tuning import Tuning
from bench.errors import GenerationError

Json = Any  # values that json.dumps accepts: None, bool, int, finite float, str, list, dict with str keys


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A request to a model: a prompt, a seed ≥ 0 for all randomness, and a duration in seconds > 0."""

    prompt: Prompt
    seed: int
    duration: float


class MusicModel(ABC):
    """Base class of music models, which generate audio from requests.

    Parameters are keyword arguments of ``__init__``, with defaults; the configuration's ``params`` are checked against
    them. The constructor must be cheap and load nothing: it also runs when no clip is made, to identify the model.
    Weights are loaded by the first `generate`.

    Class attributes:
        version: raised whenever the same parameters and seed would give different audio.
        sample_rate: rate of the audio in Hz, or None if it varies between clips.
        batch_size: preferred number of requests per call of `generate`; an instance attribute may override it.
        max_workers: maximum number of processes per machine that load the model, 1 for one that fills a GPU or needs
            gigabytes; None for any number. An instance attribute may override it.
        provenance_params: parameters that cannot change the sound (device, paths, batch size); they are recorded
            but are not part of a clip's identity.
        typical_speed: seconds of audio made per second on one CPU core, a rough figure for time estimates before
            the first clip is made; None if it depends on the machine.
        max_duration: the longest clip it can make, in seconds; None if unlimited.
        required_params: parameters that must be given although they have a default.
        identity_name: the registered name used in identities if several names refer to the same model, so that
            a clip has the same id under all of them; None for the requested name.
        examples: for parameters without a default, a typical value, as written in YAML.
        chooses_seeds: whether it plays existing clips whose seeds only name them, so that a run's seeds are
            not used: its plan is always what `available` returns.
    """

    version: ClassVar[int] = 1
    sample_rate: int | None = None
    batch_size: int = 1
    max_workers: int | None = None
    max_duration: float | None = None
    provenance_params: ClassVar[frozenset[str]] = frozenset({"device", "batch_size"})
    typical_speed: ClassVar[float | None] = None
    required_params: ClassVar[tuple[str, ...]] = ()
    identity_name: ClassVar[str | None] = None
    examples: ClassVar[Mapping[str, str]] = {}
    chooses_seeds: ClassVar[bool] = False

    @abstractmethod
    def generate(self, requests: Sequence[GenerationRequest]) -> Iterable[Audio | GenerationError]:
        """Return or yield one result for each request, in order: a list, or a generator, which is exhausted.

        Each clip depends only on its own request, never on others in the batch, the order or earlier calls. An
        entry may be a `GenerationError` to fail that request only; an exception fails (and singly retries) the batch.
        """

    @classmethod  # noqa: B027
    def require(cls) -> None:
        """Check that the model's dependencies are installed by importing them, without loading weights.

        Raises:
            MissingError: one is not; the message names the command to install it.
        """

    def check_weights(self) -> None:  # noqa: B027 - many models have none
        """Check that the weights are on this machine, by a quick check of the disk, without network access.

        Raises:
            MissingError: they are not; the message says where to get them.
        """

    def available(self, prompts: Sequence[Prompt]) -> Mapping[str, Collection[int]] | None:
        """Return the seeds of existing clips by prompt id, for a model that plays existing clips.

        None, the default, is for a model that can make a clip of any prompt and seed. If a run names no seeds, these
        clips are the row's plan, and a prompt without any counts as one missing clip; named seeds are asked of every
        prompt anyway. Two rows of such a model may have the same clip. Called when a run is planned.
        """
        del prompts
        return None

    def fingerprint(self) -> Mapping[str, Json]:
        """Return what identifies the model besides class, version and parameters: the weights' revision or hash.

        Called when a run is planned, and by each worker before and after generating: a change discards the clips. Hash
        files with `bench.file_hash.hash_file`, which is fast if nothing changed, and messages name the file.
        """
        return {}

    def request_fingerprint(self, request: GenerationRequest) -> Mapping[str, Json]:
        """Return what identifies one clip besides prompt, seed and duration, such as the hash of a file.

        Called when a run is planned, and again after the clip is made, for the bytes that were used.
        """
        del request
        return {}

    def unread_tokens(self, prompt: Prompt) -> int:
        """Return the number of tokens of a prompt's text beyond the limit of the model's text encoder.

        0, the default, is for a model without a limit. Prompts that differ only in unread tokens give
        the same clip; a row with such prompts is marked. Called after `generate` has made a clip of the prompt.
        """
        del prompt
        return 0

    def trained_on(self) -> Iterable[str]:
        """Return `bench.contracts.audio.content_hash` of each recording known to be training data; empty by
        default.

        Distances to a reference set with one of them are refused, or marked (see
        `bench.references.contamination`). A hash is of a whole file, decoded at its own rate and channels: a part of
        it, or another encoding, is not recognized.
        """
        return ()

    def tuning(self) -> Tuning | None:
        """Return known prompts that it was scored on while tuned or chosen, and its training captions.

        None, the default, is for a model that was not tuned here. A run with one of these prompts marks every
        row of the model. Called when a run is planned.
        """
        return None

    def plays(self) -> Iterable[str]:
        """Return `bench.contracts.audio.content_hash` of each recording that its clips may come from; empty by default.

        A reference built from a folder of audio leaves them out; others that contain one are refused, or marked.
        """
        return ()

    def conditioned_on(self) -> Iterable[str]:
        """Return families (`bench.contracts.family`) of encoders whose output its network reads; empty by default."""
        return ()

    def trained_with(self) -> Iterable[str]:
        """Return families (`bench.contracts.family`) of what trained or chose it, such as a reward model; empty by
        default.
        """
        return ()

    def notices(self) -> Iterable[Notice]:
        """Return or yield warnings about this model, such as that an adapter changes nothing.

        Their parameters get the row's name as ``model``. Called when a run is planned.
        """
        return ()

    def close(self) -> None:  # noqa: B027 - most models hold nothing
        """Release memory and devices; called before another model is loaded."""
