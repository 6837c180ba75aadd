"""Names of a survey that are likely one thing written in two ways."""

from __future__ import annotations

from bench.survey.records import Identified


def lookalikes(identified: Identified) -> list[str]:
    """Names that differ in capitals alone, a sentence for each column that has some."""
    found = []
    for role in ("listener", "prompt", "model", "a", "b", "scale"):
        if role not in identified.records:
            continue
        spellings: dict[str, set[str]] = {}
        for name in identified.records[role].unique():
            spellings.setdefault(name.casefold(), set()).add(name)
        if alike := [" and ".join(sorted(names)) for names in spellings.values() if len(names) > 1]:
            more = f", and {len(alike) - 3} more" if len(alike) > 3 else ""
            what = f"the column '{identified.columns.get(role, role)}'"
            found.append(
                f"Names in {what} that differ in capitals only count as different: {', '.join(alike[:3])}{more}."
            )
    return found
