"""Which recordings are trained on and which are held out."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from itertools import product
from typing import Literal

from bench.errors import DataError
from models.training.config import DataConfig
from models.training.dataset import Dataset, Example, Split
from models.training.examples import MEND

Group = tuple[Example, ...]
Part = Literal["train", "validation"]


def split(dataset: Dataset, config: DataConfig, seed: int) -> Split:
    """Divide a dataset so that no recording, and no sound, is on both sides.

    Examples of one recording stay together, and so do recordings that share a sound. What the dataset itself assigns
    to a part goes there. Each remaining group is placed by a hash of the seed and its first recording's name, and is
    held out with probability ``config.validation``: the rest of the dataset has no influence, so that adding data
    moves nothing. Only if the hashes leave one side without a group, the nearest one is put there.

    With ``validation: eval`` nothing is drawn: what the dataset reserves for evaluation is held out.

    Args:
        dataset: what is divided.
        config: only its ``validation`` is used.
        seed: decides, with the recordings' names alone, what is drawn; ≥ 0.

    Returns:
        Both sides in the order of the dataset; held out is empty if the share is 0 and nothing is assigned to it.

    Raises:
        DataError: a leak: one recording or sound is assigned to both sides; nothing is left to train on; or nothing
            can be held out.
    """
    groups = _groups(dataset)
    parts = {group: _stated(group, dataset, config) for group in groups}
    share = 0.0 if config.validation == "eval" else config.validation
    free = [group for group, part in parts.items() if part is None]
    if share and free and len(groups) < 2:
        raise DataError(
            f"{dataset.name}: it has only 1 recording, so none can be held out; add others, or write "
            "'validation: 0' to train without"
        )
    parts |= _drawn(free, share, seed, {part for part in parts.values() if part is not None})
    held_out = {example.id for group, part in parts.items() if part == "validation" for example in group}
    if len(held_out) == len(dataset.examples):
        raise DataError(f"{dataset.name}: everything is held out for validation, nothing is left to train on")
    if config.validation == "eval" and not held_out:
        raise DataError(
            f"{dataset.name}: nothing in it is set apart for evaluation; write a share of the recordings, such as "
            "'validation: 0.1'"
        )
    return Split(
        tuple(example for example in dataset.examples if example.id not in held_out),
        tuple(example for example in dataset.examples if example.id in held_out),
    )


def _groups(dataset: Dataset) -> list[Group]:
    """Return groups of examples that are connected by shared recordings or sounds, in the order of the dataset."""
    above: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        while (higher := above.setdefault(node, node)) != node:
            above[node] = above[higher]
            node = higher
        return node

    def place(example: Example) -> tuple[str, str]:
        return root(("recording", example.recording))

    for example in dataset.examples:
        above[root(("sound", dataset.hashes[example.id]))] = place(example)
    groups: defaultdict[tuple[str, str], list[Example]] = defaultdict(list)
    for example in dataset.examples:
        groups[place(example)].append(example)
    return [tuple(group) for group in groups.values()]


def _stated(group: Group, dataset: Dataset, config: DataConfig) -> Part | None:
    """Return the part that the dataset itself gives a group."""
    members: dict[Part, list[Example]] = {"train": [], "validation": []}
    for example in group:
        part = example.assigned
        if config.validation == "eval":
            part = "validation" if example.evaluation else "train"
        if part is not None:
            members[part].append(example)
    if members["train"] and members["validation"]:
        raise DataError(f"{dataset.name}: a leak: {_leak(members['train'], members['validation'], dataset)}")
    return next((part for part, examples in members.items() if examples), None)


def _leak(train: Sequence[Example], held_out: Sequence[Example], dataset: Dataset) -> str:
    """Return the name a pair of leaking examples, preferably one that is directly connected."""
    pair, link = (train[0], held_out[0]), f"share sounds with the same recordings; {MEND}"
    for a, b in product(train, held_out):
        if a.recording == b.recording:
            pair, link = (a, b), f"are from one recording, '{a.recording}'; {MEND}"
            break
        if dataset.hashes[a.id] == dataset.hashes[b.id]:
            pair, link = (a, b), "are the same sound; remove one of them"
            break
    return f"'{pair[0].id}' is for training, '{pair[1].id}' for validation, and they {link}"


def _drawn(free: Sequence[Group], share: float, seed: int, taken: set[Part]) -> dict[Group, Part]:
    draws = {group: _draw(seed, group) for group in free}
    parts: dict[Group, Part] = {group: "validation" if draw < share else "train" for group, draw in draws.items()}
    if share and parts:
        sides = taken | set(parts.values())
        if "validation" not in sides:
            parts[min(draws, key=draws.__getitem__)] = "validation"
        elif "train" not in sides:
            parts[max(draws, key=draws.__getitem__)] = "train"
    return parts


def _draw(seed: int, group: Group) -> float:
    """Draw a number in [0, 1), by the name of the group's first recording in alphabetical order."""
    name = min(example.recording for example in group)
    digest = hashlib.sha256(f"split:{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
