"""Conformance: every built-in holds what a model must hold, and each kind of misbehaviour fails its own check."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import soundfile

from bench import Audio, GenerationError, GenerationRequest, MissingError, MusicModel, Prompt, UsageError
from bench.conformance.check import check
from bench.conformance.checks import Finding
from bench.conformance.memory import arrays, megabytes
from bench.conformance.model_record import model_record

Command = Callable[..., "subprocess.CompletedProcess[str]"]
RATE = 8000
CHECKS = [
    "constructor", "clips", "duration", "rate", "sound", "seeds", "batch", "order", "repetition", "impossible",
    "fingerprint", "close", "restart",
]  # fmt: skip


class Good(MusicModel):
    """Noise that holds everything, with weights that are loaded when they are needed."""

    sample_rate: int | None = RATE

    def __init__(self, level: float = 0.2, loud: bool = False, steps: int = 3, device: int = 0) -> None:
        if level > 1:
            raise UsageError("too loud")
        self.level, self.loud, self.steps, self.device = level, loud, steps, device
        self.weights: Any = None

    def generate(self, requests: Sequence[GenerationRequest]) -> Sequence[Audio | GenerationError]:
        self.load()
        return [self.play(request) for request in requests]

    def load(self) -> None:
        self.weights = np.ones(500_000)

    def play(self, request: GenerationRequest) -> Audio | GenerationError:
        return Audio(self.samples(request), RATE)

    def samples(self, request: GenerationRequest) -> np.ndarray:
        rng = np.random.default_rng([request.seed, *request.prompt.text.encode()])
        return self.level * rng.standard_normal(round(request.duration * RATE), dtype=np.float32)


class LoadsAtOnce(Good):
    def __init__(self) -> None:
        super().__init__()
        self.load()


class NaN(Good):
    def samples(self, request: GenerationRequest) -> np.ndarray:
        return np.full_like(super().samples(request), np.nan)


class OneTooFew(Good):
    def generate(self, requests: Sequence[GenerationRequest]) -> Sequence[Audio | GenerationError]:
        return super().generate(requests[1:])


class NotAudio(Good):
    def generate(self, requests: Sequence[GenerationRequest]) -> Any:
        return [self.samples(request) for request in requests]


class Refuses(Good):
    def play(self, request: GenerationRequest) -> Audio | GenerationError:
        return GenerationError(f"no inspiration for {request.prompt.text}")


class FixedDuration(Good):
    def samples(self, request: GenerationRequest) -> np.ndarray:
        return super().samples(GenerationRequest(request.prompt, request.seed, 0.5))


class WrongRate(Good):
    sample_rate = 16_000


class Silent(Good):
    def samples(self, request: GenerationRequest) -> np.ndarray:
        return 1e-4 * super().samples(request)


class Seedless(Good):
    def samples(self, request: GenerationRequest) -> np.ndarray:
        return super().samples(GenerationRequest(request.prompt, 0, request.duration))


class ByBatch(Good):
    """Pads nothing and masks nothing: a clip hears how many others there are."""

    def generate(self, requests: Sequence[GenerationRequest]) -> Sequence[Audio | GenerationError]:
        return [Audio(self.samples(request) * (1 + 0.01 * len(requests)), RATE) for request in requests]


class ByPlace(Good):
    def generate(self, requests: Sequence[GenerationRequest]) -> Sequence[Audio | GenerationError]:
        size = len(requests)
        return [Audio(self.samples(r) * (1 + place * (size - 1) / 100), RATE) for place, r in enumerate(requests)]


class GlobalGenerator(Good):
    """Seeds the global generator once, and everything then depends on what was made before."""

    def load(self) -> None:
        if self.weights is None:
            super().load()
            np.random.seed(0)  # noqa: NPY002 - the mistake that is to be found

    def samples(self, request: GenerationRequest) -> np.ndarray:
        return super().samples(request) + 0.01 * np.random.standard_normal()  # noqa: NPY002


class Unseeded(Good):
    def samples(self, request: GenerationRequest) -> np.ndarray:
        return super().samples(request) * np.float32(1 + 1e-5 * np.random.default_rng().random())


class InstanceSeed(Good):
    """Draws something when it is made, so that a resumed run continues with another model."""

    def load(self) -> None:
        if self.weights is None:
            super().load()
            self.level = 0.2 + 1e-3 * np.random.default_rng().random()


class Stumbles(Good):
    def samples(self, request: GenerationRequest) -> np.ndarray:
        samples = super().samples(request)
        return samples * np.float32(len(samples) // len(samples))


class Boundless(Good):
    def samples(self, request: GenerationRequest) -> np.ndarray:
        return super().samples(GenerationRequest(request.prompt, request.seed, max(request.duration, 0.1)))


class Overlong(Good):
    max_duration = 3.0


class Refusing(Good):
    """Answers an impossible request as it should."""

    max_duration = 3.0

    def play(self, request: GenerationRequest) -> Audio | GenerationError:
        if request.duration > self.max_duration:
            return GenerationError("at most 3 s")
        return super().play(request)


class FingerprintOfDevice(Good):
    def fingerprint(self) -> Mapping[str, Any]:
        return {"weights": "abc", "cuda": self.device}


class FingerprintOfLoading(Good):
    def fingerprint(self) -> Mapping[str, Any]:
        return {"weights": None if self.weights is None else "abc"}


class FingerprintOfTheMoment(Good):
    count: ClassVar[int] = 0

    def fingerprint(self) -> Mapping[str, Any]:
        type(self).count += 1
        return {"count": self.count}


class Hoards(Good):
    """Keeps weights where close() does not reach."""

    kept: ClassVar[dict[int, Any]] = {}

    def load(self) -> None:
        super().load()
        self.kept[0] = self.weights


class Clings(Good):
    kept: ClassVar[list[Any]] = []

    def load(self) -> None:
        self.kept.append(self.load)


@pytest.mark.parametrize(
    ("model", "failing"),
    [
        (LoadsAtOnce, {"constructor"}),
        (NaN, {"clips"}),
        (OneTooFew, {"clips"}),
        (NotAudio, {"clips"}),
        (Refuses, {"clips"}),
        (FixedDuration, {"duration", "impossible"}),
        (WrongRate, {"rate"}),
        (Silent, {"sound"}),
        (Seedless, {"seeds"}),
        (ByBatch, {"batch"}),
        (ByPlace, {"batch", "order"}),
        (GlobalGenerator, {"batch", "order", "repetition"}),
        (Unseeded, {"repetition", "restart"}),
        (InstanceSeed, {"restart"}),
        (Stumbles, {"impossible"}),
        (Boundless, {"impossible"}),
        (Overlong, {"impossible"}),
        (FingerprintOfDevice, {"fingerprint"}),
        (FingerprintOfLoading, {"fingerprint"}),
        (FingerprintOfTheMoment, {"fingerprint"}),
        (Hoards, {"close"}),
        (Clings, {"close"}),
    ],
)
def test_each_misbehaviour_fails_its_own_check(model: type[MusicModel], failing: set[str]) -> None:
    report = check(model, duration=1.0)
    assert {finding.check for finding in report.failures} == failing
    assert [finding.check for finding in report.findings] == CHECKS
    assert all("\n" not in str(finding) for finding in report.findings)
    with pytest.raises(AssertionError, match=f"model '{model.__name__}':\nfail"):
        report.confirm()


def test_good_model_passes_everything() -> None:
    report = check(Good)
    report.confirm()
    details = {finding.check: finding.detail for finding in report.findings}
    assert [finding.outcome for finding in report.findings] == ["pass"] * len(CHECKS)
    changing, _, same = details["fingerprint"].partition(";")
    assert "level, loud, steps" in changing and "device" in same
    assert "4.0 MB" in details["close"]


def test_refusal_is_quoted() -> None:
    report = check(Refusing)
    report.confirm()
    (said,) = [finding.detail for finding in report.findings if finding.check == "impossible"]
    assert "less than a sample" in said and "at most 3 s" in said


def test_failures_say_what_was_found() -> None:
    found = {finding.check: finding.detail for model in (ByBatch, NaN, Silent) for finding in check(model).failures}
    assert all(word in found["batch"] for word in ("alone", "a batch of 3", "difference", " 0.0"))
    assert "16000 samples" in found["clips"]
    assert "is silent: its peak is 8" in found["sound"]


def test_checks_without_clips_are_skipped() -> None:
    outcomes = {finding.check: finding.outcome for finding in check(NaN).findings}
    assert outcomes["clips"] == "fail"
    assert outcomes["constructor"] == outcomes["fingerprint"] == "pass"
    assert outcomes["batch"] == outcomes["close"] == outcomes["restart"] == "skipped"


@pytest.mark.parametrize("name", ["composer", "composer-offkey", "composer-loose", "noise"])
def test_built_in_models_conform(name: str) -> None:
    check(name, duration=3.0).confirm()


def test_folder_of_clips_conforms(tmp_path: Path) -> None:
    prompts = [Prompt("a", "one", "pop"), Prompt("b", "two", "pop")]
    rng = np.random.default_rng(0)
    for name in ("a_0", "a_1", "b_0"):
        soundfile.write(tmp_path / f"{name}.wav", rng.normal(0, 0.1, (20_000, 2)), RATE)
    report = check("folder", {"path": str(tmp_path)}, prompts=prompts)
    report.confirm()
    assert [finding.check for finding in report.findings if finding.outcome == "skipped"] == ["rate"]


@pytest.mark.slow
def test_command_conforms(tmp_path: Path) -> None:
    import textwrap

    import models.command

    script = tmp_path / "generate.py"
    assert models.command.__doc__
    script.write_text(textwrap.dedent(models.command.__doc__.partition("A whole program::\n")[2]))
    check("command", {"command": [sys.executable, str(script), "{requests}", "{out}"]}).confirm()


@pytest.mark.slow
@pytest.mark.parametrize("tuned", [False, True], ids=["base", "tuned"])
@pytest.mark.parametrize(
    "kind", ["stable-audio", "stable-audio-3", "audioldm", "audioldm2", "musicgen", "ace-step", "longcat-audio"]
)
def test_diffusion_and_token_models_conform(kind: str, tuned: bool, tmp_path: Path) -> None:
    pytest.importorskip("diffusers")
    from models import tiny

    params: dict[str, Any] = {"checkpoint": str(tiny.make(kind, tmp_path / kind)), "device": "cpu"}
    if tuned:
        params["adapter"] = str(tiny.make_adapter(kind, tmp_path / kind, tmp_path / "adapter"))
    if kind != "musicgen":
        params["steps"] = 3
    check(kind, params, duration=0.5).confirm()


def test_mistakes_are_named() -> None:
    with pytest.raises(UsageError, match=r"'composr' .*'composer'"):
        check("composr")
    with pytest.raises(UsageError, match="'lvl'"):
        check(Good, {"lvl": 1})
    with pytest.raises(UsageError, match=r"bench\.MusicModel"):
        check(Good())  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="two prompts"):
        check(Good, prompts=[Prompt("a", "b", "c")])


def test_what_is_missing_is_no_failure() -> None:
    class Absent(Good):
        @classmethod
        def require(cls) -> None:
            raise MissingError("pip install it")

    with pytest.raises(MissingError) as missing:
        check(Absent)
    assert "pip install it" in str(missing.value)


class TestFootprint:
    def test_arrays_are_found_wherever_they_hang(self) -> None:
        inner = np.zeros(1000)
        owner = Good()
        owner.weights = {"a": [lambda: inner.sum()], "b": (np.ones(10),), "c": np.array([np.ones(4)], dtype=object)}
        sizes = sorted(array().nbytes for array in arrays(owner))  # type: ignore[union-attr]
        assert 8000 in sizes and 80 in sizes and sum(sizes) < 9000

    def test_what_is_gone_counts_no_more(self) -> None:
        owner = Good()
        owner.load()
        found = arrays(owner)
        assert megabytes(found) == 4.0
        owner.weights = None
        assert megabytes(found) == 0.0

    def test_torch_tensors_count(self) -> None:
        torch = pytest.importorskip("torch")
        owner = Good()
        owner.weights = torch.nn.Linear(1000, 250, bias=False)
        found = arrays(owner)
        assert megabytes(found) == 1.0
        owner.weights = None
        assert megabytes(found) == 0.0


def test_command_line_prints_a_line_a_check(tunebench: Command, tiny: Path) -> None:
    ran = tunebench("check", "model", f"{tiny}:Sine", "--duration", "0.5", "--param", "hz=300", "--param", "batch=2")
    assert ran.returncode == 0, ran.stderr
    assert [line.split()[:2] for line in ran.stdout.splitlines()] == [["pass", name] for name in CHECKS]


def test_command_line_exits_4_when_a_check_fails(tunebench: Command, tiny: Path) -> None:
    ran = tunebench("check", "model", f"{tiny}:Sine", "--param", "bad=nan", "--param", "victim=choral-5", "--json",
                    "--suite", "quick@1")  # fmt: skip
    findings = json.loads(ran.stdout)
    assert [entry["check"] for entry in findings] == CHECKS
    failed = {entry["check"]: entry["detail"] for entry in findings if entry["outcome"] == "fail"}
    assert set(failed) == {"clips"}
    assert ran.returncode == 4
    assert "1 of 13 checks failed" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["composr"], 2, "'composer'"),
        (["composer-offkey", "--param", "share"], 2, "--param: 'share'"),
        (["composer-offkey", "--param", "share=[1"], 2, "--param share: '[1'"),
        (["composer-offkey", "--param", "share=0.9"], 2, "0.9"),
        (["composer", "--suite", "genre"], 2, "'genres'"),
    ],
)
def test_command_line_names_mistakes(tunebench: Command, arguments: list[str], code: int, message: str) -> None:
    ran = tunebench("check", "model", *arguments)
    assert ran.returncode == code
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_record_names_versions_parameters_and_findings() -> None:
    findings = [Finding("batch", "pass", "largest difference 2e-06"), Finding("sound", "fail", "a | peak\nof 0")]
    text = model_record("noise", {}, 2.0, findings, 12.3)
    lines = text.splitlines()
    assert lines[0] == "### noise: 1 of 2 checks failed"
    cells = {line.split(" | ")[0].strip("| `"): line for line in lines if line.startswith("| ")}
    assert "2 s" in cells["clips of"] and "12 s" in cells["all checks took"]
    assert version("tunebench") in cells["tunebench"] and "numpy" in cells["libraries"]
    assert cells["sound"] == "| sound | fail | a \\| peak of 0 |"


def test_only_published_checkpoints_are_recorded(tunebench: Command, tmp_path: Path) -> None:
    for arguments in (
        ["composer", "--published"],
        ["musicgen", "--published", "--param", f"checkpoint={tmp_path}"],
        ["musicgen", "--published", "--json"],
    ):
        assert tunebench("check", "model", *arguments).returncode == 2
