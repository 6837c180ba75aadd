"""Types of the settings of a run, each with the JSON Schema of the values accepted in YAML.

If pydantic cannot derive the schema from the type and its limits, it is given beside the check.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from bench.contracts.family import NAME as FAMILY

AUTO: Final = "auto"
"""Default seeds: the clips that a model has (`bench.MusicModel.available`), or seed 0 if it can make any."""

LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=@+,\[\]-]{0,79}")
ROWS_OF_EVERY_TABLE = ("chance", "ceiling")


def _distinct(seeds: tuple[int, ...] | Literal["auto"]) -> tuple[int, ...] | Literal["auto"]:
    if seeds != AUTO and (twice := next((seed for seed, n in Counter(seeds).items() if n > 1), None)) is not None:
        raise ValueError(f"seed '{twice}' is listed twice")
    return seeds


Seed = Annotated[int, Field(ge=0, lt=2**63, strict=True)]
Seeds = Annotated[
    Annotated[tuple[Seed, ...], Field(min_length=1, json_schema_extra={"uniqueItems": True})] | Literal["auto"],
    AfterValidator(_distinct),
]


_LEAST_MEMORY = 10**7  # bytes: a smaller number was not meant in bytes
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) *([kKMGT]?)(i?)B")


def _bytes(size: Any) -> Any:
    """Return bytes of a size such as ``8 GB`` (of 1000) or ``8 GiB`` (of 1024)."""
    if not isinstance(size, str):
        return size
    if not (found := _SIZE.fullmatch(size.strip())):
        raise ValueError(f"'{size}' is not a size; write it like 8 GB")
    return round(float(found[1]) * (1024 if found[3] else 1000) ** " KMGT".index(found[2].upper() or " "))


def _enough(size: int) -> int:
    if size < _LEAST_MEMORY:
        raise ValueError(f"{size} bytes are less than a worker needs to start; write it like 8 GB")
    return size


def _limit(limit: float) -> float:
    if limit >= 1 and limit % 1:
        raise ValueError(f"{limit:g} must be a number of clips or a share below 1")
    return limit


def _whole_gpus(gpus: float) -> float:
    if gpus > 1 and gpus % 1:
        raise ValueError(f"gpus is {gpus:g}: must be a fraction of one GPU, or a whole number")
    return gpus


_Size = Annotated[int, Field(ge=_LEAST_MEMORY, lt=2**60)] | Annotated[str, Field(pattern=rf"^\s*{_SIZE.pattern}\s*$")]
Memory = Annotated[
    int,
    Field(lt=2**60, strict=True),
    BeforeValidator(_bytes, json_schema_input_type=_Size),
    AfterValidator(_enough),
]
FailLimit = Annotated[
    float,
    Field(gt=0),
    AfterValidator(_limit),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, {"type": "integer", "minimum": 1}]}
    ),
]
Gpus = Annotated[
    float,
    Field(ge=0, le=64),
    AfterValidator(_whole_gpus),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "integer", "minimum": 0, "maximum": 64}]}
    ),
]
Label = Annotated[
    str, Field(json_schema_extra={"pattern": f"^({LABEL.pattern})?$", "not": {"enum": list(ROWS_OF_EVERY_TABLE)}})
]
Family = Annotated[str, Field(pattern=f"^{FAMILY.pattern}$")]


def _several(given: Any) -> Any:
    return (given,) if isinstance(given, str) else given


Families = Annotated[
    tuple[Family, ...],
    BeforeValidator(_several, json_schema_input_type=Family | tuple[Family, ...]),
    AfterValidator(lambda given: tuple(dict.fromkeys(given))),
]
ColumnName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
Sweep = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {
                "type": "array",
                "minItems": 1,
                "uniqueItems": True,
                "items": {"type": ["string", "number", "boolean", "null"]},
            },
        }
    ),
]
