"""Ctrl-C while native code calls back: it is raised once that has ended, and never lost."""

from __future__ import annotations

import io
import os
import signal
import threading

import numpy as np
import pytest
import soundfile

from bench import interrupts


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_is_raised_after_the_body() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts.held():
        _interrupt()
        done.append("the rest")
    assert done == ["the rest"]


def test_a_second_one_is_raised_at_once() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts.held():
        _interrupt()
        done.append("first")
        _interrupt()
        done.append("second")
    assert done == ["first"]


def test_an_error_of_the_body_does_not_hide_it() -> None:
    with pytest.raises(KeyboardInterrupt) as told, interrupts.held():
        _interrupt()
        raise ValueError("of the body")
    assert isinstance(told.value.__context__, ValueError)


def test_one_in_another_is_raised_once_and_handlers_are_as_before() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts.held():
        with interrupts.held():
            _interrupt()
        done.append("never")
    assert done == []
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_other_threads_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work() -> None:
        with interrupts.held():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_callback_of_native_code_does_not_lose_it() -> None:
    """libsndfile writes through functions in Python; an exception in one of them is dropped."""

    class Interrupted(io.BytesIO):
        def write(self, data: object) -> int:
            if not self.tell():
                _interrupt()
            return super().write(data)  # type: ignore[arg-type]

    file = Interrupted()
    with pytest.raises(KeyboardInterrupt), interrupts.held():
        soundfile.write(file, np.zeros(100_000), 8000, format="FLAC")
    assert soundfile.read(io.BytesIO(file.getvalue()))[0].shape == (100_000,)
