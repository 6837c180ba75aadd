"""Texts of a listening test's pages in the listeners' language, from a YAML file with one text per line."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from bench.errors import DataError, UsageError, suggestion
from bench.yaml_config import read_yaml

_FOLDER = files("bench.listening_test") / "languages"
FIRST = "en"


def languages() -> list[str]:
    """Return the codes of the shipped languages."""
    return sorted(Path(str(file)).stem for file in _FOLDER.iterdir() if str(file).endswith(".yaml"))


def read_texts(language: str) -> dict[str, str]:
    """Return the texts of a language, by name.

    Args:
        language: code of a shipped language, or a YAML file of texts by name.

    Raises:
        UsageError: no such language or file.
        DataError: the file lacks a text, has an unknown one, or a placeholder such as ``{number}`` is missing.
    """
    known = languages()
    if language in known:
        path = Path(str(_FOLDER / f"{language}.yaml"))
    elif language.endswith((".yaml", ".yml")):
        path = Path(language)
    else:
        raise UsageError(
            f"language: there is no '{language}'{suggestion(language, known)}; known: {', '.join(known)}; or name a "
            f"YAML file with the texts, such as a translation of {_FOLDER / f'{FIRST}.yaml'}"
        )
    texts = _read(path)
    english = _read(Path(str(_FOLDER / f"{FIRST}.yaml")))
    if missing := [name for name in english if name not in texts]:
        raise DataError(f"{path}: lacks the text '{missing[0]}', in English '{english[missing[0]]}'")
    for name, text in texts.items():
        if name not in english and not name.startswith("scale "):
            raise DataError(f"{path}: unknown text '{name}'{suggestion(name, english)}")
        if wanted := sorted(_placeholders(english.get(name, "")) - _placeholders(text)):
            raise DataError(f"{path}: '{name}' lacks {{{wanted[0]}}}; in English it is '{english[name]}'")
    return texts


def _placeholders(text: str) -> set[str]:
    return {part.partition("}")[0] for part in text.split("{")[1:]}


def _read(path: Path) -> dict[str, str]:
    content = read_yaml(path)
    if not isinstance(content, dict) or not all(isinstance(text, str) and text for text in content.values()):
        raise DataError(f"{path}: must be a mapping of names to texts, such as 'next: Next'")
    return {str(name): text for name, text in content.items()}
