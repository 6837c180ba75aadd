"""Measure and draw the dose–response figures of the pages on metrics: `make figures`.

Run `tunebench check metrics` three times, draw one PNG for each page, write the numbers into responses.csv, and put
figure, caption and table into the pages, between the two comments that mark the place. With a folder as argument, what
a run printed is kept there, and a run whose file is there already is not made again.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from metrics.degradation_kinds import DEGRADATIONS, fewer
from metrics.dose_plot import draw
from metrics.dose_response import Response

FIGURES = Path(__file__).parent
PAGES = FIGURES.parent
BEGIN, END = "<!-- written by make figures -->", "<!-- end -->"
CAPTION = (
    "The music is the composer's. Blue: the largest dose is detected; bars: 95 % interval of the change. With `genre`",
    "at 100 % each clip is the clean one of another prompt. The table has the smallest dose detected, in the units of",
    "the figure (·: none; +: the damaged music is called better), and how many prompts have a value (fewest to most).",
    "Without any effect, about one cell in twenty still counts as detected.",
)
COLUMNS = ("metric", "damage", "dose", "prompts", "value", "change_low", "change_high", "p", "detected", "better")


@dataclass(frozen=True)
class Run:
    """One run of `tunebench check metrics`.

    Attributes:
        metrics, options: what it is called with.
        clips: how many prompts and clips it scores, in words.
        quick: whether it has two of three doses.
    """

    metrics: tuple[str, ...]
    options: tuple[str, ...]
    clips: str
    quick: bool = False


OF_CLIPS = [
    "harmonic-accuracy",
    "chords-in-key",
    "melodic-complexity",
    "pitch-variety",
    "rhythm-grid",
    "rhythmic-inconsistency",
    "tempo-adherence",
    "key-adherence",
    "genre-fit",
    "fad-clip",
    "kl-musicnn",
]
OF_SETS = ["kad", "kad-kadtk", "mad", "density", "coverage", "is"]
RUNS = {
    "all": Run((*OF_CLIPS, *OF_SETS), (), "12 prompts, one clip of 10 s each: 12 clean clips and 288 damaged ones"),
    "diversity": Run(
        ("diversity",),
        ("--quick", "--seeds", "2"),
        "6 prompts, two clips of 10 s each: 12 clean clips and 192 damaged ones",
        quick=True,
    ),
    "fad": Run(("fad",), ("--full",), "36 prompts, one clip of 10 s each: 36 clean clips and 864 damaged ones"),
}


def measure(name: str, folder: Path) -> list[dict[str, Any]]:
    """Return the responses of a run, from its file in the folder where it is there."""
    file, run = folder / f"{name}.json", RUNS[name]
    if not file.is_file():
        named = [word for metric in run.metrics for word in ("--metric", metric)]
        command = [str(Path(sys.executable).with_name("tunebench")), "check", "metrics", *named, *run.options, "--json"]
        printed = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
        file.write_bytes(printed)
    rows = json.loads(file.read_text(encoding="utf-8"))
    return [row for row in rows if row["metric"].partition("@")[0] in run.metrics]


def detected(row: dict[str, Any]) -> str:
    """Return a cell of the tables: the smallest dose detected, · for none, + where damaged music is called better."""
    if row["detected"] is None:
        return "·" if any(value is not None for value in row["values"]) else "–"
    return f"{row['detected']}{' +' if row['improved'] else ''}"


def prompts(rows: list[dict[str, Any]]) -> str:
    """Return how many prompts of a metric have a value, from the dose with the fewest to the one with the most."""
    if all(value is None for row in rows for value in row["values"]):
        return "–"
    numbers = [number for row in rows for number in row["defined"]]
    return "–".join(map(str, sorted({min(numbers), max(numbers)})))


def block(page: str, of_page: dict[str, list[dict[str, Any]]]) -> str:
    """Return what a page shows of the runs: a figure, what it is of, and a table of the smallest doses detected."""
    names = list(DEGRADATIONS)
    lines = [f"![Value at each dose of each kind of damage](figures/{page}.png)", ""]
    for name, rows in of_page.items():
        metrics = ", ".join(f"`{metric}`" for metric in dict.fromkeys(row["metric"] for row in rows))
        lines.append(f"{metrics}: {RUNS[name].clips}.")
    lines += [*CAPTION, "", f"| metric | prompts | {' | '.join(names)} |", "|---|" + "---|" * (1 + len(names))]
    for rows in of_page.values():
        for metric in dict.fromkeys(row["metric"] for row in rows):
            own = [row for row in rows if row["metric"] == metric]
            lines.append(f"| `{metric}` | {' | '.join([prompts(own), *map(detected, own)])} |")
    return "\n".join(lines)


def shrink(file: Path) -> None:
    """Keep 16 colors of a PNG: its lines and words need no more."""
    with Image.open(file) as image:
        few = image.convert("RGB").quantize(16, dither=Image.Dither.NONE)
    few.save(file, optimize=True)


def write_data(rows: list[dict[str, Any]]) -> None:
    """Write every value with the interval and the p of its change into responses.csv."""
    with (FIGURES / "responses.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for row in rows:
            of_doses = (row[column] for column in ("doses", "defined", "values", "low", "high", "p"))
            for numbers in zip(*of_doses, strict=True):
                shown = [f"{number:.5g}" if isinstance(number, float) else number for number in numbers]
                table.writerow([row["metric"], row["spoiler"], *shown, row["detected"], int(row["improved"])])


def main(folder: Path) -> None:
    """Measure what is not in the folder, and write figures, data and pages."""
    found = {name: measure(name, folder) for name in RUNS}
    write_data([row for rows in found.values() for row in rows])
    for page in sorted(PAGES.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if BEGIN not in text:
            continue
        named = re.findall(r"^\| `([a-z0-9-]+)@\d+` \|", text.partition(BEGIN)[0], re.MULTILINE)
        of_page = {
            name: own
            for name, rows in found.items()
            if (own := [row for row in rows if row["metric"].partition("@")[0] in named])
        }
        quick = all(RUNS[name].quick for name in of_page)
        spoilers = [fewer(spoiler) if quick else spoiler for spoiler in DEGRADATIONS.values()]
        responses = [
            Response(**{key: value for key, value in row.items() if key != "improved"})
            for rows in of_page.values()
            for row in rows
        ]
        figure = FIGURES / f"{page.stem}.png"
        draw(responses, spoilers, figure)
        shrink(figure)
        before, after = text.partition(BEGIN)[0], text.partition(END)[2]
        page.write_text(f"{before}{BEGIN}\n\n{block(page.stem, of_page)}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else temporary))
