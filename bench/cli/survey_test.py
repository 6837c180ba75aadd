"""``tunebench survey new``, ``serve`` and ``pages``: a blind listening test of a run's clips."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.output import Output

if TYPE_CHECKING:
    import socket

    from bench.listening_test.sessions import ListenerWorkload
    from bench.listening_test.settings import ListeningTest


class Kind(StrEnum):
    """Kinds of questions."""

    ratings = "ratings"
    preference = "preference"
    stimuli = "stimuli"


Folder = Annotated[Path, typer.Argument(metavar="TEST", help="The folder of a listening test.")]
Out = Annotated[Path, typer.Option(metavar="FOLDER", help="A new folder.")]


def new(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Out,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Settings of the test, in YAML.")
    ] = None,
    kind: Annotated[Kind | None, typer.Option(help="Kind of question.")] = None,
    listeners: Annotated[int | None, typer.Option(help="Number of listeners.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Minutes per listener.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="SETTING=VALUE", help="Change a setting, such as seconds=10.")
    ] = None,
    power: Annotated[bool, typer.Option(help="Simulate the power of the test.")] = True,
) -> None:
    """Make a blind listening test of a run's clips: a schedule for each listener, and sounds under blind names.

    Listeners rate clips on Harmony, Rhythm and Genre Fit, choose between two models, or rate several clips on one page
    (ITU-R BS.2132). The design is frozen with its analysis; FOLDER/design.json maps clips to models.
    """
    import sys

    from bench.atomic_write import check_new_folder
    from bench.cli.interrupt import all_or_nothing
    from bench.cli.progress import shown
    from bench.config.run_config import ExecutorConfig
    from bench.listening_test.create import create_listening_test, plan_listening_test

    test = _settings(config, kind, listeners, minutes, changes or [])
    check_new_folder(out)
    material, workload = plan_listening_test(run, test)
    for line in _told(test, workload, material.models, material.incomplete):
        print(line, file=sys.stderr)
    with shown() as told, all_or_nothing():
        if power:
            from bench.listening_test.expected_power import expected_power, power_text

            workers = ExecutorConfig(workers=None).worker_count
            print(power_text(expected_power(test, workload, len(material.models), told, workers)), file=sys.stderr)
        design = create_listening_test(run, test, out, told)
    print(f"design {design.short_id}", file=sys.stderr)
    print(out)


def serve(
    test: Folder,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    public_url: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Public address of the test, such as https://example.org/test.")
    ] = "",
) -> None:
    """Serve a listening test to browsers, and keep each answer as soon as it is given.

    Prints the link of the organizer's page: progress, the listeners' links, and the answers so far. Ctrl-C stops the
    server; the same command resumes.
    """
    import sys

    from bench.errors import MissingError
    from bench.listening_test.access import organizer_token
    from bench.listening_test.application import make_app
    from bench.listening_test.design import read_design

    try:
        import uvicorn
    except ImportError:
        raise MissingError("serving a listening test needs uvicorn; pip install 'tunebench[web]'") from None
    design = read_design(test)
    with _listening(host, port) as opened:
        shown = "localhost" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
        address = public_url.rstrip("/") or f"http://{shown}:{opened.getsockname()[1]}"
        app = make_app(test, design, address)
        print(f"{address}/organizer/{organizer_token(design)}", flush=True)
        print("this is the organizer's page; keep its address secret. Ctrl-C stops the server", file=sys.stderr)
        # Behind a proxy on this machine, the client's address is in its headers.
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, timeout_keep_alive=75)
        uvicorn.Server(config).run(sockets=[opened])


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens on this address.

    Raises:
        UsageError: another program listens there, or this machine does not have the address.
    """
    import os
    import socket

    from bench.errors import UsageError

    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise UsageError(f"cannot listen on {host}:{port}: {why}; choose another --port") from None


def pages(
    test: Folder,
    out: Out,
    send_to: Annotated[
        str, typer.Option("--send-to", metavar="ADDRESS", help="Where to send answers, in addition to the download.")
    ] = "",
) -> None:
    """Write a listening test as files for any web server; listeners download their answers and send them in.

    Put the files that they send in into TEST/answers; 'survey analyze TEST' reads them.
    """
    from bench.listening_test.static_pages import write_listening_pages

    write_listening_pages(test, out, send_to)
    print(out)


def answers(test: Folder, output: Output = None) -> None:
    """Write all answers of a listening test as a table, without exclusions, for other analyses."""
    from bench.cli.output import emit
    from bench.listening_test.answers import table
    from bench.listening_test.design import read_design
    from bench.listening_test.read_test import collect_answers
    from bench.spreadsheet import csv_text

    columns, rows = table(design := read_design(test), collect_answers(test, design)[0])
    emit(csv_text(columns, rows).rstrip("\n"), "csv", output)


def _settings(
    config: Path | None, kind: Kind | None, listeners: int | None, minutes: float | None, changes: list[str]
) -> ListeningTest:
    """Return the settings of a file, overridden by the command line."""
    from bench.config.changes import change
    from bench.listening_test.settings import EXAMPLE, ListeningTest
    from bench.schema import parse_settings, read_settings

    content = read_settings(config, EXAMPLE) if config else {}
    given = {"kind": kind.value if kind else None, "listeners": listeners, "minutes": minutes}
    content |= {name: value for name, value in given.items() if value is not None}
    for text in changes:
        content = change(content, text, ListeningTest)
    return parse_settings(ListeningTest, content, str(config or "the settings of the test"))


def _told(
    test: ListeningTest, workload: ListenerWorkload, models: tuple[str, ...], incomplete: tuple[str, ...]
) -> list[str]:
    heard = "all" if workload.items == workload.of else f"{workload.items} of"
    found = [
        f"{test.listeners} listeners, {workload.minutes:.0f} minutes each: {workload.trials} pages on {heard} "
        f"{workload.of} prompts and seeds of {', '.join(models)}"
    ]
    if incomplete:
        found.append(f"left out, since a model has no clip of them: {', '.join(incomplete)}")
    return found
