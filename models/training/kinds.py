"""The architectures that can be trained, with everything specific to each in one place. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class TrainedKind(NamedTuple):
    """What is specific to an architecture.

    Attributes:
        trainee: module and class that open a checkpoint of it for training.
        objective: what is learned, as cards name it.
        network: name of the part that is tuned, in what `models.base_checkpoint.ARCHITECTURES` names.
        network_class: of that part in diffusers; "" where it is a part of a class of transformers.
        targets: layers that LoRA adapts unless others are named, as `LoraConfig` has them.
        loads_adapters: whether diffusers itself puts adapters into the network.
    """

    trainee: str
    objective: str
    network: str
    network_class: str
    targets: tuple[str, ...] | str
    loads_adapters: bool = False


# Layers are those that published adapters train: all of the attention of Stable Audio and ACE-Step, two of the others.
# In Stable Audio 3 every linear layer and convolution, except those that are only used to fill gaps.
_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")

KINDS: Mapping[str, TrainedKind] = {
    "stable-audio": TrainedKind(
        "models.training.stable_audio:StableAudioTrainee",
        "v-prediction",
        "transformer",
        "StableAudioDiTModel",
        _ATTENTION,
    ),
    "stable-audio-3": TrainedKind(
        "models.training.stable_audio_3:StableAudio3Trainee",
        "rectified-flow",
        "transformer",
        "StableAudio3DiTModel",
        r"(?!.*\.to_local_embed\.).+",
    ),
    "audioldm": TrainedKind(
        "models.training.audioldm:AudioLDMTrainee",
        "epsilon-prediction",
        "unet",
        "UNet2DConditionModel",
        ("to_q", "to_v"),
        loads_adapters=True,
    ),
    "audioldm2": TrainedKind(
        "models.training.audioldm2:AudioLDM2Trainee",
        "epsilon-prediction",
        "unet",
        "AudioLDM2UNet2DConditionModel",
        ("to_q", "to_v"),
        loads_adapters=True,
    ),
    "musicgen": TrainedKind(
        "models.training.musicgen:MusicGenTrainee",
        "cross-entropy",
        "decoder",
        "",
        ("q_proj", "v_proj"),
    ),
    "ace-step": TrainedKind(
        "models.training.ace_step:AceStepTrainee",
        "flow-matching",
        "transformer",
        "AceStepTransformer1DModel",
        _ATTENTION,
        loads_adapters=True,
    ),
}
