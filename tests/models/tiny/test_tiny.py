"""Tiny checkpoints: loadable, small, and the same every time."""

from __future__ import annotations

import hashlib
import re
import zlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")

import torch

from bench.errors import UsageError
from models import tiny
from models.adapter_files import read_adapter
from models.adapters import load_adapter
from models.base_checkpoint import identity, locate
from models.tiny.vocabulary import roberta_tokenizer, t5_tokenizer
from prompts import genres

torch.set_num_threads(1)


@pytest.fixture(scope="module", params=tiny.KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make(kind, tmp_path_factory.mktemp("tiny") / "checkpoint")


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_it_is_complete_small_and_of_its_kind(kind: str, folder: Path) -> None:
    assert locate(str(folder), None, kind) == folder
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 1_000_000


def test_a_seed_stands_for_every_byte(kind: str, folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(12345)  # the global state must not matter, nor be touched
    before = torch.get_rng_state()
    again = contents(tiny.make(kind, tmp_path / "elsewhere"))
    assert again == contents(folder)
    other = contents(tiny.make(kind, tmp_path / "other", seed=1))
    changed = {name for name in other if other[name] != again[name]}
    assert changed == {name for name in other if name.endswith(".safetensors")}
    assert torch.equal(torch.get_rng_state(), before)


def test_its_adapter_fits(kind: str, folder: Path, tmp_path: Path) -> None:
    path = tiny.make_adapter(kind, folder, tmp_path / "adapter", rank=2)
    adapter = read_adapter(path)
    assert adapter.layers and adapter.base == str(folder)
    network = tiny.network(kind, folder)
    load_adapter(network, path, 1.0, identity(str(folder), None))
    assert contents(tiny.make_adapter(kind, folder, tmp_path / "again", rank=2)) == contents(path)


def test_weights_are_the_same_on_every_computer(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    folder = tiny.make("stable-audio", tmp_path / "checkpoint")
    weight = load_file(folder / "transformer" / "diffusion_pytorch_model.safetensors")["proj_in.weight"].numpy()
    expected = np.random.default_rng([0, zlib.crc32(b"proj_in.weight")]).standard_normal((32, 8)) / 8**0.5
    np.testing.assert_array_equal(weight, expected.astype(np.float32))


def test_vocabularies_know_every_prompt() -> None:
    texts = [prompt.text for prompt in genres().prompts]
    for tokenizer in (t5_tokenizer(), roberta_tokenizer()):
        for ids in tokenizer(texts).input_ids:
            assert tokenizer.unk_token_id not in ids
            assert len(ids) >= 10
    t5 = t5_tokenizer()
    assert [t5.decode(t5(text).input_ids, skip_special_tokens=True) for text in texts] == texts


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'stable-adio'.*'stable-audio'"):
        tiny.make("stable-adio", tmp_path / "x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(UsageError, match=re.escape(f"'{tmp_path / 'full'}'")):
        tiny.make("stable-audio", tmp_path / "full")
    with pytest.raises(UsageError, match=re.escape(f"'{tmp_path / 'full' / 'file'}'")):
        tiny.make("stable-audio", tmp_path / "full" / "file")
