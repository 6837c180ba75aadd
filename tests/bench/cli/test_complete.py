"""Completion in shells, as bash does it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.config.recipe import shipped
from bench.contracts.entry_points import Kind, declared

BASH = shutil.which("bash")


def _offered(lines: list[str], program: str, folder: Path) -> list[list[str]]:
    """What bash offers when the tabulator is pressed at the end of each line, with the program's own script."""
    calls = []
    for line in lines:
        words = [*shlex.split(line), *([""] if line.endswith(" ") else [])]
        calls.append(
            f"COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; COMPREPLY=(); "
            '_tunebench_completion tunebench; echo "${COMPREPLY[*]}"'
        )
    set_up = ['eval "$(tunebench --show-completion bash)"', "complete -p tunebench >/dev/null || exit 9"]
    script = "\n".join([*set_up, *calls])
    assert BASH
    ran = subprocess.run(
        [BASH, "--norc", "--noprofile", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": f"{Path(program).parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    return [line.split() for line in ran.stdout.splitlines()]


def _named(kind: Kind, beginning: str) -> list[str]:
    return [name for name in declared(kind) if name.startswith(beginning)]


@pytest.mark.slow(3)
@pytest.mark.skipif(BASH is None, reason="there is no bash")
def test_bash_completes_commands_options_and_names(tunebench_path: str, tmp_path: Path) -> None:
    expected = {
        "tunebench lead": ["leaderboard"],
        "tunebench run --lim": ["--limit"],
        "tunebench run --model comp": _named("model", "comp"),
        "tunebench run --metric k": _named("metric", "k"),
        "tunebench run --suite ": _named("suite", ""),
        "tunebench score clips --suite qu": ["quick", "quick-dev"],
        "tunebench list par": ["parameters"],
        "tunebench list parameters vgg": ["vggish"],
        "tunebench reference build x --embedder musicnn": _named("embedder", "musicnn"),
        "tunebench check metrics --metric key": ["key-adherence"],
        "tunebench check model stable-audio-": ["stable-audio-3", "stable-audio-lora"],
        "tunebench train recipe ": list(shipped()),
        "tunebench schema r": ["run", "recipe"],
        "tunebench run --model no-such": [],
    }
    assert dict(zip(expected, _offered(list(expected), tunebench_path, tmp_path), strict=True)) == expected


def test_completion_imports_no_plugin_and_nothing_heavy() -> None:
    heavy = ("numpy", "torch", "scipy", "pandas", "yaml", "models.composer", "metrics.kernel")
    code = (
        "import sys; sys.argv = ['tunebench']\n"
        "import bench.cli\n"
        "try: bench.cli.main()\n"
        f"except SystemExit: print([m for m in {heavy!r} if m in sys.modules], file=sys.stderr)"
    )
    words = {"_TUNEBENCH_COMPLETE": "complete_bash", "COMP_WORDS": "tunebench run --metric fa", "COMP_CWORD": "3"}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **words},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ran.stdout.split() == ["fad", "fad-clip", "fad-inf"]
    assert ran.stderr.strip() == "[]"
