"""``tunebench doctor``: what can run here, and what the rest needs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def _without(module: str) -> dict[str, dict[str, str]]:
    """The report of a process in which a module cannot be imported."""
    code = (
        f"import sys, json; sys.modules[{module!r}] = None\n"
        "from bench.diagnosis import diagnose; print(json.dumps(diagnose()))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    report: dict[str, dict[str, str]] = json.loads(ran.stdout)
    return report


def test_devices_are_those_that_torch_sees(tunebench: Command) -> None:
    torch = pytest.importorskip("torch")
    devices = json.loads(tunebench("doctor", "--json").stdout)["devices"]
    assert devices["cpu"].startswith("ready, ")
    assert ("cuda:0" in devices) == torch.cuda.is_available()
    assert devices["mps"].startswith("ready") == torch.backends.mps.is_available()
    if not torch.cuda.is_available():
        assert torch.__version__ in devices["cuda"]


def test_without_torch_the_rest_is_ready() -> None:
    report = _without("torch")
    assert report["devices"]["cuda"] == "not known without torch: pip install 'tunebench[diffusion]'"
    assert report["models"]["composer"] == report["models"]["command"] == "ready"


def test_memory_is_told() -> None:
    from bench.diagnosis import diagnose

    assert " GB" in diagnose()["machine"]["memory"]
