"""Strict settings in YAML, whose errors name the place and the nearest known setting."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from bench.atomic_write import replace_file
from bench.errors import UsageError, suggestion
from bench.file_names import looked_for
from bench.yaml_config import read_yaml

Finite = Annotated[float, Field(gt=-1e100, lt=1e100, allow_inf_nan=False)]
"""Squares of the numbers must not overflow; the limit is that of `bench.Score`."""

# If a setting may have several types, pydantic includes the tried one in the location.
_KIND_TRIED = re.compile(r"str|constrained-\w+|(tuple|list|literal)\[.*\]")

Table = TypeVar("Table", bound="Settings")


class Settings(BaseModel):
    """A frozen table of settings that rejects unknown ones and non-finite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse booleans for numbers, and 1 and 0 for booleans, which are mistakes."""
        annotation = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and annotation is not bool:
            raise ValueError(f"must not be {str(value).lower()}, which YAML also reads for yes, no, on and off")
        if annotation is bool and not isinstance(value, bool):
            raise ValueError("must be true or false")
        return value


def load_settings(kind: type[Table], path: Path, example: str) -> Table:
    """Read a YAML file of settings.

    Args:
        kind: class of the settings.
        path: the file.
        example: a line of such a file, for the message if it is not a mapping.

    Raises:
        UsageError: no such file, or an unknown or invalid setting.
        DataError: the file is not YAML.
    """
    content = read_settings(path, example)
    return parse_settings(kind, content, str(path))


def read_settings(path: Path, example: str) -> dict[str, Any]:
    """Read a YAML file that must hold a mapping; an empty file holds an empty one.

    Raises:
        UsageError, DataError: as `load_settings`, about the file itself.
    """
    if not path.exists():
        raise UsageError(f"there is no configuration {path}{looked_for(path)}")
    content = read_yaml(path)
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise UsageError(f"{path}: must be a mapping such as '{example}', not a {type(content).__name__}")
    return content


def parse_settings(kind: type[Table], content: dict[str, Any], source: str) -> Table:
    """Validate a mapping of settings.

    Args:
        kind: class of the settings.
        content: the settings by name, as read from YAML.
        source: where they are from, such as the path of the file, for messages.

    Raises:
        UsageError: an unknown or invalid setting, named with its place and, if similar, a known one.
    """
    try:
        return kind.model_validate(content, by_alias=True, by_name=False)
    except ValidationError as error:
        raise UsageError(f"{source}: {_explain(kind, error)}") from None


def schema_line(kind: str) -> str:
    """Return the first line of a configuration (``run``, ``train``, ``recipe``): where editors find its JSON Schema."""
    return f"# yaml-language-server: $schema={_schema_file(kind)}\n"


def put_schema_beside(kind: str, folder: Path) -> None:
    """Copy the shipped JSON Schema into the folder of a configuration of that kind.

    Raises:
        UsageError: it cannot be written.
    """
    path, text = folder / _schema_file(kind), (files("bench") / "schemas" / _schema_file(kind)).read_text("utf-8")
    try:
        if not path.is_file() or path.read_bytes() != text.encode():
            replace_file(path, text)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}; free disk space or fix permissions") from error


def _schema_file(kind: str) -> str:
    return f"{kind}.schema.json"


def _explain(kind: type[BaseModel], error: ValidationError) -> str:
    first = _said_of_table(error.errors())
    tables = {table.__name__ for field in kind.model_fields.values() for table in tables_in(field.annotation)}
    place = [text for part in first["loc"] if not _KIND_TRIED.fullmatch(text := str(part)) and text not in tables]
    if first["type"] == "extra_forbidden":
        owner = _table_at(kind, place[:-1])
        known = [field.alias or name for name, field in owner.model_fields.items()]
        return f"unknown setting '{'.'.join(place)}'{suggestion(place[-1], known)}; known: {', '.join(known)}"
    message = first["msg"].removeprefix("Value error, ").replace("valid tuple", "list")
    return f"{'.'.join(place)}: {message[0].lower()}{message[1:]}" if place else message


def _said_of_table(errors: Sequence[Any]) -> Any:
    """Return the first error; for a setting that may be text or a table and is a table, the error within the table."""
    first = errors[0]
    if first["type"] != "string_type" or first["loc"][-1:] != ("str",):
        return first
    depth = len(first["loc"])
    inside = [e for e in errors if len(e["loc"]) > depth and e["loc"][: depth - 1] == first["loc"][:-1]]
    return inside[0] if inside else first


def _table_at(kind: type[BaseModel], place: list[str]) -> type[BaseModel]:
    """Return the table of settings that contains a place such as ``models.0``."""
    for part in place:
        fields = {field.alias or name: field for name, field in kind.model_fields.items()}
        if part in fields:
            kind = next(tables_in(fields[part].annotation), kind)
    return kind


def tables_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the tables of settings within a type: itself, its alternatives or its items."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from tables_in(part)
