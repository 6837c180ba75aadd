"""JSON Schemas of configurations, made from the classes that read them, so that editors complete and check YAML.

What a schema accepts and what the class accepts is the same but for what a schema cannot say: that two entries differ,
that one setting names another, or what is installed. Values that YAML gives another type than the setting has, and that
can be read all the same (``"10"`` for 10), a schema refuses.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from bench.schema import Settings, tables_in

# What language servers for YAML know best; nothing that came later is used.
DRAFT = "http://json-schema.org/draft-07/schema#"

_JOINED = r"(?:, | and | or )"


def json_schema(kind: type[Settings], title: str, names: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the schema of a class of settings.

    Args:
        kind: the class.
        title: what it configures.
        names: values to offer by setting, such as ``ModelConfig.name``, though others are possible.
    """
    made = kind.model_json_schema(by_alias=True)
    tables = {table.__name__: table for table in _all_tables(kind)}
    definitions = {name: _described(own, tables[name], names) for name, own in made.pop("$defs", {}).items()}
    whole = _described(made, kind, names)
    return {"$schema": DRAFT, "title": title, **whole, **({"$defs": definitions} if definitions else {})}


def table_schema(kind: type[Settings]) -> dict[str, Any]:
    """Return the schema of a table of settings that holds no other table, to be put inside another one."""
    return _described(kind.model_json_schema(by_alias=True), kind, {})


def nested(schema: dict[str, Any], inside: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a schema in which settings that hold a whole configuration have the schema of that.

    Args:
        schema: as `json_schema` makes it.
        inside: by setting, the schema of its value, or of each value where the setting is a mapping of labels.
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
    """Return what the documentation of a class of settings says of the whole, and of each setting by its name in YAML.

    Of a setting it says ``name: words.`` at the beginning of a paragraph or after a sentence, for several ``a and b:``.
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
    """Return the schema of one table with what its settings mean, and without what pydantic adds for programs."""
    about, words = descriptions(table)
    properties = {}
    for name, given in schema.get("properties", {}).items():
        offered = names.get(f"{table.__name__}.{name}")
        own = _plain({key: value for key, value in given.items() if key != "title"})
        if offered and "items" in own:
            own["items"] = {**own["items"], "examples": list(offered)}
        elif offered:
            own["examples"] = list(offered)
        # Next to a reference nothing else counts in this draft.
        own = {"allOf": [{"$ref": own.pop("$ref")}], **own} if "$ref" in own else own
        properties[name] = {"description": words[name], **own} if name in words else own
    rest = {key: value for key, value in schema.items() if key not in ("title", "description", "properties")}
    return {"description": about, **rest, "properties": properties}


def _plain(value: Any) -> Any:
    """Return a schema in words that all drafts since 7 have."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {key: _plain(item) for key, item in value.items()}
    if "prefixItems" in made:  # of a pair, both of one kind
        made["items"] = made.pop("prefixItems")[0]
    if "patternProperties" in made:  # of labels: others are refused
        ((pattern, inside),) = made.pop("patternProperties").items()
        made |= {"propertyNames": {"pattern": pattern}, "additionalProperties": inside}
    return made


def _all_tables(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield a class of settings and those inside it."""
    yield kind
    for field in kind.model_fields.values():
        for table in tables_in(field.annotation):
            yield from _all_tables(table)


def _fields(table: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in table.model_fields.items()]
