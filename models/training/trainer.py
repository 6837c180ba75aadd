"""A running training: its steps, what happens between them, and what is saved to resume from."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.atomic_write import replace_file
from bench.errors import DataError, TunebenchError, UsageError
from bench.progress import Progress
from bench.schema import put_schema_beside
from models.card import Card
from models.training import checkpoint, lora
from models.training.base import Trainee
from models.training.batches import Batches
from models.training.config import TrainConfig
from models.training.dataset import Dataset, Split
from models.training.describe import Effort, describe, judged_on
from models.training.ema import Ema
from models.training.hardware import forget_peak, peak_memory
from models.training.history import History
from models.training.interruption import Interruption
from models.training.log import Log
from models.training.optimizer_step import Optimization
from models.training.resume import identity, newest
from models.training.validation import Validation

if TYPE_CHECKING:
    from accelerate import Accelerator

    from models.training.latents import LatentCache
    from models.training.sample_clips import ClipSampler

_SECONDS_BETWEEN_NOTES = 10.0


class Trainer:
    """A running training: everything that changes from step to step, and where it is saved.

    Args:
        trainee: on its device, still as published; what is trained is put into it.
        cache: latents and conditions of the dataset.
    """

    def __init__(
        self,
        config: TrainConfig,
        out: Path,
        trainee: Trainee,
        cache: LatentCache,
        dataset: Dataset,
        split: Split,
        accelerator: Accelerator,
        progress: Progress,
    ) -> None:
        self.config, self.out, self.trainee = config, out, trainee
        self.dataset, self.split = dataset, split
        self.accelerator, self.progress = accelerator, progress
        lora.prepare(trainee, config)
        self.network = trainee.network
        self.weights = lora.trainable(self.network)
        self.batches = Batches(trainee, cache, split.train, config)
        self.total = config.steps or self.batches.steps(config.epochs or 1)
        self.optimization = Optimization(trainee, self.weights, self.batches, config, accelerator, self.total)
        self.ema = Ema(self.weights, config.ema) if config.ema is not None else None
        held_out = split.held_out
        if config.validation.patience and not held_out:
            raise UsageError("validation.patience needs held-out data to stop by; set data.validation, or leave it out")
        self.validation = Validation(trainee, cache, held_out, config, accelerator) if held_out else None
        self.listener = self._listener()
        self.history = History()
        self.checkpoints = out / "checkpoints"
        self.identity = identity(config, trainee, dataset, split, self.total)
        self._noted = time.monotonic()

    @property
    def done(self) -> bool:
        """Whether there is nothing left to do."""
        return self.history.step >= self.total or self.history.exhausted(self.config.validation.patience)

    def run(self) -> None:
        """Do all remaining steps.

        Raises:
            UsageError: the last checkpoint is of another training, or a loss is not finite.
            MissingError: not even single examples fit into memory, or the disk is full.
            KeyboardInterrupt: after SIGINT or SIGTERM, once the current step is done and saved.
        """
        self.restore()
        self.progress.begin("training", self.total, self.history.step)
        self.network.train()
        forget_peak(self.accelerator.device)
        log = Log(self.out, self.history.step) if self.accelerator.is_main_process else None
        with Interruption() as interruption, ExitStack() as stack:
            if log is not None:
                stack.callback(log.close)
                # Not before `restore`: a training that is refused leaves the folder as it is.
                replace_file(self.out / "config.yaml", self.config.as_yaml())
                put_schema_beside("train", self.out)
            if self.history.step == 0:
                self._judge(log)
            while not self.done:
                self._step(log)
                step = self.history.step
                if step % self.config.validation.every == 0 or step == self.total:
                    self._judge(log)
                if self.listener is not None and step % self.config.validation.clips.every == 0:
                    self._hear(log)
                interrupted = self._anybody(interruption.asked)
                if step % self.config.checkpoint.every == 0 or self.done or interrupted:
                    self.save()
                if interrupted and not self.done:
                    raise KeyboardInterrupt

    def _step(self, log: Log | None) -> None:
        begin, history = time.monotonic(), self.history
        before = self.optimization.at_once
        try:
            update = self.optimization.step(history.step)
        except TunebenchError as error:
            raise type(error)(f"{error}; {self._survivor()}") from None
        if self.ema is not None and not update.skipped:
            self.ema.update()
        history.step += 1
        history.seconds += time.monotonic() - begin
        history.train_last = update.loss
        history.peak_memory = max(history.peak_memory, peak_memory(self.accelerator.device)[0])
        self.progress.advance(1)
        if log is not None:
            epoch = history.step * self.batches.step_size / len(self.batches.examples)
            log.write("train", history.step, loss=update.loss, lr=update.lr, norm=update.norm, epoch=epoch)
            if update.skipped:
                log.write("skipped", history.step, why="float16 overflowed; the scale of the loss is lowered")
        if (now := self.optimization.at_once) < before:
            why = f"out of memory: passes of {now} examples instead of {before}, with the same gradients"
            self._recovered(log, why)
        if time.monotonic() - self._noted >= _SECONDS_BETWEEN_NOTES:
            self._noted = time.monotonic()
            self.progress.note(self._speed())

    def _judge(self, log: Log | None) -> None:
        if self.validation is None:
            return
        self.history.add_prompts(judged_on(self.dataset, self.validation.examples))
        with self._averaged():
            judgement = self.validation.judge(self.network, self.history.step)
            if not math.isfinite(judgement.loss):
                raise self._diverged(f"the validation loss is {judgement.loss}")
            better = self.history.add(judgement, self.config.validation.min_delta)
            if better and self.accelerator.is_main_process:
                checkpoint.write(self.out / "best", self.history.step, {"weights": self.weights}, {})
        self.accelerator.wait_for_everyone()
        by_time = {f"{time:g}": loss for time, loss in judgement.by_time.items()}
        if log is not None:
            log.write("validation", judgement.step, loss=judgement.loss, by_time=by_time)
        if judgement.step:
            base = self.history.judgements[0].loss
            told = f"step {judgement.step}: validation loss {judgement.loss:.4f}, the base's {base:.4f}"
            self.progress.note(told + ("; best so far" if better else ""))

    def _hear(self, log: Log | None) -> None:
        if self.listener is not None:
            self.history.add_prompts(self.listener.scored_on)
        if self.accelerator.is_main_process and self.listener is not None:
            step = self.history.step
            with self._averaged():
                scores = self.listener.sample(step, self.network, self.out / "clips" / f"step-{step:08d}")
            if log is not None:
                log.write("clips", step, scores=scores)
        self.accelerator.wait_for_everyone()

    def save(self) -> None:
        """Write a checkpoint; keep the last ones, and the best weights that they name.

        Raises:
            UsageError: the weights are not finite; the checkpoints stay as they are.
            MissingError: the disk is full.
        """
        if not all(bool(weight.isfinite().all()) for weight in self.weights.values()):
            raise self._diverged("the weights are no longer finite")
        tensors, state = self.optimization.state()
        tables: dict[str, Any] = {"weights": self.weights, "optimizer": tensors}
        if self.ema is not None:
            tables["ema"] = self.ema.average
            state["ema_updates"] = self.ema.updates
        # The position in the data follows from the step, as all draws do.
        everything = {"identity": self.identity, "optimization": state, "history": self.history.as_json()}
        if self.accelerator.is_main_process:
            checkpoint.write(self.checkpoints, self.history.step, tables, everything)
            checkpoint.discard(self.checkpoints, self.config.checkpoint.keep)
            states = map(checkpoint.read_state, checkpoint.checkpoints(self.checkpoints))
            named = {self.history.best_step, *(state.get("history", {}).get("best_step") for state in states)}
            checkpoint.discard_others(self.out / "best", named)
        self.accelerator.wait_for_everyone()

    def restore(self) -> None:
        """Resume from the last intact checkpoint, if there is one.

        Raises:
            UsageError: it is of another base, other data or other settings.
        """
        found = newest(self.checkpoints, self.identity, self.total, self.progress)
        if found is None:
            return
        self.history = History.from_json(found.step, found.state["history"])
        self._set(found.tables["weights"])
        state = found.state["optimization"]
        self.optimization.restore(found.tables["optimizer"], state)
        if self.ema is not None:
            self.ema.restore(found.tables["ema"], state["ema_updates"])

    def keep_best(self) -> None:
        """Leave in the network the result of the training: the best weights of the validation, or else the last."""
        if self.history.best_step is not None:
            path = checkpoint.path_of(self.out / "best", self.history.best_step)
            try:
                self._set(checkpoint.read(path).tables["weights"])
                return
            except DataError as error:
                self.progress.note(f"{error}; the last weights are kept instead of the best")
                self.history.best_step = None
        if self.ema is not None:
            self._set(dict(self.ema.average))

    def card(self) -> Card:
        """Return the current card of the training."""
        history = self.history
        card = describe(
            self.config,
            self.trainee.identity,
            self.dataset,
            self.split,
            self.network,
            history,
            Effort(
                steps=history.step,
                step=history.step if history.best_step is None else history.best_step,
                epochs=self._epochs(),
                seconds=history.seconds,
                epochs_per_hour=self._epochs_per_hour(),
                peak_memory=(history.peak_memory, peak_memory(self.accelerator.device)[1]),
            ),
        )
        return replace(card, objective=self.trainee.objective or card.objective)

    def _set(self, weights: Any) -> None:
        for name, weight in self.weights.items():
            weight.data.copy_(weights[name])

    def _averaged(self) -> Any:
        return nullcontext() if self.ema is None else self.ema.applied()

    def _listener(self) -> ClipSampler | None:
        if not self.config.validation.clips.every:
            return None
        from models.training.sample_clips import ClipSampler

        return ClipSampler(self.config, self.trainee, self.progress)

    def _anybody(self, asked: bool) -> bool:
        """Return whether any process was interrupted: then all of them stop after the same step."""
        import torch

        flag = torch.tensor(float(asked), device=self.accelerator.device)
        return bool(self.accelerator.reduce(flag, "sum") > 0)

    def _recovered(self, log: Log | None, why: str) -> None:
        self.progress.note(f"step {self.history.step}: {why}")
        if log is not None:
            log.write("recovery", self.history.step, why=why)

    def _diverged(self, what: str) -> UsageError:
        return UsageError(f"step {self.history.step}: {what}; lower optimizer.lr; {self._survivor()}")

    def _survivor(self) -> str:
        last = max(checkpoint.checkpoints(self.checkpoints), default=None)
        if last is None:
            return "there is no checkpoint yet"
        return f"the last good checkpoint is {last}; with other settings, name another folder with --out"

    def _epochs(self) -> float:
        return self.history.step * self.batches.step_size / len(self.batches.examples)

    def _epochs_per_hour(self) -> float | None:
        return self._epochs() / self.history.seconds * 3600 if self.history.seconds else None

    def _speed(self) -> str:
        history = self.history
        memory, of = peak_memory(self.accelerator.device)
        speed = f"{self._epochs_per_hour() or 0:.3g} epochs/hour, {memory / 2**30:.2f} GiB ({of}) at most"
        return f"step {history.step}: loss {history.train_last:.4f}, {speed}"
