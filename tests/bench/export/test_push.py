"""Pushing a dataset to a server that speaks the hub's protocol as far as huggingface_hub uses it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

import bench
from bench import DataError, UsageError
from bench.errors import TransientError
from bench.export.hugging_face import export
from bench.export.push import push

TOKEN = "hf_thisIsASecret"
hub_constants = pytest.importorskip("huggingface_hub.constants")


class Hub(ThreadingHTTPServer):
    """Dataset repositories in memory: small files as they are, large ones through Git LFS."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repos: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.objects: dict[str, bytes] = {}
        self.commits: list[list[str]] = []
        self.uploads = 0
        self.most_uploads = 1 << 30
        self.forbidden = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """One request; what it is asked for decides."""

    server: Hub

    def log_message(self, *_: Any) -> None:
        """Nobody reads the log of a test's server."""

    def _answer(self, content: Any, status: int = 200, **headers: str) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def do_GET(self) -> None:
        found = re.fullmatch(r"/api/datasets/([^/?]+/[^/?]+)(/tree/main\?.*|/revision/main)?", self.path)
        files = self.server.repos.get(found[1]) if found else None
        if found is None or files is None:
            self._answer({}, 404, **{"X-Error-Code": "RepoNotFound"})
        elif str(found[2]).startswith("/tree"):
            self._answer([{"type": "file", "path": p, "size": len(c), "oid": "0" * 40} for p, c in files.items()])
        else:
            self._answer({"id": found[1], "sha": f"{len(self.server.commits):040x}"})

    def do_PUT(self) -> None:
        content = self._body()
        oid = self.path.removeprefix("/lfs/")
        if self.server.uploads >= self.server.most_uploads:
            self._answer({}, 403, **{"X-Error-Message": "the disk of the hub is on fire"})
            return
        assert hashlib.sha256(content).hexdigest() == oid
        self.server.uploads += 1
        self.server.objects[oid] = content
        self._answer({})

    def do_POST(self) -> None:
        body = self._body()
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer({}, 401, **{"X-Error-Message": "Invalid credentials in Authorization header"})
        elif self.path == "/api/repos/create":
            self._create(json.loads(body))
        elif self.path == "/api/validate-yaml":
            header = json.loads(body)["content"].split("---\n")[1]
            assert isinstance(yaml.safe_load(header), dict)
            self._answer({"errors": [], "warnings": []})
        elif found := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/preupload/main", self.path):
            files = self.server.repos[found[1]]
            self._answer({"files": [self._mode(files, asked["path"]) for asked in json.loads(body)["files"]]})
        elif re.fullmatch(r"/datasets/([^/]+/[^/]+)\.git/info/lfs/objects/batch", self.path):
            self._answer({"objects": [self._object(asked) for asked in json.loads(body)["objects"]]})
        elif found := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/commit/main", self.path):
            self._commit(found[1], [json.loads(line) for line in body.splitlines()])
        elif self.path == "/verify":
            asked = json.loads(body)
            self._answer({}, 200 if len(self.server.objects[asked["oid"]]) == asked["size"] else 400)
        else:
            self._answer({}, 404)

    def _create(self, asked: dict[str, Any]) -> None:
        assert asked["type"] == "dataset"
        name = f"{asked['organization'] or 'ann'}/{asked['name']}"
        about = {"url": f"{self.server.address}/datasets/{name}"}
        if self.server.forbidden:
            self._answer({}, 403, **{"X-Error-Message": "no rights"})
        elif name in self.server.repos:
            self._answer(about, 409)
        else:
            self.server.repos[name] = {".gitattributes": b"*.flac filter=lfs\n"}
            self.server.private[name] = asked.get("visibility") == "private"
            self._answer(about)

    @staticmethod
    def _mode(files: dict[str, bytes], path: str) -> dict[str, Any]:
        large, held = path.endswith((".flac", ".parquet")), files.get(path)
        oid = None
        if held is not None:
            oid = hashlib.sha256(held) if large else hashlib.sha1(b"blob %d\0" % len(held) + held)
        mode = "lfs" if large else "regular"
        return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid and oid.hexdigest()}

    def _object(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["oid"] in self.server.objects:
            return asked
        places = {"upload": f"/lfs/{asked['oid']}", "verify": "/verify"}
        return {**asked, "actions": {name: {"href": self.server.address + path} for name, path in places.items()}}

    def _commit(self, repo: str, lines: list[dict[str, Any]]) -> None:
        files, changed = self.server.repos[repo], []
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
            changed += [f"{line['key']} {value['path']}"] if line["key"] != "header" else []
        self.server.commits.append(changed)
        oid = f"{len(self.server.commits):040x}"
        self._answer({"commitUrl": f"{self.server.address}/datasets/{repo}/commit/{oid}", "commitOid": oid})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub, a token for it, and no other; large files go by LFS, since Xet's servers are another protocol."""
    monkeypatch.setattr(hub_constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(hub_constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    config = {
        "suite": "quick@1",
        "models": [{"name": f"{tiny}:Sine", "as": "sine"}, {"name": f"{tiny}:Sine", "as": "low", "params": {"hz": 50}}],
        "metrics": [f"{tiny}:Peak"],
        "duration": 0.1,
        "executor": {"workers": 0},
    }
    return bench.run(config, tmp_path_factory.mktemp("push") / "run").folder


@pytest.fixture
def dataset(run: Path, tmp_path: Path) -> Path:
    export(run, tmp_path / "dataset")
    return tmp_path / "dataset"


def _files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_hub_holds_what_the_folder_holds(hub: Hub, dataset: Path) -> None:
    address = push(dataset, "clips", private=True, endpoint=hub.address)
    assert address == f"{hub.address}/datasets/ann/clips"
    held = dict(hub.repos["ann/clips"])
    assert held.pop(".gitattributes")
    own = {name: content for name, content in _files(dataset).items() if name != ".tunebench-export.json"}
    assert held == own
    assert hub.private == {"ann/clips": True}
    # What says that a dataset is whole comes last.
    audio, rest = hub.commits
    assert all(line.startswith("lfsFile audio/") for line in audio)
    assert {line.split()[1] for line in rest} == {"metadata.parquet", "croissant.json", "README.md"}


def test_a_second_push_sends_what_changed_and_removes_what_is_gone(hub: Hub, run: Path, dataset: Path) -> None:
    push(dataset, "ann/clips", endpoint=hub.address)
    hub.repos["ann/clips"]["notes.txt"] = b"of the owner's"
    uploads, commits = hub.uploads, len(hub.commits)
    push(dataset, "ann/clips", endpoint=hub.address)
    assert (hub.uploads, len(hub.commits)) == (uploads, commits)
    export(run, dataset, models=["low"])
    push(dataset, "ann/clips", endpoint=hub.address)
    assert hub.uploads == uploads + 1  # the table
    held = hub.repos["ann/clips"]
    assert held.keys() - {".gitattributes", "notes.txt"} == _files(dataset).keys() - {".tunebench-export.json"}
    assert "notes.txt" in held


def test_a_push_that_broke_off_goes_on(hub: Hub, dataset: Path) -> None:
    hub.most_uploads = 5
    with pytest.raises((UsageError, TransientError)) as raised:
        push(dataset, "clips", endpoint=hub.address)
    assert "\n" not in str(raised.value) and TOKEN not in str(raised.value)
    assert (hub.uploads, hub.commits) == (5, [])
    hub.most_uploads = 1 << 30
    push(dataset, "clips", endpoint=hub.address)
    contents = {content for name, content in _files(dataset).items() if name.endswith((".flac", ".parquet"))}
    assert hub.uploads == len(contents)  # the first five were not sent again


def test_the_command_pushes_and_never_shows_the_token(
    hub: Hub, run: Path, tmp_path: Path, tunebench: Callable[..., Any]
) -> None:
    given = {
        "HF_ENDPOINT": hub.address,
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(tmp_path / "home"),
    }
    done = tunebench("export", "hf", run, tmp_path / "out", "--push", "clips", **given)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{hub.address}/datasets/ann/clips"
    hub.forbidden = True
    refused = tunebench("export", "hf", run, tmp_path / "out", "--push", "bob/clips", **given)
    assert refused.returncode == 2
    assert "bob/clips" in refused.stderr.splitlines()[-1]
    for output in (done.stdout, done.stderr, refused.stdout, refused.stderr):
        assert TOKEN not in output and "Traceback" not in output


class TestRefused:
    @staticmethod
    def _refusal(dataset: Path, endpoint: str, kind: type[Exception], repo: str = "clips") -> str:
        with pytest.raises(kind) as raised:
            push(dataset, repo, endpoint=endpoint)
        assert type(raised.value) is kind
        said = str(raised.value)
        assert "\n" not in said and os.environ.get("HF_TOKEN", TOKEN) not in said
        return said

    def test_without_a_token(self, hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("HF_TOKEN")
        assert "HF_TOKEN" in self._refusal(dataset, hub.address, UsageError)

    def test_with_another_token(self, hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_TOKEN", "hf_another")
        assert "token" in self._refusal(dataset, hub.address, UsageError)

    def test_without_a_network(self, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        self._refusal(dataset, "http://127.0.0.1:1", TransientError)

    def test_by_a_name_that_the_hub_does_not_have(self, hub: Hub, dataset: Path) -> None:
        assert "a b" in self._refusal(dataset, hub.address, UsageError, "a b/c/d")

    def test_by_a_repository_of_something_else(self, hub: Hub, dataset: Path) -> None:
        hub.repos["ann/clips"] = {"README.md": b"My poems", "poems.txt": b"Roses"}
        assert "poems.txt" in self._refusal(dataset, hub.address, UsageError)
        assert hub.repos["ann/clips"] == {"README.md": b"My poems", "poems.txt": b"Roses"}

    def test_by_a_folder_that_is_no_dataset_or_half_of_one(self, hub: Hub, dataset: Path, tmp_path: Path) -> None:
        self._refusal(tmp_path, hub.address, UsageError)
        (dataset / "metadata.parquet").unlink()
        assert "metadata.parquet" in self._refusal(dataset, hub.address, DataError)
        assert hub.repos == {}
