"""Losses of the parts against closed forms, and each part learning from a little real music."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

from bench.contracts.audio import Audio, write_flac
from bench.errors import DataError
from models.nano import audioldm
from models.nano.texts import AMOUNTS, CLASSES, draw_described
from models.training.mel import log_mel
from models.training.parts import adversary, autoencoder, text_encoder, vocoder
from models.training.parts.clips import Clips, spectrograms
from models.training.parts.loop import Losses, Step
from models.training.waveform import levelled

RATE = 16_000


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    folder = tmp_path_factory.mktemp("music")
    t = np.arange(6 * RATE) / RATE
    for number, pitch in enumerate((220.0, 330.0, 440.0)):
        tone = sum(np.sin(2 * np.pi * k * pitch * t) / k for k in range(1, 6)) * (0.3 + 0.2 * np.sin(2 * np.pi * 2 * t))
        write_flac(folder / f"{number}.flac", Audio(0.2 * tone[None].astype(np.float32), RATE))
    return Clips(sorted(folder.glob("*.flac")), RATE)


def test_clips_are_levelled_and_cut_where_chance_says(clips: Clips) -> None:
    one, again = (clips.waveforms(8, 4000, np.random.default_rng(5)) for _ in range(2))
    assert torch.equal(one, again) and one.shape == (8, 4000)
    for whole in clips.whole(1280):
        assert len(whole) % 1280 == 0
        assert float(whole.abs().max()) == pytest.approx(0.5, abs=1e-3)
        assert float(whole.mean()) == pytest.approx(0, abs=1e-3)
    assert not levelled(np.zeros(100, dtype=np.float32))[0].any()
    longer = clips.waveforms(1, 10 * RATE, np.random.default_rng(0))[0]
    assert not longer[6 * RATE :].any()  # a shorter clip is followed by silence


def test_files_of_another_rate_and_no_files_are_refused(tmp_path: Path) -> None:
    write_flac(tmp_path / "a.flac", Audio(np.ones((1, 800), dtype=np.float32) / 2, 8000))
    for files in ([tmp_path / "a.flac"], []):
        with pytest.raises(DataError):
            Clips(files, RATE)


def test_spectral_losses_in_closed_form() -> None:
    wave = torch.from_numpy(np.random.default_rng(0).standard_normal((2, RATE))).float() / 10
    assert {k: float(v) for k, v in vocoder.spectral_losses(wave, wave).items()} == {"convergence": 0, "magnitude": 0}
    half = vocoder.spectral_losses(wave / 2, wave)
    assert float(half["convergence"]) == pytest.approx(0.5, abs=1e-3)
    assert float(half["magnitude"]) == pytest.approx(math.log(2), abs=0.01)
    assert float(vocoder.spectral_losses(0 * wave, wave)["convergence"]) == pytest.approx(1, abs=0.01)


def test_spectrograms_are_those_that_audioldm_is_trained_on(clips: Clips) -> None:
    waves = clips.waveforms(2, 16_000, np.random.default_rng(0))
    ours = spectrograms(waves, RATE, 160, 64)
    assert ours.shape == (2, 100, 64)
    assert torch.equal(ours[1], log_mel(waves[1].numpy(), RATE, 160, 64))


def _descends(network: torch.nn.Module, step: object, steps: int, lr: float) -> tuple[float, float]:
    torch.manual_seed(0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr)
    totals = []
    for number in range(steps):
        losses = step(network, np.random.default_rng(number), number / steps)  # type: ignore[operator]
        total = torch.stack([loss.float() for loss in losses.values()]).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(float(total.detach()))
    return float(np.mean(totals[:3])), float(np.mean(totals[-3:]))


@pytest.mark.slow
def test_a_vocoder_learns(clips: Clips) -> None:
    torch.manual_seed(0)
    network = audioldm.vocoder()
    first, last = _descends(network, vocoder.vocoder_step(clips, audioldm.HOP, audioldm.BANDS), 15, 2e-3)
    assert last < 0.7 * first


class Shown(torch.nn.Module):
    """A vocoder that plays silence, and keeps what it was to play."""

    def forward(self, spectra: torch.Tensor) -> torch.Tensor:
        self.spectra = spectra
        return torch.zeros(len(spectra), spectra.shape[1] * audioldm.HOP)


@pytest.mark.slow
def test_later_steps_show_a_vocoder_what_an_autoencoder_gives_back(clips: Clips) -> None:
    torch.manual_seed(0)
    network, shown = audioldm.autoencoder().eval(), Shown()
    step = vocoder.vocoder_step(clips, audioldm.HOP, audioldm.BANDS, network)
    step(shown, np.random.default_rng(0), 0.49)
    waves = clips.waveforms(vocoder.BATCH, RATE, np.random.default_rng(0))
    assert torch.equal(shown.spectra, spectrograms(waves, RATE, audioldm.HOP, audioldm.BANDS))
    step(shown, np.random.default_rng(0), 0.5)
    waves = clips.waveforms(vocoder.BATCH, 24 * audioldm.HOP, np.random.default_rng(0))  # three places of the latents
    true = spectrograms(waves, RATE, audioldm.HOP, audioldm.BANDS)[:, None]
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        expected = network.decode(network.encode(true).latent_dist.mean).sample[:, 0]
    assert torch.equal(shown.spectra, expected.float())


class Repeated(torch.nn.Module):
    """A vocoder that plays one waveform, whatever it is given."""

    def __init__(self, wave: torch.Tensor) -> None:
        super().__init__()
        self.wave = torch.nn.Parameter(wave)

    def forward(self, _: torch.Tensor) -> torch.Tensor:
        return self.wave


class Saying(torch.nn.Module):
    """A discriminator that says one thing of everything."""

    def __init__(self, verdict: float) -> None:
        super().__init__()
        self.verdict = torch.nn.Parameter(torch.tensor(verdict))

    def forward(self, waves: torch.Tensor) -> list[torch.Tensor]:
        return [waves, self.verdict.expand(len(waves), 1)]


def _adversarial(clips: Clips) -> tuple[Step, torch.Tensor]:
    """Return the step, and the music of its first batch."""
    torch.manual_seed(0)
    step = adversary.adversarial_step(clips, audioldm.HOP, audioldm.BANDS, audioldm.autoencoder().eval())
    return step, clips.waveforms(vocoder.BATCH, 24 * audioldm.HOP, np.random.default_rng(0))


@pytest.mark.slow
@pytest.mark.parametrize(("verdict", "fooled", "told"), [(0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (0.5, 0.25, 0.5)])
def test_adversarial_losses_in_closed_form(clips: Clips, verdict: float, fooled: float, told: float) -> None:
    step, true = _adversarial(clips)
    network = adversary.VocoderTraining(Repeated(1.5 * true))
    network.discriminators = torch.nn.ModuleList([Saying(verdict)])
    losses = {name: float(loss.detach()) for name, loss in step(network, np.random.default_rng(0), 0.0).items()}
    assert losses["fooled"] == pytest.approx(fooled)
    assert losses["told"] == pytest.approx(told)
    assert losses["features"] == pytest.approx(0.5)  # half as much again
    assert losses["convergence"] == pytest.approx(0.5, abs=1e-3)


@pytest.mark.slow
def test_vocoder_and_discriminators_each_have_their_own_losses(clips: Clips) -> None:
    step, true = _adversarial(clips)
    played = Repeated(0.9 * true)
    network = adversary.VocoderTraining(played)
    judges = [*network.discriminators.parameters()]
    losses = step(network, np.random.default_rng(0), 0.0)
    for name, loss in losses.items():
        found = torch.autograd.grad(loss, [played.wave, *judges], retain_graph=True, allow_unused=True)
        moved = [grad is not None and bool(grad.any()) for grad in found]
        assert moved[0] == (name != "told"), name
        assert all(moved[1:]) if name == "told" else not any(moved[1:]), name


@pytest.mark.slow
def test_discriminators_learn_to_tell_played_from_true(clips: Clips) -> None:
    step, true = _adversarial(clips)
    noise = torch.from_numpy(np.random.default_rng(1).standard_normal(true.shape)).float()
    network = adversary.VocoderTraining(Repeated(0.05 * noise))
    network.vocoder.requires_grad_(False)

    def told(network: torch.nn.Module, chance: np.random.Generator, done: float) -> Losses:
        return {"told": step(network, chance, done)["told"]}

    first, last = _descends(network, told, 8, 5e-3)
    assert last < 0.5 * first


@pytest.mark.slow
def test_an_autoencoder_learns_and_its_spread_is_that_of_its_latents(clips: Clips) -> None:
    torch.manual_seed(0)
    network = audioldm.autoencoder()
    first, last = _descends(network, autoencoder.autoencoder_step(clips, audioldm.HOP, audioldm.BANDS), 15, 2e-3)
    assert last < 0.7 * first
    spread = autoencoder.latent_spread(network.eval(), clips, audioldm.HOP, audioldm.BANDS)
    with torch.inference_mode():
        means = [
            network.encode(spectrograms(wave[None], RATE, audioldm.HOP, audioldm.BANDS)[:, None]).latent_dist.mean
            for wave in clips.whole(8 * audioldm.HOP)
        ]
    assert spread == pytest.approx(math.sqrt(np.mean([float(mean.square().mean()) for mean in means])), rel=1e-5)


def test_the_kl_term_is_zero_for_a_standard_normal(clips: Clips) -> None:
    """An autoencoder whose latents are drawn from N(0, 1) whatever it is given."""
    network = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",), up_block_types=("UpDecoderBlock2D",), block_out_channels=(8,),
        in_channels=1, out_channels=1, latent_channels=2, norm_num_groups=4,
    )  # fmt: skip
    for weight in network.quant_conv.parameters():
        torch.nn.init.zeros_(weight)  # mean 0, log variance 0
    losses = autoencoder.autoencoder_step(clips, 160, 64)(network, np.random.default_rng(0), 0.0)
    assert float(losses["kl"].detach()) == pytest.approx(0, abs=1e-6)


@pytest.mark.slow(40)
def test_a_text_encoder_learns_which_texts_mean_the_same(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    texts = [text for _ in range(300) for text in draw_described(chance).texts]
    tokenizer = text_encoder.train_tokenizer(texts, 500, tmp_path)
    pieces = tokenizer.tokenize("Jazz at 128 bpm")
    assert [piece for piece in pieces if piece.isdigit()] == ["1", "2", "8"]
    assert len(tokenizer) <= 500 and tokenizer.model_max_length == 77
    torch.manual_seed(0)
    network = text_encoder.TextTraining(audioldm.text_encoder(len(tokenizer)), CLASSES, AMOUNTS)
    first, last = _descends(network, text_encoder.text_step(tokenizer, draw_described), 200, 1e-3)
    assert last < 0.8 * first
    things = [draw_described(chance) for _ in range(24)]
    with torch.inference_mode():
        one, other = (
            network.embed(tokenizer([t.texts[i] for t in things], padding=True, truncation=True, return_tensors="pt"))
            for i in (0, 1)
        )
    assert torch.allclose(one.norm(dim=-1), torch.ones(24), atol=1e-5)
    alike = one @ other.T
    assert float(alike.diag().mean()) > float(alike.mean())
