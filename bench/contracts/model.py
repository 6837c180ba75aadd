"""The contract of a music model, the one class that a backend subclasses."""

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

Json = Any  # what json.dumps takes: None, bool, int, finite float, str, list, dict with str keys


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What a model is asked for: a prompt, a seed ≥ 0 that all randomness comes from, and a duration in seconds > 0."""

    prompt: Prompt
    seed: int
    duration: float


class MusicModel(ABC):
    """Turns requests into audio.

    Parameters are keyword arguments of ``__init__``, with defaults; the configuration's ``params`` are checked against
    them. The constructor must be cheap and load nothing: it also runs where no clip is made, to identify the model.
    Weights are loaded by the first `generate`.

    Class attributes:
        version: raised whenever the same parameters and seed would give other audio.
        sample_rate: rate of the audio in Hz, or None if it differs from clip to clip.
        batch_size: how many requests `generate` likes to get at once; an instance attribute may override it.
        max_workers: how many processes of one machine may hold the model at once, 1 for one that fills a GPU or takes
            gigabytes; None for any number. An instance attribute may override it.
        provenance_params: parameters that cannot change the sound (device, paths, batch size); they are recorded
            but are no part of a clip's identity.
        typical_speed: seconds of audio made in one second on one CPU core, a rough figure for time estimates before
            the first clip is made; None if it depends on the machine.
        max_duration: the longest clip it can make, in seconds; None where there is no limit.
        required_params: parameters that must be given although they have a default.
        identity_name: the registered name that stands in identities where several names lead to one model, so that
            the same clip has one id under all of them; None for the name that was asked for.
        examples: for parameters without a default, a value that a newcomer would give, as written in YAML.
        chooses_seeds: whether it plays clips made before whose seeds only name them, so that a run's seeds are not
            asked of it: its plan is always what `available` says.
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
        """Return or yield one result for each request, in order: a list, or a generator, which is read to its end.

        Each clip depends on its own request alone, never on the others in the batch, the order or earlier calls. An
        entry may be a `GenerationError` to fail that request only; an exception fails (and singly retries) the batch.
        """

    @classmethod  # noqa: B027
    def require(cls) -> None:
        """Check that what the model needs is installed: import what it imports when used, without loading weights.

        Raises:
            MissingError: something is not; the message names the command that helps.
        """

    def check_weights(self) -> None:  # noqa: B027 - many models have none
        """Check that the weights are on this machine, by a quick look at the disk and without asking a network.

        Raises:
            MissingError: they are not; the message says where they come from.
        """

    def available(self, prompts: Sequence[Prompt]) -> Mapping[str, Collection[int]] | None:
        """Return the clips that there are, for a model that plays clips made before: by prompt id, their seeds.

        None, the default, is for a model that can make a clip of any prompt and seed. Where a run names no seeds, these
        clips are the row's plan, and a prompt without any counts as one missing clip; named seeds are asked of every
        prompt all the same. Two rows of such a model may hold the same clip. Called where a run is planned.
        """
        del prompts
        return None

    def fingerprint(self) -> Mapping[str, Json]:
        """Return what else identifies the model beside class, version and parameters: the weights' revision or hash.

        Asked where a run is planned, and by each worker before and after it generates: a change costs the clips. Hash
        files with `bench.file_hash.hash_file`, which is quick where nothing changed, and messages name the file.
        """
        return {}

    def request_fingerprint(self, request: GenerationRequest) -> Mapping[str, Json]:
        """Return what else identifies one clip beside prompt, seed and duration, such as the hash of a file.

        Asked where a run is planned, and again once the clip is made: then it is of the bytes that were used.
        """
        del request
        return {}

    def unread_tokens(self, prompt: Prompt) -> int:
        """How many tokens of a prompt's text the model leaves unread, since its text encoder takes no more of them.

        0, the default, is for a model that reads every text to its end. Prompts that differ only in what is unread give
        one clip; a row with such prompts is marked. Called after `generate` has made a clip of the prompt.
        """
        del prompt
        return 0

    def trained_on(self) -> Iterable[str]:
        """`bench.contracts.audio.content_hash` of each recording that it is known to have been trained on; nothing by
        default.

        Distances to a reference set that holds one of them are refused, or marked (see
        `bench.references.contamination`). A hash is of a whole file, decoded at its own rate and channels: a part of
        it, or another encoding, is not recognised.
        """
        return ()

    def tuning(self) -> Tuning | None:
        """Return what is known of the prompts that it was scored on while it was tuned or chosen, and of its captions.

        None, the default, is for a model that was not tuned here. A run that asks for one of these prompts marks every
        row of the model. Called where a run is planned.
        """
        return None

    def plays(self) -> Iterable[str]:
        """`bench.contracts.audio.content_hash` of each recording that its clips may be taken from; nothing by default.

        A reference that is made of a folder of audio leaves them out, and others that hold one are refused, or marked.
        """
        return ()

    def conditioned_on(self) -> Iterable[str]:
        """Families (`bench.contracts.family`) of the encoders whose output its network reads; none by default."""
        return ()

    def trained_with(self) -> Iterable[str]:
        """Families (`bench.contracts.family`) of what it was trained or chosen by, such as a reward model; none by
        default.
        """
        return ()

    def notices(self) -> Iterable[Notice]:
        """Return or yield what must be said beside every number of this model, such as that an adapter changes nothing.

        Their parameters get the row's name as ``model``. Called where a run is planned.
        """
        return ()

    def close(self) -> None:  # noqa: B027 - most models hold nothing
        """Release memory and devices; called before another model is loaded."""
