"""The reference that comes with the package is what its command makes, and says that it is synthetic."""

from __future__ import annotations

import numpy as np
import pytest

from bench.contracts.embedder import EmbedderRef, load_embedder
from bench.contracts.model import GenerationRequest, MusicModel
from bench.contracts.notice import Notice
from bench.contracts.plugins import create, find
from bench.contracts.prompt_suite import load_suite_named
from bench.contracts.set_metric import Reference
from bench.errors import UsageError
from bench.planning.metric_plan import plan_embedder
from bench.references.find import find_reference
from bench.references.load import load_reference
from metrics.references.__main__ import DURATION, EMBEDDER, SEEDS, SOURCES


@pytest.fixture(scope="module", params=list(SOURCES))
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def shipped(name: str) -> Reference:
    return load_reference(find_reference(name, plan_embedder(EMBEDDER)).path)


def test_it_is_small_balanced_and_says_what_it_is(name: str, shipped: Reference) -> None:
    (file,) = SOURCES[name].folder.iterdir()
    assert file.stat().st_size < 1_500_000
    assert len(shipped.genres) == 36 * SEEDS
    genres = list(shipped.genres.values())
    assert {genre: genres.count(genre) for genre in set(genres)} == dict.fromkeys(
        ("choral", "classical", "dance", "jazz", "pop", "rock"), 48
    )
    assert shipped.windows > 4 * len(shipped.mean)
    assert shipped.warnings == (Notice("W-SYNTHETIC", {"reference": name}),)
    assert shipped.about["licence"]


def test_no_run_uses_its_seeds(name: str, shipped: Reference) -> None:
    first = SOURCES[name].first_seed
    seeds = {int(id.partition(":")[2]) for id, *_ in shipped.about["recordings"]}
    assert seeds == set(range(first, first + SEEDS))
    assert min(seeds) >= 2**40


def test_its_recordings_are_made_again(name: str, shipped: Reference) -> None:
    prompts = {prompt.id: prompt for prompt in load_suite_named("genres@1").prompts}
    model: MusicModel = create(find("model", "composer"), dict(SOURCES[name].params), MusicModel)
    embedder = load_embedder(EMBEDDER)
    assert shipped.embeddings is not None
    for place in (0, 131, 287):
        id, _, genre = shipped.about["recordings"][place]
        name, _, seed = id.partition(":")
        (audio,) = model.generate([GenerationRequest(prompts[name], int(seed), DURATION)])
        assert not isinstance(audio, Exception)
        assert prompts[name].genre == genre == shipped.genres[place]
        vectors = shipped.embeddings.vectors[shipped.embeddings.recordings == place]
        np.testing.assert_allclose(embedder.embed(audio), vectors, rtol=1e-3, atol=1e-3)


def test_another_embedder_is_told_how_to_make_its_own() -> None:
    other = plan_embedder(EmbedderRef("musicnn-mtt"))
    with pytest.raises(UsageError, match=r"'composer' .*musicnn-msd@1.*musicnn-mtt .*reference build"):
        find_reference("composer", other)
