"""A card in words: the ``README.md`` beside the weights, as the hubs show it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import yaml

from bench.number_format import plural
from bench.printable import printable
from models.base_checkpoint import ARCHITECTURES
from models.shipped import lasting_name
from models.stable_audio_3_adapter import FILE
from models.training.adapted_layers import ALL_LINEAR
from models.training.kinds import KINDS

if TYPE_CHECKING:
    from models.card import Card, Losses

# Characters with a meaning in Markdown (CommonMark 0.31 and GitHub's extensions), within a line and at its beginning.
_WITHIN = re.compile(r"([\\`*_{}\[\]<>|~#&$@!])")
_AT_FIRST = re.compile(r"^(\d+(?=[.)](?: |$))|(?=[-+=]))")
_LICENCE = "The terms that its license sets for derived weights apply to these."
DIFFUSERS_WEIGHTS = "pytorch_lora_weights.safetensors"
_OBJECTIVES = {
    "v-prediction": "mean squared error of the velocity v",
    "epsilon-prediction": "mean squared error of the noise ε",
    "rectified-flow": "mean squared error of the velocity ε − z",
    "flow-matching": "mean squared error of noise - latent",
    "cross-entropy": "mean cross-entropy of the codebooks' tokens, in nats",
}


def escaped(value: Any) -> str:
    """Escape a value so that Markdown shows it letter for letter, on one line."""
    return _AT_FIRST.sub(r"\1\\", _WITHIN.sub(r"\\\1", printable(" ".join(str(value).split()))))


def page(card: Card) -> str:
    """Render the card as Markdown, with the header that the Hugging Face hub reads."""
    tuned = (
        f"A {'DoRA' if card.dora else 'LoRA'} adapter for"
        if card.method == "lora" and not card.merged
        else "A tuning of"
    )
    sections = [
        f"---\n{yaml.safe_dump(_header(card), sort_keys=False, allow_unicode=True)}---",
        f"# {tuned} {escaped(card.base['checkpoint'])}",
        "## Base",
        _base(card),
        "## Data",
        _data(card),
        "## Training",
        _training(card),
        "## Result",
        _outcome(card),
        "## Use",
        _use(card),
        f"Written by tunebench {escaped(card.tunebench)}; `card.json` beside this file holds all details.",
    ]
    return "\n\n".join(sections) + "\n"


def run_entry(card: Card, folder: str) -> str:
    """Return the lines that name the result in the configuration of a run, beside its base, as YAML.

    Args:
        card: of the training.
        folder: of the result, as the run is to name it.
    """
    base = {"checkpoint": card.base["checkpoint"]}
    if "revision" in card.base:
        base["revision"] = card.base["revision"]
    kind = card.base["kind"]
    adapter = card.method == "lora" and not card.merged
    tuned = {**base, "adapter": folder} if adapter else {"checkpoint": folder}
    entries = [{"name": kind, "as": name, "params": params} for name, params in (("base", base), ("tuned", tuned))]
    lines = (yaml.safe_dump(e, sort_keys=False, default_flow_style=True, width=10**6).strip() for e in entries)
    return "\n".join(["models:", *(f"  - {line}" for line in lines)])


def _header(card: Card) -> dict[str, Any]:
    header: dict[str, Any] = {"pipeline_tag": "text-to-audio"}
    if "repo" in card.base:
        header["base_model"] = card.base["repo"]
    if card.method == "lora" and not card.merged:
        header["library_name"] = "peft"
        header["tags"] = [*(["dora"] if card.dora else []), "lora", card.base["kind"]]
    else:
        header["library_name"] = "diffusers" if KINDS[card.base["kind"]].network_class else "transformers"
        header["tags"] = [card.base["kind"]]
    return header


def _base(card: Card) -> str:
    base = card.base
    if "repo" in base:
        return f"{escaped(base['repo'])}, commit {escaped(base['revision'])}. {_LICENCE}"
    return (
        f"A checkpoint of the kind {escaped(base['kind'])} from a local folder, whose weights have the hash "
        f"{escaped(base.get('weights', 'unknown'))}. {_LICENCE}"
    )


def _data(card: Card) -> str:
    data = card.data
    about = {key: value for key, value in data.about.items() if key != "licence"}
    lines = [
        f"{escaped(data.name)} ({escaped(data.format)}): {_counted(len(data.train), 'file')} of "
        f"{_counted(data.train_recordings, 'recording')} were trained on, "
        f"{_counted(len(data.held_out), 'file')} of {_counted(data.held_out_recordings, 'recording')} held out"
        + (f", {data.skipped} could not be used." if data.skipped else "."),
        f"License: {escaped(data.about.get('licence') or 'not stated')}.",
        f"Fingerprint of sounds, captions and recordings: {escaped(data.fingerprint)}.",
    ]
    lines += [f"- {escaped(key)}: {escaped(_plain(value))}" for key, value in about.items()]
    return "\n\n".join(lines[:3]) + ("\n\n" + "\n".join(lines[3:]) if lines[3:] else "")


def _training(card: Card) -> str:
    rows = {
        "objective": f"{card.objective}: {_OBJECTIVES.get(card.objective, 'mean squared error of what is predicted')}",
        "method": _method(card),
        "weights trained": f"{card.trainable:,} of {card.parameters:,} ({card.trainable_share:.2%})",
        "steps": f"{card.steps:,} ({card.epochs:.3g} epochs)",
        "batch": f"{card.batch}" + (f" × {card.accumulation} passes" if card.accumulation > 1 else ""),
        "optimizer": _plain(card.optimizer),
        "learning rate": _plain(card.schedule),
        "crop": "all that the network takes" if card.crop is None else f"{card.crop:g} s",
        "gradient norm": None if card.clip_norm is None else f"at most {card.clip_norm:g}",
        "trained without a condition": None if card.guidance_dropout is None else f"{card.guidance_dropout:.0%}",
        "condition": card.condition,
        "averaged weights": None if card.ema is None else f"decay {card.ema:g}",
        "precision": card.precision,
        "seed": card.seed,
        "speed": None if card.epochs_per_hour is None else f"{card.epochs_per_hour:.4g} epochs/hour",
        "time": f"{card.seconds:,.0f} s",
        "peak memory": _memory(card),
        "machine": _plain(card.machine),
    }
    shown = [f"| {escaped(name)} | {escaped(value)} |" for name, value in rows.items() if value is not None]
    return "\n".join(["| | |", "|---|---|", *shown])


def _method(card: Card) -> str:
    if card.method != "lora":
        return "all weights of the network"
    named = isinstance(card.targets, list)
    where = ", ".join(card.targets) if named else f"all layers that '{card.targets}' matches"
    where = "all linear layers" if card.targets == ALL_LINEAR else where
    kind = "DoRA" if card.dora else "LoRA"
    how = f"{kind}, rank {card.rank}, α {card.alpha:g}, on {where}; start: {card.init}"
    return how + (f"; merged at scale {card.merged.get('scale', 1):g}" if card.merged else "")


def _outcome(card: Card) -> str:
    losses = card.losses
    trained = (
        "" if losses.train_last is None else f"The last step's training loss was {escaped(_four(losses.train_last))}."
    )
    if not losses.validation:
        said = f"{trained} No data was held out, so its loss on other music is unknown.".strip()
        return "\n\n".join([said, *_scored_on(card)])
    return "\n\n".join([f"{verdict(losses)} {trained}".strip(), _loss_table(losses), *_scored_on(card)])


def _scored_on(card: Card) -> Iterator[str]:
    """Yield a list of what it was tuned or chosen by; runs that ask for one of these prompts are marked."""
    if card.scored_on is None:
        yield "What it was scored on while it was tuned is not recorded."
    elif card.scored_on:
        lines = [
            f"- {escaped(own.suite)}{f' ({escaped(own.split)})' if own.split else ''}, {escaped(own.what)}: "
            f"{_counted(len(own.prompts), 'prompt')} ({escaped(', '.join(own.prompts)[:200])}), of the hash "
            f"{escaped(own.suite_hash[:16])}"
            for own in card.scored_on
        ]
        yield "Scored on these while it was tuned or chosen, so scores on them say little about how good it is:\n\n" + (
            "\n".join(lines)
        )


def verdict(losses: Losses) -> str:
    """Describe the change of the validation loss in a sentence; escaped for Markdown."""
    if losses.best is None or losses.base is None:
        return "The validation loss was not measured."
    change = f", {(losses.best / losses.base - 1) * 100:+.1f} %" if losses.base else ""
    moved = f"{_four(losses.base)} for the base and {_four(losses.best)} at step {losses.best_step}{change}"
    return escaped(f"The validation loss, on recordings that were not trained on, is {moved}.")


def _loss_table(losses: Losses) -> str:
    """Return a table of the validation losses; with many, those of the first, the best and the last steps."""
    chosen = {losses.validation[0][0], losses.best_step, losses.validation[-1][0]}
    rows = [row for row in losses.validation if len(losses.validation) <= 12 or row[0] in chosen]
    times = list(losses.validation[0][2])
    head = ["step", "mean", *(f"t = {time}" for time in times)]
    lines = [head, ["---:"] * len(head)]
    lines += [[f"{step}", _four(mean), *(_four(at[t]) if t in at else "–" for t in times)] for step, mean, at in rows]
    return "\n".join("| " + " | ".join(c if c == "---:" else escaped(c) for c in line) + " |" for line in lines)


def _use(card: Card) -> str:
    """Describe ways of loading what is beside the card, each to be run unchanged in the card's folder."""
    base = card.base
    if "repo" not in base:  # a path that is told from the card's folder, too
        base = {**base, "checkpoint": lasting_name(base["checkpoint"])}
    parts = [
        "With this folder as the working folder, in the configuration of a run, beside its base:",
        _fenced("yaml", run_entry(replace(card, base=base), ".")),
    ]
    for said, code in _programs(card, base):
        parts += [said, *([_fenced("python", code)] if code else [])]
    return "\n\n".join(parts)


def _programs(card: Card, base: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield ways of loading it in Python: a sentence about each, and the code."""
    kind, loader = KINDS[base["kind"]], ARCHITECTURES[base["kind"]]
    library, name = ("diffusers", "pipeline") if kind.network_class else ("transformers", "model")
    first = f"from {library} import {loader}\n"
    if card.method != "lora" or card.merged:
        yield "In Python:", f'{first}\n{name} = {loader}.from_pretrained(".")'
        return
    named = [repr(base["checkpoint"])] + ([f"revision={base['revision']!r}"] if "revision" in base else [])
    loaded = f"{name} = {loader}.from_pretrained({', '.join(named)})\n"
    with_peft, peft = "In Python, with peft (`adapter_model.safetensors`):", "from peft import PeftModel\n"
    put = f'PeftModel.from_pretrained({name}.{kind.network}, ".")'
    if not kind.network_class:
        yield with_peft, f"{peft}{first}\n{loaded}{put}  # it changes the model itself"
        return
    yield with_peft, f"{first}{peft}\n{loaded}{name}.{kind.network} = {put}"
    if kind.loads_adapters:
        put = f'{name}.{kind.network}.load_lora_adapter(".", prefix=None, weight_name="{DIFFUSERS_WEIGHTS}")'
        yield f"With diffusers alone (`{DIFFUSERS_WEIGHTS}`):", f"{first}\n{loaded}{put}"
    else:
        yield (
            f"diffusers alone cannot load an adapter into this base, since its {kind.network} has no adapter loader: "
            f"use peft. `{DIFFUSERS_WEIGHTS}` holds the same in diffusers' form, for other programs.",
            "",
        )
    if base["kind"] == "stable-audio-3":
        yield (
            f"Stable Audio 3's own program takes `{FILE}` (`--lora-ckpt-path` of its `run_gradio.py`), on the base or "
            "on the checkpoint that was distilled from it.",
            "",
        )


def _fenced(language: str, text: str) -> str:
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def _memory(card: Card) -> str | None:
    if card.peak_memory_bytes is None:
        return None
    return f"{card.peak_memory_bytes / 1e9:.3g} GB ({card.peak_memory_of})"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {plural(count, what)}"


def _four(loss: float) -> str:
    return f"{loss:.4g}"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items() if item is not None)
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return str(value)
