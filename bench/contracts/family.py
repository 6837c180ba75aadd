"""Families: what scores and models are derived from, so that models are not judged by what made them.

A family is a name such as ``clap-laion``, ``mert``, ``musicnn``, ``notes`` or ``rhythm``. A metric's is that of the
network that it embeds with, or of what it analyzes. A model's are those of what conditioned it, and of what it was
trained or chosen by. Names are compared literally, so use those in ``docs/families.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.errors import UsageError

NAME = re.compile(r"[a-z0-9][a-z0-9.+-]{0,39}")
FORM = "up to 40 small letters, digits and . + -"


@dataclass(frozen=True)
class Lineage:
    """The families that a model is derived from.

    Attributes:
        conditioned_on: families of the encoders whose output its network reads.
        trained_with: families of what it was trained or chosen by, such as a reward model.
    """

    conditioned_on: tuple[str, ...] = ()
    trained_with: tuple[str, ...] = ()


def families(given: str | Iterable[str], whose: str) -> tuple[str, ...]:
    """Return the families that a plugin or a configuration names, once each.

    Args:
        given: one name, several, or an empty string for none.
        whose: their owner, for the message.

    Raises:
        UsageError: another type, or a name of another form.

    >>> families("mert", "metric 'judge'"), families(["mert", "notes", "mert"], "metric 'judge'"), families("", "")
    (('mert',), ('mert', 'notes'), ())
    """
    try:
        names: Sequence[object] = ([given] if given else []) if isinstance(given, str) else list(given)
    except TypeError:
        names = [given]
    for name in names:
        if not (isinstance(name, str) and NAME.fullmatch(name)):
            raise UsageError(f"{whose}: {name!r:.60} is not a family name; use {FORM}, as in clap-laion")
    return tuple(dict.fromkeys(str(name) for name in names))
