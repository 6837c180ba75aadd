"""What of a network is trained: low-rank factors beside its frozen weights, or all of it.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from bench.errors import MissingError, UsageError, one_line
from bench.quiet import quiet_libraries
from models.training.base import Trainee
from models.training.config import TrainConfig
from models.training.rng import named_seed

if TYPE_CHECKING:
    import torch


def prepare(trainee: Trainee, config: TrainConfig) -> None:
    """Make the network of a trainee ready, in place: with frozen weights and LoRA factors, or all of it trainable.

    With LoRA in half precision the frozen weights are converted; what is trained is always in float32. The second
    factor is zero, so that the network computes what it did before, bit for bit. The first one is drawn from the
    training's seed.

    Raises:
        UsageError: a name that is to be adapted is no layer's.
        MissingError: peft is not installed.
    """
    network = trainee.network
    check_targets(network, config)
    if config.gradient_checkpointing:
        network.enable_gradient_checkpointing()
    if config.method == "full":
        network.float().requires_grad_(True)
    else:
        _inject(network, config)


def check_targets(network: torch.nn.Module, config: TrainConfig) -> None:
    """Refuse names of layers that the network does not have; peft itself passes over all but the last of them.

    Raises:
        UsageError: it is LoRA, and a name is no layer's.
    """
    if config.method == "full":
        return
    for target in config.targets:
        if not any(f".{name}".endswith(f".{target}") for name, _ in network.named_modules() if name and target):
            layers = sorted({_short(name) for name, part in network.named_modules() if _is_linear(part)})
            raise UsageError(
                f"lora.targets: no layer of the network is called {target or 'nothing'}; "
                f"its linear layers are {', '.join(layers)}"
            )


def trainable(network: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """What is trained, by name, in the network's order."""
    return {name: weight for name, weight in network.named_parameters() if weight.requires_grad}


def _inject(network: Any, config: TrainConfig) -> None:
    import torch

    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise MissingError("peft is not installed: pip install 'tunebench[diffusion]'") from None
    settings = LoraConfig(
        r=config.lora.rank,
        lora_alpha=cast("int", config.alpha),  # peft divides by the rank; a fraction is as good
        target_modules=list(config.targets),
        lora_dropout=config.lora.dropout,
        init_lora_weights=True if config.lora.init == "default" else "gaussian",
    )
    network.requires_grad_(False)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[config.precision]
    if network.dtype != dtype:
        with quiet_libraries():
            network.to(dtype)
    with torch.random.fork_rng(devices=[]):  # peft draws from the global generator
        torch.manual_seed(named_seed(config.seed, "adapter"))
        try:
            inject_adapter_in_model(settings, network)
        except ValueError as error:  # a layer of a kind that has no low-rank form
            raise UsageError(f"lora.targets: {', '.join(config.targets)}: {one_line(error)[:200]}") from None
    for weight in trainable(network).values():
        weight.data = weight.data.float()


def _short(name: str) -> str:
    """The last word of a layer's path, with the one before it where the last is but a number: ``to_out.0``."""
    *_, before, last = ["", *name.split(".")]
    return f"{before}.{last}" if last.isdigit() else last


def _is_linear(part: object) -> bool:
    import torch

    return isinstance(part, torch.nn.Linear)
