"""``tunebench environment``: make, list and remove the environments that judges and generators run in."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Make, list and remove environments that judges and generators run in.",
    no_args_is_help=True,
)


AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


class InstallerName(StrEnum):
    """Programs that can install environments."""

    uv = "uv"
    pip = "pip"


@app.command("make")
def make(
    config: Annotated[
        Path, typer.Argument(help="The configuration of a run that names environments, or a run folder.")
    ],
    installer: Annotated[
        InstallerName | None,
        typer.Option(help="What installs the packages.  [default: uv if it is installed, otherwise pip]"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the environments that a configuration names and that are not there yet.

    An environment is made once for a Python version and its requirements, and kept in your cache folder for all runs.
    Set indexes, wheels and proxies by the usual variables of uv and pip (UV_..., PIP_...).
    """
    import json

    from bench.cli.progress import shown
    from bench.pipeline.make_environments import make_environments
    from bench.storage.frozen_config import FILE

    config = config / FILE if config.is_dir() else config
    with shown() as progress:
        made = make_environments(config, installer.value if installer else None, progress)
    if as_json:
        print(json.dumps([_record(one) for one in made], indent=2, ensure_ascii=False))
        return
    for one in made:
        packages = len(one.packages)
        print(f"{one.key}: Python {one.python}, {_counted(packages)}, {_megabytes(one.size)}, {one.folder}")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the environments that are kept, with what they were made of and their size."""
    import json

    from bench.cli.output import page_layout
    from bench.environment_installer import list_environments
    from bench.kept_environment import KeptEnvironment, environments_folder
    from bench.text_table import text_table

    found = list_environments()
    if as_json:
        print(json.dumps([_record(one) for one in found], indent=2, ensure_ascii=False))
        return
    if not found:
        print(f"no environments in {environments_folder()}")
        return
    rows = [
        [one.key, " ".join(one.requirements), one.python, str(len(one.packages)), _megabytes(one.size), one.last_used]
        if isinstance(one, KeptEnvironment)
        else [one.key, "(not finished, or being made)", "", "", _megabytes(one.size), ""]
        for one in found
    ]
    header = ["environment", "requirements", "Python", "packages", "size", "last used"]
    print(text_table(header, rows, words=2, layout=page_layout()))


@app.command("remove")
def remove(
    keys: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ENVIRONMENT]...", help="Keys of the environments, as 'tunebench environment list' shows them."
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Remove all of them.")] = False,
) -> None:
    """Remove environments. Runs that need one of them say so, and 'tunebench environment make' makes it again.

    The first digits of a key are enough if they match one environment only. No run should be using it.
    """
    from bench.environment_installer import remove_environments
    from bench.errors import UsageError

    if bool(keys) == everything:
        raise UsageError("name the environments to remove, or use --all; 'tunebench environment list' shows them")
    removed = remove_environments(keys or (), everything)
    print("\n".join(f"{key}: removed" for key in removed) if removed else "no environments to remove")


def _counted(packages: int) -> str:
    from bench.number_format import counted

    return counted(packages, "package")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


def _record(one: object) -> dict[str, object]:
    from bench.environment_installer import Leftover
    from bench.kept_environment import KeptEnvironment

    if isinstance(one, KeptEnvironment):
        return {
            "environment": one.key,
            "whole": True,
            "folder": str(one.folder),
            "python": one.python,
            "requirements": list(one.requirements),
            "packages": list(one.packages),
            "installer": one.installer,
            "made": one.made,
            "last_used": one.last_used,
            "bytes": one.size,
        }
    assert isinstance(one, Leftover)
    return {"environment": one.key, "whole": False, "folder": str(one.folder), "bytes": one.size}
