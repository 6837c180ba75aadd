"""Prompt suites: by registered name, from a YAML file, a Python file, or a file of prompts (`prompt_file`).

A suite file is a mapping of ``name``, ``version`` and ``prompts``, a list of mappings. ``split: development`` or
``split: test`` beside ``name`` sets the purpose of its prompts; beside an ``id``, that of the prompt::

    name: lullabies
    version: 1
    prompts:
      - {id: harp-1, genre: lullaby, level: 1, text: A gentle harp lullaby}
      - {id: harp-2, genre: lullaby, level: 2, text: Harp lullaby at 60 bpm in F major, bpm: 60, key: F major}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from reprlib import Repr
from typing import Any, get_args

from bench.contracts.plugins import find, load, other_version, plain_name
from bench.contracts.prompt import Prompt, PromptSuite, Split
from bench.contracts.prompt_file import SuiteFile, load_suite_file
from bench.contracts.prompt_table import is_prompt_table
from bench.errors import DataError, UsageError, suggestion
from bench.schema import parse_settings
from bench.yaml_config import read_yaml

_Fields = Mapping[str, tuple[type, ...]]

_SUITE_FIELDS: _Fields = {"name": (str,), "version": (int,), "split": (str,), "prompts": (list,)}
_PROMPT_FIELDS: _Fields = {
    "id": (str,),
    "text": (str,),
    "genre": (str,),
    "level": (int,),
    "bpm": (int, float),
    "key": (str,),
    "lyrics": (str,),
    "split": (str,),
}
_OPTIONAL = {"genre", "level", "bpm", "key", "lyrics", "split"}
_WANTED = {str: "text", int: "a whole number", float: "a number", list: "a list"}
_SYNONYMS = {"tempo": "bpm", "tonality": "key", "prompt": "text", "caption": "text", "style": "genre"}
_SUITE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def load_suite(path: Path) -> PromptSuite:
    """Read a suite from a YAML file.

    Every prompt needs ``id`` and ``text``. ``genre`` and ``level`` can split tables; ``bpm`` and
    ``key`` are given if the text states them, ``lyrics`` for models that sing. `bench.Prompt` has the allowed
    values. ``split``, of the suite or of a prompt, is ``development`` or ``test``.

    Raises:
        DataError: the file is missing, is not YAML, or has a mistake; the message says where.
    """
    parsed = read_yaml(path)
    if parsed is None:
        raise DataError(f"{path}: the file is empty")
    content = _fields(parsed, _SUITE_FIELDS, str(path))
    if not _SUITE_NAME.fullmatch(content["name"]):
        raise DataError(f"{path}: name is {_brief(content['name'])}, use letters, digits, '.', '_' and '-'")
    if content["version"] < 1:
        raise DataError(f"{path}: version is {content['version']}, must be 1 or more")
    if not content["prompts"]:
        raise DataError(f"{path}: prompts is an empty list")

    whole = _split(content, str(path))
    prompts: dict[str, Prompt] = {}
    splits: dict[str, Split] = {}
    for number, entry in enumerate(content["prompts"], 1):
        prompt, split = _prompt(entry, f"{path}: prompt {number}")
        if prompt.id in prompts:
            first = list(prompts).index(prompt.id) + 1
            raise DataError(f"{path}: prompt {number} ('{prompt.id}'): prompt {first} has the same id")
        prompts[prompt.id] = prompt
        if own := split or whole:
            splits[prompt.id] = own
    return PromptSuite(content["name"], content["version"], tuple(prompts.values()), splits=splits)


def _split(fields: Mapping[str, Any], where: str) -> Split | None:
    split: Split | None = fields.get("split")
    if split not in (None, *get_args(Split)):
        raise DataError(f"{where}: split is {_brief(split)}, must be development or test")
    return split


def _prompt(entry: Any, where: str) -> tuple[Prompt, Split | None]:
    if isinstance(entry, dict) and isinstance(entry.get("id"), str):
        where += f" ({_brief(entry['id'])})"
    fields = _fields(entry, _PROMPT_FIELDS, where)
    own = {name: value for name, value in fields.items() if name != "split"}
    try:
        stripped = {name: own[name].strip() for name in ("text", "lyrics") if name in own}
        return Prompt(**(own | stripped)), _split(fields, where)
    except DataError as error:
        reason = str(error).removeprefix(f"prompt '{fields['id']}': ")
        raise DataError(f"{where}: {reason}") from None


def _fields(value: Any, known: _Fields, where: str) -> dict[str, Any]:
    """Check that ``value`` is a mapping with every required field and only known ones, each of its type."""
    if not isinstance(value, dict):
        needed = [name for name in known if name not in _OPTIONAL]
        raise DataError(f"{where}: must be a mapping with {', '.join(needed)}, not {_brief(value)}")
    for name, given in value.items():
        if name not in known:
            hint = suggestion(_SYNONYMS.get(str(name), str(name)), known)
            raise DataError(f"{where}: unknown field {_brief(name)}{hint}")
        # bool is an int in Python, and YAML reads a bare yes, no, on or off as bool.
        if isinstance(given, bool) or not isinstance(given, known[name]):
            wanted = _WANTED[known[name][-1]]
            raise DataError(f"{where}: {name} is {_brief(given)}, must be {wanted}{_quoting(name, given)}")
    for name in known:
        if name not in value and name not in _OPTIONAL:
            raise DataError(f"{where}: field '{name}' is missing")
    return value


def _brief(value: Any) -> str:
    """Return a shortened ``repr``: aliases can expand a few lines without limit."""
    shape = Repr()
    shape.maxlevel, shape.maxstring = 2, 60
    text = shape.repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _quoting(name: str, given: Any) -> str:
    """Return a hint for text that YAML reads as another type: ``id: 7``, ``genre: no``."""
    scalar = not isinstance(given, list | dict)
    return f"; put it in quotes: {name}: '...'" if _PROMPT_FIELDS.get(name) == (str,) and scalar else ""


def load_suite_named(ref: str | SuiteFile | Mapping[str, Any]) -> PromptSuite:
    """Load ``genres``, ``file.yaml`` or ``file.py:function``, or each with a required version: ``genres@1``.

    Or a published file of prompts: ``prompts.csv``, or a mapping that says how to read it, such as
    ``{"file": "prompts.csv", "text": "caption"}``; see `bench.contracts.prompt_file.SuiteFile`.

    Raises:
        UsageError: an unknown suite, or another version than the installed one; a file of prompts that does
            not exist or has no such column.
        DataError: a suite file with a mistake.
        MissingError: a module that the suite needs, or a library for reading the file, is not installed.
    """
    if not isinstance(ref, str):
        made = ref if isinstance(ref, SuiteFile) else parse_settings(SuiteFile, dict(ref), "suite")
        return load_suite_file(made)
    if is_prompt_table(ref):
        return load_suite_file(SuiteFile(file=ref))
    path = plain_name(ref)
    if path.endswith((".yaml", ".yml")):
        suite = load_suite(Path(path))
        if path != ref and ref.rpartition("@")[2] != str(suite.version):
            raise UsageError(f"suite '{ref}': the file has '{suite.ref}'; use '{path}', or another file")
        return suite
    if is_prompt_table(path):
        raise UsageError(f"suite '{ref}': a file of prompts has no version; use '{path}', as its hash identifies it")
    plugin = find("suite", ref)
    made = load(plugin)()
    if not isinstance(made, PromptSuite):
        raise UsageError(
            f"suite '{plugin.name}' ({plugin.target}) returns a {type(made).__name__}, not a bench.PromptSuite"
        )
    if plugin.version not in (None, made.version):
        raise UsageError(other_version(plugin, f"{plugin.name}@{made.version}"))
    return made
