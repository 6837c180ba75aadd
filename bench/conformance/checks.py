"""The checks of `bench.conformance.check`: a model is created, run, closed, and created again."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from bench.conformance.memory import arrays, megabytes
from bench.conformance.model_factory import ModelFactory
from bench.contracts.audio import LENGTH_PRECISION, Audio, content_hash
from bench.contracts.model import GenerationRequest, MusicModel
from bench.contracts.prompt import Prompt
from bench.errors import MissingError, TunebenchError, one_line

TOLERANCE = 1e-4  # of full scale: maximum change of a clip when its batch changes
SILENCE = 1e-3  # a peak below -60 dB
NEGLIGIBLE = 1.0  # MB of arrays that a model may hold before loading, or after close


@dataclass(frozen=True)
class Finding:
    """A check, its outcome, and a line on what was found or why it was skipped."""

    check: str
    outcome: Literal["pass", "fail", "skipped"]
    detail: str

    def __str__(self) -> str:
        return f"{self.outcome:<7}  {self.check:<11}  {self.detail}"


class _Failed(Exception):
    """The check failed; the text says what was found."""


class _Skipped(Exception):
    """The check cannot run; the text says why."""


@dataclass
class ModelChecks:
    """State of the checks of one model; `findings` runs them."""

    subject: ModelFactory
    duration: float
    prompt: Prompt
    other: Prompt
    model: MusicModel | None = None
    clips: list[Audio] = field(default_factory=list)

    def findings(self) -> Iterator[Finding]:
        """Yield the result of each check, as soon as it is known.

        Raises:
            UsageError: a parameter that the model does not have, or a value that it refuses.
            MissingError: a dependency of the model is not installed.
        """
        first = self.subject.make()
        type(first).require()
        parameters = self.subject.bound(first)
        # Batches are checked only if the model does not split them.
        batching = {"batch_size": 3} if "batch_size" in parameters and "batch_size" not in self.subject.params else {}
        yield self._ask("constructor", lambda: _loads_nothing(first))
        self.model = self.subject.make(**batching)
        yield self._ask("clips", self._makes_clips)
        about_sound = {
            "duration": self._keeps_duration,
            "rate": self._keeps_rate,
            "sound": self._sounds,
            "seeds": self._follows_seeds,
            "batch": self._ignores_batch,
            "order": self._ignores_order,
            "repetition": self._repeats,
            "impossible": self._refuses,
        }
        for name, question in about_sound.items():
            yield self._ask(name, question if self.clips else _nothing_to_examine)
        yield self._ask("fingerprint", lambda: self._identifies(first))
        yield self._ask("close", self._releases if self.clips else _nothing_to_examine)
        if self.model is not None:
            self.model.close()
        self.model = self.subject.make(**batching)
        yield self._ask("restart", self._repeats if self.clips else _nothing_to_examine)
        self.model.close()
        first.close()

    def _ask(self, check: str, question: Callable[[], str]) -> Finding:
        try:
            return Finding(check, "pass", question())
        except MissingError:
            raise
        except _Skipped as reason:
            return Finding(check, "skipped", str(reason))
        except Exception as error:
            text = " ".join(str(error).split()) if isinstance(error, _Failed) else one_line(error)
            return Finding(check, "fail", text)

    @property
    def requests(self) -> list[GenerationRequest]:
        """Three clips: the prompt with seeds 0 and 1, and the other prompt."""
        wanted = ((self.prompt, 0), (self.prompt, 1), (self.other, 0))
        return [GenerationRequest(prompt, seed, self.duration) for prompt, seed in wanted]

    def _generate(self, requests: Sequence[GenerationRequest]) -> list[Audio]:
        assert self.model is not None
        results = list(self.model.generate(requests))
        if len(results) != len(requests):
            raise _Failed(f"{len(results)} results for {len(requests)} requests")
        for request, result in zip(requests, results, strict=True):
            if not isinstance(result, Audio):
                said = f": {result}" if isinstance(result, Exception) else ", which is not bench.Audio"
                raise _Failed(f"{_named(request)} gave {type(result).__name__}{said}")
        return [result for result in results if isinstance(result, Audio)]

    def _makes_clips(self) -> str:
        clips = self._generate(self.requests)
        for request, clip in zip(self.requests, clips, strict=True):
            if not clip.frames:
                raise _Failed(f"{_named(request)} gave audio without frames")
        self.clips = clips
        return f"a batch of {len(clips)} requests gave equally many clips of finite samples"

    def _keeps_duration(self) -> str:
        half = self._generate([GenerationRequest(self.prompt, 0, self.duration / 2)])
        for clip, seconds in [*((clip, self.duration) for clip in self.clips), (half[0], self.duration / 2)]:
            if abs(clip.duration - seconds) > LENGTH_PRECISION:
                raise _Failed(f"{clip.duration:.4g} s when {seconds:.4g} s were requested")
        return f"{self.duration:g} s and {self.duration / 2:g} s are kept within {LENGTH_PRECISION * 1000:g} ms"

    def _keeps_rate(self) -> str:
        assert self.model is not None
        promised, rates = self.model.sample_rate, sorted({clip.rate for clip in self.clips})
        if promised is None:
            raise _Skipped(f"the model declares no sample rate; its clips have {', '.join(map(str, rates))} Hz")
        if rates != [promised]:
            raise _Failed(f"clips have {', '.join(map(str, rates))} Hz, but sample_rate is {promised}")
        return f"{promised} Hz as declared"

    def _sounds(self) -> str:
        for request, clip in zip(self.requests, self.clips, strict=True):
            if clip.peak < SILENCE:
                raise _Failed(f"{_named(request)} is silent: its peak is {clip.peak:.2g} of full scale")
        return f"peaks from {min(c.peak for c in self.clips):.2f} to {max(c.peak for c in self.clips):.2f}"

    def _follows_seeds(self) -> str:
        distance = _distance(*self.clips[:2])
        if distance <= TOLERANCE:
            raise _Failed(f"seeds 0 and 1 of prompt '{self.prompt.id}' give the same clip")
        return "seeds 0 and 1 give different clips"

    def _ignores_batch(self) -> str:
        alone = [self._generate([request])[0] for request in self.requests]
        return self._same(alone, "alone", "in a batch of 3")

    def _ignores_order(self) -> str:
        return self._same(self._generate(self.requests[::-1])[::-1], "first", "last")

    def _same(self, clips: Sequence[Audio], here: str, there: str) -> str:
        distances = [_distance(*pair) for pair in zip(clips, self.clips, strict=True)]
        worst = int(np.argmax(distances))
        if not distances[worst] <= TOLERANCE:
            raise _Failed(
                f"{_named(self.requests[worst])} differs {here} and {there}: "
                f"the largest difference is {distances[worst]:.2g} of full scale, allowed is {TOLERANCE:g}"
            )
        return f"{here} or {there}, the largest difference is {distances[worst]:.1g} of full scale"

    def _repeats(self) -> str:
        for request, clip, again in zip(self.requests, self.clips, self._generate(self.requests), strict=True):
            if content_hash(clip) != content_hash(again):
                apart = _distance(clip, again)
                raise _Failed(f"{_named(request)} differs when made again: samples differ by up to {apart:.2g}")
        return "the same batch gives the same samples, bit for bit"

    def _refuses(self) -> str:
        """Check requests for less than a sample (no frames are accepted) and beyond the maximum duration."""
        assert self.model is not None
        said = [self._answer(1e-9, "1 ns of music")]
        if longest := self.model.max_duration:
            said.append(self._answer(2 * longest, f"{2 * longest:g} s of music (max_duration is {longest:g} s)"))
        return "; ".join(said)

    def _answer(self, seconds: float, wish: str) -> str:
        assert self.model is not None
        try:
            (result,) = self.model.generate([GenerationRequest(self.prompt, 0, seconds)])
        except TunebenchError as error:
            return f"{wish}: {error}"
        except Exception as error:
            raise _Failed(f"{wish} raises {type(error).__name__} ({error}), not a GenerationError") from None
        if isinstance(result, Audio) and result.duration > LENGTH_PRECISION:
            raise _Failed(f"{wish} gives {result.duration:.3g} s instead of a GenerationError")
        return f"{wish}: {result if isinstance(result, Exception) else 'less than a sample'}"

    def _identifies(self, unused: MusicModel) -> str:
        identity = self.subject.identity(unused)
        if self.model is not None and self.subject.identity(self.model) != identity:
            raise _Failed("it differs after generating, or in a second instance")
        provenance = type(unused).provenance_params
        changing: list[str] = []
        recorded: list[str] = []
        untried: list[str] = []
        for name, value in self.subject.bound(unused).items():
            if (other := self.subject.varied(name, value)) is None:
                untried.append(name)
            elif (other != identity) == (name in provenance):
                raise _Failed(
                    f"it changes with '{name}', which is in provenance_params"
                    if name in provenance
                    else f"it stays when '{name}' changes, which is not in provenance_params"
                )
            else:
                (recorded if name in provenance else changing).append(name)
        tried = [
            f"{what} {', '.join(names)}"
            for what, names in (("changes with", changing), ("not with", recorded), ("not tried:", untried))
            if names
        ]
        return "; ".join(tried) or "the same in every instance; there are no parameters"

    def _releases(self) -> str:
        assert self.model is not None
        held = arrays(self.model)
        before = megabytes(held)
        self.model.close()
        itself, self.model = weakref.ref(self.model), None
        gc.collect()
        if itself() is not None:
            raise _Failed("something still references the model after close(): a cache, a thread or a global name")
        if (left := megabytes(held)) > NEGLIGIBLE:
            raise _Failed(f"{left:.1f} of {before:.1f} MB are still in memory after close()")
        return f"{before:.1f} MB of arrays are released"


def _loads_nothing(model: MusicModel) -> str:
    if (held := megabytes(arrays(model))) > NEGLIGIBLE:
        raise _Failed(f"holds {held:.1f} MB of arrays; load them in the first generate()")
    return "loads nothing"


def _nothing_to_examine() -> str:
    raise _Skipped("there are no clips to examine")


def _named(request: GenerationRequest) -> str:
    return f"prompt '{request.prompt.id}', seed {request.seed}"


def _distance(one: Audio, two: Audio) -> float:
    """Return the largest difference of two samples; infinite if the shapes or rates differ."""
    if one.rate != two.rate or one.samples.shape != two.samples.shape:
        return float("inf")
    return float(np.abs(one.samples - two.samples).max(initial=0.0))
