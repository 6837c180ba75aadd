"""No test run hangs: a process that stands still writes its stacks and ends, and the run ends with it.

pytest's ``faulthandler_timeout`` (pyproject.toml) watches one test. This adds what it leaves out: collecting, the rest
of a test that has failed, the end of the process, and the process that hands tests to the others (pytest-xdist), which
would start a new one for each that dies and then wait for ever.
"""

from __future__ import annotations

import faulthandler
import os
import sys

import pytest

LONGER = 15.0  # seconds: those who run the tests are to speak first


class StandstillWatch:
    """A timer that every sign of life starts anew, and that ends the process whatever holds the interpreter."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._seconds = float(config.getini("faulthandler_timeout"))
        if config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput"):
            self._seconds += LONGER
        # The terminal's: while tests run, descriptor 2 leads to where pytest captures output.
        self._stderr = os.dup(sys.__stderr__.fileno() if sys.__stderr__ else 2)
        self.start()

    def start(self) -> None:
        faulthandler.dump_traceback_later(self._seconds, file=self._stderr, exit=True)

    def pytest_collectreport(self) -> None:
        self.start()

    def pytest_runtest_logstart(self) -> None:
        self.start()

    def pytest_runtest_logreport(self) -> None:
        self.start()

    @pytest.hookimpl(trylast=True)
    def pytest_exception_interact(self) -> None:
        self.start()  # after pytest has stopped the timer, since people may want to look at a failure for long

    def pytest_sessionfinish(self) -> None:
        self.start()

    def pytest_unconfigure(self) -> None:
        self.start()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object, error: object) -> None:
        """Stop where a process of the run has died: what it did not run would be missed only by who counts."""
        self.start()
        runner = self._config.pluginmanager.getplugin("dsession")
        if error and not runner.shouldstop:
            runner.shouldstop = f"{node}: a test process died ({error}); its last test and stack are above"


def pytest_configure(config: pytest.Config) -> None:
    if float(config.getini("faulthandler_timeout") or 0) > 0:
        config.pluginmanager.register(StandstillWatch(config), "standstill")
