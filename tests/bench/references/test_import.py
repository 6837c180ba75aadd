"""What other tools saved becomes a reference that knows how its audio was prepared."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.contracts.embedder import EmbedderRef
from bench.contracts.notice import Notice
from bench.contracts.set_metric import EmbeddingSet
from bench.errors import DataError, UsageError
from bench.planning.metric_plan import PlannedEmbedder, plan_embedder
from bench.references.find import find_reference
from bench.references.import_npz import ImportOptions, import_embeddings, import_statistics
from bench.references.load import load_reference
from metrics.frechet import FrechetAudioDistance

Command = Callable[..., "subprocess.CompletedProcess[str]"]
VECTORS = np.random.default_rng(4).normal(size=(300, 128))


@pytest.fixture
def vggish(tmp_path: Path) -> Callable[[str | None], EmbedderRef]:
    """The embedder by a front end; identities read no more of the checkpoint than its hash."""
    (tmp_path / "vggish.pth").write_bytes(b"weights")

    def made(front_end: str | None = None) -> EmbedderRef:
        own = {} if front_end is None else {"front_end": front_end}
        return EmbedderRef("vggish", {"checkpoint": str(tmp_path / "vggish.pth"), **own})

    return made


def planned(ref: EmbedderRef) -> PlannedEmbedder:
    return plan_embedder(ref)


@pytest.mark.parametrize("names", [("mu", "cov"), ("mu_ref", "sigma_ref"), ("vggish.mu", "vggish.cov")])
def test_statistics_are_for_clips_of_their_front_end_only(
    names: tuple[str, str], vggish: Callable[..., EmbedderRef], tmp_path: Path
) -> None:
    mean, covariance = VECTORS.mean(axis=0), np.cov(VECTORS.T)
    np.savez(tmp_path / "s.npz", **dict(zip(names, (mean, covariance), strict=True)))
    path = tmp_path / "r.safetensors"
    with pytest.raises(UsageError):
        import_statistics(tmp_path / "s.npz", vggish(), path)
    assert not path.exists()
    assert import_statistics(tmp_path / "s.npz", vggish(), path, options=ImportOptions(None, 300, "fadtk")) == 300
    reference = load_reference(path)
    np.testing.assert_array_equal(reference.mean, mean)
    np.testing.assert_array_equal(reference.covariance, covariance)
    assert reference.warnings == ()
    assert find_reference(str(path), planned(vggish("fadtk"))).fingerprint == reference.fingerprint
    for other in (None, "kadtk"):
        with pytest.raises(UsageError, match=r"fadtk.* clips .*"):
            find_reference(str(path), planned(vggish(other)))


@pytest.mark.parametrize("clips", ["tunebench", "audioldm_eval"])
def test_unlike_front_ends_are_compared_on_request_and_every_score_is_marked(
    clips: str, vggish: Callable[..., EmbedderRef], tmp_path: Path
) -> None:
    np.savez(tmp_path / "s.npz", mu=VECTORS.mean(axis=0), cov=np.cov(VECTORS.T))
    prints = set()
    for name, options in {
        "marked": ImportOptions(None, 300, "fadtk", clips),
        "unmarked": ImportOptions(None, 300, clips),
        "same": ImportOptions(None, 300, clips, clips),
    }.items():
        path = tmp_path / f"{name}.safetensors"
        import_statistics(tmp_path / "s.npz", vggish(), path, options=options)
        reference = load_reference(path)
        said = (Notice("W-FRONT-END", {"reference": name, "music": "fadtk", "clips": clips}),)
        assert reference.warnings == (said if name == "marked" else ())
        embedder = planned(vggish(None if clips == "tunebench" else clips))
        assert find_reference(str(path), embedder).fingerprint == reference.fingerprint
        groups = np.repeat(np.arange(30), 10)
        evaluated = EmbeddingSet(VECTORS.astype(np.float32) + 1, groups, groups, embedder.fingerprint)
        estimate = FrechetAudioDistance("vggish").evaluate(evaluated, reference)
        assert ("W-FRONT-END" in {w.code for w in estimate.warnings}) == (name == "marked")
        assert estimate.value == pytest.approx(128, rel=1e-3)  # the same covariance, means 1 apart in 128 dimensions
        prints.add(reference.fingerprint)
    assert len(prints) == 2  # a marked score is never taken for one that is not


def test_a_folder_of_embeddings_is_a_reference_like_any(vggish: Callable[..., EmbedderRef], tmp_path: Path) -> None:
    for place in range(5):
        file = tmp_path / "emb" / ("a" if place < 2 else "b") / f"{place}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, VECTORS[place * 60 : place * 60 + 60].astype(np.float16))
    built = import_embeddings(
        tmp_path / "emb", vggish(), tmp_path / "r.safetensors", options=ImportOptions(front_end="kadtk")
    )
    assert (built.windows, built.recordings) == (300, 5)
    reference = load_reference(tmp_path / "r.safetensors")
    assert reference.embeddings is not None
    kept = VECTORS.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(reference.embeddings.vectors, kept)
    assert reference.embeddings.recordings.tolist() == np.repeat(np.arange(5), 60).tolist()
    np.testing.assert_allclose(reference.covariance, np.cov(kept.T.astype(np.float64)), rtol=1e-9, atol=1e-12)
    assert [id for id, *_ in reference.about["recordings"]] == ["a/0", "a/1", "b/2", "b/3", "b/4"]


@pytest.mark.parametrize("arrays", [None, {"anything": VECTORS}, {"labels": np.zeros(300), "embeddings": VECTORS}])
def test_one_array_of_embeddings_becomes_statistics(
    arrays: dict[str, np.ndarray] | None, vggish: Callable[..., EmbedderRef], tmp_path: Path
) -> None:
    source = tmp_path / ("e.npz" if arrays else "e.npy")
    if arrays:
        np.savez(source, **arrays)
    else:
        np.save(source, VECTORS)
    path = tmp_path / "r.safetensors"
    assert import_statistics(source, vggish(), path, options=ImportOptions(front_end="tunebench")) == 300
    reference = load_reference(path)
    np.testing.assert_allclose(reference.mean, VECTORS.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(reference.covariance, np.cov(VECTORS.T), rtol=1e-9, atol=1e-12)
    assert (reference.embeddings, reference.windows, reference.warnings) == (None, 300, ())
    assert find_reference(str(path), planned(vggish())).fingerprint == reference.fingerprint


def test_what_is_no_embedding_is_refused(vggish: Callable[..., EmbedderRef], tmp_path: Path) -> None:
    options = ImportOptions(front_end="fadtk")
    bad = {
        "wide": VECTORS[:, :100],
        "whole": np.ones((4, 128), dtype=int),
        "cube": np.zeros((2, 2, 128)),
        "none": np.zeros((0, 128)),
        "one": VECTORS[:1],
        "broken": np.full((4, 128), np.nan),
        "objects": np.array([{}], dtype=object),
    }
    for name, array in bad.items():
        np.save(tmp_path / f"{name}.npy", array, allow_pickle=True)
        with pytest.raises(DataError, match=rf"{name}\.npy: "):
            import_embeddings(tmp_path / f"{name}.npy", vggish(), tmp_path / "r.safetensors", options=options)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "wide.npy").read_bytes()[:40])
    with pytest.raises(DataError, match="truncated"):
        import_embeddings(tmp_path / "cut.npy", vggish(), tmp_path / "r.safetensors", options=options)
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / "empty", tmp_path / "nowhere.npy"):
        with pytest.raises(UsageError):
            import_embeddings(source, vggish(), tmp_path / "r.safetensors", options=options)
    assert not (tmp_path / "r.safetensors").exists()


@pytest.mark.parametrize(
    ("embedder", "options"),
    [
        ("vggish", ImportOptions(front_end="stable-audio-metrics")),
        ("vggish", ImportOptions(front_end="fadtk", compare_with="fadkt")),
        ("musicnn-msd", ImportOptions(front_end="fadtk")),
        ("musicnn-msd", ImportOptions()),
    ],
)
def test_a_front_end_that_the_embedder_does_not_have_is_refused(
    embedder: str, options: ImportOptions, tmp_path: Path
) -> None:
    np.savez(tmp_path / "s.npz", mu=VECTORS.mean(axis=0), cov=np.cov(VECTORS.T))
    with pytest.raises(UsageError):
        import_statistics(tmp_path / "s.npz", embedder, tmp_path / "r.safetensors", options=options)


def test_the_command_asks_and_what_it_proposes_works(
    tunebench: Command, vggish: Callable[..., EmbedderRef], tmp_path: Path
) -> None:
    vggish()
    np.savez(tmp_path / "s.npz", mu_ref=VECTORS.mean(axis=0), sigma_ref=np.cov(VECTORS.T))
    arguments = ("reference", "import", "s.npz", "--embedder", "vggish", "--param", "checkpoint=vggish.pth",
                 "--windows", "300", "--out", "my refs/r.safetensors")  # fmt: skip
    asked = tunebench(*arguments)
    assert asked.returncode == 2
    assert len(asked.stderr.strip().splitlines()) == 1
    command = shlex.split(asked.stderr.strip().rpartition(": ")[2])
    assert command[0] == "tunebench" and command[-2] == "--front-end"
    assert tunebench(*command[1:]).returncode == 0
    shown = json.loads(tunebench("reference", "show", "my refs/r.safetensors", "--json").stdout)
    assert shown["front_end"].startswith(f"{command[-1]}: ")
    assert shown["embedder"]["front_end"]["name"] == command[-1]
    assert shown["windows"] == 300
