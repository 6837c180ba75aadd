"""The CSV files that webMUSHRA writes: MUSHRA, multi- and single-stimulus Likert, and paired comparison.

Each row begins with session_test_id and the participant's own columns (e-mail, age, …, in newer versions
session_uuid), then trial_id and the answer: rating_stimulus, rating_score, … (MUSHRA); stimuli_rating, stimuli
(Likert); choice_reference, choice_non_reference, choice_answer (paired comparison), where "correct" means that the
reference was chosen and "incorrect" the other.

Source: github.com/audiolabs/webMUSHRA, service/write.php and lib/webmushra/pages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bench.errors import DataError, UsageError
from bench.survey.long_format import Identified, plain, records

if TYPE_CHECKING:
    import pandas as pd

    from bench.survey.table_file import TextTable

_MUSHRA = {"trial_id", "rating_stimulus", "rating_score"}
_LIKERT = {"trial_id", "stimuli_rating", "stimuli"}
_PAIRED = {"trial_id", "choice_reference", "choice_non_reference", "choice_answer"}
_PERSONAL = ("session", "email", "participant", "name", "listener", "user", "subject")  # session: session_uuid
_HEARD, _MISSES = 90, 0.15
_CONTROL = re.compile(r"reference|anchor\d*", re.IGNORECASE)


def recognised(table: TextTable) -> bool:
    """Whether webMUSHRA wrote it."""
    return any(layout <= set(table.header) for layout in (_MUSHRA, _LIKERT, _PAIRED))


def identify(table: TextTable, given: Mapping[str, str]) -> Identified:
    """Bring webMUSHRA's answers into the long form; columns that were ``given`` win.

    Raises:
        DataError: nothing in the rows tells the listeners apart.
        UsageError: another column was given than the one that webMUSHRA writes a role to.
    """
    header = set(table.header)
    roles = {"listener": given.get("listener") or _listener(table), "prompt": "trial_id"}
    extra = {role: given[role] for role in ("prompt", "scale", "seed", "genre") if role in given}
    if header >= _PAIRED:
        roles |= {"a": "choice_reference", "b": "choice_non_reference", **extra}
        _no_others(table, given, {**roles, "choice": "choice_answer"})
        frame = records(table, roles, "choice_answer", None if "scale" in extra else "preference")
        # The answer names the reference "correct", however the two were labelled.
        words = {"correct": "a", "incorrect": "b", "undecided": "tie", "unknown": ""}
        frame["text"] = frame["text"].map(lambda text: words.get(text.lower(), text))
        return Identified(table.path, "preferences", frame, roles, _notes("paired comparison", roles))
    mushra = header >= _MUSHRA
    roles |= {"model": "rating_stimulus" if mushra else "stimuli", **extra}
    answer = "rating_score" if mushra else "stimuli_rating"
    _no_others(table, given, {**roles, "value": answer})
    frame = records(table, roles, answer, None if "scale" in extra else "MUSHRA" if mushra else "rating")
    controls = frozenset(name for name in frame["model"].unique() if mushra and _CONTROL.fullmatch(name))
    notes = _notes("MUSHRA" if mushra else "Likert", roles)
    if mushra and (doubt := _doubtful_listeners(frame)):
        notes = (*notes, doubt)
    return Identified(table.path, "ratings", frame, roles, notes, table.decimal_comma, controls)


def _no_others(table: TextTable, given: Mapping[str, str], told: Mapping[str, str]) -> None:
    for role, name in given.items():
        if told.get(role) != name:
            what = f"is in '{told[role]}'" if role in told else "does not exist"
            raise UsageError(f"--column {role}={name}: {table.path} is a file of webMUSHRA, in which the {role} {what}")


def _doubtful_listeners(records: pd.DataFrame) -> str:
    """Say who rates the hidden reference too low: below 90 in more than 15 % of the trials; a sentence, or "".

    Source: ITU-R BS.1534-3, §4.1.2.
    """
    import pandas as pd

    trials = records[records["model"].str.lower() == "reference"]
    scores = pd.to_numeric(trials["text"], errors="coerce")
    missed = (scores < _HEARD).groupby(trials["listener"]).mean()
    names = [f"{name} ({100 * share:.0f} %)" for name, share in missed[missed > _MISSES].items()]
    if not names:
        return ""
    return (
        f"Rated the hidden reference below {_HEARD} in more than {100 * _MISSES:.0f} % of the trials, where "
        f"BS.1534 would leave a listener out (they are not left out here): {', '.join(names)}."
    )


def _listener(table: TextTable) -> str:
    own = {plain(name): name for name in table.header if not name.startswith(("rating_", "choice_", "stimuli"))}
    for word in _PERSONAL:
        if word in own:
            position = table.header.index(own[word])
            if len({row[position] for row in table.rows}) > 1:
                return own[word]
    raise DataError(
        f"{table.path}: no column tells the listeners apart (there are {', '.join(table.header)}); "
        "name it with --column listener=NAME"
    )


def _notes(layout: str, roles: Mapping[str, str]) -> tuple[str, ...]:
    return (f"Read as webMUSHRA's {layout}: {', '.join(f'{role} = {name}' for role, name in roles.items())}.",)
