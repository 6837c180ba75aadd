"""What libsndfile does not know: decoded by FFmpeg where PyAV is installed, else named with what to install."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bench.contracts.audio import Audio, read_audio
from bench.errors import DataError, MissingError

RATE = 48_000
SECONDS = 2
FORMATS = {"m4a": ("ipod", "aac"), "alac.m4a": ("ipod", "alac"), "aac": ("adts", "aac"), "webm": ("webm", "libopus"),
           "wma": ("asf", "wmav2"), "mp4": ("mp4", "aac")}  # fmt: skip
TONES = (440.0, 660.0)  # Hz, left and right
M4A = b"\0\0\0\x18ftypM4A \0\0\2\0isomiso2" + b"\0\0\0\x10moov....mp4a"


def encoded(container: str, codec: str, tracks: int = 1, rate: int = RATE) -> bytes:
    av = pytest.importorskip("av")
    t = np.arange(rate * SECONDS) / rate
    sound = np.stack([0.3 * np.sin(2 * np.pi * hz * t) for hz in TONES]).astype(np.float32)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        for stream in [file.add_stream(codec, rate=rate, layout="stereo", bit_rate=128_000) for _ in range(tracks)]:
            frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = rate, 0
            context: Any = stream.codec_context
            size = context.frame_size or 1024
            cut = av.AudioResampler(format=context.format, layout="stereo", rate=rate, frame_size=size)
            for piece in [*cut.resample(frame), *cut.resample(None), None]:
                for packet in stream.encode(piece):
                    file.mux(packet)
    return buffer.getvalue()


def loudest(audio: Audio) -> list[float]:
    """The frequency of the highest peak of each channel in the middle second, in Hz."""
    middle = audio.samples[:, audio.rate // 2 : audio.rate // 2 + audio.rate]
    return [float(np.abs(np.fft.rfft(channel * np.hanning(audio.rate))).argmax()) for channel in middle]


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("named", ["its own", "mp3"])
def test_it_is_decoded_whole_whatever_its_name(tmp_path: Path, ending: str, named: str) -> None:
    path = tmp_path / f"x.{ending if named == 'its own' else named}"
    path.write_bytes(encoded(*FORMATS[ending]))
    audio = read_audio(path)
    assert (audio.rate, audio.channels) == (RATE, 2)
    assert audio.duration == pytest.approx(SECONDS, abs=0.05)
    assert loudest(audio) == pytest.approx(TONES, abs=1)
    assert np.array_equal(read_audio(path, 0.7).samples, audio.cropped(0.7).samples)


@pytest.mark.parametrize("ending", FORMATS)
def test_a_cut_file_is_refused(tmp_path: Path, ending: str) -> None:
    content = encoded(*FORMATS[ending])
    for share in (0.5, 0.9):
        (tmp_path / "x").write_bytes(content[: int(share * len(content))])
        with pytest.raises(DataError):
            read_audio(tmp_path / "x")


def test_which_of_several_tracks_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "x.m4a").write_bytes(encoded("ipod", "aac", tracks=2))
    with pytest.raises(DataError):
        read_audio(tmp_path / "x.m4a")


@pytest.mark.parametrize("start", [M4A, b"\xff\xf1", b"\x1a\x45\xdf\xa3", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"])
def test_junk_that_begins_like_a_format_is_one_line(tmp_path: Path, start: bytes) -> None:
    pytest.importorskip("av")
    (tmp_path / "x.m4a").write_bytes(start + bytes(3000))
    with pytest.raises(DataError) as caught:
        read_audio(tmp_path / "x.m4a")
    assert str(tmp_path / "x.m4a") in str(caught.value) and "\n" not in str(caught.value)


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "x.m4a").write_bytes(b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n")
    with pytest.raises(DataError):
        read_audio(tmp_path / "x.m4a")


WITHOUT = """
import sys
sys.modules["av"] = None
from pathlib import Path
from bench import read_audio
from bench.errors import TunebenchError
try:
    read_audio(Path(sys.argv[1]))
except TunebenchError as error:
    print(error.exit_code, error)
"""


@pytest.mark.parametrize(
    ("content", "held"), [(M4A, "AAC"), (b"\xff\xf1\x50\x80", "AAC"), (b"\x1a\x45\xdf\xa3", "WebM")]
)
def test_without_it_the_message_names_what_to_install(tmp_path: Path, content: bytes, held: str) -> None:
    path = tmp_path / "clip.mp3"
    path.write_bytes(content)
    ran = subprocess.run([sys.executable, "-c", WITHOUT, path], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.startswith(f"{MissingError.exit_code} {path}: ")
    assert held in ran.stdout and "tunebench[formats]" in ran.stdout


def test_one_such_file_costs_its_own_clip_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench import GenerationError, GenerationRequest, Prompt, score_audio
    from models.folder import FolderModel

    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "a.m4a").write_bytes(M4A)
    soundfile.write(tmp_path / "b.wav", np.zeros(8000), 8000)
    requests = [GenerationRequest(Prompt(name, "x"), 0, 1.0) for name in "ab"]
    refused, played = FolderModel(tmp_path).generate(requests)
    assert isinstance(refused, GenerationError) and "tunebench[formats]" in str(refused)
    assert isinstance(played, Audio)
    unread, read = score_audio([tmp_path / "a.m4a", tmp_path / "b.wav"], ["melodic-complexity"])
    assert unread.error is not None and "tunebench[formats]" in unread.error
    assert read.error is None and read.scores
