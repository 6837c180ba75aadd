"""``tunebench check duplicates``: does music of one collection occur in another, in any encoding?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from bench.memorisation.duplicates import Duplicates

_MOST = 20  # pairs of a table
_SIDES: tuple[tuple[Literal["a"], Literal["a_recording"]], tuple[Literal["b"], Literal["b_recording"]]] = (
    ("a", "a_recording"),
    ("b", "b_recording"),
)


def command(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Run folders (their clips), folders of audio or manifests, reference files, adapters.",
            show_default=False,
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Find music that occurs in two collections, by its sound: training, reference, prompts' music and clips.

    Another encoding, rate or level is recognized, and so is an excerpt of 10 s. File names and hashes are ignored.
    A single collection is searched for duplicates within it.
    """
    import json

    from bench.cli.progress import shown
    from bench.memorisation.duplicates import find_duplicates

    with shown() as progress:
        found = find_duplicates(sources, progress)
    print(json.dumps(found, indent=2, ensure_ascii=False) if as_json else _text(found))


def _text(found: Duplicates) -> str:
    from bench.cli.output import page_layout
    from bench.number_format import counted
    from bench.text_table import paragraph, text_table

    layout = page_layout()
    lines = []
    for one in found["collections"]:
        short = f", {one['too_short']} too short to check (8 s are needed)" if one["too_short"] else ""
        lines.append(paragraph(f"{one['name']}: {counted(one['compared'], 'recording')}{short}", layout))
    pairs = found["pairs"]
    if not all(one["compared"] for one in found["collections"]):
        return "\n".join([*lines, "", "Recordings that are too short were not checked."])
    if not pairs:
        none = "No recording is in two collections." if len(found["collections"]) > 1 else "No recording occurs twice."
        return "\n".join([*lines, "", none])
    many = len(found["collections"]) > 2
    sides = [[f"{pair[of]}: {pair[id]}" if many else pair[id] for pair in pairs] for of, id in _SIDES]
    rows = [
        [
            *(side[place] for side in sides),
            "same sound" if pair["same"] else "whole" if pair["whole"] else "part",
            f"{pair['a_time']:.1f}, {pair['b_time']:.1f}",
            f"{pair['apart']:.3f}",
        ]
        for place, pair in enumerate(pairs[:_MOST])
    ]
    heads = ["A", "B"] if many else [pairs[0]["a"], pairs[0]["b"]]
    lines += ["", text_table([*heads, "agree", "at (s)", "apart"], rows, 2, layout)]
    if len(pairs) > _MOST:
        lines.append(f"… and {len(pairs) - _MOST} more; --json has all")
    whole = sum(pair["same"] or pair["whole"] for pair in pairs)
    lines += [
        "",
        paragraph(
            f"{counted(len(pairs), 'pair')}, {whole} of which agree over their whole length: copies, re-encodings and "
            "excerpts. A part is a stretch of 7 s; a few slow pieces with the same chords match by chance: listen to "
            "them. apart: share of fingerprint bits that differ; pairs up to .08 are reported, unrelated music has "
            "about .4.",
            layout,
        ),
    ]
    return "\n".join(lines)
