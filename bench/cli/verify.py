"""``tunebench verify``: recompute the tables of a bundle from its audio."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.run import Workers

if TYPE_CHECKING:
    from bench.bundle.verification import Deviation, Verification

_MOST = 20  # lines of one kind; --json has all


def command(
    bundle: Annotated[Path, typer.Argument(help="A file that 'tunebench export bundle' wrote.")],
    tolerance: Annotated[
        float, typer.Option(min=0, max=1, help="Relative deviation up to which two numbers agree.")
    ] = 1e-6,
    trust_weights: Annotated[
        bool, typer.Option("--trust-weights", help="Read weights from the files or hub that the bundle names.")
    ] = False,
    workers: Workers = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Check that a bundle is undamaged, and that its numbers can be recomputed from its audio.

    That shows that the numbers follow from the audio and the notes in the file. It does not prove who packed it, which
    models played or how long they took: hashes inside a file cannot.

    Exit code 0: all agree; 5: something differs or is damaged; 3: some metric cannot be computed here, the rest agrees.
    """
    import json
    from dataclasses import asdict

    from bench.bundle.verify import verify
    from bench.cli.interrupt import all_or_nothing
    from bench.cli.progress import shown
    from bench.errors import DataError, MissingError
    from bench.printable import printable_line

    with shown() as progress, all_or_nothing():
        found = verify(bundle, tolerance, workers, trust_weights, progress)
    if as_json:
        record = {**asdict(found), "holds": found.holds}
        record["deviations"] = [{**d.place._asdict(), **_values(d)} for d in found.deviations]
        print(json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False), flush=True)
    else:
        print("\n".join(map(printable_line, _lines(found))), flush=True)
    if not found.holds:
        wrong = [
            *([f"{len(found.damage)} files or records are damaged or do not match the run"] if found.damage else []),
            *([f"{len(found.deviations)} values differ"] if found.deviations else []),
        ]
        raise DataError(f"{bundle}: {' and '.join(wrong)}")
    if found.unchecked:
        raise MissingError(f"{bundle}: {', '.join(found.unchecked)} cannot be computed here")


def _lines(found: Verification) -> list[str]:
    headline = ", ".join(filter(None, (found.name, found.protocol)))
    lines = [headline, f"{found.files} files, {found.clips} clips decoded"]
    lines += _some([f"damaged: {line}" for line in found.damage])
    lines += _some([f"differs: {deviation.text}" for deviation in found.deviations])
    lines += [f"not checked: {metric}: {why}" for metric, why in found.unchecked.items()]
    if found.numbers:
        agree = found.numbers - sum(deviation.of_metric for deviation in found.deviations)
        share = f"all {agree}" if agree == found.numbers else f"{agree} of {found.numbers}"
        lines.append(
            f"{share} numbers agree within {found.tolerance:g}; the largest relative deviation is {found.largest:.2g}"
        )
    if found.versions:
        other = [f"{name} {then or 'none'}, here {now or 'none'}" for name, (then, now) in found.versions.items()]
        lines.append(f"other versions or processors change numbers slightly; packed with {'; '.join(other)}")
    lines.append(found.scope)
    return lines


def _values(deviation: Deviation) -> dict[str, str | float | None]:
    return {
        "quantity": deviation.quantity,
        "then": deviation.then,
        "now": deviation.now,
        "relative": deviation.relative,
    }


def _some(lines: list[str]) -> list[str]:
    return lines if len(lines) <= _MOST else [*lines[:_MOST], f"… and {len(lines) - _MOST} more; --json has all"]
