"""Configurations for ``tunebench score`` of clips made elsewhere, and messages about them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.config.overrides import Overrides, parse_suite
from bench.config.run_config import RunConfig, load_config, parse_config
from bench.contracts.prompt_suite import load_suite_named
from bench.errors import UsageError
from bench.number_format import counted
from bench.storage.frozen_config import FILE
from models.clip_rows import ClipRow, Coverage, clip_rows, coverage, folders_of_clips, label_of, manifests_in, name_of
from models.folder import ENDINGS
from models.manifest import some

if TYPE_CHECKING:
    from bench.contracts.prompt import Prompt

_LONGEST_NAME = 120


def clips_config(
    targets: Sequence[Path], names: Sequence[str], suite: str, duration: float | None, overrides: Overrides
) -> RunConfig:
    """Return the configuration of a run of clips, a row for each folder and model; print the clips of each.

    Args:
        targets: folders and manifests.
        names: of the rows, or empty.
        suite: the suite of the clips, as `bench.config.overrides.parse_suite` reads it.
        duration: longest clip in seconds, longer ones are cut; None for the default.
        overrides: the other options of the command.

    Raises:
        UsageError: a setting does not exist or is derived; a target does not exist or has no clip of the
            suite; or two rows would have one name.
        DataError: a manifest or the suite has a mistake.
    """
    chosen = parse_suite(suite)
    prompts = load_suite_named(chosen).prompts[: overrides.limit]
    rows = clip_rows(targets, names)
    options = [part for metric in overrides.metrics for part in ("--metric", metric)]
    options += ["--duration", f"{duration:g}"] if duration is not None else []
    for row in rows:
        found = coverage(row, prompts)
        if not found.clips:
            raise UsageError(_nothing_in(row, found, prompts, suite, options))
        _say(row, found, suite, len(prompts))
    content: dict[str, Any] = {
        "suite": chosen,
        "models": [{"name": "folder", "as": row.label, "params": row.params} for row in rows],
        **({"duration": duration} if duration is not None else {}),
    }
    asked, config = {**content, "limit": overrides.limit}, parse_config(overrides.applied(content), "your clips")
    for name in ("suite", "limit", "models"):
        if getattr(config, name) != getattr(parse_config(asked), name):
            raise UsageError(f"--set {name}: for your own clips this follows from the targets, --suite and --limit")
    return config


def run_name(targets: Sequence[Path], names: Sequence[str]) -> str:
    """Return the name of the run folder: made of the targets, or of the row names if given.

    Raises:
        UsageError: they are too many for a name.
    """
    name = "+".join(names or [name_of(target) for target in targets])
    if len(name) > _LONGEST_NAME:
        raise UsageError(f"the names of {len(targets)} targets make too long a folder name; name the folder with --out")
    return name


def refuse_other_clips(config: RunConfig, folder: Path) -> None:
    """Refuse to replace a run folder's row by clips from another place; print rows that are gone on stderr.

    Raises:
        UsageError: the folder has a row of the same name that was read from another place.
        DataError: the folder's configuration is damaged.
    """
    if not (folder / FILE).is_file():
        return
    held = {entry.row: entry.params for entry in load_config(folder / FILE).models if entry.name == "folder"}
    for entry in config.models:
        before, now = (_place(params) for params in (held.get(entry.row, entry.params), entry.params))
        if before != now:
            raise UsageError(
                f"{folder} already has '{entry.row}' from {before}, not {now}; name another folder with --out, "
                "or another row with --name"
            )
    places = {_place(entry.params) for entry in config.models}
    rows = {entry.row for entry in config.models}
    for row, params in held.items():
        if row not in rows and _place(params) in places:
            print(f"{row}: no longer in {_place(params)}; its row is kept", file=sys.stderr)


def _place(params: Mapping[str, Any]) -> Path:
    """Return the folder or manifest that a row's clips are read from."""
    return (Path(params["path"]) / (params.get("manifest") or "")).resolve()


def _say(row: ClipRow, found: Coverage, suite: str, prompts: int) -> None:
    if found.unused:
        print(f"{row.label}: left out, as no prompt of {suite} matches: {some(found.unused)}", file=sys.stderr)
    line = f"{row.label}: {counted(found.clips, 'clip')} of {counted(prompts - len(found.without), 'prompt')}"
    if found.without:
        without = counted(len(found.without), "prompt")
        line += f"; {without} of {suite} without a clip, counted as missing: {some(found.without)}"
    print(line, file=sys.stderr)
    if row.target.is_dir() and (folders := folders_of_clips(row.target)):
        names = some([folder.relative_to(row.target).as_posix() for folder in folders])
        print(f"{row.label}: clips in its folders ({names}) are left out; to add them, use a manifest", file=sys.stderr)


def _nothing_in(row: ClipRow, found: Coverage, prompts: Sequence[Prompt], suite: str, options: Sequence[str]) -> str:
    """Return the message for a target without a clip of the suite."""
    target, ids = row.target, some([prompt.id for prompt in prompts])
    if target.is_file():
        whose = f" of model '{row.model}'" if row.model else ""
        return (
            f"no line{whose} in {target} names a prompt of {suite} by its id ({ids}) or exact text; correct the column "
            "'prompt', or name another suite with --suite"
        )
    given = ["--suite", suite, *options]
    if manifests := manifests_in(target):
        command = _command(manifests[:1], given)
        return f"{target} has no clip named after a prompt of {suite}, but a manifest: {command}"
    if folders := folders_of_clips(target):
        genres = {(prompt.genre or "").casefold() for prompt in prompts}
        if all(folder.name.casefold() in genres for folder in folders):
            return (
                f"{target} has no clip named after a prompt of {suite}, but folders named after its genres "
                f"({some([folder.name for folder in folders])}), which look like one system's: move its clips into one "
                f"folder, named like {prompts[0].id}.wav, or list them in a manifest with the columns prompt and file"
            )
        labels = [label_of(folder.name) for folder in folders]
        if len(set(map(str.casefold, labels))) < len(labels):
            labels = [label_of("-".join(folder.relative_to(target).parts)) for folder in folders]
            given += [part for label in labels for part in ("--name", label)]
        return (
            f"{target} has no clip named after a prompt of {suite}, but folders with clips. If each is a "
            f"system: {_command(folders, given)}; if all are one system, list its clips in a manifest with the "
            "columns prompt and file"
        )
    if not found.unused:
        return f"{target} has no clips, that is, files ending in {' '.join(ENDINGS)}"
    return (
        f"{some(found.unused)} in {target}: none is named after a prompt of {suite} ({ids}), such as "
        f"{prompts[0].id}.wav; rename them, list them in a manifest with the columns prompt and file, or name another "
        "suite with --suite"
    )


def _command(targets: Sequence[Path], options: Sequence[str]) -> str:
    """Return a command to paste."""
    return shlex.join(["tunebench", "score", *map(str, targets), *options])
