"""Read and validate files written by ``tunebench check metrics --json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from bench.errors import DataError, UsageError
from bench.regular_file import read_bytes

_Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e100, le=1e100)]
_Word = Annotated[str, Field(min_length=1, max_length=1000)]
_Doses = Annotated[tuple[_Word, ...], Field(min_length=2, max_length=100)]
_Values = tuple[_Number | None, ...]


class DoseResponse(BaseModel):
    """Response of one metric to one kind of damage: values at each of ``doses``, the first being the clean music.

    ``low`` and ``high`` are of the change against the clean music, and ``p`` of its paired test.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    metric: _Word
    unit: Annotated[str, Field(max_length=1000)]
    direction: Literal["higher", "lower", "none"]
    spoiler: _Word
    doses: _Doses
    values: _Values
    defined: tuple[Annotated[int, Field(ge=0, le=10**9)], ...]
    low: _Values
    high: _Values
    p: tuple[Annotated[float, Field(ge=0, le=1)] | None, ...]
    correlation: Annotated[float, Field(ge=-1 - 1e-9, le=1 + 1e-9)] | None
    detected: _Word | None
    reason: Annotated[str, Field(max_length=10_000)] | None
    improved: bool

    @model_validator(mode="after")
    def _lengths_agree(self) -> Self:
        for name in ("values", "defined", "low", "high", "p"):
            if len(getattr(self, name)) != len(self.doses):
                raise ValueError(f"{name} has {len(getattr(self, name))} entries for {len(self.doses)} doses")
        if self.detected is not None and self.detected not in self.doses:
            raise ValueError(f"detected is '{self.detected}', which is not one of the doses")
        return self


_RESPONSES: TypeAdapter[list[DoseResponse]] = TypeAdapter(list[DoseResponse])


def read_doses(path: Path) -> tuple[dict[str, Any], ...]:
    """Read and validate dose-response records.

    Raises:
        UsageError: no such file.
        DataError: it cannot be read, or has invalid content; the message names the place.
    """
    again = "write it with 'tunebench check metrics --json'"
    try:
        content = read_bytes(path)
        json.loads(content, parse_constant=_refuse)
        # Parse from text, so that JSON lists become tuples while everything else is strict.
        found = _RESPONSES.validate_json(content)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; {again}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {again}") from None
    except ValidationError as error:
        raise DataError(f"{path}: {_first(error)}; {again}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({' '.join(str(error).split())}); {again}") from None
    return tuple(response.model_dump(mode="json") for response in found)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
