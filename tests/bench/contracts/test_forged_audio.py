"""Audio whose header lies: one line each, and no memory for what is not there or not asked for."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bench.contracts.audio import read_audio
from bench.decoding.decode import MAX_SAMPLES
from bench.errors import DataError, GenerationError

RATE = 44_100
SOUND = np.random.default_rng(0).normal(0, 0.1, (RATE, 2)).astype(np.float32)
MB = 1 << 20
SPECTRUM = f"{Path(__file__).parents[2] / 'plugins' / 'spectrum.py'}:Spectrum"

PEAK = """
import sys
from pathlib import Path
from bench.contracts.audio import read_audio
import soundfile

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) << 10

before = peak()
audio = read_audio(Path(sys.argv[1]), float(sys.argv[2]))
print(audio.frames, peak() - before)
"""


def encoded(kind: str, subtype: str | None = None, rate: int = RATE) -> bytearray:
    buffer = io.BytesIO()
    soundfile.write(buffer, SOUND, rate, format=kind, subtype=subtype)
    return bytearray(buffer.getvalue())


def wav(place: int, kind: str, value: int) -> bytes:
    content = encoded("WAV")
    struct.pack_into(kind, content, place, value)
    return bytes(content)


def flac(**fields: int) -> bytes:
    """A FLAC file whose STREAMINFO says otherwise: 20 bits of rate, 3 of channels, 5 of depth, 36 of frames."""
    content = encoded("FLAC")
    packed = int.from_bytes(content[18:26], "big")
    for name, (shift, bits) in {"rate": (44, 20), "frames": (0, 36)}.items():
        if name in fields:
            packed = packed & ~(((1 << bits) - 1) << shift) | fields[name] << shift
    content[18:26] = packed.to_bytes(8, "big")
    return bytes(content)


def xing(frames: int) -> bytes:
    content = encoded("MP3")
    place = max(content.find(b"Xing"), content.find(b"Info"))
    struct.pack_into(">I", content, place + 8, frames)
    return bytes(content)


def checksum(page: bytes | bytearray) -> int:
    found = 0
    for byte in page:
        found ^= byte << 24
        for _ in range(8):
            found = (found << 1 & 0xFFFFFFFF) ^ (0x04C11DB7 if found >> 31 else 0)
    return found


def ogg(subtype: str, frames: int) -> bytes:
    """An Ogg file whose last page tells another position."""
    content = encoded("OGG", subtype, 48_000)
    page = content.rindex(b"OggS")
    struct.pack_into("<q", content, page + 6, frames)
    struct.pack_into("<I", content, page + 22, 0)
    struct.pack_into("<I", content, page + 22, checksum(bytes(content[page:])))
    return bytes(content)


FORGED = {
    "channels-65535.wav": wav(22, "<H", 65535),
    "channels-1000.wav": wav(22, "<H", 1000),
    "channels-0.wav": wav(22, "<H", 0),
    "rate-none.wav": wav(24, "<I", 0),
    "rate-2-31.wav": wav(24, "<I", 2**31),
    "rate-2-32.wav": wav(24, "<I", 2**32 - 1),
    "rate-1000000.wav": wav(24, "<I", 1_000_000),
    "rate-0.flac": flac(rate=0),
    "rate-655351.flac": flac(rate=655_351),
    "frames-2-36.flac": flac(frames=2**36 - 1),
    "frames-2-29.flac": flac(frames=2**29),
    "frames.mp3": xing(2**32 - 1),
    "frames.ogg": ogg("VORBIS", 2**62),
    "frames.opus": ogg("OPUS", 2**62),
}


@pytest.fixture
def forged(tmp_path: Path) -> Path:
    for name, content in FORGED.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_a_forged_header_is_one_line(forged: Path) -> None:
    for name in FORGED:
        with pytest.raises(DataError) as caught:
            read_audio(forged / name)
        assert str(forged / name) in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1


def test_what_is_asked_for_is_there_whatever_the_header_promises(tmp_path: Path) -> None:
    (tmp_path / "whole.flac").write_bytes(flac())
    whole = read_audio(tmp_path / "whole.flac")
    for frames in (0, 2**29, 2**36 - 1):
        (tmp_path / "a.flac").write_bytes(flac(frames=frames))
        part = read_audio(tmp_path / "a.flac", 0.5)
        assert np.array_equal(part.samples, whole.cropped(0.5).samples)


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("WAV", None), ("FLAC", None), ("AIFF", None), ("MP3", None), ("OGG", "VORBIS"), ("OGG", "OPUS")],
)
def test_a_part_is_the_beginning_of_the_whole(tmp_path: Path, kind: str, subtype: str | None) -> None:
    path = tmp_path / f"a.{kind.lower()}"
    path.write_bytes(encoded(kind, subtype, 48_000))
    whole = read_audio(path)
    assert np.array_equal(read_audio(path, 0.3).samples, whole.cropped(0.3).samples)
    assert np.array_equal(read_audio(path, 99.0).samples, whole.samples)


def peak(path: Path, seconds: float) -> tuple[int, int]:
    """Frames that were read, and bytes by which the memory of a process grew."""
    ran = subprocess.run(
        [sys.executable, "-c", PEAK, path, str(seconds)], capture_output=True, text=True, check=True, timeout=120
    )
    frames, grown = map(int, ran.stdout.split())
    return frames, grown


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="tells no peak of memory")
def test_memory_is_for_what_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "long.flac"
    soundfile.write(path, np.zeros((RATE * 600, 8), np.int16), RATE)
    assert peak(path, 1.0)[0] == RATE
    assert peak(path, 1.0)[1] < 40 * MB
    frames, grown = peak(path, 60.0)
    assert frames == RATE * 60
    assert grown < 1.6 * frames * 8 * 4 + 40 * MB


def test_more_than_is_held_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    size = MAX_SAMPLES + 2
    with path.open("wb") as file:  # 8 bits, one channel, and a hole that takes no room on the disk
        file.write(
            struct.pack("<4sI8sIHHIIHH4sI", b"RIFF", size + 36, b"WAVEfmt ", 16, 1, 1, RATE, RATE, 1, 8, b"data", size)
        )
        file.truncate(44 + size)
    with pytest.raises(DataError, match="longer than 6"):
        read_audio(path)
    assert read_audio(path, 0.5).frames == RATE // 2


def test_every_reader_of_audio_says_so_in_a_line(forged: Path, tunebench: Any) -> None:
    from bench import GenerationRequest, Prompt
    from models.folder import FolderModel

    model = FolderModel(forged)
    for name in FORGED:
        if not name.startswith("frames"):  # of these the second that is asked for is there
            (made,) = model.generate([GenerationRequest(Prompt(name.rpartition(".")[0], "x"), 0, 1.0)])
            assert isinstance(made, GenerationError), name
            assert len(str(made).splitlines()) == 1
    built = tunebench("reference", "build", forged, "--embedder", SPECTRUM, "--out", "r.safetensors")
    assert built.returncode == 5
    assert "Traceback" not in built.stderr


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    (tmp_path / "b.wav").symlink_to("/dev/zero")
    for name in ("a.wav", "b.wav", "c.wav"):
        with pytest.raises(DataError, match=name):
            read_audio(tmp_path / name)
