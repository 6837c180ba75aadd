"""The events of each step: lines of JSON, and curves for TensorBoard if it is installed."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.atomic_write import replace_file

Value = float | int | str | None


class Log:
    """``log.jsonl`` and ``tensorboard/`` in a training's folder.

    A line is an object with ``event``, ``step`` and what belongs to the event. A training that resumes from a
    checkpoint drops later lines, so that each step is recorded once.

    Args:
        folder: of the training.
        step: optimizer steps that are done; later lines are dropped.
    """

    def __init__(self, folder: Path, step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "log.jsonl"
        if path.exists():
            lines = [line for line in path.read_text(encoding="utf-8").splitlines() if _until(line, step)]
            replace_file(path, "".join(f"{line}\n" for line in lines))
        self._file = path.open("a", encoding="utf-8")
        self._curves = Curves(folder / "tensorboard", step) if find_spec("tensorboard") else None

    def write(self, event: str, step: int, **values: Value | Mapping[str, Value]) -> None:
        """Add a line; numbers, and tables of numbers, become points of curves named ``event/name``.

        Raises:
            ValueError: a number that is not finite.
            OSError: the disk is full.
        """
        self._file.write(json.dumps({"event": event, "step": step, **values}, allow_nan=False) + "\n")
        self._file.flush()
        if self._curves is None:
            return
        for name, value in values.items():
            for part, number in value.items() if isinstance(value, Mapping) else [("", value)]:
                if isinstance(number, int | float):
                    self._curves.add(f"{event}/{name}/{part}".rstrip("/"), number, step)

    def close(self) -> None:
        """Write out what is buffered."""
        self._file.close()
        if self._curves is not None:
            self._curves.close()


class Curves:
    """A file of TensorBoard's events.

    Written at once, not by torch's ``SummaryWriter``, whose thread loses the last two minutes when the process is
    killed and prints a traceback when the disk is full.

    Args:
        folder: of event files.
        step: as for `Log`; later points in other files of the folder are not shown.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2  # type: ignore[import-untyped]
        from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]

        self._event, self._summary = event_pb2.Event, summary_pb2.Summary
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / f"events.out.tfevents.{time.time_ns():020d}.tunebench").open("wb")
        self._records = RecordWriter(self._file)
        self._put(file_version="brain.Event:2")
        if step:
            self._put(step=step + 1, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START))

    def add(self, name: str, value: float, step: int) -> None:
        """Add a point to a curve."""
        self._put(step=step, summary=self._summary(value=[self._summary.Value(tag=name, simple_value=value)]))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _put(self, **content: Any) -> None:
        self._records.write(self._event(wall_time=time.time(), **content).SerializeToString())
        self._file.flush()


def _until(line: str, step: int) -> bool:
    """Return whether a line is about a step up to this one; the last line of a killed process may be cut off."""
    try:
        return bool(json.loads(line)["step"] <= step)
    except (ValueError, KeyError, TypeError):
        return False
