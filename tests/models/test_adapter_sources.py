"""What ``adapter:`` may name: several adapters at once, and repositories of the hub; and what is said of them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")

import torch
from safetensors.torch import load_file, save_file

from bench import Audio, GenerationRequest, Prompt
from bench.errors import UsageError
from models import tiny
from models.adapters import identity, load_adapters
from models.stable_audio import StableAudio

torch.set_num_threads(1)

LAYER = "transformer_blocks.1.attn1.to_q"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make("stable-audio", tmp_path_factory.mktemp("checkpoints") / "base")


@pytest.fixture(scope="module")
def adapters(folder: Path) -> list[Path]:
    """Two, of other ranks and seeds."""
    return [
        tiny.make_adapter("stable-audio", folder, folder.parent / str(rank), seed=rank, rank=rank) for rank in (2, 5)
    ]


def delta(adapter: Path) -> torch.Tensor:
    """B·A of one layer; α is the rank."""
    tensors = load_file(adapter / "adapter_model.safetensors")
    product: torch.Tensor = (
        tensors[f"base_model.model.{LAYER}.lora_B.weight"] @ tensors[f"base_model.model.{LAYER}.lora_A.weight"]
    )
    return product


def answer(network: Any) -> torch.Tensor:
    with torch.inference_mode():
        return network.get_submodule(LAYER)(torch.eye(32)).T


@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.5, 2.0), (0.0, 0.75)])
def test_contributions_add_up(folder: Path, adapters: list[Path], weights: tuple[float, float]) -> None:
    network: Any = tiny.network("stable-audio", folder)
    base = network.get_submodule(LAYER).weight.clone()
    load_adapters({"transformer": network}, list(zip(adapters, weights, strict=True)), {})
    expected = base + sum(w * delta(a) for a, w in zip(adapters, weights, strict=True))
    torch.testing.assert_close(answer(network), expected, atol=1e-5, rtol=1e-5)


def test_one_with_magnitudes_and_one_without_add_up_in_any_order(
    folder: Path, adapters: list[Path], tmp_path: Path
) -> None:
    """m · (W + BA)/‖W + BA‖ + the other's B·A; two sets of magnitudes of one layer are refused."""
    base = tiny.network("stable-audio", folder).get_submodule(LAYER).weight.detach()
    key = "lora_unet_" + LAYER.replace(".", "_")
    rng = torch.Generator().manual_seed(0)
    down, up = torch.randn((4, 32), generator=rng) / 6, torch.randn((32, 4), generator=rng) / 6
    magnitude = 1 + torch.rand(32, generator=rng)
    weights = {f"{key}.lora_down.weight": down, f"{key}.lora_up.weight": up, f"{key}.dora_scale": magnitude[:, None]}
    save_file(weights, tmp_path / "dora.safetensors")
    dora = (base + up @ down) * (magnitude / (base + up @ down).norm(dim=1))[:, None]
    both = [(tmp_path / "dora.safetensors", 1.0), (adapters[0], 0.5)]
    for order in (both, both[::-1]):
        network = tiny.network("stable-audio", folder)
        load_adapters({"transformer": network}, order, {})
        torch.testing.assert_close(answer(network), dora + 0.5 * delta(adapters[0]), atol=1e-5, rtol=1e-5)
    untouched = tiny.network("stable-audio", folder)
    with pytest.raises(UsageError, match="DoRA"):
        load_adapters({"transformer": untouched}, [both[0], both[0]], {})
    torch.testing.assert_close(answer(untouched), base)


def clip(model: StableAudio) -> np.ndarray:
    (made,) = model.generate([GenerationRequest(Prompt(id="p", text="a choir", genre="any", level=1), 0, 0.5)])
    assert isinstance(made, Audio)
    return made.samples


def test_a_row_of_several_adapters(folder: Path, adapters: list[Path]) -> None:
    def model(adapter: Any, **params: Any) -> StableAudio:
        return StableAudio(str(folder), adapter=adapter, steps=1, device="cpu", **params)

    first, second = map(str, adapters)
    listed = [{"path": first, "weight": 0.5}, {"path": second}]
    sole = model(first)
    assert model([{"path": first}]).fingerprint() == model([first]).fingerprint() == sole.fingerprint()
    assert model(listed).fingerprint()["adapter"] == [
        {**identity(adapters[0]), "weight": 0.5},
        identity(adapters[1]),
    ]
    np.testing.assert_array_equal(clip(model([{"path": first}])), clip(sole))
    halves = [{"path": first, "weight": 0.25}, {"path": second, "weight": 0.5}]
    np.testing.assert_allclose(clip(model(listed, adapter_scale=0.5)), clip(model(halves)), atol=1e-6)
    assert np.abs(clip(model(listed)) - clip(model(halves))).max() > 1e-3
    np.testing.assert_array_equal(clip(model(listed, adapter_scale=0)), clip(model(None)))


@pytest.mark.parametrize(
    "given",
    [[], {}, 3, [3], [{}], [{"path": ""}], [{"path": "a", "scale": 1}], [{"path": "a", "weight": -1}],
     [{"path": "a", "weight": float("nan")}], [{"path": "a", "weight": True}], [{"path": "a", "revision": 1}]],
)  # fmt: skip
def test_entries_that_are_none(folder: Path, given: Any) -> None:
    with pytest.raises(UsageError, match="adapter"):
        StableAudio(str(folder), adapter=given)


def test_what_is_said_of_a_row(folder: Path, adapters: list[Path], tmp_path: Path) -> None:
    zero = tiny.make_adapter("stable-audio", folder, tmp_path / "zero", scale=0)
    silent = tmp_path / "no-alpha"
    silent.mkdir()
    config = json.loads((adapters[0] / "adapter_config.json").read_text())
    del config["lora_alpha"]
    (silent / "adapter_config.json").write_text(json.dumps(config))
    (silent / "adapter_model.safetensors").write_bytes((adapters[0] / "adapter_model.safetensors").read_bytes())

    def codes(adapter: Any, **params: Any) -> list[str]:
        return [notice.code for notice in StableAudio(str(folder), adapter=adapter, **params).notices()]

    assert codes(None) == codes(str(adapters[0])) == codes(str(zero), adapter_scale=0) == []
    assert codes(str(zero)) == codes([{"path": str(zero)}, {"path": str(adapters[0]), "weight": 0}]) == ["W-BASE"]
    assert codes([{"path": str(zero)}, {"path": str(adapters[0])}]) == []
    assert codes(str(silent)) == ["W-ALPHA"]
    (notice,) = StableAudio(str(folder), adapter=str(silent)).notices()
    assert notice.params == {"adapter": "no-alpha", "alpha": 8.0}


COMMIT = "3" * 40


class Hub(BaseHTTPRequestHandler):
    """A hub with one repository, some/jazz, as far as its client asks."""

    files: ClassVar[dict[str, bytes]] = {}

    def do_GET(self) -> None:
        place = self.path.partition("?")[0]
        name = place.removeprefix(f"/some/jazz/resolve/{COMMIT}/")
        if place in {f"/api/models/some/jazz{end}" for end in ("", "/revision/v1", f"/revision/{COMMIT}")}:
            told = {"id": "some/jazz", "sha": COMMIT, "siblings": [{"rfilename": name} for name in self.files]}
            self.reply(200, json.dumps(told).encode(), {"Content-Type": "application/json"})
        elif place == f"/api/models/some/jazz/tree/{COMMIT}":
            listed = [
                {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for name, content in self.files.items()
            ]
            self.reply(200, json.dumps(listed).encode(), {"Content-Type": "application/json"})
        elif name in self.files:
            tag = hashlib.sha256(self.files[name]).hexdigest()
            self.reply(200, self.files[name], {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT})
        else:
            self.reply(404, b"", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})

    do_HEAD = do_GET

    def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(adapters: list[Path]) -> Iterator[str]:
    names = ("adapter_model.safetensors", "adapter_config.json")
    Hub.files = {name: (adapters[0] / name).read_bytes() for name in names} | {"README.md": b"# Jazz"}
    server = HTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


SCRIPT = """
import json, sys
from bench.errors import TunebenchError
from models.adapter_sources import parse_sources
for given in json.load(sys.stdin):
    (source,) = parse_sources(given, "stable-audio")
    try:
        print(json.dumps([source.identity(), str(source.locate()), str(source.on_this_machine())]))
    except TunebenchError as error:
        print(json.dumps([type(error).__name__, str(error)]))
"""


def asked(given: Sequence[object], cache: Path, endpoint: str) -> list[Any]:
    """In a process of its own, since the hub's address is read at import."""
    clean = {key: value for key, value in os.environ.items() if key[:3] != "HF_" and "proxy" not in key.lower()}
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps(given),
        env={**clean, "HF_ENDPOINT": endpoint, "HF_HOME": str(cache), "HF_HUB_DISABLE_TELEMETRY": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_repository_of_the_hub(hub: str, adapters: list[Path], tmp_path: Path) -> None:
    """Downloaded once, without its page, and known by its commit; what is in the cache needs no network."""
    given = ["some/jazz", "some/jazz@v1", [{"path": "some/jazz", "revision": COMMIT, "weight": 0.5}], "some/nothing"]
    main, tagged, pinned, absent = asked(given, tmp_path, hub)
    named = {"repo": "some/jazz", "revision": COMMIT}
    assert main[0] == tagged[0] == named and pinned[0] == {**named, "weight": 0.5}
    assert main[1] == tagged[1] == pinned[1] == pinned[2]
    assert identity(Path(main[1])) == identity(adapters[0])
    assert sorted(path.name for path in Path(main[1]).iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    assert absent[0] == "UsageError" and "adapter 'some/nothing'" in absent[1]
    again, unknown = asked([given[2], "some/blues"], tmp_path, "http://127.0.0.1:9")
    assert again[:2] == pinned[:2]
    assert unknown[0] == "MissingError" and "adapter: FOLDER" in unknown[1]
