"""Batches: order, halving when memory runs out, and noise that belongs to the clip."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import Audio, GenerationRequest, Prompt
from bench.errors import GenerationError
from models.batching import BrownianNoise, clip_generator, clip_noise, in_batches

PROMPT = Prompt(id="p", text="music", genre="any", level=1)


def requests(count: int) -> list[GenerationRequest]:
    return [GenerationRequest(PROMPT, seed, 1.0) for seed in range(count)]


class Device:
    """Room for so many clips; a larger batch fills it. Clips hold their seed."""

    def __init__(self, room: int, error: BaseException | None = None) -> None:
        self.room = room
        self.error = error or torch.OutOfMemoryError("CUDA out of memory")
        self.sizes: list[int] = []

    def run(self, batch: Sequence[GenerationRequest]) -> list[Audio | GenerationError]:
        self.sizes.append(len(batch))
        if len(batch) > self.room:
            raise self.error
        return [Audio(np.full(4, request.seed, np.float32), 8000) for request in batch]


def seeds(results: Sequence[Audio | GenerationError]) -> list[float]:
    return [float(result.samples[0, 0]) for result in results if isinstance(result, Audio)]


@given(count=st.integers(0, 20), size=st.integers(1, 9), room=st.integers(1, 9))
@settings(deadline=None, max_examples=8)
def test_every_request_is_answered_in_order_whatever_the_room(count: int, size: int, room: int) -> None:
    device = Device(room)
    assert seeds(in_batches(requests(count), size, device.run)) == list(range(count))
    assert max(device.sizes, default=0) <= size


def test_chunks_are_halved_and_no_more() -> None:
    device = Device(room=2)
    in_batches(requests(8), 8, device.run)
    assert device.sizes == [8, 4, 2, 2, 4, 2, 2]


def test_a_clip_that_does_not_fit_alone_fails_alone() -> None:
    results = in_batches(requests(2), 2, Device(room=0).run)
    assert all(isinstance(result, GenerationError) for result in results)
    assert "prompt 'p', seed 1: 1 s " in str(results[1])


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_every_backend_s_way_of_saying_it_is_understood(error: BaseException) -> None:
    assert seeds(in_batches(requests(3), 3, Device(1, error).run)) == [0, 1, 2]


def test_memory_that_torch_really_cannot_have_is_understood() -> None:
    def run(batch: Sequence[GenerationRequest]) -> list[Audio | GenerationError]:
        torch.empty(2**62 // 4, dtype=torch.float32)
        raise AssertionError(len(batch))

    assert isinstance(in_batches(requests(1), 1, run)[0], GenerationError)


def test_other_errors_pass_through() -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        in_batches(requests(3), 3, Device(1, RuntimeError("shapes do not match")).run)


def test_noise_of_a_clip_is_its_own() -> None:
    together = clip_noise([clip_generator(seed) for seed in (3, 1, 2)], (4, 50))
    alone = clip_noise([clip_generator(1)], (4, 50))
    assert torch.equal(together[1], alone[0])
    assert torch.equal(alone, torch.randn((1, 4, 50), generator=torch.Generator().manual_seed(1)))
    half = clip_noise([clip_generator(1)], (4, 50), dtype=torch.bfloat16)
    assert torch.equal(half, alone.to(torch.bfloat16))
    assert not torch.equal(together[0], together[1])


def test_brownian_noise_of_a_clip_is_its_own_and_that_of_diffusers() -> None:
    pytest.importorskip("torchsde")
    from diffusers.schedulers.scheduling_dpmsolver_sde import BrownianTreeNoiseSampler

    levels = [500.0, 90.0, 8.0, 0.5]
    ours, alone = BrownianNoise([5, 7], (2, 30), 0.3, 500), BrownianNoise([7], (2, 30), 0.3, 500)
    theirs = BrownianTreeNoiseSampler(torch.zeros(2, 2, 30), sigma_min=0.3, sigma_max=500, seed=[5, 7])
    for high, low in pairwise(levels):
        noise = ours(high, low)
        assert torch.equal(noise[1:], alone(high, low))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.testing.assert_close(noise, theirs(high, low))
    assert torch.equal(ours(0.3, 0.0), torch.zeros(2, 2, 30))


def test_brownian_increments_are_standard_normal_and_add_up() -> None:
    pytest.importorskip("torchsde")
    noise = BrownianNoise([1], (200, 500), 0.3, 500)
    first, second, whole = noise(500, 200), noise(200, 1), noise(500, 1)
    for part in (first, second, whole):
        assert abs(float(part.mean())) < 5 / 100_000**0.5
        assert abs(float(part.var()) - 1) < 5 * (2 / 100_000) ** 0.5
    assert abs(float((first * second).mean())) < 5 / 100_000**0.5
    torch.testing.assert_close(whole * 499**0.5, first * 300**0.5 + second * 199**0.5, atol=1e-3, rtol=1e-3)
