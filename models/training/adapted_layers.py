"""Which layers of a network LoRA adapts: layers with given names, layers that an expression matches, or all linear
ones."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

from bench.errors import UsageError

if TYPE_CHECKING:
    import torch

ALL_LINEAR = "all-linear"
"""peft's name for all linear layers."""

MATCHING_SECONDS = 1.0  # for all layers together; patterns that can be matched at all take milliseconds
_NAMED = 4  # layers that a message names


def adapted_layers(network: torch.nn.Module, targets: tuple[str, ...] | str) -> list[str] | str:
    """Return what `peft.LoraConfig` is given as ``target_modules``.

    Names are passed on as they are: peft takes each for a layer's whole name, or for its end after a dot. A regular
    expression and ``all-linear`` become the names of the layers, so that loading the adapter does not have to match the
    expression again; peft itself does not know ``all-linear`` for networks of diffusers.

    Args:
        network: without an adapter.
        targets: names, or a regular expression that the whole name of a layer matches, of which linear layers and
            convolutions count, or ``all-linear``.

    Raises:
        UsageError: a name belongs to no layer; an expression is invalid, matches nothing, or its matching takes
            longer than `MATCHING_SECONDS`.
    """
    if not isinstance(targets, str):
        _check_names(network, targets)
        return list(targets)
    names = [name for name, _ in network.named_modules() if name]
    if targets == ALL_LINEAR:
        return _exactly(_linear(network), names)
    layers = [name for name, part in network.named_modules() if _is_adaptable(part)]
    found = _matching(targets, layers)
    if not found:
        near = _matching(f".*(?:{targets}).*", layers) or get_close_matches(targets, layers, n=_NAMED, cutoff=0)
        raise UsageError(
            f"lora.targets: no layer's whole name matches the regular expression '{targets}'; the nearest "
            f"are {', '.join(near[:_NAMED])}. Give ends of names as a list, such as [to_q, to_v]"
        )
    return _exactly(found, names)


def _check_names(network: torch.nn.Module, targets: Iterable[str]) -> None:
    """Refuse names of layers that the network does not have; peft itself ignores all but the last of them."""
    for target in targets:
        if not any(f".{name}".endswith(f".{target}") for name, _ in network.named_modules() if name and target):
            layers = sorted(set(map(_short, _linear(network))))
            raise UsageError(
                f"lora.targets: no layer of the network is called {target or 'nothing'}; "
                f"its linear layers are {', '.join(layers)}"
            )


def _matching(pattern: str, names: Iterable[str]) -> list[str]:
    import regex  # as `re`, but with a time-out

    try:
        compiled = regex.compile(pattern)
    except (regex.error, RecursionError, OverflowError) as error:
        raise UsageError(f"lora.targets: '{pattern}' is not a regular expression ({error})") from None
    until = time.monotonic() + MATCHING_SECONDS
    try:
        # A time-out of 0 or less would mean no time-out.
        return [name for name in names if compiled.fullmatch(name, timeout=max(until - time.monotonic(), 1e-3))]
    except TimeoutError:
        raise UsageError(
            f"lora.targets: matching the regular expression '{pattern}' takes more than {MATCHING_SECONDS:g} s; write "
            "it without repetitions of what is repeated, such as (a+)+"
        ) from None


def _exactly(chosen: Collection[str], names: Iterable[str]) -> list[str] | str:
    """Return the layers' names; or an expression if peft would also take one for the end of another layer's name."""
    ends = {f".{name}" for name in chosen}
    for name in names:
        if name not in chosen and any(name[place:] in ends for place, sign in enumerate(name) if sign == "."):
            return "|".join(map(re.escape, chosen))
    return list(chosen)


def _linear(network: torch.nn.Module) -> list[str]:
    import torch

    return [name for name, part in network.named_modules() if name and isinstance(part, torch.nn.Linear)]


def _is_adaptable(part: object) -> bool:
    import torch

    return isinstance(part, torch.nn.Linear | torch.nn.Conv1d | torch.nn.Conv2d)


def _short(name: str) -> str:
    """Return the last word of a layer's path, and the one before if the last is a number: ``to_out.0``."""
    *_, before, last = ["", *name.split(".")]
    return f"{before}.{last}" if last.isdigit() else last
