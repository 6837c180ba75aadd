"""Checkpoints: what is complete, what identifies it, and what people are told when it cannot be had."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")

from bench.errors import DataError, MissingError, UsageError
from models import tiny
from models.base_checkpoint import PINNED, identity, locate
from models.device import choose_device, choose_dtype, dtype_name
from models.hub import wanted_files


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make("stable-audio", tmp_path_factory.mktemp("checkpoints") / "base")


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_a_complete_folder_is_used_as_it_is(folder: Path) -> None:
    assert locate(str(folder), None, "stable-audio") == folder
    assert locate(str(folder), "ignored", "StableAudioPipeline") == folder


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("transformer", "transformer/"),
        ("scheduler", "scheduler/"),
        ("vae/config.json", "vae/config.json"),
        ("vae/diffusion_pytorch_model.safetensors", "weights in vae/"),
    ],
)
def test_a_folder_without_a_part_is_incomplete(copy: Path, part: str, message: str) -> None:
    target = copy / part
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    with pytest.raises(MissingError, match=f"{re.escape(str(copy))}.* {message} in"):
        locate(str(copy), None, "stable-audio")


@pytest.mark.parametrize("keep", [0, 5, 3000, -1])
def test_weights_that_are_cut_short_are_noticed(copy: Path, keep: int) -> None:
    weights = copy / "transformer" / "diffusion_pytorch_model.safetensors"
    os.truncate(weights, keep if keep >= 0 else weights.stat().st_size - 1)
    with pytest.raises(DataError, match=r"transformer/diffusion_pytorch_model\.safetensors: "):
        locate(str(copy), None, "stable-audio")


def test_a_missing_shard_is_noticed(copy: Path) -> None:
    weights = copy / "transformer" / "diffusion_pytorch_model.safetensors"
    names = [f"diffusion_pytorch_model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    weights.rename(weights.with_name(names[0]))
    index = {"weight_map": {"a": names[0], "b": names[1]}}
    (copy / "transformer" / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(MissingError, match=f"transformer/{names[1]}"):
        locate(str(copy), None, "stable-audio")


def test_another_architecture_is_refused_with_the_model_that_fits(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"StableAudioPipeline.*AudioLDMPipeline.*'stable-audio'"):
        locate(str(folder), None, "audioldm")
    (tmp_path / "config.json").write_text('{"architectures": ["BertModel"]}')
    with pytest.raises(UsageError, match="BertModel"):
        locate(str(tmp_path), None, "musicgen")


def test_what_is_no_checkpoint_is_told_apart(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'\./nowhere'"):
        locate("./nowhere", None, "stable-audio")
    with pytest.raises(UsageError, match=re.escape(f"'{copy / 'model_index.json'}'")):
        locate(str(copy / "model_index.json"), None, "stable-audio")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingError, match=r"model_index\.json .*config\.json"):
        locate(str(tmp_path / "empty"), None, "stable-audio")
    (copy / "model_index.json").write_text('{"_class_name": "Stab')
    with pytest.raises(DataError, match=re.escape(str(copy / "model_index.json"))):
        locate(str(copy), None, "stable-audio")


def test_identity_follows_the_content_and_not_the_place(folder: Path, copy: Path) -> None:
    assert identity(str(copy), None) == identity(str(folder), "any")
    config = copy / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace("500", "400"))
    changed = identity(str(copy), None)
    assert changed != identity(str(folder), None)
    weights = copy / "vae" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert identity(str(copy), None) != changed
    assert len(identity(str(copy), None)["weights"]) == len(hashlib.sha256().hexdigest())


def test_identity_of_a_hub_id_is_its_commit() -> None:
    default = "stabilityai/stable-audio-open-1.0"
    assert identity(default, None) == {"repo": default, "revision": PINNED[default]}
    assert identity("a/b", "0" * 40) == {"repo": "a/b", "revision": "0" * 40}


def test_of_a_repository_only_what_is_loaded_is_wanted() -> None:
    pipeline = [
        "README.md", "model.ckpt", "model.safetensors", "model_config.json", "model_index.json",
        "scheduler/scheduler_config.json", "tokenizer/spiece.model", "tokenizer/tokenizer.json",
        "transformer/config.json", "transformer/diffusion_pytorch_model.safetensors",
        "transformer/diffusion_pytorch_model.fp16.safetensors", "vae/config.json", "vae/diffusion_pytorch_model.bin",
        "text_encoder/model.safetensors", "text_encoder/pytorch_model.bin", "text_encoder/flax_model.msgpack",
    ]  # fmt: skip
    assert wanted_files(pipeline) == [
        "model_index.json", "scheduler/scheduler_config.json", "tokenizer/spiece.model", "tokenizer/tokenizer.json",
        "transformer/config.json", "transformer/diffusion_pytorch_model.safetensors", "vae/config.json",
        "vae/diffusion_pytorch_model.bin", "text_encoder/model.safetensors",
    ]  # fmt: skip
    single = ["config.json", "model.safetensors", "pytorch_model.bin", "state_dict.bin", "tokenizer.json", "x/y.json"]
    assert wanted_files(single) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert wanted_files(["config.json", "pytorch_model.bin", "state_dict.bin"]) == ["config.json", "pytorch_model.bin"]


class Hub(BaseHTTPRequestHandler):
    """A hub with one gated repository, as the real one answers."""

    def do_GET(self) -> None:
        if self.path.startswith("/api/models/some/gated/tree"):
            files = [{"type": "file", "path": "model_index.json", "oid": "3" * 40, "size": 10}]
            self.reply(200, json.dumps(files))
        elif self.path.startswith("/api/models/some/gated"):
            files = [{"rfilename": name} for name in ("model_index.json", "vae/config.json")]
            answer = {"id": "some/gated", "sha": "1" * 40, "siblings": files, "private": False, "gated": "auto"}
            self.reply(200, json.dumps(answer | {"tags": [], "downloads": 0, "likes": 0}))
        elif self.path.startswith("/some/gated"):
            self.reply(403, "", **{"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."})
        elif "revision/nope" in self.path:
            self.reply(404, "", **{"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id: nope"})
        else:
            self.reply(404, "", **{"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})

    do_HEAD = do_GET

    def reply(self, status: int, body: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


SCRIPT = """
import sys
from bench.errors import TunebenchError
from models.base_checkpoint import identity, locate
for line in sys.stdin.read().split("\\n"):
    call, repo, revision = line.split()
    revision = None if revision == "-" else revision
    try:
        print(locate(repo, revision, "stable-audio") if call == "locate" else identity(repo, revision))
    except TunebenchError as error:
        print(type(error).__name__, error)
"""


def asked(calls: list[str], endpoint: str, cache: Path, **environment: str) -> list[str]:
    """What each call answers, in a process of its own: the hub's address is read at import."""
    environment = {"HF_ENDPOINT": endpoint, "HF_HOME": str(cache), "HF_HUB_DISABLE_TELEMETRY": "1", **environment}
    clean = {
        key: value for key, value in os.environ.items() if not key.startswith("HF_") and "proxy" not in key.lower()
    }
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input="\n".join(calls),
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return result.stdout.splitlines()


def test_what_the_hub_refuses_is_explained(hub: str, tmp_path: Path) -> None:
    gated, gone, revision, commit = asked(
        ["locate some/gated -", "locate some/nothing -", "identity some/other nope", "identity some/gated -"],
        hub,
        tmp_path,
    )
    assert gated.startswith("MissingError checkpoint 'some/gated' ") and " https://" in gated
    assert "hf auth login" in gated and "checkpoint: FOLDER" in gated
    assert gone.startswith("UsageError checkpoint 'some/nothing' ")
    assert revision.startswith("UsageError checkpoint 'some/other' ") and "'nope'" in revision
    assert commit == str({"repo": "some/gated", "revision": "1" * 40})


def test_no_network_is_explained_and_a_cached_checkpoint_needs_none(folder: Path, tmp_path: Path) -> None:
    cached = tmp_path / "hub" / "models--some--cached"
    shutil.copytree(folder, cached / "snapshots" / ("2" * 40))
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("2" * 40)
    half = tmp_path / "hub" / "models--some--half"
    shutil.copytree(cached, half)
    shutil.rmtree(half / "snapshots" / ("2" * 40) / "vae")
    calls = ["locate some/cached -", "identity some/cached -", "locate some/absent -", "locate some/half -"]
    for environment in ({}, {"HF_HUB_OFFLINE": "1"}):
        here, commit, absent, partly = asked(calls, "http://127.0.0.1:9", tmp_path, **environment)
        assert here == str(cached / "snapshots" / ("2" * 40))
        assert commit == str({"repo": "some/cached", "revision": "2" * 40})
        assert absent.startswith("MissingError checkpoint 'some/absent' ") and "hf download some/absent" in absent
        assert partly.startswith("MissingError checkpoint 'some/half'") and "hf download some/half" in partly


def test_devices_and_dtypes() -> None:
    import torch

    assert choose_device("cpu") == "cpu"
    assert choose_dtype("cpu", None) is torch.float32
    assert choose_dtype("cpu", "bf16") is choose_dtype("cpu", "bfloat16") is torch.bfloat16
    assert dtype_name("cpu", None) == dtype_name(None, "fp32") == "float32"
    with pytest.raises(UsageError, match=r"'cuba'.*'cuda'"):
        choose_device("cuba")
    with pytest.raises(UsageError, match="'int8'"):
        dtype_name("cpu", "int8")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="'cuda'"):
            choose_device("cuda")
