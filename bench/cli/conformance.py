"""``tunebench check model``: does a model behave as the harness requires?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from bench.cli import complete


def command(
    name: Annotated[
        str, typer.Argument(help="A model's name, or path/to/file.py:Class.", autocompletion=complete.models)
    ],
    param: Annotated[
        list[str] | None,
        typer.Option(metavar="PARAMETER=VALUE", help="A parameter of the model, as in YAML; may be repeated."),
    ] = None,
    duration: Annotated[float, typer.Option(min=0.01, help="Length of the clips in seconds.")] = 2.0,
    suite: Annotated[
        str, typer.Option(help="Suite whose first two prompts are used.", autocompletion=complete.suites)
    ] = "quick@1",
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    published: Annotated[
        bool,
        typer.Option("--published", help="Check published weights, and print a block to paste into an issue."),
    ] = False,
) -> None:
    """Check a model: determinism, batch independence, seeds, duration, sound, fingerprint, memory.

    About twenty clips are made. A line for each check says pass, fail or skipped, and why; exit code 4 if one fails.
    """
    import json
    import sys
    import time
    from dataclasses import asdict

    from bench.cli.streams import plugins_to_stderr
    from bench.config.overrides import parse_params
    from bench.conformance.check import examine
    from bench.contracts.prompt_suite import load_suite_named
    from bench.errors import FailuresRecorded

    params = parse_params(param or (), "--param")
    if published:
        _refuse_unpublished(name, params, as_json)
    found = []
    started = time.monotonic()
    with plugins_to_stderr():
        findings = examine(name, params, duration, load_suite_named(suite).prompts)
    while True:
        with plugins_to_stderr():
            finding = next(findings, None)
        if finding is None:
            break
        found.append(finding)
        if not as_json:
            print(finding, flush=True, file=sys.stderr if published else sys.stdout)
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], indent=2, ensure_ascii=False))
    if published:
        from bench.conformance.model_record import model_record

        print(model_record(name, params, duration, found, time.monotonic() - started))
    if failed := sum(finding.outcome == "fail" for finding in found):
        raise FailuresRecorded(f"{failed} of {len(found)} checks failed")


def _refuse_unpublished(name: str, params: dict[str, Any], as_json: bool) -> None:
    """Refuse a model without a checkpoint, and one whose checkpoint is a local folder, which nobody else has."""
    from pathlib import Path

    from bench.contracts.parameters import bind
    from bench.contracts.plugins import find, load
    from bench.errors import UsageError

    if as_json:
        raise UsageError("--published prints Markdown; leave out --json")
    plugin = find("model", name)
    checkpoint = bind(plugin, load(plugin), params, partly=True).get("checkpoint")
    if not isinstance(checkpoint, str):
        raise UsageError(f"--published: model '{name}' has no published checkpoint")
    if Path(checkpoint).exists():
        raise UsageError(f"--published: {checkpoint} is a local folder; name a checkpoint of the hub, or leave it out")
