"""Bundles whose texts would fill the memory: refused in a line, with exit code 5, in less than 1 GB."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bench
from bench.bundle.pack import pack
from bench.bundle.verify import verify

Files = dict[str, bytes]
MB = 1 << 20
# Verifies bundles one after the other; a line of output for each, and the most memory that was in use, in KB.
PEAK = """
import sys
from pathlib import Path
from bench.bundle.verify import verify
from bench.errors import DataError

for bundle in sys.argv[1:]:
    try:
        verify(Path(bundle), workers=0)
    except DataError as error:
        print(error)
lines = Path("/proc/self/status").read_text().splitlines()
print(next(line for line in lines if line.startswith("VmHWM")).split()[1])
"""


@pytest.fixture(scope="module")
def files(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The files of a good bundle."""
    folder = tmp_path_factory.mktemp("good")
    config = {
        "models": [{"name": f"{tiny}:Sine", "as": "sine"}],
        "metrics": ["key-adherence"],
        "duration": 0.1,
        "executor": {"workers": 0},
    }
    packed = pack(bench.run(config, folder / "run").folder, folder / "b.zip")
    with zipfile.ZipFile(packed.path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def random_text(size: int) -> bytes:
    """Text that does not shrink, so that what stands beside it does not grow suspiciously."""
    return base64.b64encode(os.urandom(size * 3 // 4))


def listed(files: Files) -> bytes:
    index = json.loads(files["bundle.json"])
    for name in files.keys() - {"bundle.json"}:
        index["files"][name] = {"sha256": hashlib.sha256(files[name]).hexdigest(), "size": len(files[name])}
    return json.dumps(index).encode()


def long_names(files: Files) -> bytes:
    record = json.loads(files["leaderboard.json"])[0]
    return json.dumps([{**record, "pad": random_text(MB // 2).decode(), "k" * 8 * MB: [1] * 200_000}]).encode()


FORGED: dict[str, tuple[str, Callable[[Files], bytes]]] = {
    "4 GB": ("leaderboard.json", lambda _: bytes(64 * MB)),
    "many lists": ("leaderboard.json", lambda _: b'["' + random_text(MB) + b'",' + b"[]," * 9 * MB + b"[]]"),
    "many objects": (
        "bundle.json",
        lambda _: b'{"p":"' + random_text(MB // 2) + b'","a":[' + b'{"":0},' * 500_000 + b"0]}",
    ),
    "deep": ("leaderboard.json", lambda _: b"[" * 400_000),
    "a long string": (
        "leaderboard.json",
        lambda _: b'["' + random_text(MB // 2) + "😀".encode() + b"a" * 30 * MB + b'"]',
    ),
    "a long number": ("leaderboard.json", lambda _: b'["' + random_text(MB // 2) + b'",' + b"9" * 20 * MB + b"]"),
    "long names": ("leaderboard.json", long_names),
    "many settings": ("config.yaml", lambda _: b"models: [" + b"[]," * 40_000 + b"]"),
    "many rows": (
        "scores.csv",
        lambda files: files["scores.csv"].split(b"\r\n")[0]
        + b"".join(b"\r\nsine,p%d,%s,,,,,0,,made,,,," % (i, random_text(16)) for i in range(300_000)),
    ),
}  # fmt: skip


@pytest.mark.slow(8)
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="tells no peak of memory")
def test_no_bundle_fills_the_memory(files: Files, tmp_path: Path, tunebench: Any) -> None:
    bundles = []
    for kind, (name, content) in FORGED.items():
        forged = {**files, name: content(files)}
        if name != "bundle.json":
            forged["bundle.json"] = listed(forged)
        bundles.append(tmp_path / f"{kind}.zip")
        with zipfile.ZipFile(bundles[-1], "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for member, data in forged.items():
                method = zipfile.ZIP_STORED if member.startswith("audio/") else zipfile.ZIP_DEFLATED
                archive.writestr(member, data, method)
    ran = subprocess.run(
        [sys.executable, "-c", PEAK, *bundles], capture_output=True, text=True, check=True, timeout=240
    )
    *said, peak = ran.stdout.splitlines()
    assert [line.partition(".zip: ")[0] for line in said] == [str(bundle)[: -len(".zip")] for bundle in bundles]
    assert int(peak) * 1024 < 1e9
    refused = tunebench("verify", bundles[0])
    assert refused.returncode == 5
    assert len(refused.stderr.splitlines()) == 1


def test_a_directory_that_no_bundle_has_is_not_read(files: Files, tmp_path: Path) -> None:
    bundle = tmp_path / "b.zip"
    with zipfile.ZipFile(bundle, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        place = archive.fp.tell()  # type: ignore[union-attr]
    written = bundle.read_bytes()[:place]
    entry = b"PK\x01\x02" + bytes(42)
    count = (33 * MB) // len(entry)
    end = b"PK\x05\x06" + bytes(4) + b"\xff\xff\xff\xff" + (count * len(entry)).to_bytes(4, "little")
    bundle.write_bytes(written + entry * count + end + place.to_bytes(4, "little") + bytes(2))
    with pytest.raises(bench.DataError, match="directory"):
        verify(bundle, workers=0)
