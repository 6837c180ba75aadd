"""What a worker can be asked to do, as values that can be sent to another process or machine.

A task carries all it needs and returns plain values; it never touches the database.
"""

from __future__ import annotations

from bench.hearing import ScoreTask, SetTask
from bench.making import GenerateTask

Task = GenerateTask | ScoreTask | SetTask
