"""The loop behind autoencoder, vocoder and text encoder: it learns, resumes to the bit, and refuses what is broken."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import DataError
from bench.progress import Silent
from models.training.parts.loop import LoopSettings, Losses, train_part

SETTINGS = LoopSettings("line", steps=60, lr=0.05, warmup=5, weight_decay=0.0, every=10)


def line_step(network: torch.nn.Module, chance: np.random.Generator, _: float) -> Losses:
    """y = 3x − 1, with noise from torch's own generator, too."""
    x = torch.from_numpy(chance.standard_normal((32, 1))).float()
    wrong = network(x) - (3 * x - 1) + 0.01 * torch.randn(32, 1)
    return {"square": wrong.square().mean()}


def fresh() -> torch.nn.Linear:
    torch.manual_seed(0)
    return torch.nn.Linear(1, 1)


class Interrupted(Silent):
    """Progress that stops the training at a step."""

    def __init__(self, at: int) -> None:
        self.left = at

    def advance(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise KeyboardInterrupt


def test_it_learns(tmp_path: Path) -> None:
    network = fresh()
    train_part(network, line_step, replace(SETTINGS, steps=300), tmp_path, Silent())
    assert network.weight.item() == pytest.approx(3, abs=0.02) and network.bias.item() == pytest.approx(-1, abs=0.02)
    assert not network.training
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == list(range(300))
    assert log[-1]["square"] < 0.01 * log[0]["square"]


@pytest.mark.parametrize("at", [3, 25, 40])
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path: Path, at: int) -> None:
    whole, broken = fresh(), fresh()
    train_part(whole, line_step, SETTINGS, tmp_path / "whole", Silent())
    with pytest.raises(KeyboardInterrupt):
        train_part(broken, line_step, SETTINGS, tmp_path / "broken", Interrupted(at))
    again = fresh()
    torch.manual_seed(99)  # whatever was drawn in between
    train_part(again, line_step, SETTINGS, tmp_path / "broken", Silent())
    assert torch.equal(whole.weight, again.weight) and torch.equal(whole.bias, again.bias)
    finished = fresh()
    train_part(finished, line_step, SETTINGS, tmp_path / "broken", Silent())  # nothing is left to do
    assert torch.equal(whole.weight, finished.weight)


def test_the_rate_rises_and_falls_to_a_hundredth() -> None:
    rates = [SETTINGS.rate(step) for step in range(SETTINGS.steps)]
    assert rates[:5] == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.05])
    assert rates == sorted(rates[:5]) + sorted(rates[5:], reverse=True)
    assert SETTINGS.rate(SETTINGS.steps) == pytest.approx(0.0005)


def test_a_step_knows_what_share_of_them_is_done(tmp_path: Path) -> None:
    shares: list[float] = []

    def step(network: torch.nn.Module, chance: np.random.Generator, done: float) -> Losses:
        shares.append(done)
        return line_step(network, chance, done)

    train_part(fresh(), step, replace(SETTINGS, steps=4), tmp_path, Silent())
    assert shares == [0, 0.25, 0.5, 0.75]


def test_a_loss_that_is_not_finite_stops_it(tmp_path: Path) -> None:
    def step(network: torch.nn.Module, _: np.random.Generator, __: float) -> Losses:
        return {"square": network(torch.full((1, 1), torch.inf)).mean()}

    with pytest.raises(DataError, match="step 0"):
        train_part(fresh(), step, SETTINGS, tmp_path, Silent())


@pytest.mark.parametrize("content", [b"", b"nothing", b"PK\x03\x04broken"])
def test_a_damaged_state_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.pt").write_bytes(content)
    with pytest.raises(DataError, match=r"state\.pt"):
        train_part(fresh(), line_step, SETTINGS, tmp_path, Silent())


def test_a_state_of_another_network_is_named(tmp_path: Path) -> None:
    train_part(fresh(), line_step, replace(SETTINGS, steps=10), tmp_path, Silent())
    with pytest.raises(DataError, match=r"state\.pt"):
        train_part(torch.nn.Linear(2, 2), line_step, SETTINGS, tmp_path, Silent())
