"""A Firefox that tests steer over WebDriver BiDi, which any Firefox speaks as it comes; Playwright's needs its own."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PREFERENCES = {
    "remote.active-protocols": 1,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}


class Firefox:
    """One window. ``problems`` are errors and warnings of its pages' scripts since the last look."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._sent = 0
        self.problems: list[str] = []
        self.ask("session.new", capabilities={})
        self.ask("session.subscribe", events=["log.entryAdded"])
        self._window = self.ask("browsingContext.getTree")["contexts"][0]["context"]

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result; what happens meanwhile is noted."""
        self._sent += 1
        self._socket.send(json.dumps({"id": self._sent, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=30))
            if message.get("method") == "log.entryAdded" and message["params"]["level"] in ("error", "warn"):
                self.problems.append(message["params"]["text"])
            if message.get("id") == self._sent:
                if message["type"] == "error":
                    raise RuntimeError(f"{method}: {message['message']}")
                result: dict[str, Any] = message["result"]
                return result

    def open(self, address: str, width: int, height: int = 900) -> None:
        """Show a page in a window of so many pixels, and wait until it is loaded."""
        self.ask("browsingContext.setViewport", context=self._window, viewport={"width": width, "height": height})
        self.ask("browsingContext.navigate", context=self._window, url=address, wait="complete")

    def run(self, script: str) -> Any:
        """Evaluate an expression, a promise too, and return its value as JSON gives it."""
        answer = self.ask(
            "script.evaluate",
            expression=f"Promise.resolve({script}).then((value) => JSON.stringify(value ?? null))",
            target={"context": self._window},
            awaitPromise=True,
        )
        if answer["type"] == "exception":
            raise RuntimeError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])


@contextmanager
def opened(program: str, dark: bool = False) -> Iterator[Firefox]:
    """A Firefox without a window on the screen, in a profile of its own."""
    from websockets.sync.client import connect

    with tempfile.TemporaryDirectory() as profile:
        # 0 is dark, 1 light.
        chosen = {**_PREFERENCES, "layout.css.prefers-color-scheme.content-override": 0 if dark else 1}
        lines = [f'user_pref("{name}", {json.dumps(value)});' for name, value in chosen.items()]
        Path(profile, "user.js").write_text("\n".join(lines))
        command = [program, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"]
        said = Path(profile, "said.txt")
        with said.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
            try:
                with connect(f"{_address(process, said)}/session", max_size=None, proxy=None) as socket:
                    yield Firefox(socket)
            finally:
                process.terminate()


def _address(process: subprocess.Popen[bytes], said: Path) -> str:
    """Where it listens, which it says as soon as it does."""
    while process.poll() is None:
        if found := re.search(r"WebDriver BiDi listening on (ws://\S+)", said.read_text(errors="replace")):
            return found[1]
        time.sleep(0.05)
    raise RuntimeError(f"Firefox ended before it listened: {said.read_text(errors='replace')}")
