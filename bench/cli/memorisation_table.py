"""Text report of a memorization audit: two tables, and what they can and cannot show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.number_format import with_interval
from bench.text_table import Layout, paragraph, text_table

if TYPE_CHECKING:
    from bench.memorisation.records import AuditRecord, IntervalRecord

_TERMS = """\
excess: by how much the nearest training recording is more similar (cosine, 1 is the same) than the nearest held-out
one, both among equally many recordings; mean over prompts, 95 % interval. About 0: no nearer to the training recordings
than to other music of the kind. probability: that the nearest recording is a training one; 0.5 by chance. p: share of
random re-splits of the recordings with an excess at least as high; it tests whether the actual split matters, which the
interval does not. ratio: distance to the nearest training recording over that to the nearest held-out one; near 0 is a
copy."""
_CAUTIONS = """\
Similarity is measured by one embedder in windows of a few seconds, and reflects sound and style more than melody. High
values are a reason to listen, not proof of copying. A melody copied with other instruments, or a copy shorter than a
window, may be missed."""
_DILUTED = """\
Only {share:.0%} of the training recordings are in each comparison, so the mean shows copying only to that extent; the
list of clips uses all of them."""
_ASSUMED = """\
All this assumes that the held-out recordings were drawn at random and that the base was not trained on the dataset."""


def table(found: AuditRecord, layout: Layout | None = None) -> str:
    """Return the findings for one division of the recordings as text."""
    header = ["model", "nearest trained", "nearest held out", "excess", "p", "probability", "prompts"]
    rows = [
        [
            row["model"],
            f"{row['nearest_trained']:.4f}",
            f"{row['nearest_held_out']:.4f}",
            *_excess(row["excess"], row),
            with_interval(row["probability"], row["probability_low"], row["probability_high"], 2),
            str(row["prompts"]),
        ]
        for row in found["models"]
    ]
    rows += [
        [f"{row['b']} − {row['a']}", "", "", *_excess(row["estimate"], row), "", str(row["prompts"])]
        for row in found["differences"]
    ]
    about = (
        f"{found['embedder']}, {found['view']}: {found['trained']} recordings trained on and {found['held_out']} held "
        f"out, {found['divided']}; compared {found['compared']} with {found['compared']}"
    )
    notes = dict.fromkeys([row["note"] for row in found["models"]] + [row["note"] for row in found["differences"]])
    said = [f"no interval: {note}" for note in notes if note]
    if not found["differences"]:
        said.append("no differences: no row is the base of another; name the base with --base")
    lines = [paragraph(about, layout), "", text_table(header, rows, layout=layout)]
    lines += [paragraph(note, layout) for note in said]
    share = found["compared"] / found["trained"]
    cautions = [_CAUTIONS, *([_DILUTED.format(share=share)] if share < 1 else []), _ASSUMED]
    for reading in (_TERMS, " ".join(cautions)):
        lines += ["", paragraph(reading, layout)]
    if found["pairs"]:
        about = "Most suspicious clips, each with its nearest training example; times are approximate"
        lines += ["", paragraph(about, layout)]
        lines.append(
            text_table(
                ["model", "clip", "at", "example", "at", "similarity", "held out", "ratio"],
                [
                    [
                        *(pair["model"], pair["clip"], _clock(pair["clip_time"])),
                        *(pair["example"], _clock(pair["example_time"])),
                        *(f"{pair['similarity']:.4f}", f"{pair['held_out']:.4f}", f"{pair['ratio']:.2f}"),
                    ]
                    for pair in found["pairs"]
                ],
                2,
                layout,
            )
        )
    return "\n".join(lines)


def _excess(value: float, interval: IntervalRecord) -> list[str]:
    return [with_interval(value, interval["low"], interval["high"], 4), f"{interval['p']:.3f}"]


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
