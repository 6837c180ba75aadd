"""Sessions: blocks of prompts that fit a listener's time, with balanced order and sides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np

from bench.errors import UsageError
from bench.listening_test.folder import SPOILED
from bench.listening_test.settings import ListeningTest
from bench.stats.latin_square import williams_rows

Role = Literal["test", "practice", "spoiled", "beeps"]

HEADPHONE_SECONDS = 60
BEEP_SECONDS = 12
"""Seconds that the headphone check and a beep trial take, from the first sound to the answer."""


class ListeningTrial(NamedTuple):
    """One page of a session.

    Attributes:
        role: whether its answer counts, or what it checks.
        item: number of the item; -1 for beeps.
        models: models of the sounds on the page, in the order shown; `bench.listening_test.items.SPOILED`
            for a degraded copy. Empty for beeps.
        asked: number of the pass, which determines the questions.
        spoils: the model whose clip was degraded, or "".
        beeps: number of beeps.
    """

    role: Role
    item: int
    models: tuple[str, ...]
    asked: int = 0
    spoils: str = ""
    beeps: int = 0


@dataclass(frozen=True)
class ListenerWorkload:
    """How much of the test one listener hears.

    Attributes:
        items: items in a listener's block.
        of: total number of items.
        trials: pages whose answers count, on average.
        minutes: duration of a session.
    """

    items: int
    of: int
    trials: int
    minutes: float


def plan_workload(test: ListeningTest, models: int, items: int, seconds: float) -> ListenerWorkload:
    """Find the largest block of items that fits the listeners' time.

    Args:
        test: its settings.
        models: number of compared models, ≥ 2.
        items: total number of items.
        seconds: length of a clip.

    Raises:
        UsageError: no item fits, or so few that nobody would hear some of them.
    """
    pages = models * (models - 1) // 2 if test.kind == "preference" else models if test.kind == "ratings" else 1
    sounds = {"ratings": 1, "preference": 2, "stimuli": models}[test.kind]
    rated = sounds if test.kind == "stimuli" else 1
    page = [sounds * seconds + test.answer_seconds * rated * len(scales) for scales in test.passes]
    longer = seconds + test.answer_seconds if test.kind == "stimuli" else 0  # for each further sound on the page
    extra = test.checks.spoiled * sum(longer or one for one in page) + test.checks.practice * page[0]
    extra += test.checks.beeps * BEEP_SECONDS + test.checks.headphones * HEADPHONE_SECONDS
    most = int((60 * test.minutes - extra) // (pages * sum(page)))
    needed = (pages * sum(page) + extra) / 60
    if most < 1:
        raise UsageError(
            f"minutes: one prompt of {models} models and the checks take {needed:.1f} minutes, and listeners have "
            f"{test.minutes:g}; give them more, ask for fewer scales, or compare fewer models"
        )
    block = min(most, items)
    if block * test.listeners < items:
        raise UsageError(
            f"listeners: {test.listeners} of them hear {block} of {items} prompts and seeds each, which leaves some "
            f"unheard; invite {-(-items // block)}, give them more minutes, or choose prompts"
        )
    return ListenerWorkload(block, items, block * pages * len(page), (block * pages * sum(page) + extra) / 60)


def plan_sessions(
    test: ListeningTest, models: Sequence[str], items: int, block: int
) -> list[tuple[ListeningTrial, ...]]:
    """Draw a session for each listener.

    Counts of items differ by one at most. What a listener hears of an item is complete: all models, or all pairs.
    In each round through a listener's block, models (or pairs) rotate along the items, shifted by one from listener
    to listener, so that each comes early and late equally often. Sides alternate along items, pairs, and the listeners
    who hear an item. On pages of several stimuli the order is a row of a Williams square.

    Args:
        test: its settings.
        models: number of compared models.
        items: number of items.
        block: number of items per listener.

    Returns:
        A session per listener, with a trial per page.
    """
    rng = np.random.default_rng([test.seed, 0x5E5])
    heard = [0] * items
    found = []
    for listener, own in zip(range(test.listeners), _blocks(items, block, rng), strict=False):
        pages: list[ListeningTrial] = []
        turns = range(len(test.passes))
        for asked in [(turn + listener) % len(turns) for turn in turns]:
            counted = list(_PAGES[test.kind](own, heard, models, listener, asked, rng))
            pages += _with_spoiled(counted, test, own, models, asked, rng)
        for item in own:
            heard[item] += 1
        pages = _with_beeps(pages, test.checks.beeps, rng)
        found.append((*_practice(test, own, items, models, rng), *pages))
    return found


def _blocks(items: int, block: int, rng: np.random.Generator) -> Iterator[list[int]]:
    """Yield blocks of different items, drawn so that the counts of items differ by at most one."""
    queue: list[int] = []
    while True:
        own: list[int] = []
        while len(own) < block:
            if not queue:  # items already in the block come last
                order = [int(item) for item in rng.permutation(items)]
                queue = sorted(order, key=lambda item: item in own)
            own.append(queue.pop(0))
        yield sorted(own)


def _rounds(own: Sequence[int], kinds: int, listener: int, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Yield each item with each kind, in rounds through all items; no item twice in a row."""
    last = -1
    for turn in range(kinds):
        order = rng.permutation(len(own))
        if len(own) > 1 and own[order[0]] == last:
            order = np.roll(order, 1)
        for place in order:
            yield own[place], (int(place) + turn + listener) % kinds
        last = own[order[-1]]


def _ratings(
    own: Sequence[int], heard: Sequence[int], models: Sequence[str], listener: int, asked: int, rng: np.random.Generator
) -> Iterator[ListeningTrial]:
    del heard
    for item, kind in _rounds(own, len(models), listener, rng):
        yield ListeningTrial("test", item, (models[kind],), asked)


def _pairs(
    own: Sequence[int], heard: Sequence[int], models: Sequence[str], listener: int, asked: int, rng: np.random.Generator
) -> Iterator[ListeningTrial]:
    pairs = list(combinations(models, 2))
    place = {item: number for number, item in enumerate(own)}
    for item, kind in _rounds(own, len(pairs), listener, rng):
        turned = (place[item] + kind + heard[item] + asked) % 2
        yield ListeningTrial("test", item, pairs[kind][::-1] if turned else pairs[kind], asked)


def _stimuli(
    own: Sequence[int], heard: Sequence[int], models: Sequence[str], listener: int, asked: int, rng: np.random.Generator
) -> Iterator[ListeningTrial]:
    rows = williams_rows(len(models))
    for item, _ in _rounds(own, 1, listener, rng):
        row = rows[(item + heard[item] + asked) % len(rows)]
        yield ListeningTrial("test", item, tuple(models[place] for place in row), asked)


_PAGES = {"ratings": _ratings, "preference": _pairs, "stimuli": _stimuli}


def _with_spoiled(
    pages: list[ListeningTrial],
    test: ListeningTest,
    own: Sequence[int],
    models: Sequence[str],
    asked: int,
    rng: np.random.Generator,
) -> list[ListeningTrial]:
    """Return the pages with added degraded copies of some clips that the listener also hears in the original."""
    chosen = [own[place] for place in rng.permutation(len(own))[: test.checks.spoiled]]
    for item in chosen:
        model = models[int(rng.integers(len(models)))]
        if test.kind == "stimuli":
            at = next(place for place, page in enumerate(pages) if page.item == item)
            shown = list(pages[at].models)
            shown.insert(int(rng.integers(len(shown) + 1)), SPOILED)
            pages[at] = pages[at]._replace(models=tuple(shown), spoils=model)
            continue
        both = (model, SPOILED) if rng.integers(2) else (SPOILED, model)
        check = ListeningTrial("spoiled", item, both if test.kind == "preference" else (SPOILED,), asked, model)
        pages.insert(int(rng.integers(len(pages) + 1)), check)
    return pages


def _with_beeps(pages: list[ListeningTrial], count: int, rng: np.random.Generator) -> list[ListeningTrial]:
    """Return the pages with trials that ask for a number of beeps, about evenly spread and never the first."""
    for number in range(count):
        at = round(len(pages) * (number + 0.5 + float(rng.uniform(-0.3, 0.3))) / count)
        pages.insert(min(max(1, at), len(pages)), ListeningTrial("beeps", -1, (), beeps=int(rng.integers(2, 6))))
    return pages


def _practice(
    test: ListeningTest, own: Sequence[int], items: int, models: Sequence[str], rng: np.random.Generator
) -> Iterator[ListeningTrial]:
    """Yield practice pages, of items that the listener does not hear in the test, if possible."""
    others = [item for item in range(items) if item not in set(own)] or list(own)
    for number in range(test.checks.practice):
        order = [models[place] for place in rng.permutation(len(models))]
        shown = {"ratings": order[:1], "preference": order[:2], "stimuli": order}[test.kind]
        item = others[int(rng.integers(len(others)))]
        yield ListeningTrial("practice", item, tuple(shown), number % len(test.passes))
