"""A run's rows as runs of Weights & Biases: its config, numbers, tables and some audio."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import MissingError, TransientError, UsageError
from bench.export.tracked_run import TrackedRow, tracked_rows
from bench.paths import StrPath
from bench.plain_text import plain_line
from bench.progress import ProgressOption, shown

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class LoggedRow:
    """A logged row: its label, and where it is: its URL, folder, or id in the tracker."""

    label: str
    place: str


def log_to_wandb(
    run: StrPath,
    project: str = "tunebench",
    entity: str | None = None,
    models: Collection[str] = (),
    audio: int = 0,
    progress: ProgressOption = None,
) -> list[LoggedRow]:
    """Log each row of a run as a run of a project, grouped under the benchmark run.

    The target and the key are set by wandb's environment variables and login (``WANDB_MODE``, ``WANDB_DIR``,
    ``WANDB_API_KEY``). The same row is the same run there: a second export updates it.

    Args:
        run: a run folder.
        project, entity: of Weights & Biases.
        models: only these rows; all if empty.
        audio: number of clips to upload per row.
        progress: receives the progress.

    Returns:
        The rows in the order of the run; the place of each is the URL of its run, or its folder if offline.

    Raises:
        MissingError: wandb is not installed.
        UsageError, DataError: as `bench.export.tracked_run.tracked_rows`; or there is no login, or the project is
            refused.
        TransientError: the server cannot be reached; the same call resumes.
    """
    try:
        import wandb
    except ImportError:
        raise MissingError("this needs wandb: pip install 'tunebench[wandb]'") from None
    rows = tracked_rows(Path(run), models, audio)
    logged = []
    with shown(progress) as progress:
        progress.begin("logging to Weights & Biases", len(rows), 0)
        for row in rows:
            try:
                logged.append(_log(wandb, row, project, entity))
            except (wandb.errors.AuthenticationError, wandb.errors.UsageError) as error:
                raise UsageError(
                    f"Weights & Biases refuses it ({plain_line(str(error), 300)}); log in with 'wandb login', or keep "
                    "it here with WANDB_MODE=offline"
                ) from None
            except (wandb.errors.Error, OSError) as error:
                raise TransientError(
                    f"not logged to Weights & Biases ({plain_line(str(error), 300)}); the same command resumes"
                ) from None
            progress.advance(1)
    return logged


def _log(wandb: Any, row: TrackedRow, project: str, entity: str | None) -> LoggedRow:
    settings = wandb.Settings(silent=True, console="off", disable_git=True, save_code=False, x_disable_stats=True)
    run = wandb.init(
        project=project,
        entity=entity,
        id=row.key,
        name=row.label,
        group=row.group,
        job_type="benchmark",
        tags=["tunebench"],
        config=json.loads(json.dumps(row.config)),
        resume="allow",
        settings=settings,
    )
    try:
        run.summary.update(dict(row.numbers))
        content: dict[str, Any] = {
            "leaderboard": _table(wandb, _frame(row)),
            "clips": _table(wandb, row.clips),
        }
        if row.audio:
            content["audio"] = [wandb.Audio(str(path), caption=caption) for path, caption in row.audio]
        run.log(content)
        return LoggedRow(row.label, str(Path(run.dir).parent) if run.offline else run.url)
    finally:
        run.finish()


def _frame(row: TrackedRow) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(row.leaderboard)
    for name in ("warnings", "warning_codes", "tied"):
        frame[name] = ["; ".join(several or ()) for several in frame[name]]
    return frame


def _table(wandb: Any, frame: pd.DataFrame) -> Any:
    """Return a table whose missing values are null, of whatever type its columns are."""
    plain = frame.astype(object).where(frame.notna(), None)
    return wandb.Table(columns=list(plain.columns), data=plain.to_numpy().tolist(), allow_mixed_types=True)
