"""A run of three models, the tests made of it, and a server that real clients talk to."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import bench
from bench.listening_test.create import create_listening_test
from bench.listening_test.design import ListeningDesign, read_design
from bench.listening_test.settings import ListeningTest

PROMPTS = [("jazz-1", "slow jazz", "jazz"), ("jazz-2", "fast jazz", "jazz"), ("rock-1", "loud rock", "rock")]
PROMPTS += [("rock-2", "soft rock", "rock"), ("folk-1", "a dance", "folk"), ("folk-2", "<b>a song</b>", "folk")]


@pytest.fixture(scope="session")
def run_folder(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models that play sines of their own, of 1, 1.5 and 1 s, on six prompts."""
    folder = tmp_path_factory.mktemp("listening")
    suite = folder / "suite.jsonl"
    lines = [json.dumps({"id": id, "text": text, "genre": genre}) for id, text, genre in PROMPTS]
    suite.write_text("\n".join(lines) + "\n")
    config = {
        "suite": {"file": str(suite)},
        "models": [
            {"name": f"{tiny}:Sine", "as": name, "params": {"hz": hz}}
            for name, hz in (("alpha1", 200.0), ("beta2", 300.0), ("gamma3", 500.0))
        ],
        "metrics": [],
        "duration": 1.0,
    }
    path = folder / "run.yaml"
    path.write_text(json.dumps(config))
    bench.run(bench.load_config(path), folder / "run")
    return folder / "run"


QUICK: dict[str, Any] = {
    "listeners": 4,
    "minutes": 30,
    "scales": ["Harmony", "Rhythm"],
    "checks": {"practice": 1, "beeps": 1, "spoiled": 1, "headphones": True},
}


@pytest.fixture(scope="session")
def make_test(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make a test of the run with some settings; a fresh one is a copy that nobody has answered."""
    known: dict[str, Path] = {}

    def make(fresh: bool = False, **settings: Any) -> Path:
        test = ListeningTest.model_validate(QUICK | settings)
        key = test.model_dump_json()
        if key not in known:
            known[key] = tmp_path_factory.mktemp("test") / "test"
            create_listening_test(run_folder, test, known[key])
        if not fresh:
            return known[key]
        copied = tmp_path_factory.mktemp("fresh") / "test"
        shutil.copytree(known[key], copied, ignore=shutil.ignore_patterns("answers*"))
        return copied

    return make


@dataclass
class Client:
    """A browser's side of the conversation: cookies, JSON, and nothing else."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(
        self, method: str, path: str, content: Any = None, body: bytes | None = None, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        """Return the status, the content (JSON where it is, else bytes), and the headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), **headers}
        if content is not None:
            body, sent = json.dumps(content).encode(), {"content-type": "application/json", **sent}
        with contextlib.closing(connection):
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in sent.items()})
            answer = connection.getresponse()
            found = answer.read()
            got = {name.lower(): value for name, value in answer.getheaders()}
        for name, value in answer.headers.items():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        if got.get("content-type", "").startswith("application/json"):
            return answer.status, json.loads(found), got
        return answer.status, found, got

    def post(self, path: str, content: Any = None) -> tuple[int, Any]:
        status, found, _ = self.ask("POST", path, {} if content is None else content)
        return status, found

    def get(self, path: str) -> tuple[int, Any]:
        status, found, _ = self.ask("GET", path)
        return status, found


@dataclass
class Served:
    """A test that is served: its folder, its design, and where."""

    folder: Path
    design: ListeningDesign
    port: int

    def client(self) -> Client:
        return Client(self.port)


@pytest.fixture
def serve() -> Iterator[Callable[[Path], Served]]:
    """Serve tests by uvicorn, each on a port of its own, until the test is over."""
    import uvicorn

    from bench.listening_test.application import make_app

    started: list[tuple[Any, threading.Thread]] = []

    def start(folder: Path) -> Served:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        design = read_design(folder)
        app = make_app(folder, design, f"http://127.0.0.1:{port}")
        server = uvicorn.Server(
            uvicorn.Config(app, port=port, log_level="error", access_log=False, server_header=False)
        )
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        started.append((server, thread))
        return Served(folder, design, port)

    yield start
    for server, thread in started:
        server.should_exit = True
        thread.join(10)
