"""AudioLDM in training: its UNet learns the noise in latents of mel spectrograms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch

from bench.contracts.audio import Samples
from bench.errors import UsageError
from models.audioldm import TRAINED_SECONDS, AudioLDM, text_embedding
from models.pipeline_parts import open_pipeline
from models.training.base import Batch, Latent, Trainee
from models.training.clap import ClapConditioner
from models.training.mel import log_mel
from models.training.objectives import (
    discrete_level,
    discrete_steps,
    noised,
    squared_error,
    velocity,
    without,
)
from models.training.waveform import fitted, levelled, padded
from models.training.windows import encoded
from models.vocabulary import check_vocabulary, unread_tokens

if TYPE_CHECKING:
    from bench.contracts.audio import Audio
    from models.training.base import Condition

CONTEXT = 32  # latent frames from a cut in a long file to the first that is kept: 1.28 s as published
SAME_SPACE = 0.95  # cosine of one text's embeddings, above which two CLAP networks count as the same


class AudioLDMTrainee(Trainee):
    """AudioLDM and similar checkpoints, opened for training.

    Noise objective (velocity, if the checkpoint's scheduler says so) at the step ⌊1000·t⌋ of the checkpoint's own
    schedule. Conditioned on CLAP's embedding of the caption, or of the sound; where the condition is dropped, on that
    of the empty text, as in the pipeline's unconditional half.

    A file is brought to zero mean and a peak of 0.5 as a whole. It is padded with silence to a whole latent frame,
    not up to 10.24 s: the UNet takes any length, as it does when it generates. The autoencoder's attention and
    normalization span everything in their input, and it was trained on 10.24 s; a longer file is therefore encoded in
    windows of that length, which overlap.

    Args:
        folder: a whole checkpoint.
        identity: as `models.base_checkpoint.identity` gives it.
        dtype: of the network's weights.
        clap: a CLAP checkpoint whose embedding of the sound is the condition; None for that of the caption.

    Raises:
        UsageError: a checkpoint with another objective, or a CLAP other than the one it was trained with.

    Liu et al., "AudioLDM: Text-to-Audio Generation with Latent Diffusion Models", ICML 2023.
    """

    kind = "audioldm"
    part = "unet"
    channels = 1
    pipeline: ClassVar[str] = AudioLDM.pipeline
    encoders: ClassVar[Mapping[str, str]] = AudioLDM.encoders
    kinds: ClassVar[Mapping[str, str]] = {}
    unused: ClassVar[tuple[str, ...]] = ()
    frozen: ClassVar[tuple[str, ...]] = ("vae", "text_encoder")

    def __init__(self, folder: Path, identity: Mapping[str, str], dtype: torch.dtype, clap: str | None = None) -> None:
        pipeline = open_pipeline(self.pipeline, folder, torch.float32, self.kinds, **dict.fromkeys(self.unused))
        for tokenizer, encoder in self.encoders.items():
            check_vocabulary(getattr(pipeline, tokenizer), getattr(pipeline, encoder), folder / tokenizer)
        self._predicts = _prediction(folder, pipeline.scheduler.config)
        self.objective = "epsilon-prediction" if self._predicts == "epsilon" else "v-prediction"
        self._cumulative = pipeline.scheduler.alphas_cumprod.float()
        vocoder = pipeline.vocoder.config
        for name in self.frozen:
            getattr(pipeline, name).requires_grad_(False).eval()
        self.identity = identity
        self.network = pipeline.unet.to(dtype).eval()
        self.rate = int(vocoder.sampling_rate)
        self._hop, self._bands = math.prod(vocoder.upsample_rates), int(vocoder.model_in_dim)
        self._shrink = int(pipeline.vae_scale_factor)
        self.frame_seconds = self._hop * self._shrink / self.rate
        self.longest = round(TRAINED_SECONDS / self.frame_seconds)
        self._dtype = dtype
        self._tokenizer, *self._further_tokenizers = [getattr(pipeline, name) for name in self.encoders]
        self._encoders = pipeline
        pipeline.unet = pipeline.vocoder = None
        self._nothing = self.condition("")
        self.conditioned_on: Literal["text", "audio"] = "audio" if clap else "text"
        self._clap = self._fitting(ClapConditioner(clap)) if clap else None
        self._clap_identity = self._clap.identity if self._clap else {}

    @property
    def condition_fingerprint(self) -> Mapping[str, Any]:
        return {**self.fingerprint, "clap": self._clap_identity} if self._clap_identity else self.fingerprint

    def encode(self, audio: Audio) -> Latent:
        vae, shrink, spectrogram = self._encoders.vae, self._shrink, self.spectrogram(audio)

        def posterior(begin: int, end: int) -> Any:
            chunk = spectrogram[begin * shrink : end * shrink].to(vae.device, vae.dtype)
            return vae.encode(chunk[None, None]).latent_dist

        context = min(CONTEXT, self.longest // 8)
        mean, std = encoded(posterior, len(spectrogram) // shrink, self.longest, context)
        scale = vae.config.scaling_factor
        return Latent(scale * mean, scale * std, audio.duration)

    def spectrogram(self, audio: Audio) -> torch.Tensor:
        """Compute what the autoencoder encodes: log-mel, shape (frames, bands), in whole latent frames."""
        return log_mel(padded(self._levelled(audio), self._hop * self._shrink), self.rate, self._hop, self._bands)

    def condition(self, caption: str) -> Condition:
        """Encode ``embedding``: CLAP's of the caption, of unit length, shape (1, dimension)."""
        with torch.no_grad():
            embedding = text_embedding(self._encoders, caption)
        return {"embedding": torch.nn.functional.normalize(embedding.float(), dim=-1).cpu()}

    def condition_of_audio(self, audio: Audio) -> Condition:
        """Encode ``embedding``: CLAP's of the whole file at this trainee's rate and level, as `condition`."""
        if self._clap is None:
            return super().condition_of_audio(audio)
        return {"embedding": self._clap.embed(self._levelled(audio), self.rate)}

    def unread_tokens(self, caption: str) -> int:
        return max(unread_tokens(one, caption) for one in (self._tokenizer, *self._further_tokenizers))

    def joined(self, conditions: Sequence[Condition]) -> Condition:
        """Join ``embedding``, shape (batch, dimension)."""
        return {"embedding": torch.cat([condition["embedding"] for condition in conditions])}

    def losses(self, network: Any, batch: Batch) -> torch.Tensor:
        steps = discrete_steps(batch.times, len(self._cumulative))
        level = discrete_level(steps, self._cumulative)
        predicted = self._answer(network, noised(batch.latents, batch.noise, level).to(self._dtype), steps, batch)
        target = batch.noise if self._predicts == "epsilon" else velocity(batch.latents, batch.noise, level)
        return squared_error(predicted, target)

    def _answer(self, network: Any, noisy: torch.Tensor, steps: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Predict with the network for noisy latents at these steps."""
        embedding = batch.condition["embedding"]
        embedding = without(embedding, batch.dropped, self._nothing["embedding"].to(embedding.device))
        answer: torch.Tensor = network(
            noisy, steps, encoder_hidden_states=None, class_labels=embedding.to(self._dtype), return_dict=False
        )[0]
        return answer

    def release_encoders(self) -> None:
        super().release_encoders()
        self._clap = None

    def to(self, device: str) -> None:
        self.network.to(device)
        self._cumulative = self._cumulative.to(device)
        if self._encoders is not None:
            for name in self.frozen:
                getattr(self._encoders, name).to(device)
        if self._clap is not None:
            self._clap.to(device)

    def _levelled(self, audio: Audio) -> Samples:
        """Return mono at the trainee's rate, without mean and with a peak of 0.5; silence stays silence."""
        return levelled(fitted(audio, self.rate, 1)[0])[0]

    def _fitting(self, clap: ClapConditioner) -> ClapConditioner:
        """Return a CLAP if it has the space of the network's condition: it must embed a text as the pipeline's encoder
        does."""
        text = "music"
        ours, theirs = self.condition(text)["embedding"], clap.embed_text(self._encoders.tokenizer(text).input_ids)
        if ours.shape != theirs.shape:
            problem = f"embeds in {theirs.shape[1]} dimensions, the checkpoint in {ours.shape[1]}"
        elif (likeness := float((ours * theirs).sum())) < SAME_SPACE:
            problem = f"reads the text '{text}' unlike the checkpoint's own text encoder (cosine {likeness:.2f})"
        else:
            return clap
        raise UsageError(f"clap: {clap.checkpoint} {problem}; give the CLAP that the checkpoint was trained with")


def _prediction(folder: Path, scheduler: Any) -> str:
    found = str(scheduler.get("prediction_type", "epsilon"))
    if found in ("epsilon", "v_prediction"):
        return found
    raise UsageError(
        f"{folder}: its scheduler says prediction_type {found}; networks that predict epsilon or v_prediction are "
        "trained, use a checkpoint of that kind"
    )
