"""The leaderboard as a LaTeX table; it needs only the package booktabs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bench.leaderboard.grid import ceiling, chance, columns_of, decimals_of, footnotes, shown_groups, symmetric
from bench.leaderboard.ranks import RankRange
from bench.number_format import number
from bench.printable import printable
from bench.scores.aggregate import Cell, Column
from bench.scores.protocol import Protocol

_ARROWS = {"higher": r"$\uparrow$", "lower": r"$\downarrow$", "none": ""}
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "{''}",  # babel redefines this character
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    # After \\ and \midrule these two would start an option.
    **{mark: f"{{{mark}}}" for mark in "[]*"},
    "−": "$-$",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "×": r"$\times$",
    "α": r"$\alpha$",
    "σ": r"$\sigma$",
}
# Pairs that fonts replace by a ligature: a dash, a quotation mark, an inverted question mark.
_LIGATURE = re.compile(r"(-(?=-)|'(?=')|[`?!](?=`)|,(?=,))")
_WIDE = 4  # columns that fit in one column of a paper


def escaped(text: str) -> str:
    """Escape text for LaTeX, in a cell or a caption; other scripts are left to the engine."""
    parts = _LIGATURE.sub("\\1\0", printable(" ".join(text.split())))
    return "".join("{}" if sign == "\0" else _SPECIAL.get(sign, sign) for sign in parts)


def latex_table(
    cells: Sequence[Cell], ranks: Mapping[tuple[str, str], RankRange], protocol: Protocol, by: str | None = None
) -> str:
    """Return a ``table`` with a row per model and a column per metric, arrows for directions, and a caption.

    Models that tests find better than all others are bold.

    Args:
        cells: the leaderboard.
        ranks: by (model, metric), over all prompts.
        protocol: named in the caption.
        by: what the cells are grouped by, ``genre`` or ``level``, if anything.
    """
    columns, decimals = columns_of(cells), decimals_of(cells)
    first = [by.capitalize()] if by else []
    header = [*first, "Model", *(_heading(column) for column in columns.values())]
    body: list[str] = []
    for group, here in shown_groups(cells).items():
        lead = [escaped(group)] if by else []
        body.append(r"\midrule")
        for model in dict.fromkeys(cell.model for cell in here):
            own = {cell.column.ref: cell for cell in here if cell.model == model}
            leads = [group == "all" and _leads(ranks, model, ref) for ref in columns]
            row = [_written(own[ref], leading, decimals[ref]) for ref, leading in zip(columns, leads, strict=True)]
            body.append(_row([*lead, escaped(model), *row]))
        for label, values in (("chance", chance(here)), ("ceiling (true notes)", ceiling(here))):
            if values:
                row = [f"${_bare(values[ref], decimals[ref])}$" if ref in values else "" for ref in columns]
                body.append(_row([*lead, label, *row]))
    wide = len(columns) > _WIDE
    environment = "table*" if wide else "table"
    lines = [
        r"% needs \usepackage{booktabs}",
        rf"\begin{{{environment}}}",
        r"\centering",
        r"\scriptsize\setlength{\tabcolsep}{3pt}" if wide else r"\footnotesize",
        rf"\caption{{{_caption(cells, protocol)}}}",
        rf"\label{{tab:tunebench-{protocol.id}}}",
        rf"\begin{{tabular}}{{{'l' * (len(first) + 1)}{'r' * len(columns)}}}",
        r"\toprule",
        _row(header),
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        rf"\end{{{environment}}}",
    ]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _heading(column: Column) -> str:
    """Return the metric's name over its unit and direction."""
    unit = " ".join(part for part in (escaped(column.unit), _ARROWS[column.direction]) if part)
    name = escaped(column.ref)
    return rf"\shortstack[r]{{{name}\\({unit})}}" if unit else name


def _written(cell: Cell, leads: bool, decimals: int) -> str:
    estimate = cell.estimate
    if estimate.value is None:
        return f"-- (0/{cell.planned})"
    value = _bare(estimate.value, decimals)
    text = rf"\mathbf{{{value}}}" if leads else value
    half = symmetric(cell)
    if half is not None:
        text += rf" \pm {_bare(half, decimals)}"
    elif estimate.low is not None and estimate.high is not None:
        text += rf"\;[{_bare(estimate.low, decimals)}, {_bare(estimate.high, decimals)}]"
    return f"${text}$" + ("" if estimate.n == cell.planned else f" ({estimate.n}/{cell.planned})")


def _leads(ranks: Mapping[tuple[str, str], RankRange], model: str, ref: str) -> bool:
    """Return whether a model is first and tied with none; a model without rivals does not count."""
    own = ranks.get((model, ref))
    others = sum(metric == ref for _, metric in ranks)
    return own is not None and own.best == own.worst == 1 and not own.tied and others > 1


def _caption(cells: Sequence[Cell], protocol: Protocol) -> str:
    whole = [cell for cell in cells if cell.group == "all"]
    planned = max((cell.planned for cell in whole), default=0)
    prompts = len(protocol.content["prompts"])
    said = (
        f"Means over n = {prompts} prompts ({planned} clips of each model) with 95 % intervals; (a/b): only a "
        "of b clips have a value. Bold: better than every other model (prompts paired, permutation tests, Holm over "
        "the pairs of each metric, 5 %, and the interval of every difference excludes 0)."
    )
    if chance(whole):
        said += " Chance: the score of music without structure."
    if ceiling(whole):
        said += " Ceiling: the best that any model's true notes reach."
    # Warnings belong to their numbers, so they are always printed with them.
    notes = [f"{note}." for note in footnotes(cells)]
    return escaped(" ".join([said, *notes, f"{protocol.line[0].upper()}{protocol.line[1:]}."]))


def _bare(value: float, decimals: int) -> str:
    """Return a number for math mode, where a hyphen is a minus sign and e a letter."""
    digits, _, power = number(value, decimals).replace("−", "-").partition("e")
    return rf"{digits} \times 10^{{{int(power)}}}" if power else digits
