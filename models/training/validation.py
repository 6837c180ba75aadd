"""The loss on held-out music at fixed diffusion times, with fixed crops and noise, so that only the network varies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from models.batching import out_of_memory, release_memory
from models.training.base import Trainee
from models.training.batches import Draw, assemble, crop_frames, draw
from models.training.config import TrainConfig
from models.training.dataset import Example
from models.training.rng import generator

if TYPE_CHECKING:
    import numpy.typing as npt
    from accelerate import Accelerator

    from models.training.latents import LatentCache


@dataclass(frozen=True)
class ValidationLosses:
    """Validation losses after a step.

    Attributes:
        loss: mean over examples and diffusion times.
        by_time: mean over examples at each time; at the first one only if the objective does not depend on time.
    """

    step: int
    loss: float
    by_time: dict[float, float]


class Validation:
    """Held-out examples with everything random about them drawn once.

    If there are more than ``validation.most`` examples, that many are chosen at random. Their conditions are never
    dropped.

    Attributes:
        examples: those that are used.
    """

    def __init__(
        self,
        trainee: Trainee,
        cache: LatentCache,
        examples: Sequence[Example],
        config: TrainConfig,
        accelerator: Accelerator,
    ) -> None:
        self._trainee, self._cache, self._config, self._accelerator = trainee, cache, config, accelerator
        most = min(len(examples), config.validation.most)
        chosen = sorted(generator(config.seed, "validation").permutation(len(examples))[:most])
        self.examples = [examples[index] for index in chosen]
        lengths = [crop_frames(cache.latent(example).mean.shape[1], trainee, config) for example in self.examples]
        # Only examples of the same length share a pass: each is judged on its full length.
        self._passes: list[list[int]] = []
        for place in sorted(range(most), key=lambda place: lengths[place]):
            last = self._passes[-1] if self._passes else []
            if last and len(last) < config.batch and lengths[last[0]] == lengths[place]:
                last.append(place)
            else:
                self._passes.append([place])
        self._lengths = lengths
        self._times = config.validation.times if trainee.timed else config.validation.times[:1]

    def judge(self, network: Any, step: int) -> ValidationLosses:
        """Compute the losses of a network, which stays unchanged. With several processes, all take part and get the
        same.

        Args:
            network: the trainee's, or a wrapper of it.
            step: optimizer steps that are done, for the record.
        """
        import torch
        from accelerate.utils import gather_object

        losses: dict[int, list[float]] = {}
        was_training = network.training
        network.eval()
        try:
            with torch.no_grad():
                for places in self._passes[self._accelerator.process_index :: self._accelerator.num_processes]:
                    losses |= self._losses(network, places)
        finally:
            network.train(was_training)
        for part in gather_object([losses]):
            losses |= part
        table = np.array([losses[place] for place in range(len(self.examples))])
        means: npt.NDArray[np.float64] = table.mean(axis=0)
        by_time = dict(zip(self._times, map(float, means), strict=True))
        return ValidationLosses(step, float(means.mean()), by_time)

    def _losses(self, network: Any, places: list[int]) -> dict[int, list[float]]:
        """Compute the losses of each example at each time; in halves where memory is not sufficient."""
        try:
            columns = [self._losses_at(network, places, number) for number in range(len(self._times))]
            return {place: [column[i] for column in columns] for i, place in enumerate(places)}
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error) or len(places) == 1:
                raise
        release_memory()
        half = len(places) // 2
        return self._losses(network, places[:half]) | self._losses(network, places[half:])

    def _losses_at(self, network: Any, places: list[int], number: int) -> list[float]:
        time = self._times[number]
        draws = [replace(self._draw(place, number), time=time) for place in places]
        examples = [self.examples[place] for place in places]
        batch = assemble(draws, examples, self._trainee, self._cache, self._accelerator.device)
        with self._accelerator.autocast():
            return [float(loss) for loss in self._trainee.losses(network, batch)]

    def _draw(self, place: int, number: int) -> Draw:
        rng = generator(self._config.seed, "judgement", place, number)
        return draw(rng, self._cache, self._trainee, self.examples[place], self._lengths[place], dropout=0.0)
