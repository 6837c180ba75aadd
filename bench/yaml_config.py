"""Read YAML written by users, and name the line of a mistake."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from bench.errors import DataError
from bench.text_file import read_text

if TYPE_CHECKING:
    _Safe = yaml.SafeLoader
    _Dumper = yaml.SafeDumper
else:
    # Use libyaml if PyYAML was built with it: a suite of 100,000 prompts reads ten times faster.
    _Safe = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    _Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


_MOST_PARTS = 10_000_000


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file; None if it is empty.

    Raises:
        UsageError: no such file.
        DataError: not YAML; the message names the file and the line.
    """
    text = read_text(path)
    try:
        content = yaml.load(text, _Loader)
        if "*" in text and _parts(content, {}) > _MOST_PARTS:
            raise ValueError(f"its aliases expand to more than {_MOST_PARTS:,} values")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise DataError(f"{path}: {line}not valid YAML ({error.problem or error.context})") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # ValueError: an invalid date or a huge number; RecursionError: thousands of nested brackets.
        raise DataError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    return content


def write_yaml(content: Any) -> str:
    """Return plain values as YAML, in their order."""
    text: str = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


def _parts(value: Any, known: dict[int, int]) -> int:
    """Return the number of values when every alias is expanded; a few lines can expand to more than fits in
    memory."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        known[id(value)] = 1  # it may contain itself
        known[id(value)] += sum(_parts(item, known) for item in (value.values() if isinstance(value, dict) else value))
    return known[id(value)]


class _Loader(_Safe):
    """Loader that refuses duplicate keys; in YAML the last would win, and a lost ``-`` would merge two prompts."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"'{key.value}' occurs twice in one mapping", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)
