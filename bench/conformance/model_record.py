"""Results of a model's checks on one machine, as a Markdown block to paste into an issue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.conformance.checks import Finding
from bench.conformance.model_factory import ModelFactory
from bench.environment import environment
from bench.hashing import canonical_json
from bench.plain_text import plain_line

_FACTS = ("tunebench", "python", "system", "machine", "processor", "cores", "memory", "gpu", "libraries")


def model_record(
    name: str, params: Mapping[str, Any], duration: float, findings: Sequence[Finding], seconds: float
) -> str:
    """Return a table of the checks, their results, and the machine.

    Args:
        name: name of the model, as in a configuration.
        params: its given parameters.
        duration: length of the clips in seconds.
        findings: results of the checks.
        seconds: total time of the checks.

    Raises:
        UsageError: no such model.
    """
    factory = ModelFactory.of(name, dict(params))
    model = factory.make()
    identity = factory.identity(model)
    failed = sum(finding.outcome == "fail" for finding in findings)
    facts = environment()
    rows = [("clips of", f"{duration:g} s"), ("all checks took", f"{seconds:.0f} s")]
    rows += [(fact, facts[fact]) for fact in _FACTS if fact in facts]
    rows += [(f"`{key}`", f"`{_short(value)}`") for key, value in sorted(identity.items())]
    outcome = "all checks passed" if not failed else f"{failed} of {len(findings)} checks failed"
    return "\n".join(
        [
            f"### {_cell(name)}: {outcome}",
            "",
            "| | |",
            "|---|---|",
            *(f"| {_cell(key)} | {_cell(value)} |" for key, value in rows),
            "",
            "| check | outcome | found |",
            "|---|---|---|",
            *(f"| {_cell(one.check)} | {one.outcome} | {_cell(one.detail)} |" for one in findings),
        ]
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else canonical_json(value)
    return text if len(text) <= 400 else f"{text[:397]}…"


def _cell(text: str) -> str:
    """Escape text for a table cell."""
    return plain_line(text).replace("|", "\\|")
