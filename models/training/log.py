"""What happened in which step: lines of JSON, and curves for TensorBoard where it is installed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from models.training.card import replace_file

Value = float | int | str | None


class Log:
    """``log.jsonl`` and ``tensorboard/`` in a training's folder.

    A line is an object with ``event``, ``step`` and what belongs to the event. A training that goes on from a
    checkpoint drops what was written after it, so that each step is told of once.

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
        self._curves: Any = None
        if find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            self._curves = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1 if step else None)

    def write(self, event: str, step: int, **values: Value | Mapping[str, Value]) -> None:
        """Add a line; numbers, and tables of numbers, become points of curves named ``event/name``.

        Raises:
            ValueError: a number that is not finite.
        """
        self._file.write(json.dumps({"event": event, "step": step, **values}, allow_nan=False) + "\n")
        self._file.flush()
        if self._curves is None:
            return
        for name, value in values.items():
            for part, number in value.items() if isinstance(value, Mapping) else [("", value)]:
                if isinstance(number, int | float):
                    self._curves.add_scalar(f"{event}/{name}/{part}".rstrip("/"), number, step)

    def close(self) -> None:
        """Write out what is buffered."""
        self._file.close()
        if self._curves is not None:
            self._curves.close()


def _until(line: str, step: int) -> bool:
    """Whether a line tells of a step up to this one; the last line of a killed process may be cut off."""
    try:
        return bool(json.loads(line)["step"] <= step)
    except (ValueError, KeyError, TypeError):
        return False
