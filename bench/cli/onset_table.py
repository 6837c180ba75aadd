"""Table of the accuracy of onset detection by instrument, attack and tempo."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.text_table import Layout
    from metrics.onset_accuracy import OnsetAccuracy

HEADING = ("instrument", "attack", "bpm", "notes per second", "heard as", "recall", "precision", "late (ms)", "± (ms)")
PACES = ((60, 2), (120, 2), (120, 4), (200, 4))
"""Quarter notes per minute, and notes per quarter note."""


def onset_table(quick: bool, layout: Layout) -> str:
    """Play every instrument's étude at several tempos (one if quick), and tabulate the onsets detected."""
    from bench.text_table import paragraph, text_table
    from metrics.onset_accuracy import onset_accuracy
    from models.composer.etude import INSTRUMENTS, play_etude

    rows = [
        (name, instrument.attack, str(bpm), f"{bpm * division / 60:.1f}", *_cells(onset_accuracy(heard)))
        for name, instrument in INSTRUMENTS.items()
        for bpm, division in (PACES[1:2] if quick else PACES)
        for heard in [play_etude(instrument, bpm, division, 6.0)]
    ]
    title = "Onsets detected in even notes of one instrument (the basis of the rhythm metrics)"
    within = "Within 50 ms of a note; ±: standard deviation around the median delay, harmless to rhythm metrics."
    return "\n".join([paragraph(title, layout), text_table(HEADING, rows, 2, layout), paragraph(within, layout)])


def _cells(accuracy: OnsetAccuracy) -> tuple[str, ...]:
    return (
        accuracy.attacks,
        f"{accuracy.recall:.2f}",
        f"{accuracy.precision:.2f}",
        *("–" if t is None else f"{1000 * t:.1f}".replace("-", "−") for t in (accuracy.bias, accuracy.spread)),
    )
