"""The part of a network that is trained: low-rank factors beside its frozen weights, or all of it.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022. Liu et al., "DoRA: Weight-Decomposed
Low-Rank Adaptation", ICML 2024.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from bench.errors import MissingError, UsageError, one_line
from bench.quiet import quiet_libraries
from models.training.adapted_layers import adapted_layers
from models.training.base import Trainee
from models.training.config import TrainConfig
from models.training.rng import named_seed

if TYPE_CHECKING:
    import torch


def prepare(trainee: Trainee, config: TrainConfig) -> None:
    """Make the network of a trainee ready, in place: with frozen weights and LoRA factors, or all of it trainable.

    With LoRA in half precision the frozen weights are converted; the trained ones are always in float32. The second
    factor is zero, so that the network computes what it did before, bit for bit. The first one is drawn from the
    training's seed. With DoRA the rows of W + α/rank · B·A are scaled to magnitudes that are trained, one for each
    output of the layer; at first they are those of W.

    Raises:
        UsageError: a name to be adapted belongs to no layer.
        MissingError: peft is not installed.
    """
    network = trainee.network
    if config.gradient_checkpointing:
        ours = "enable_gradient_checkpointing"  # of diffusers; transformers turns it around
        getattr(network, ours if hasattr(network, ours) else "gradient_checkpointing_enable")()
    if config.method == "full":
        network.float().requires_grad_(True)
    else:
        _inject(network, config)


def check_targets(network: torch.nn.Module, config: TrainConfig) -> None:
    """Refuse targets that the network does not have, before anything is changed.

    Raises:
        UsageError: the method is LoRA, and a target belongs to no layer.
    """
    if config.method == "lora":
        adapted_layers(network, config.targets)


def trainable(network: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """Return what is trained, by name, in the network's order."""
    return {name: weight for name, weight in network.named_parameters() if weight.requires_grad}


def _inject(network: Any, config: TrainConfig) -> None:
    import torch

    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise MissingError("peft is not installed: pip install 'tunebench[diffusion]'") from None
    layers = adapted_layers(network, config.targets)
    settings = LoraConfig(
        r=config.lora.rank,
        lora_alpha=cast("int", config.alpha),  # peft divides by the rank; a fraction works as well
        target_modules=layers,
        use_dora=config.lora.dora,
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
            raise UsageError(f"lora.targets: {config.targets!r}: {one_line(error)[:200]}") from None
    for weight in trainable(network).values():
        weight.data = weight.data.float()
    if config.lora.dora:
        _begin_at_the_base(network)


def _begin_at_the_base(network: torch.nn.Module) -> None:
    """Take each layer's magnitudes in float32, as its forward pass does: rounded to bfloat16 they change the base."""
    from peft.tuners.lora import LoraLayer

    for layer in network.modules():
        if isinstance(layer, LoraLayer):
            (name,) = layer.lora_magnitude_vector
            layer.lora_magnitude_vector[name].update_layer(
                base_layer=layer.get_base_layer(),
                lora_A=layer.lora_A[name].weight,
                lora_B=layer.lora_B[name].weight,
                scaling=layer.scaling[name],
            )
