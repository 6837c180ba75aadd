"""JSON Schemas of configurations, made from the classes that parse them, for completion and checks in editors.

A schema accepts what the class accepts, except for what a schema cannot express: that two entries differ,
that one setting names another, or what is installed. It rejects values of another YAML type that the class would
convert (``"10"`` for 10).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from bench.schema import Settings, tables_in

# The draft best supported by YAML language servers; nothing newer is used.
DRAFT = "http://json-schema.org/draft-07/schema#"

_JOINED = r"(?:, | and | or )"


def json_schema(kind: type[Settings], title: str, names: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the schema of a class of settings.

    Args:
        kind: the class.
        title: title of the schema.
        names: suggested values by setting, such as ``ModelConfig.name``; others are allowed.
    """
    made = kind.model_json_schema(by_alias=True)
    tables = {table.__name__: table for table in _all_tables(kind)}
    definitions = {name: _described(own, tables[name], names) for name, own in made.pop("$defs", {}).items()}
    whole = _described(made, kind, names)
    return {"$schema": DRAFT, "title": title, **whole, **({"$defs": definitions} if definitions else {})}


def table_schema(kind: type[Settings]) -> dict[str, Any]:
    """Return the schema of a table of settings without nested tables, to embed in another schema."""
    return _described(kind.model_json_schema(by_alias=True), kind, {})


def nested(schema: dict[str, Any], inside: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a schema in which settings that contain a whole configuration have its schema.

    Args:
        schema: as `json_schema` makes it.
        inside: by setting, the schema of its value, or of each value if the setting is a mapping of labels.
    """
    properties, definitions = dict(schema["properties"]), dict(schema.get("$defs", {}))
    for name, other in inside.items():
        own = {key: value for key, value in other.items() if key not in ("$schema", "$defs")}
        definitions |= {**other.get("$defs", {}), name: own}
        there, reference = properties[name], {"$ref": f"#/$defs/{name}"}
        labelled = "propertyNames" in there
        whole = {"description": there.get("description", ""), "allOf": [reference]}
        properties[name] = {**there, "additionalProperties": reference} if labelled else whole
    return {**schema, "properties": properties, "$defs": definitions}


def descriptions(table: type[BaseModel]) -> tuple[str, dict[str, str]]:
    """Return the description of a class of settings, and of each setting by its name in YAML, from its docstring.

    The docstring describes a setting as ``name: words.`` at the start of a sentence, several as ``a and b: words.``.
    """
    known = "|".join(map(re.escape, _fields(table)))
    heading = re.compile(rf"(?:^|(?<=[.] ))((?:{known})(?:{_JOINED}(?:{known}))*): ")
    about: list[str] = []
    found: dict[str, str] = {}
    for paragraph in inspect.cleandoc(table.__doc__ or "").split("\n\n"):
        before, *rest = heading.split(" ".join(paragraph.replace("None", "null").split()))
        about += [before.strip().replace("`", "")] if before.strip() else []
        for named, words in zip(rest[::2], rest[1::2], strict=True):
            text = (words[:1].upper() + words[1:]).strip().replace("`", "")
            found |= dict.fromkeys(re.split(_JOINED, named), text)
    return " ".join(about), found


def _described(schema: dict[str, Any], table: type[BaseModel], names: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the schema of one table with descriptions of its settings, without pydantic's extra keys."""
    about, words = descriptions(table)
    properties = {}
    for name, given in schema.get("properties", {}).items():
        offered = names.get(f"{table.__name__}.{name}")
        own = _plain({key: value for key, value in given.items() if key != "title"})
        if offered and "items" in own:
            own["items"] = {**own["items"], "examples": list(offered)}
        elif offered:
            own["examples"] = list(offered)
        # In this draft, keys beside a $ref are ignored.
        own = {"allOf": [{"$ref": own.pop("$ref")}], **own} if "$ref" in own else own
        properties[name] = {"description": words[name], **own} if name in words else own
    rest = {key: value for key, value in schema.items() if key not in ("title", "description", "properties")}
    return {"description": about, **rest, "properties": properties}


def _plain(value: Any) -> Any:
    """Return a schema that uses only keywords of draft 7."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {key: _plain(item) for key, item in value.items()}
    if "prefixItems" in made:  # a pair of the same type
        made["items"] = made.pop("prefixItems")[0]
    if "patternProperties" in made:  # labels: reject others
        ((pattern, inside),) = made.pop("patternProperties").items()
        made |= {"propertyNames": {"pattern": pattern}, "additionalProperties": inside}
    return made


def _all_tables(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield a class of settings and the classes nested in it."""
    yield kind
    for field in kind.model_fields.values():
        for table in tables_in(field.annotation):
            yield from _all_tables(table)


def _fields(table: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in table.model_fields.items()]
