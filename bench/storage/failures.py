"""Failures of a run, single and grouped by reason."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from bench.number_format import counted, first_few

NAMED = 3  # metrics, or prompts, that a line names


@dataclass(frozen=True)
class Failure:
    """A failure.

    Attributes:
        model: the row of the leaderboard.
        metric: the metric; ``embedding`` where a clip could not be embedded, empty where it could not be made.
        clip: its prompt and seed; empty where a metric of all clips failed.
        reason: why, in one line.
    """

    model: str
    metric: str
    clip: str
    reason: str

    def __str__(self) -> str:
        return f"{', '.join(filter(None, (self.model, self.clip, self.metric)))}: {self.reason}"


@dataclass(frozen=True)
class FailureGroup:
    """Failures of one model with the same reason.

    Attributes:
        model: the row of the leaderboard.
        metrics: as `Failure.metric`, each once.
        reason: why, in one line.
        count: how many failures it stands for.
        clips: how many clips they are of; 0 for a metric of all clips.
        example: the first one's prompt and seed; empty for a metric of all clips.
        prompts: the prompts of the clips, if their reasons differ in the names of prompt and seed only; the reason has
            ``PROMPT`` and ``SEED`` in place of these then.
    """

    model: str
    metrics: tuple[str, ...]
    reason: str
    count: int
    clips: int
    example: str
    prompts: tuple[str, ...] = ()

    def line(self, reason: str | None = None) -> str:
        """Return a line: ``composer, kad, genre-fit: 24 failures of 12 clips, e.g. jazz-2, seed 0: ValueError``.

        Args:
            reason: in place of the group's own.
        """
        reason = reason or self.reason
        if self.count == 1:
            return str(Failure(self.model, self.metrics[0], self.example, reason))
        names = [name for name in self.metrics if name]
        more = [counted(len(names) - NAMED, "more metric")] if len(names) > NAMED else []
        amount = counted(self.clips, "clip") if self.clips == self.count else counted(self.count, "failure")
        if self.clips not in (0, self.count):
            amount += f" of {counted(self.clips, 'clip')}"
        example = f", e.g. {self.example}" if self.example else ""
        if self.prompts:
            example = f" ({', '.join(first_few(self.prompts, NAMED))})"
        return f"{', '.join([self.model, *names[:NAMED], *more])}: {amount}{example}: {reason}"

    def __str__(self) -> str:
        return self.line()


def group_failures(failures: Sequence[Failure]) -> list[FailureGroup]:
    """Group failures by model and reason, across metrics; groups with the same reason are adjacent.

    Reasons that name their clip are one if they differ only in its prompt and seed, or after the last semicolon (as in
    files of near names): a folder that lacks the files of many prompts has one line. What kills the
    workers of several metrics alike is one failure and stands on one line. The reasons with most failures come first.
    """
    clips: dict[str, set[str]] = defaultdict(set)
    for failure in failures:
        clips[failure.reason].add(failure.clip)
    found: dict[tuple[str, str], list[Failure]] = {}
    for failure in failures:
        reason = failure.reason
        if len(clips[reason]) == 1 and (general := _without_names(failure)) != reason:
            reason = general.rpartition("; ")[0] or general
        found.setdefault((failure.model, reason), []).append(failure)
    groups = [_group(model, members) for (model, _), members in found.items()]
    weight: dict[str, int] = {}
    for group in groups:
        weight[group.reason] = weight.get(group.reason, 0) + group.count
    place = {reason: place for place, reason in enumerate(weight)}
    return sorted(groups, key=lambda group: (-weight[group.reason], place[group.reason], -group.count))


def _group(model: str, members: Sequence[Failure]) -> FailureGroup:
    clips = list(dict.fromkeys(failure.clip for failure in members if failure.clip))
    several = len({failure.reason for failure in members}) > 1
    return FailureGroup(
        model,
        tuple(dict.fromkeys(failure.metric for failure in members)),
        _without_names(members[0]) if several else members[0].reason,
        len(members),
        len(clips),
        members[0].clip,
        tuple(dict.fromkeys(clip.rpartition(", seed ")[0] for clip in clips)) if several else (),
    )


def _without_names(failure: Failure) -> str:
    """Return the reason with ``PROMPT`` and ``SEED`` in place of the names of its clip.

    >>> _without_names(Failure("m", "", "jazz-1, seed 0", "no jazz-1.wav or jazz-1_0.wav for prompt 'jazz-1', seed 0"))
    "no PROMPT.wav or PROMPT_SEED.wav for prompt 'PROMPT', seed SEED"
    """
    prompt, _, seed = failure.clip.rpartition(", seed ")
    if not prompt:
        return failure.reason
    found = re.sub(rf"(?<![A-Za-z0-9-]){re.escape(prompt)}(?![A-Za-z0-9])", "PROMPT", failure.reason)
    return re.sub(rf"(\bseed ?|PROMPT_){re.escape(seed)}(?!\d)", r"\1SEED", found)


def failure_lines(groups: Sequence[FailureGroup], most: int) -> list[str]:
    """Return one line per group, up to a limit, then one that counts the rest; each reason is given once.

    Args:
        groups: as `group_failures` returns them.
        most: how many groups have a line of their own.
    """
    lines = [
        group.line("the same" if place and groups[place - 1].reason == group.reason else None)
        for place, group in enumerate(groups[:most])
    ]
    if rest := groups[most:]:
        lines.append(
            f"{counted(sum(group.count for group in rest), 'more failure')}, in {counted(len(rest), 'more line')}"
        )
    return lines
