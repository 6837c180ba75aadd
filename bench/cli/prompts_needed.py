"""``tunebench check metrics --prompts-needed``: how many prompts each distance needs to see each damage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metrics.degradation_kinds import Degradation
    from metrics.detection import Detection


def print_prompts_needed(folder: Path, quick: bool, reference: str, duration: float, others: bool = False) -> None:
    """Make the music, the data, the figure and the page, and print the table.

    Args:
        folder: where the files go; its ``kept`` holds the slow results, so that the same command resumes.
        quick: 12 prompts, two kinds of damage in two doses, subsets of 6.
        reference: reference music of the distances.
        duration: of each clip in seconds.
        others: whether other options of the command were given.

    Raises:
        UsageError: the folder cannot be written, or other options were given.
        MissingError: matplotlib, or what the composer needs, is not installed.
    """
    from bench.cli.progress import shown
    from bench.contracts.embedder import EmbedderRef
    from bench.contracts.prompt_suite import load_suite_named
    from bench.errors import UsageError
    from bench.planning.metric_plan import plan_embedder
    from bench.references.find import find_reference
    from bench.references.load import load_reference
    from metrics.damaged_music import EMBEDDER, asked, listen
    from metrics.degradation_kinds import DEGRADATIONS, fewer
    from metrics.detection import Design, detect
    from metrics.detection_report import NAME, write_detections
    from metrics.dose_plot import check_plot

    if others:
        raise UsageError("--prompts-needed can only be combined with --quick, --reference and --duration")
    check_plot(folder / f"{NAME}.svg")
    kept = folder / "kept"
    try:
        kept.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make {kept}: {error.strerror}") from error
    kinds = [fewer(DEGRADATIONS[name]) for name in ("low-pass", "noise")] if quick else list(DEGRADATIONS.values())
    design = Design((6,), 20, 40) if quick else Design()
    texts = load_suite_named("genres@1").prompts
    with shown() as progress:
        of = load_reference(find_reference(reference, plan_embedder(EmbedderRef(EMBEDDER)), kept, progress).path)
        music = listen(asked(texts, 2) if quick else asked(texts), kinds, kept, progress, duration)
        detections = detect(music, kinds, of, design, kept, progress)
    paths = write_detections(detections, kinds, music, of, design, folder, duration)
    print(_report(detections, kinds, paths))


def _report(detections: list[Detection], kinds: list[Degradation], paths: list[Path]) -> str:
    from bench.cli.output import page_layout
    from bench.text_table import paragraph, text_table
    from metrics.detection_report import needed_rows

    page = page_layout()
    most = max(one.prompts for one in detections)
    header, rows = needed_rows(detections, kinds)
    parts = [
        paragraph("Prompts needed to detect damage with probability .8, one-sided at .05", page),
        text_table(header, rows, words=2, layout=page),
        paragraph(f"> {most}: not even with {most} prompts; +: rates the damaged music better; –: no value.", page),
        *(str(path) for path in paths),
    ]
    return "\n".join(parts)
