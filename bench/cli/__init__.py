"""The command line: a file a command. Commands parse and print; what they do is in `bench`.

Nothing heavy is imported before a command runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import faulthandler
import gc
import signal
import sys
from typing import NoReturn

import typer

from bench.cli import (
    board,
    check,
    compare,
    doctor,
    environment,
    export,
    leaderboard,
    listing,
    merge,
    models,
    reference,
    report,
    run,
    schema,
    score,
    streams,
    survey,
    train,
    verify,
)
from bench.cli.examples import EXAMPLES
from bench.cli.help import complete_help
from bench.cli.usage import ParsingError, help_of, usage_error
from bench.errors import INTERRUPTED, FailuresRecorded, TunebenchError, Unstorable, UsageError
from bench.library_setup import set_up_libraries
from bench.printable import printable_line

app = typer.Typer(
    name="tunebench",
    help="Benchmark text-to-music models: did the tuning make the music better, and how sure are we?",
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.command)
app.command("score")(score.command)
app.command("leaderboard")(leaderboard.command)
app.command("compare")(compare.command)
app.command("report")(report.command)
app.command("merge")(merge.command)
app.add_typer(export.app, name="export")
app.command("verify")(verify.command)
app.command("board")(board.command)
app.add_typer(reference.app, name="reference")
app.add_typer(environment.app, name="environment")
app.add_typer(check.app, name="check")
app.add_typer(models.app, name="models")
app.add_typer(train.app, name="train")
app.add_typer(survey.app, name="survey")
app.command("list")(listing.command)
app.command("schema")(schema.command)
app.command("doctor")(doctor.command)
complete_help(app, EXAMPLES)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"tunebench {version('tunebench')}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    del version


def _tell(error: TunebenchError) -> int:
    """Print an error, as JSON too if --json was given and no result was printed, and return its exit status."""
    print(f"tunebench: {printable_line(str(error))}", file=sys.stderr)
    for command in error.commands:
        print(f"  {printable_line(command)}", file=sys.stderr)
    if "--json" in sys.argv and not isinstance(error, FailuresRecorded):  # which follows a result
        import json

        told: dict[str, object] = {"code": error.code, "message": str(error)}
        if error.commands:
            told["commands"] = list(error.commands)
        print(json.dumps({"error": told}, ensure_ascii=False))
    return error.exit_code


def _tell_usage(error: Exception) -> int:
    if (text := help_of(error)) is not None:
        print(text, file=sys.stderr)
        return UsageError.exit_code
    return _tell(usage_error(error))


def main() -> NoReturn:
    """Run the command line and leave with the exit code that the outcome has (see `bench.errors`)."""
    code: int | str | None = 0
    try:
        # A batch system warns before it kills; that is treated as Ctrl-C, so what is finished is stored.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        streams.prepare(for_programs="--json" in sys.argv)
        # Plugins are loaded here too: native code of theirs that crashes must not end the command without a word.
        faulthandler.enable()
        set_up_libraries()
        code = app(standalone_mode=False)
    except SystemExit as leaving:
        code = leaving.code
    except (KeyboardInterrupt, typer.Abort):  # before a command had begun
        code = INTERRUPTED
    except TunebenchError as error:
        code = _tell(error)
    except OSError as error:
        code = _tell(Unstorable(str(error)))
    except ParsingError as error:
        code = _tell_usage(error)
    code = streams.finish(code)
    # Python looks for cycles among all objects before it ends: a second's work once torch and diffusers are imported.
    gc.freeze()
    sys.exit(code)
