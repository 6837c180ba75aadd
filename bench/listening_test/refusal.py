"""What the server of a listening test refuses."""

from __future__ import annotations


class Refusal(Exception):
    """What is refused, with the status of HTTP, and in one line why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
