"""peft's configuration of an adapter: the settings that are read, and those that change what an adapter means."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.errors import DataError, UsageError
from bench.plain_text import plain_line

# Initializations that take something out of the base's weights, so that the factors are not the whole change.
_CHANGES_BASE = re.compile(r"pissa|olora|corda|loftq|lora_ga")
# Settings that make peft compute something other than α/rank · B·A, or add to it.
_VARIANTS = (
    "alora_invocation_tokens",
    "arrow_config",
    "kasa_config",
    "layer_replication",
    "lora_bias",
    "monteclora_config",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_qalora",
)


def check_settings(file: Path, settings: Mapping[str, Any]) -> None:
    """Check that an adapter's settings have valid values, and mean LoRA or DoRA.

    Args:
        file: the adapter's, for messages.
        settings: peft's configuration; empty is valid.

    Raises:
        UsageError: they mean another kind of adapter; the message names it.
        DataError: a setting has an impossible value.
    """
    if wrong := next((name for name, fits in _KINDS.items() if not fits(settings.get(name))), None):
        raise DataError(f"adapter '{file}': {wrong} in its configuration is {settings[wrong]!r:.80}")
    if (kind := str(settings.get("peft_type") or "LORA")) != "LORA":
        raise UsageError(f"adapter '{file}' is of peft's type {plain_line(kind, 40)}; only LORA is supported")
    start = settings.get("init_lora_weights")
    if isinstance(start, str) and _CHANGES_BASE.match(start.lower()):
        raise UsageError(
            f"adapter '{file}' was trained from init_lora_weights: {plain_line(start, 40)}, which changes the base's "
            "own weights; convert it to plain LoRA where it was trained: peft's save_pretrained(FOLDER, "
            "path_initial_model_for_weight_conversion=START), START being the adapter before its training"
        )
    if variant := next((name for name in _VARIANTS if settings.get(name)), None):
        raise UsageError(f"adapter '{file}' was trained with peft's {variant}; only plain LoRA and DoRA are read")
    if "lora_alpha" in settings and settings["lora_alpha"] is None:
        raise DataError(f"adapter '{file}': lora_alpha in its configuration is null; write the α of its training")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_flag(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _is_expression(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(re.compile(value)) and bool(re.compile(rf"(.*\.)?({value})$"))
    except (re.error, RecursionError, OverflowError):
        return False


def _is_pattern(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_number, value.values())) and all(map(_is_expression, value))


def _is_names(value: Any) -> bool:
    return _is_expression(value) or (isinstance(value, list) and all(isinstance(name, str) for name in value))


def _is_layer_numbers(value: Any) -> bool:
    numbers = value if isinstance(value, list) else [value]
    return all(isinstance(number, int) and not isinstance(number, bool) for number in numbers)


def _optional(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


# The settings of peft's configuration that are read, and the values that each may have.
_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "r": _optional(_is_number),
    "lora_alpha": _optional(_is_number),
    "rank_pattern": _optional(_is_pattern),
    "alpha_pattern": _optional(_is_pattern),
    "use_dora": _is_flag,
    "use_rslora": _is_flag,
    "target_modules": _optional(_is_names),
    "exclude_modules": _optional(_is_names),
    "layers_to_transform": _optional(_is_layer_numbers),
    "layers_pattern": _optional(_is_names),
    "modules_to_save": _optional(_is_names),
    "base_model_name_or_path": _optional(lambda value: isinstance(value, str) and value.isprintable()),
    "revision": _optional(lambda value: isinstance(value, str) and value.isprintable()),
}
