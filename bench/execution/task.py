"""What a worker can be asked to do, as values that can be sent to another process or machine.

A task carries all it needs and returns plain values; it never touches the database.
"""

from __future__ import annotations

from bench.execution.generate_task import GenerateTask
from bench.execution.score_task import ScoreTask, SetTask

Task = GenerateTask | ScoreTask | SetTask
