"""The course of a training: from a configuration to a folder with the result."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import MissingError
from bench.paths import StrPath
from bench.progress import Progress, ProgressOption, shown
from bench.run_lock import take_lock
from models.training import checkpoint
from models.training.batches import crop_frames
from models.training.config import TrainConfig
from models.training.interruption import Interruption
from models.training.lora import check_targets
from models.training.optimizer_step import share
from models.training.outputs import Trained, finish, finished
from models.training.processes import accelerate
from models.training.trainer import Trainer

if TYPE_CHECKING:
    from accelerate import Accelerator

    from models.training.base import Trainee


def train(config: TrainConfig, out: StrPath, progress: ProgressOption = None) -> Trained:
    """Train, or resume a training that was interrupted, and write the result into ``out``.

    The same configuration and folder resume from the last checkpoint, with the same numbers as without an
    interruption; a finished training is left as it is. Under ``accelerate launch`` every process calls this.

    Args:
        config: what to train.
        out: the training's folder, created if need be.
        progress: gets steps, and every few seconds loss, epochs per hour and memory.

    Raises:
        UsageError: settings are impossible, or differ from those of the folder's checkpoints; or a loss is not finite.
        MissingError: weights or software are missing; memory is not sufficient, or a disk is full.
        DataError: unusable data, or a split that leaks.
        KeyboardInterrupt: after SIGINT or SIGTERM, once the current step is done and saved.
    """
    out = Path(out)
    if (done := finished(config, out)) is not None:
        with shown(progress) as told:
            told.note(f"{out}: this training is finished already and is left as it is; changed settings have no effect")
        return done
    accelerator = accelerate(config)
    with ExitStack() as stack:
        told = stack.enter_context(shown(progress if accelerator.is_main_process else None))
        try:
            if accelerator.is_main_process:
                stack.enter_context(take_lock(out))
            return _train(config, out, accelerator, told)
        except Exception as error:
            if not checkpoint.disk_full(error):
                raise
            raise MissingError(f"{out}: the disk is full; free some space and run the same command") from None


def _refuse(config: TrainConfig, trainee: Trainee, accelerator: Accelerator) -> None:
    """Find impossible settings before hours are spent on reading and encoding a large dataset."""
    from models.training.sample_clips import ClipSampler

    share(config.batch, accelerator.num_processes)
    check_targets(trainee.network, config)
    crop_frames(trainee.longest, trainee, config)
    if config.validation.clips.every:
        ClipSampler(config, trainee)


def _train(config: TrainConfig, out: Path, accelerator: Accelerator, progress: Progress) -> Trained:
    from models.training.data import load_dataset
    from models.training.fingerprints import keep_fingerprints
    from models.training.latents import LatentCache
    from models.training.registry import open_trainee
    from models.training.split import split as split_dataset

    with Interruption() as interruption:  # Python loses Ctrl-C when it arrives within a library's destructor
        trainee = open_trainee(config)
    if interruption.asked:
        raise KeyboardInterrupt
    _refuse(config, trainee, accelerator)
    with accelerator.main_process_first():
        dataset = load_dataset(config.data, progress, out / "cache")
    split = split_dataset(dataset, config.data, config.seed)
    trainee.to(str(accelerator.device))
    with accelerator.main_process_first():  # the others find everything encoded
        cache = LatentCache.build(trainee, dataset, out / "cache", progress)
    if cache.unread:
        cut = {"captions cut": len(cache.unread), "most tokens cut": max(cache.unread.values())}
        dataset = replace(dataset, about={**dataset.about, **cut})
    trainee.release_encoders()
    training = Trainer(config, out, trainee, cache, dataset, split, accelerator, progress)
    training.run()
    training.keep_best()
    if accelerator.is_main_process:
        made = finish(config, out, training.network, training.card())
        keep_fingerprints(made.folder, split.train, dataset.hashes, progress)
    accelerator.wait_for_everyone()
    done = finished(config, out)
    assert done is not None
    return done
