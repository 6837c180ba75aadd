"""The error for refused requests to the server of a listening test."""

from __future__ import annotations


class Refusal(Exception):
    """A refused request, with an HTTP status and the reason in one line."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
