"""No backend costs anything until it is used: naming it imports no network library."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.contracts.entry_points import declared

PROGRAM = """
import sys
from bench.contracts.plugins import find, load
from bench.contracts.prompt import Prompt
load(find("model", sys.argv[1]))
heavy = {"torch", "transformers", "diffusers", "peft", "safetensors", "tokenizers"} & set(sys.modules)
assert not heavy, heavy
"""
BACKENDS = ("stable-audio", "audioldm", "audioldm2", "musicgen", "ace-step", "longcat-audio")


@pytest.mark.parametrize("name", BACKENDS)
def test_naming_a_backend_imports_no_library_of_networks(name: str) -> None:
    assert name in declared("model")
    done = subprocess.run([sys.executable, "-c", PROGRAM, name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
