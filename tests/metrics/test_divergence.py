"""KL divergence over a tagger's classes: closed forms, published computations, and runs against paired recordings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr

import bench
from bench import Audio, DecodedClip, Prompt, Reference
from bench.config.run_config import MetricConfig
from bench.contracts.audio import write_flac
from bench.contracts.embedder import EmbedderRef, Vectors, load_embedder
from bench.contracts.reference import EmbeddingSet
from bench.errors import DataError, Undefined, UsageError
from bench.planning.metric_plan import plan_metric
from bench.storage.read_scores import shown_scores
from bench.storage.store import Store
from metrics.divergence import PRESETS, KLDivergence, MusicnnDivergence, kl_divergence
from metrics.embedders.musicnn import tag_log_odds
from metrics.tagger import sigmoid, softmax, tag_shares

Array = npt.NDArray[np.float64]
CLASSES = Path(__file__).parents[1] / "plugins" / "classes.py"
seeds = st.integers(0, 2**32 - 1)


def logits(seed: int, windows: int = 1, classes: int = 527) -> Vectors:
    return np.random.default_rng(seed).normal(-4, 3, (windows, classes)).astype(np.float32)


class TestDivergence:
    def test_of_two_classes(self) -> None:
        """ln 2 / 2 − …: by hand."""
        assert kl_divergence([1, 0], [0.5, 0.5]) == np.log(2)
        assert kl_divergence([0.5, 0.5], [0.9, 0.1]) == pytest.approx(0.5 * np.log(0.25 / 0.09), rel=1e-14)
        assert kl_divergence([0.9, 0.1], [0.5, 0.5]) == pytest.approx(
            np.log(2) + 0.9 * np.log(0.9) + 0.1 * np.log(0.1), rel=1e-14
        )

    @given(seeds, st.integers(2, 60))
    def test_laws(self, seed: int, classes: int) -> None:
        rng = np.random.default_rng(seed)
        p, q = rng.dirichlet(np.full(classes, 0.3), 2)
        assert kl_divergence(p, p) == 0.0
        assert kl_divergence(p, q, 1e-9) == pytest.approx(rel_entr(p, q + 1e-9).sum(), rel=1e-12, abs=1e-15)
        if (q > 0).all():
            assert kl_divergence(p, q) >= -1e-15
            order = rng.permutation(classes)
            assert kl_divergence(p[order], q[order]) == pytest.approx(kl_divergence(p, q), rel=1e-12)

    def test_of_gaussians_in_fine_bins(self) -> None:
        """ln(σ₂/σ₁) + (σ₁² + Δ²) / 2σ₂² − ½ of two normal distributions."""
        x = np.linspace(-12, 12, 40_001)

        def normal(mean: float, sd: float) -> Array:
            density = np.exp(-(((x - mean) / sd) ** 2) / 2)
            return density / density.sum()

        expected = np.log(2 / 1) + (1 + 0.5**2) / (2 * 4) - 0.5
        assert kl_divergence(normal(0, 1), normal(0.5, 2)) == pytest.approx(expected, abs=1e-8)
        assert kl_divergence(normal(0.5, 2), normal(0, 1)) != pytest.approx(expected, abs=0.1)

    @pytest.mark.parametrize(
        ("p", "q"),
        [
            ([1.0], [0.5, 0.5]),
            ([[0.5, 0.5]], [[0.5, 0.5]]),
            ([], []),
            ([0.5, 0.5], [1.0, 0.0]),
            ([np.nan, 1.0], [0.5, 0.5]),
            ([1.5, -0.5], [0.5, 0.5]),
            ([0.5, 0.5], [np.inf, 0.5]),
        ],
    )
    def test_what_has_none_is_refused(self, p: Any, q: Any) -> None:
        with pytest.raises(DataError):
            kl_divergence(p, q)


class TestPresets:
    """Each against what its publisher computes, written out with PyTorch as there."""

    @pytest.fixture(autouse=True)
    def _torch(self) -> None:
        torch = pytest.importorskip("torch")
        self.torch, self.kl_div = torch, torch.nn.functional.kl_div

    def test_stable_audio_metrics(self) -> None:
        clip, recording = logits(1, 7), logits(2, 4)
        of_clip, of_recording = (
            self.torch.softmax(self.torch.from_numpy(each).mean(dim=0), dim=0) for each in (clip, recording)
        )
        expected = float(self.kl_div((of_recording + 1e-6).log(), of_clip, reduction="sum"))
        assert PRESETS["stable-audio-metrics"].divergence(clip, recording) == pytest.approx(expected, rel=1e-4)

    def test_audiocraft(self) -> None:
        clip, recording = logits(3, 3), logits(4, 3)
        of_clip, of_recording = (self.torch.softmax(self.torch.from_numpy(each), dim=-1) for each in (clip, recording))
        segments = self.kl_div((of_clip + 1e-6).log(), of_recording, reduction="none").sum(-1)
        assert PRESETS["audiocraft"].divergence(clip, recording) == pytest.approx(float(segments.mean()), rel=1e-4)

    @pytest.mark.parametrize("name", ["softmax", "sigmoid"])
    def test_audioldm_eval(self, name: str) -> None:
        clip, recording = logits(5), logits(6)
        one, two = (self.torch.from_numpy(each) for each in (clip, recording))
        activation = (lambda x: x.softmax(dim=1)) if name == "softmax" else (lambda x: x.sigmoid())
        expected = float(self.kl_div((activation(one) + 1e-6).log(), activation(two), reduction="sum")) / len(one)
        preset = PRESETS["audioldm_eval" if name == "softmax" else "audioldm_eval-sigmoid"]
        assert preset.divergence(clip, recording) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", PRESETS)
def test_a_clip_that_equals_its_recording_reads_what_epsilon_alone_makes(name: str) -> None:
    preset, own = PRESETS[name], logits(7)
    assert -527 * 1e-6 <= preset.divergence(own, own) < 0
    # Exactly 0 without it.
    p = preset.activation(own)[0]
    assert kl_divergence(p, p) == 0.0


def test_presets_run_in_different_directions() -> None:
    """One class against a flat distribution: the flat one's divergence is unbounded, the other's is ln 2."""
    sure, open_ = np.array([[30.0, 0.0]], dtype=np.float32), np.zeros((1, 2), dtype=np.float32)
    assert PRESETS["stable-audio-metrics"].divergence(sure, open_) == pytest.approx(np.log(2), abs=1e-5)
    assert PRESETS["audioldm_eval"].divergence(open_, sure) == pytest.approx(np.log(2), abs=1e-5)
    for name in ("audiocraft", "audioldm_eval"):
        assert PRESETS[name].divergence(sure, open_) > 5


def test_windows_are_pooled_as_published() -> None:
    two, one = logits(8, 2), logits(9, 1)
    with pytest.raises(Undefined, match="2 segments and 1"):
        PRESETS["audiocraft"].divergence(two, one)
    for name in ("audioldm_eval", "audioldm_eval-sigmoid"):
        with pytest.raises(Undefined, match="2 windows"):
            PRESETS[name].divergence(one, two)
    mean = two.astype(np.float64).mean(axis=0)
    pooled = PRESETS["stable-audio-metrics"].divergence(two, one)
    assert pooled == kl_divergence(softmax(mean), softmax(one[0]), 1e-6)
    assert PRESETS["audiocraft"].divergence(two, two[::-1]) != PRESETS["audiocraft"].divergence(two, two)


def decoded(ref: Any, own: Vectors, asked: Vectors) -> DecodedClip:
    """A clip with known vectors and a known recording."""
    number = np.zeros(len(asked), dtype=np.int64)
    windows = EmbeddingSet(asked, number, number, "e")
    mean, covariance = asked.mean(axis=0), np.eye(asked.shape[1])
    music = Reference("pairs", "e", "f", len(asked), mean, covariance, windows, pairs={"here": 0, "bad": "no audio"})
    return DecodedClip(
        Audio(np.zeros((1, 800), dtype=np.float32), 8000),
        Prompt("here", "words"),
        vectors={ref.share_name: own},
        references=lambda *_: music,
    )


def test_musicnn_tags_are_shares_that_sum_to_one() -> None:
    rng = np.random.default_rng(10)
    own, asked = rng.normal(0, 1, (2, 3, 200)).astype(np.float32)
    metric = MusicnnDivergence("mtt")
    p, q = (sigmoid(tag_log_odds(each, "mtt")).mean(axis=0) for each in (asked, own))
    assert tag_shares(own, "mtt").sum() == pytest.approx(1.0, abs=1e-12)
    expected = rel_entr(p / p.sum(), q / q.sum()).sum()
    (ref,) = metric.embedders
    assert metric.score(decoded(ref, own, asked)).value == pytest.approx(expected, rel=1e-12)
    assert metric.score(decoded(ref, own, own)).value == 0.0
    assert metric.score(decoded(ref, asked, own)).value != metric.score(decoded(ref, own, asked)).value


def _prepared(front_end: object) -> dict[str, Any]:
    """A program whose vectors the front end pools."""
    own = {"command": ["true", "{requests}", "{vectors}"], "dimension": 3, "front_end": front_end}
    return {"preset": "stable-audio-metrics", "embedder": "command", "embedder_params": own}


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "'preset'"),
        ({"preset": "audiocraft"}, "audiocraft .*PaSST"),
        ({"preset": "stable-audio-metrics"}, "embedder: command"),
        ({"preset": "audiocraf"}, "'audiocraft'"),
        ({"preset": "audiocraft", "embedder": "clap-laion"}, "clap-laion"),
        ({"preset": "audiocraft", "embedder": "pann"}, "pann-tags"),
        ({"preset": "audiocraft", "embedder": "musicnn-msd@1"}, "kl-musicnn"),
        (_prepared("stable-audio-metrics-passt"), "stable-audio-metrics-passt"),
        (_prepared({"name": "mine", "window": 10, "pooling": "mean-softmax"}), "mine .*mean-softmax"),
    ],
)
def test_what_is_no_published_kl_is_refused(params: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        plan_metric(MetricConfig(name="kl", params=params))
    with pytest.raises(UsageError, match=r"'fm'.*msd.*mtt"):
        MusicnnDivergence("fm")


def test_the_preset_is_a_part_of_name_and_identity() -> None:
    tagger = {"embedder": f"{CLASSES}:Classes"}
    planned = [plan_metric(MetricConfig(name="kl", params={"preset": name, **tagger})) for name in PRESETS]
    assert all(f"preset={name}" in metric.ref for name, metric in zip(PRESETS, planned, strict=True))
    assert len({metric.params_hash for metric in planned}) == len(PRESETS)
    assert {metric.reference for metric in planned} == {"paired"} and planned[0].unit == "nats"


def test_a_run_against_paired_recordings(tmp_path: Path, tiny: Path) -> None:
    """Every preset in one run, whose values are those of the logits computed apart."""
    rng = np.random.default_rng(11)
    prompts = [prompt.id for prompt in bench.load_suite("quick@1").prompts]
    for id in prompts:
        samples = rng.normal(0, 0.05, 8000).astype(np.float32)
        write_flac(tmp_path / f"music/{id}.flac", Audio(np.cumsum(samples - samples.mean()) * 0.1, 8000))
    (tmp_path / "music/pairs.csv").write_text("prompt,file\n" + "".join(f"{id},{id}.flac\n" for id in prompts))
    metrics = [
        {
            "name": "kl",
            "params": {
                "preset": name,
                "embedder": f"{CLASSES}:Classes",
                "embedder_params": {"whole": name.startswith("audioldm")},
            },
        }
        for name in PRESETS
    ]
    settings = {
        "models": [f"{tiny}:Sine"],
        "metrics": metrics,
        "pairs": str(tmp_path / "music/pairs.csv"),
        "duration": 1.0,
        "executor": {"workers": 0},
    }
    folder = bench.run(settings, tmp_path / "run").folder
    with Store.read(folder) as store:
        scores = [score for score in shown_scores(store) if score.prompt == prompts[3]]
        (clip,) = [folder / clip.path for clip in store.made() if clip.prompt == prompts[3]]
    assert len(scores) == 4
    for name, score in zip(PRESETS, scores, strict=True):
        embedder = load_embedder(EmbedderRef(f"{CLASSES}:Classes", {"whole": name.startswith("audioldm")}))
        own, asked = (embedder.embed(bench.read_audio(file)) for file in (clip, tmp_path / f"music/{prompts[3]}.flac"))
        assert f"preset={name}," in score.metric
        assert score.value == pytest.approx(PRESETS[name].divergence(own, asked), rel=1e-9)


def test_kl_compares_with_the_recording_of_the_prompt() -> None:
    metric = KLDivergence("audiocraft", f"{CLASSES}:Classes")
    (ref,) = metric.embedders
    own, asked = logits(12, 2, 6), logits(13, 2, 6)
    assert metric.score(decoded(ref, own, asked)).value == PRESETS["audiocraft"].divergence(own, asked)
    clip = decoded(ref, own, asked)
    clip.prompt = Prompt("bad", "words")
    with pytest.raises(Undefined, match="no audio"):
        metric.score(clip)


def test_a_program_is_a_tagger_as_a_class_is(tmp_path: Path) -> None:
    """The logits of a program give the divergence of the same function in process, bit for bit."""
    program = tmp_path / "classes.py"
    program.write_text(
        "import json, sys\nimport numpy as np\nimport soundfile\n"
        f"sys.path[:0] = [{str(Path(bench.__file__).parents[1])!r}, {str(CLASSES.parent)!r}]\n"
        "from bench import Audio\nfrom classes import Classes\nfound = {}\n"
        "for request in map(json.loads, open(sys.argv[1])):\n"
        "    samples, rate = soundfile.read(request['clip'], dtype='float32', always_2d=True)\n"
        "    found[request['id']] = Classes().embed(Audio(samples.T, rate))\n"
        "np.savez(sys.argv[2], **found)\n"
    )
    for number in range(2):
        samples = np.random.default_rng(number).normal(0, 0.05, 8000).astype(np.float32)
        write_flac(tmp_path / f"{number}.flac", Audio(samples, 8000))
    (tmp_path / "pairs.csv").write_text("prompt,file\nx,1.flac\n")
    taggers: list[dict[str, Any]] = [
        {"embedder": f"{CLASSES}:Classes"},
        {
            "embedder": "command",
            "embedder_params": {
                "command": [sys.executable, str(program), "{requests}", "{vectors}"],
                "dimension": 6,
            },
        },
    ]
    metrics = [MetricConfig(name="kl", params={"preset": "audiocraft", **tagger}) for tagger in taggers]
    (found,) = bench.score_audio(
        [tmp_path / "0.flac"], metrics, [Prompt("x", "words")], pairs=str(tmp_path / "pairs.csv")
    )
    one, two = (score.value for score in found.scores.values())
    assert one == two and one is not None and one > 0 and not found.errors
