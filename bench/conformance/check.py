"""Check the requirements on a music model, so that its clips can be resumed, sharded and compared.

``tunebench check model NAME`` prints these findings. From pytest::

    from bench.conformance.check import check

    def test_my_model():
        check(MyModel).confirm()
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.conformance.checks import Finding, ModelChecks
from bench.conformance.model_factory import ModelFactory
from bench.contracts.model import MusicModel
from bench.contracts.prompt import Prompt
from bench.contracts.prompt_suite import load_suite_named
from bench.errors import UsageError


@dataclass(frozen=True)
class Report:
    """All findings about a model."""

    model: str
    findings: tuple[Finding, ...]

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings of failed checks."""
        return tuple(finding for finding in self.findings if finding.outcome == "fail")

    def confirm(self) -> None:
        """Raise if any check failed.

        Raises:
            AssertionError: lists the failed checks, one per line.
        """
        if self.failures:
            raise AssertionError("\n".join([f"model '{self.model}':", *map(str, self.failures)]))


def check(
    model: str | type[MusicModel],
    params: Mapping[str, Any] | None = None,
    duration: float = 2.0,
    prompts: Sequence[Prompt] | None = None,
) -> Report:
    """Check a model; this makes about twenty clips, with at most one instance holding weights at a time.

    Args:
        model: a class, or a name as in a configuration.
        params: parameters of the model.
        duration: length of the clips in seconds, > 0; half of it is requested, too.
        prompts: at least two; the first is requested with seeds 0 and 1.  [default: those of quick@1]

    Raises:
        UsageError: no such model or parameter, too few prompts, or a duration that is not above 0.
        MissingError: a dependency of the model is not installed.
    """
    name = model if isinstance(model, str) else getattr(model, "__name__", "?")
    return Report(name, tuple(examine(model, params, duration, prompts)))


def examine(
    model: str | type[MusicModel],
    params: Mapping[str, Any] | None = None,
    duration: float = 2.0,
    prompts: Sequence[Prompt] | None = None,
) -> Iterator[Finding]:
    """Yield the findings of `check` one by one, as soon as they are made.

    Arguments and errors are those of `check`.
    """
    if prompts is None:
        prompts = load_suite_named("quick@1").prompts
    if len(prompts) < 2:
        raise UsageError(f"a check needs at least two prompts, got {len(prompts)}")
    if not duration > 0:
        raise UsageError(f"the duration is {duration:g} s, must be above 0")
    return ModelChecks(ModelFactory.of(model, dict(params or {})), duration, prompts[0], prompts[1]).findings()
