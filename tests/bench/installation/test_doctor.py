"""``tunebench doctor``: what can run here, and what the rest needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from bench.contracts.entry_points import OWN_PACKAGE, Kind, declared
from bench.contracts.parameters import bind, parameters
from bench.contracts.plugins import find, load
from bench.errors import UsageError
from bench.installation.readiness import CONTRACTS, READY

Report = dict[str, dict[str, str]]

# Counts what would leave this machine: Python runs a module of this name when it starts.
WATCHED = """
import os, socket
connect = socket.socket.connect
def watched(self, address):
    if self.family != socket.AF_UNIX:
        with open(os.environ["CALLS"], "a") as calls:
            print(address, file=calls)
        raise OSError("no network")
    return connect(self, address)
socket.socket.connect = watched
resolve = socket.getaddrinfo
def resolved(host, *rest, **more):
    with open(os.environ["CALLS"], "a") as calls:
        print(host, file=calls)
    raise socket.gaierror("no network")
socket.getaddrinfo = resolved
"""


def _doctor(folder: Path, tunebench_path: str, **environment: str) -> Report:
    """The report of a process that finds no checkpoint on this machine."""
    (folder / "sitecustomize.py").write_text(WATCHED)
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    ran = subprocess.run(
        [tunebench_path, "doctor", "--json"],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": path,
            "HF_HOME": str(folder / "hub"),
            "CALLS": str(folder / "calls"),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert not (folder / "calls").exists(), (folder / "calls").read_text()
    report: Report = json.loads(ran.stdout)
    return report


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, tunebench_path: str) -> Report:
    """What doctor says here. It asks no network, and leaves with 0."""
    return _doctor(tmp_path_factory.mktemp("doctor"), tunebench_path)


def test_devices_are_those_that_torch_sees(report: Report) -> None:
    torch = pytest.importorskip("torch")
    devices = report["devices"]
    assert devices["cpu"].startswith("ready, ")
    assert ("cuda:0" in devices) == torch.cuda.is_available()
    assert devices["mps"].startswith("ready") == torch.backends.mps.is_available()
    if not torch.cuda.is_available():
        assert torch.__version__ in devices["cuda"]


def test_machine_and_packages_are_told(report: Report) -> None:
    assert " GB" in report["machine"]["memory"]
    assert report["machine"]["cores"].isdigit()
    core = ("essentia", "music21", "numpy", "onnxruntime", "pydantic", "soundfile", "soxr", "tinysoundfont")
    assert all(report["packages"][name][0].isdigit() for name in core)


def test_what_comes_with_the_package_is_ready(report: Report) -> None:
    needy = {
        *("audioldm", "audioldm-lora", "audioldm2", "musicgen", "stable-audio", "stable-audio-3", "stable-audio-lora"),
        *("ace-step", "longcat-audio", "command", "folder", "clap-score", "clap", "clap-laion", "clap-ms", "cdpam"),
        *("kl", "pann", "pann-tags", "vggish", "real", "reconstruction"),
    }
    kinds: list[Kind] = ["model", "metric", "embedder", "suite", "reference"]
    for kind in kinds:
        own = {name for name, plugins in declared(kind).items() if plugins[0].distribution == OWN_PACKAGE}
        states = report[f"{kind}s"]
        assert {name for name in own if states[name] == READY} == own - needy
        assert own <= states.keys()


def test_what_cannot_be_used_here_says_what_it_needs(report: Report) -> None:
    for section, name in (("metrics", "clap-score"), ("embedders", "clap")):
        state = report[section][name]
        if find_spec("torch") and find_spec("transformers"):
            assert "checkpoint=laion/larger_clap_music" in state
        else:
            assert "tunebench[diffusion]" in state
    laion = report["embedders"]["clap-laion"]
    if all(map(find_spec, ("laion_clap", "torch", "torchvision", "transformers"))):
        assert ".pt" in laion  # no checkpoint in this folder
    else:
        assert "pip install 'tunebench[laion]'" in laion
    assert "path=my_clips" in report["models"]["folder"]
    assert "generate.py" in report["models"]["command"]
    if all(map(find_spec, ("torch", "diffusers", "peft", "torchsde"))):
        assert "stabilityai/stable-audio-open-1.0" in report["models"]["stable-audio"]
        assert "adapter=" in report["models"]["stable-audio-lora"]


def test_what_a_broken_package_breaks_is_not_ready(tmp_path: Path, tunebench_path: str) -> None:
    for module in ("torch", "onnxruntime", "essentia"):
        (tmp_path / f"{module}.py").write_text(f"raise ImportError('blocked', name={module!r})\n")
    report = _doctor(tmp_path, tunebench_path)
    assert "torch cannot be imported" in report["devices"]["cuda"]
    assert report["models"]["composer"] == report["models"]["noise"] == report["suites"]["quick"] == READY
    assert "torch" in report["models"]["musicgen"] and "torch" in report["metrics"]["clap-score"]
    for name in ("harmonic-accuracy", "melodic-complexity", "pitch-variety", "genre-fit", "kad", "fad", "diversity"):
        assert "onnxruntime" in report["metrics"][name], name
    for name in ("tempo-adherence", "key-adherence", "rhythm-grid", "rhythmic-inconsistency"):
        assert "essentia" in report["metrics"][name], name


def test_without_torch_devices_say_how_to_find_out() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; "
        "from bench.installation.doctor import _devices; print(_devices()['cuda'])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert "pip install 'tunebench[diffusion]'" in ran.stdout


@pytest.mark.parametrize("kind", ["model", "metric", "embedder"])
def test_a_missing_parameter_comes_with_a_value_to_begin_with(kind: Kind) -> None:
    """Of every plugin of ours that has a parameter without a default."""
    for name, (plugin, *_) in declared(kind).items():
        if plugin.distribution != OWN_PACKAGE:
            continue
        factory = load(plugin)
        assert issubclass(factory, CONTRACTS[kind])
        needed = [parameter for parameter in parameters(factory) if parameter.required]
        assert all(parameter.example for parameter in needed), name
        # What stands there can be pasted into a configuration.
        pasted = yaml.safe_load("\n".join(f"{one.name}: {one.example}" for one in needed)) or {}
        bound = bind(plugin, factory, pasted)
        for parameter in needed:
            assert bound[parameter.name] == pasted[parameter.name]
            others = {key: value for key, value in pasted.items() if key != parameter.name}
            with pytest.raises(UsageError) as error:
                bind(plugin, factory, others)
            assert f"for example {parameter.name}: {parameter.example}" in str(error.value)


def test_a_plugin_without_examples_still_names_what_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from bench import MusicModel\n"
        "class M(MusicModel):\n"
        "    examples = None\n"
        "    def __init__(self, weights, strength=1.0): pass\n"
        "    def generate(self, requests): return []\n"
    )
    plugin = find("model", f"{file}:M")
    with pytest.raises(UsageError, match=r"'weights'$"):
        bind(plugin, load(plugin), {})
