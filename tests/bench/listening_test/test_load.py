"""Two hundred listeners at once: every answer that was acknowledged is there, once, as it was given."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.listening_test.design import read_design
from bench.storage.listening_answers import Answers
from tests.bench.listening_test.simulated_listeners import all_at_once

LISTENERS = 200


@pytest.mark.slow(40)
def test_no_answer_is_lost_or_doubled_under_load(make_test: Callable[..., Path]) -> None:
    folder = make_test(fresh=True, listeners=LISTENERS, minutes=30, checks={"headphones": False, "spoiled": 0})
    design = read_design(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-P", "-m", "bench", "survey", "serve", str(folder), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None and server.stdout.readline()
        for _ in range(400):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.05)
        told = all_at_once(design, port, LISTENERS, 2.0, 20)
        server.kill()
    assert told.errors == [] and told.acknowledged
    answers = Answers(folder, design.id)
    kept = [one for one in answers.answers() if one.final]
    answers.close()
    assert {(one.listener, one.page): dict(one.answer) for one in kept} == told.acknowledged
    assert len(kept) == len(told.acknowledged)
