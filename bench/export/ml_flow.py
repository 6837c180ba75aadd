"""A run's rows as runs of MLflow: parameters, numbers, tables and some audio."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.errors import MissingError, TransientError, UsageError
from bench.export.tracked_run import TrackedRow, tracked_rows
from bench.export.weights_and_biases import LoggedRow
from bench.paths import StrPath
from bench.plain_text import plain_line
from bench.progress import ProgressOption, shown
from bench.scores.clip_table import json_lines, written

_TRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_REFUSED = frozenset({"INVALID_PARAMETER_VALUE", "PERMISSION_DENIED", "UNAUTHENTICATED", "RESOURCE_DOES_NOT_EXIST"})
_KEY = "tunebench.key"
_GROUP = "tunebench.run"
_NO_NAME = re.compile(r"[^A-Za-z0-9_.\-/ :]")  # characters not allowed in MLflow names
_LONGEST_NAME, _LONGEST_VALUE, _AT_ONCE = 250, 6000, 100  # characters, characters, parameters of a request


def log_to_mlflow(
    run: StrPath,
    experiment: str = "tunebench",
    models: Collection[str] = (),
    audio: int = 0,
    progress: ProgressOption = None,
) -> list[LoggedRow]:
    """Log each row of a run as a run of an experiment, tagged with the benchmark run.

    The target is set by MLflow's environment variables (``MLFLOW_TRACKING_URI`` and others). The same row
    is the same run there: a second export updates it. Characters not allowed in MLflow's names become
    ``_`` (``kad@2`` is ``kad_2``); the exact names are in ``leaderboard.json``.

    Args:
        run: a run folder.
        experiment: its name; created if missing.
        models: only these rows; all if empty.
        audio: number of clips to upload per row.
        progress: receives the progress.

    Returns:
        The rows in the order of the run; the place of each is ``EXPERIMENT/ID``, with the id of its run in MLflow.

    Raises:
        MissingError: mlflow is not installed.
        UsageError, DataError: as `bench.export.tracked_run.tracked_rows`; or the server refuses it, or there is no such
            kind of server.
        TransientError: it cannot be reached; the same call resumes.
    """
    try:
        import mlflow
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ImportError:
        raise MissingError("this needs MLflow: pip install 'tunebench[mlflow]'") from None
    rows = tracked_rows(Path(run), models, audio)
    logged = []
    try:
        with shown(progress) as progress, _few_tries():
            progress.begin("logging to MLflow", len(rows), 0)
            client = MlflowClient()
            found = client.get_experiment_by_name(experiment)
            place = found.experiment_id if found else client.create_experiment(experiment)
            for row in rows:
                logged.append(LoggedRow(row.label, f"{experiment}/{_log(client, place, row)}"))
                progress.advance(1)
    except (MlflowException, OSError) as error:
        where, said = _without_login(str(mlflow.get_tracking_uri())), plain_line(_without_login(str(error)), 300)
        if getattr(error, "error_code", "") in _REFUSED:
            raise UsageError(f"MLflow at {where} refused the export ({said})") from None
        raise TransientError(f"not logged to MLflow at {where} ({said}); the same command resumes") from None
    return logged


def _without_login(text: str) -> str:
    """Return text without user names and passwords in URLs."""
    return re.sub(r"//[^/@\s]*@", "//", text)


@contextmanager
def _few_tries() -> Iterator[None]:
    """Stop trying an unreachable server after 15 seconds, unless the user set the number of retries."""
    if _TRIES in os.environ:
        yield
        return
    os.environ[_TRIES] = "3"
    try:
        yield
    finally:
        del os.environ[_TRIES]


def _log(client: Any, experiment: str, row: TrackedRow) -> str:
    """Log a row, and return the id of its run."""
    from mlflow.entities import Metric, Param, RunTag

    runs = client.search_runs([experiment], filter_string=f"tags.`{_KEY}` = '{row.key}'", max_results=1)
    run = runs[0] if runs else client.create_run(experiment, run_name=row.label, tags={_KEY: row.key})
    id = run.info.run_id
    # Parameters cannot be changed; these follow from what the key is of.
    lasting = {name: row.config[name] for name in ("run", "row", "suite", "duration", "protocol")}
    lasting["model"] = {name: row.config["model"][name] for name in ("fingerprint", "identity")}
    entries = [Param(name, str(value)[:_LONGEST_VALUE]) for name, value in flat_names(dict(_flat(lasting))).items()]
    for first in range(0, len(entries), _AT_ONCE):
        client.log_batch(id, params=entries[first : first + _AT_ONCE])
    # Use step 0 each time, so that the last value counts.
    metrics = [Metric(name, float(value), run.info.start_time, 0) for name, value in flat_names(row.numbers).items()]
    about = {"version": row.config["tunebench"], "protocol": row.config["protocol"]["id"]}
    tags = {_GROUP: row.group, **{f"tunebench.{name}": value for name, value in about.items()}}
    client.log_batch(id, metrics=metrics, tags=[RunTag(name, value) for name, value in tags.items()])
    client.log_text(id, json_lines(list(row.leaderboard)), "leaderboard.json")
    client.log_text(id, written(row.clips, "csv").decode(), "clips.csv")
    client.log_text(id, json.dumps(row.config, indent=1, ensure_ascii=False), "config.json")
    for path, _ in row.audio:
        client.log_artifact(id, str(path), "audio")
    client.set_terminated(id)
    return str(id)


def flat_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values under unique names that MLflow accepts.

    >>> flat_names({"kad@2": 1.5, "kad#2": 2.0})
    {'kad_2': 1.5, 'kad_2-2': 2.0}
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        plain = _NO_NAME.sub("_", name)[:_LONGEST_NAME]
        number, own = 2, plain
        while own in found:
            own, number = f"{plain[: _LONGEST_NAME - 8]}-{number}", number + 1
        found[own] = value
    return found


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield a nested mapping flattened, with dotted names; lists become JSON."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", json.dumps(value, ensure_ascii=False) if isinstance(value, list | tuple) else value
