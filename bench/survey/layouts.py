"""Files of programs that are known by their columns, each brought into the long form by a module of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Protocol

from bench.survey import webmushra
from bench.survey.long_format import Identified

if TYPE_CHECKING:
    from bench.survey.table_file import TextTable


class Layout(Protocol):
    """A module that reads the files of one program."""

    def recognised(self, table: TextTable) -> bool:
        """Whether the columns are those that the program writes."""

    def identify(self, table: TextTable, given: Mapping[str, str], scales: Collection[str] | None) -> Identified:
        """Bring the answers into the long form; columns that were ``given`` win.

        Raises:
            UsageError: a column was given that contradicts the layout, or the file leaves something open.
            DataError: the file lacks what the layout needs.
        """


LAYOUTS: tuple[Layout, ...] = (webmushra,)
"""The first that recognises a table reads it; for all others `bench.survey.columns` goes by the columns' names."""
