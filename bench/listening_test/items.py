"""Material of a listening test: prompts and seeds for which every model has a clip."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bench.errors import DataError, UsageError, suggestion
from bench.listening_test.folder import SPOILED
from bench.listening_test.settings import ListeningTest
from bench.storage.own_clips import own_clips
from bench.storage.store import Store, StoredClip

_Chosen = TypeVar("_Chosen", str, int)


@dataclass(frozen=True)
class Item:
    """One prompt and seed, and each model's clip.

    Attributes:
        prompt: its id.
        text: text of the prompt, shown to listeners.
        genre: of the prompt, or "".
        seed: of the clips.
        clips: by model, in the order of the models.
    """

    prompt: str
    text: str
    genre: str
    seed: int
    clips: Mapping[str, StoredClip]


@dataclass(frozen=True)
class Material:
    """The material of a listening test.

    Attributes:
        models: compared models, in the requested order or that of the run.
        items: in the order of the run.
        incomplete: prompts and seeds without a clip of some model, such as ``jazz-1 seed 0``; they are left out.
    """

    models: tuple[str, ...]
    items: tuple[Item, ...]
    incomplete: tuple[str, ...]


def find_material(store: Store, test: ListeningTest) -> Material:
    """Read which clips of a run can be compared.

    Args:
        store: the run.
        test: its models, prompts and seeds count; None of each is all.

    Raises:
        UsageError: a requested model, prompt or seed is not in the run, or there is nothing to compare.
        DataError: no prompt has a clip of every model, or the database names a file outside the run's clips.
    """
    clips, prompts = own_clips(store), store.prompts()
    models = _chosen("model", test.models, list(store.labels()))
    if SPOILED in models:
        raise UsageError(f"a model of the run is called '{SPOILED}', a name reserved for degraded copies; rename it")
    if len(models) < 2:
        raise UsageError(f"a listening test needs at least two models; {store.folder} has {', '.join(models)}")
    wanted_prompts = _chosen("prompt", test.prompts, list(prompts))
    wanted_seeds = _chosen("seed", test.seeds, sorted({clip.seed for clip in clips}))
    made = {(clip.prompt, clip.seed, clip.model): clip for clip in clips}
    items, incomplete = [], []
    for prompt in wanted_prompts:
        for seed in wanted_seeds:
            own = {model: made[prompt, seed, model] for model in models if (prompt, seed, model) in made}
            if len(own) == len(models):
                text = " ".join(prompts[prompt].text.split())
                items.append(Item(prompt, text, prompts[prompt].genre or "", seed, own))
            else:
                incomplete.append(f"{prompt} seed {seed}")
    if not items:
        raise DataError(
            f"{store.folder} has no prompt with a clip of each of {', '.join(models)}; finish it with 'tunebench run', "
            "or compare other models"
        )
    return Material(tuple(models), tuple(items), tuple(incomplete))


def _chosen(what: str, wanted: Sequence[_Chosen] | None, there: Collection[_Chosen]) -> list[_Chosen]:
    """Return the requested values without repetitions, or all values."""
    if wanted is None:
        return list(there)
    for one in wanted:
        if one not in there:
            near = suggestion(str(one), [str(known) for known in there])
            raise UsageError(f"{what}s: the run has no {what} '{one}'{near}")
    return list(dict.fromkeys(wanted))
