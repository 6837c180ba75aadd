"""Many clips in one pass through a network, each drawing its randomness from its own generator."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.contracts.audio import Audio, Samples
from bench.contracts.model import GenerationRequest
from bench.errors import GenerationError

if TYPE_CHECKING:
    import torch

    Condition = Mapping[str, torch.Tensor]  # an encoded text, each tensor with a batch dimension of 1
    BatchRun = Callable[[Sequence[GenerationRequest]], Sequence[Audio | GenerationError]]


def in_batches(requests: Sequence[GenerationRequest], size: int, run: BatchRun) -> list[Audio | GenerationError]:
    """Call ``run`` on chunks of at most ``size`` ≥ 1 requests and return the results in order.

    A chunk that does not fit into memory is halved and tried again; a single request that still does not fit fails
    alone. Other exceptions of ``run`` pass through.

    Args:
        requests: in any number.
        size: most requests in one call, ≥ 1.
        run: makes the clips of a chunk.
    """
    results: list[Audio | GenerationError] = []
    for start in range(0, len(requests), size):
        results += _halving(requests[start : start + size], run)
    return results


def _halving(requests: Sequence[GenerationRequest], run: BatchRun) -> list[Audio | GenerationError]:
    try:
        return list(run(requests))
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
    # Outside the handler: inside it the traceback would keep the tensors that filled the memory.
    release_memory()
    if len(requests) == 1:
        request = requests[0]
        return [
            GenerationError(
                f"prompt '{request.prompt.id}', seed {request.seed}: {request.duration:g} s do not fit into memory "
                "even alone; ask for a shorter duration, set dtype: bfloat16, or use a device with more memory"
            )
        ]
    half = (len(requests) + 1) // 2
    return _halving(requests[:half], run) + _halving(requests[half:], run)


def out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that the memory of the device, or of the computer, is exhausted."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # Apple's backend and the CPU allocator raise a plain RuntimeError.
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)


def release_memory() -> None:
    """Return memory that no tensor uses any more to the system."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def clip_generator(seed: int) -> torch.Generator:
    """Create the generator of one clip, on the CPU so that every device gets the same numbers."""
    import torch

    return torch.Generator("cpu").manual_seed(seed)


def clip_noise(
    generators: Sequence[torch.Generator],
    shape: Sequence[int],
    device: str = "cpu",
    dtype: torch.dtype | None = None,
) -> torch.Tensor:
    """Draw standard normal noise, shape (clips, *shape): row i is the next draw of generator i alone.

    Drawn in float32 and then converted, so that precisions differ by rounding only.

    Args:
        generators: one per clip, on the CPU.
        shape: of one clip's noise.
        device: where the noise is returned.
        dtype: of the result; None for float32.
    """
    import torch

    # A row is drawn as a batch of one, as diffusers does: short draws depend on the tensor's layout.
    rows = [torch.randn((1, *shape), generator=generator, dtype=torch.float32) for generator in generators]
    return torch.cat(rows).to(device=device, dtype=dtype)


class BrownianNoise:
    """Noise for the steps of an SDE solver: one Brownian path for each clip, from that clip's seed.

    Calling it with two noise levels σ gives the increment between them, scaled to unit variance, shape
    (clips, *shape). The paths do not depend on the number of steps. Below ``low`` and above ``high`` there is no path,
    and no solver adds noise there.

    The paths are those of torchsde's Brownian interval with the clip's seed as its entropy, as in diffusers'
    ``BrownianTreeNoiseSampler``, but on the CPU whatever the device.
    """

    def __init__(self, seeds: Sequence[int], shape: Sequence[int], low: float, high: float) -> None:
        import torchsde

        self._low, self._high = low, high
        self._paths = [
            torchsde.BrownianInterval(
                t0=low, t1=high, size=tuple(shape), entropy=seed, tol=1e-6, pool_size=24, halfway_tree=True
            )
            for seed in seeds
        ]

    def __call__(self, sigma: float, sigma_next: float) -> torch.Tensor:
        import torch

        begin, end = (min(max(float(value), self._low), self._high) for value in (sigma, sigma_next))
        if begin == end:
            return torch.zeros((len(self._paths), *self._paths[0].shape))
        sign = 1.0 if begin < end else -1.0
        increments = torch.stack([path(min(begin, end), max(begin, end)) for path in self._paths])
        scaled: torch.Tensor = increments * (sign / abs(end - begin) ** 0.5)
        return scaled


def joined(conditions: Sequence[Condition]) -> dict[str, torch.Tensor]:
    """Join the conditions of several clips into a batch; sequences are padded with zeros at the end, masks included.

    Args:
        conditions: at least one, with the same names; every tensor of shape (1, …).

    Returns:
        By name, shape (clips, …).
    """
    import torch

    def stacked(name: str) -> torch.Tensor:
        tensors = [condition[name] for condition in conditions]
        if tensors[0].ndim == 2 and "mask" not in name:
            return torch.cat(tensors)
        longest = max(tensor.shape[1] for tensor in tensors)
        wide = [(0, 0) * (tensor.ndim - 2) + (0, longest - tensor.shape[1]) for tensor in tensors]
        return torch.cat([torch.nn.functional.pad(t, w) for t, w in zip(tensors, wide, strict=True)])

    return {name: stacked(name) for name in conditions[0]}


def alike_in_length(
    conditions: Sequence[Condition],
    seeds: Sequence[int],
    name: str,
    clips: Callable[[torch.Tensor, Sequence[int]], Samples],
) -> Samples:
    """Make clips in passes whose conditions are of one length, for networks that would attend to padding.

    Args:
        conditions, seeds: one a clip.
        name: of the tensor in each condition, shape (1, length, …).
        clips: makes the clips of one pass, shape (clips, channels, samples), from the tensors, shape
            (clips, length, …), and the seeds.
    """
    import torch

    tensors = [condition[name] for condition in conditions]
    found: dict[int, Samples] = {}
    for length in dict.fromkeys(tensor.shape[1] for tensor in tensors):
        places = [place for place, tensor in enumerate(tensors) if tensor.shape[1] == length]
        waves = clips(torch.cat([tensors[place] for place in places]), [seeds[place] for place in places])
        found |= dict(zip(places, waves, strict=True))
    return np.stack([found[place] for place in range(len(tensors))])


def trimmed(wave: Samples, request: GenerationRequest, rate: int) -> Audio | GenerationError:
    """Cut the requested clip from the network's output.

    Args:
        wave: shape (channels, samples), from the clip's beginning.
        request: says how long the clip is.
        rate: of the output, in Hz.

    Returns:
        The clip, or the reason why there is none: the output is too short, or not finite.
    """
    frames = round(request.duration * rate)
    wave = wave[:, :frames]
    if wave.shape[1] < frames:
        return GenerationError(
            f"prompt '{request.prompt.id}', seed {request.seed}: the network made {wave.shape[1] / rate:g} s of the "
            f"{request.duration:g} s asked for; shorten the duration"
        )
    if not np.isfinite(wave).all():
        return GenerationError(
            f"prompt '{request.prompt.id}', seed {request.seed}: the network's output is not finite; set dtype: float32"
        )
    return Audio(wave, rate)
