"""The README of an exported dataset: a header that the Hugging Face hub reads, and information for listeners."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib.metadata import version

import yaml

from bench.leaderboard.grid import footnotes, grid
from bench.scores.aggregate import Cell
from bench.text_table import markdown_table, markdown_text

_FEATURES = {
    "audio": "the clip, as generated: 24-bit FLAC",
    "model": "the row of the benchmark that made it",
    "prompt": "id of the prompt in its suite",
    "text": "what the model was asked for",
    "genre": "the prompt's genre; null if none",
    "level": "how detailed the prompt is, 1 (a few words) and up; null if unknown",
    "bpm": "the tempo that the prompt states, in quarter notes a minute; null if none",
    "key": "the key that the prompt states; null if none",
    "seed": "of the model's random numbers",
    "duration": "in seconds",
    "sample_rate": "in Hz",
}
# The hub's own words for how many rows there are.
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_BETTER = {"higher": "higher is better", "lower": "lower is better", "none": "neither high nor low is better"}


def dataset_card(
    name: str, suite: str, protocol: str, cells: Sequence[Cell], columns: Collection[str], clips: int, licence: str
) -> str:
    """Return Markdown with a YAML header; what comes from data is escaped in both.

    Args:
        name: of the run.
        suite: the suite of prompts.
        protocol: its line.
        cells: the leaderboard of the exported models, over all prompts.
        columns: of the metadata.
        clips: how many there are.
        licence: the hub's identifier of the clips' license; ``other`` if unknown.
    """
    header = yaml.safe_dump(
        {
            "pretty_name": f"{name}: clips of text-to-music models",
            "license": licence,
            "task_categories": ["text-to-audio"],
            "tags": ["music", "text-to-music", "benchmark", "tunebench"],
            "size_categories": [next((size for most, size in _SIZES if clips < most), "1M<n<10M")],
        },
        sort_keys=False,
        allow_unicode=True,
    )
    parts = [
        f"# {markdown_text(name)}",
        f"{markdown_text(described(suite, clips))} Written by `tunebench export hf`; the next export overwrites "
        "this file.",
        f"Numbers of another run are comparable where it follows the same protocol: {markdown_text(protocol)}",
        "## Leaderboard",
        "Means over prompts with 95 % intervals.",
        markdown_table(*grid(cells)),
        *(markdown_text(note) for note in footnotes(cells)),
        "## Columns",
        markdown_table(["column", "what it is"], list(map(list, column_meanings(cells, columns).items())), 2),
        "## Use",
        "```python\n# pip install 'datasets[audio]'\nfrom datasets import load_dataset\n\n"
        'clips = load_dataset("audiofolder", data_dir="path/to/this/folder", split="train")\n```',
        "## Licence",
        _licence(licence),
    ]
    return f"---\n{header}---\n\n" + "\n\n".join(parts) + "\n"


def described(suite: str, clips: int) -> str:
    """Return the dataset in a sentence.

    Args:
        suite: name of the suite of prompts.
        clips: how many there are.
    """
    return (
        f"{clips} clips that text-to-music models made for the prompts of {suite}, with the scores that tunebench "
        f"{version('tunebench')} gave them."
    )


def column_meanings(cells: Sequence[Cell], columns: Collection[str]) -> dict[str, str]:
    """Return what each column of the metadata is, in words; those of scores as far as the metadata have them.

    Args:
        cells: of the leaderboard, which know units and directions.
        columns: of the metadata.
    """
    found = dict(_FEATURES)
    for column in dict.fromkeys(cell.column for cell in cells):
        if column.ref in columns:
            unit = f" ({column.unit})" if column.unit else ""
            found[column.ref] = f"score{unit}, {_BETTER[column.direction]}; null if undefined"
        if f"{column.ref} reason" in columns:
            found[f"{column.ref} reason"] = "why there is no score; null if there is one"
    return found


def _licence(licence: str) -> str:
    if licence == "other":
        return "Not stated. What may be done with generated music depends on the models that made it."
    return f"{licence}, as stated at the export of the clips."
