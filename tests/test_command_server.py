"""Commands that the server runs end as those that a shell starts do."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def _outcome(done: subprocess.CompletedProcess[str] | None) -> tuple[int, str, str]:
    assert done is not None, "the server has ended"
    # A stack ends with who started the command, and names the modules that were loaded.
    said = done.stderr.partition("\nCurrent thread")[0]
    return done.returncode, done.stdout, said


@pytest.mark.skipif(sys.platform != "linux", reason="only there commands are forked")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--version"], 0),
        (["run", "none.yaml"], 2),
        (["run", "broken.yaml"], 5),
        (["run", "abort.yaml"], -signal.SIGABRT),
    ],
)
def test_it_gives_what_a_fresh_process_gives(
    tunebench: Command,
    command_server: Any,
    write_config: Callable[..., Path],
    tiny: Path,
    arguments: list[str],
    code: int,
) -> None:
    folder = write_config("abort.yaml", models=[{"name": f"{tiny}:Sine", "params": {"bad": "abort"}}]).parent
    (folder / "broken.yaml").write_text("models: [")
    fresh = _outcome(tunebench(*arguments, afresh=True))
    assert fresh[0] == code
    shutil.rmtree(folder / "results", ignore_errors=True)
    assert _outcome(command_server.run(arguments, folder)) == fresh


@pytest.mark.skipif(sys.platform != "linux", reason="only there commands are forked")
def test_commands_have_the_tests_environment_and_leave_nothing_to_the_next(
    command_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text(
        "import os, sys\nfrom bench import MusicModel\n"
        "class Model(MusicModel):\n"
        "    def generate(self, requests):\n"
        "        print(os.environ['GREETING'], os.environ.get('SEEN'), sys.argv, os.getcwd(), file=sys.stderr)\n"
        "        os.environ['SEEN'] = 'yes'\n"
        "        return []\n"
    )
    (tmp_path / "c.yaml").write_text(
        f"models: ['{plugin}:Model']\nmetrics: []\nduration: 0.1\nexecutor: {{workers: 0}}\n"
    )
    for greeting, out in (("hello", "a"), ("goodbye", "b")):
        monkeypatch.setenv("GREETING", greeting)
        code, _, said = _outcome(command_server.run(["run", "c.yaml", "--out", out], tmp_path))
        assert code == 4
        assert f"{greeting} None " in said
        assert f"'run', 'c.yaml', '--out', '{out}'] {tmp_path}" in said
