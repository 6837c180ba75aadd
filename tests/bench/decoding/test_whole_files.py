"""Files whose headers do not tell how much sound there is: read whole, or refused with what is wrong."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.contracts.audio import Audio, read_audio
from bench.decoding.mpeg import whole_mpeg
from bench.decoding.spliced_file import SplicedFile
from bench.errors import DataError

Read = Callable[..., Audio]

RATE = 44_100
FRAMES = 60_000
SOUND = np.random.default_rng(0).normal(0, 0.1, (FRAMES, 2)).astype(np.float32)
TAG = b"TAG" + bytes(125)
TAIL_OF_DATA = struct.pack("<4sI4s", b"LIST", 4, b"INFO")


def encoded(kind: str, subtype: str | None = None, rate: int = RATE, sound: np.ndarray = SOUND) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, rate, format=kind, subtype=subtype)
    return buffer.getvalue()


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(content: bytes, seconds: float = np.inf, name: str = "x.wav") -> Audio:
        (tmp_path / name).write_bytes(content)
        return read_audio(tmp_path / name, seconds)

    return read


def with_size(content: bytes, chunk: bytes, size: int, order: str = "<") -> bytes:
    place = content.index(chunk) + 4
    return content[:place] + struct.pack(f"{order}I", size) + content[place + 4 :]


class TestWav:
    WAV = encoded("WAV")
    SIZE = len(WAV) - 44

    @pytest.mark.parametrize(
        "size",
        [
            *(0, 0x7FFF_F000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0xFFFF_FFFF - 36),
            *(SIZE + 8, SIZE + 16, SIZE + 36, SIZE + 44, SIZE + 78),
        ],
    )
    def test_a_size_that_was_not_known_or_counts_the_header_in(self, read: Read, size: int) -> None:
        whole = read(self.WAV)
        assert np.array_equal(read(with_size(self.WAV, b"data", size)).samples, whole.samples)
        assert whole.frames == FRAMES

    def test_streams_with_both_sizes_untold(self, read: Read) -> None:
        for size in (0, 0xFFFF_FFFF):
            content = with_size(with_size(self.WAV, b"RIFF", size), b"data", size)
            assert read(content).frames == FRAMES

    @pytest.mark.parametrize("size", [SIZE // 2, SIZE // 2 + 1, 1000, SIZE - 200])
    def test_more_behind_the_audio_than_the_header_counts_is_refused(self, read: Read, size: int) -> None:
        with pytest.raises(DataError):
            read(with_size(self.WAV, b"data", size))

    @pytest.mark.parametrize("behind", [TAIL_OF_DATA, TAG, bytes(400), b"\0"])
    def test_what_may_follow_the_audio(self, read: Read, behind: bytes) -> None:
        assert np.array_equal(read(self.WAV + behind).samples, read(self.WAV).samples)

    @pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF"])
    def test_a_cut_file_is_refused(self, read: Read, kind: str) -> None:
        content = encoded(kind)
        assert read(content).frames == FRAMES
        with pytest.raises(DataError):
            read(content[: len(content) // 2])

    def test_aiff_of_untold_length(self, read: Read) -> None:
        assert read(with_size(encoded("AIFF"), b"SSND", 0x7FFF_F000, ">")).frames == FRAMES


class TestFlac:
    FLAC = encoded("FLAC")

    def stating(self, frames: int, content: bytes = FLAC) -> bytes:
        packed = int.from_bytes(content[18:26], "big") & ~((1 << 36) - 1) | frames
        return content[:18] + packed.to_bytes(8, "big") + content[26:]

    @pytest.mark.parametrize("frames", [0, 1, 20_000, FRAMES - 1])
    @pytest.mark.parametrize("behind", [b"", TAG])
    def test_a_stream_is_as_long_as_its_blocks(self, read: Read, frames: int, behind: bytes) -> None:
        assert np.array_equal(read(self.stating(frames) + behind).samples, read(self.FLAC).samples)

    @settings(max_examples=15, deadline=None)
    @given(st.integers(1, 20_000), st.sampled_from([1, 2, 3, 8]), st.sampled_from([8000, RATE, 96_000]))
    def test_of_any_length_rate_and_channels(
        self, tmp_path_factory: pytest.TempPathFactory, frames: int, channels: int, rate: int
    ) -> None:
        sound = np.random.default_rng(frames).normal(0, 0.1, (frames, channels))
        path = tmp_path_factory.mktemp("flac") / "a.flac"
        path.write_bytes(self.stating(0, encoded("FLAC", None, rate, sound)))
        assert read_audio(path).samples.shape == (channels, frames)

    @pytest.mark.parametrize("share", [0.3, 0.7, 0.999])
    def test_a_cut_stream_is_refused_where_the_end_is_needed(self, read: Read, share: float) -> None:
        cut = self.stating(0)[: int(share * len(self.FLAC))]
        with pytest.raises(DataError):
            read(cut)
        assert np.array_equal(read(cut, 0.2).samples, read(self.FLAC, 0.2).samples)
        with pytest.raises(DataError):
            read(self.stating(FRAMES + 5000))


class TestMpeg:
    MP3 = encoded("MP3")

    def without_header(self, content: bytes) -> bytes:
        """The frames without the one that counts them."""
        place = max(content.find(b"Xing"), content.find(b"Info"))
        start = (
            content.rfind(b"\xff\xfb", 0, place)
            if b"\xff\xfb" in content[:place]
            else content.rfind(b"\xff\xf3", 0, place)
        )
        second = content.index(content[start : start + 2], place)
        return content[second:]

    def quiet_then_loud(self, rate: int) -> np.ndarray:
        """Sound of which the first frames take few bytes, so that their bit rate says little of the rest."""
        return np.concatenate([1e-4 * SOUND[:20_000], 5 * SOUND, 5 * SOUND])[:, : 1 if rate == 22_050 else 2]

    @pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
    def test_without_a_count_of_frames_it_is_read_whole(self, read: Read, rate: int) -> None:
        sound = self.quiet_then_loud(rate)
        content = encoded("MP3", None, rate, sound)
        whole, bare = read(content), read(self.without_header(content))
        assert len(sound) <= bare.frames <= len(sound) + 3 * 1152
        # The count tells how much of an encoder's delay to leave out, too.
        delay = bare.frames - whole.frames
        places = range(delay + 1)
        middle = whole.samples[0, 30_000:31_000]
        nearest = min(float(np.abs(bare.samples[0, 30_000 + at : 31_000 + at] - middle).max()) for at in places)
        assert nearest < 1e-3

    def test_a_part_of_it(self, read: Read) -> None:
        bare = self.without_header(encoded("MP3", None, RATE, self.quiet_then_loud(RATE)))
        assert np.array_equal(read(bare, 1.5).samples, read(bare).cropped(1.5).samples)

    @pytest.mark.parametrize("tagged", [False, True])
    def test_several_after_one_another_are_all_read(self, read: Read, tagged: bool) -> None:
        tag = b"ID3\4\0\0\0\0\0\x0a" + bytes(10) if tagged else b""
        joined = read((tag + self.MP3) * 3)
        assert 3 * FRAMES <= joined.frames <= 3 * (FRAMES + 4 * 1152)
        assert np.abs(joined.samples[:, 2 * FRAMES :]).max() > 0.1

    def test_a_change_of_rate_midway_is_refused(self, read: Read) -> None:
        with pytest.raises(DataError):
            read(self.MP3 + encoded("MP3", None, 22_050))

    def test_a_cut_file_is_refused(self, read: Read) -> None:
        for content in (self.MP3, self.without_header(self.MP3)):
            with pytest.raises(DataError):
                read(content[: len(content) // 2])
            assert read(content + TAG).frames == read(content).frames

    @settings(max_examples=40, deadline=None)
    @given(st.binary(max_size=400), st.integers(0, 2000))
    def test_counting_ends_on_any_bytes(self, junk: bytes, place: int) -> None:
        content = self.MP3[:place] + junk + self.MP3[place : place + 3000]
        try:
            assert whole_mpeg(io.BytesIO(content), np.inf).seek(0) == 0
        except DataError as error:
            assert str(error)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
class TestOgg:
    def ogg(self, subtype: str, seed: int = 0, rate: int = 48_000) -> bytes:
        return encoded("OGG", subtype, rate, np.random.default_rng(seed).normal(0, 0.1, (FRAMES, 1)))

    def pages(self, content: bytes) -> list[int]:
        return [place for place in range(len(content)) if content.startswith(b"OggS", place)]

    def test_streams_after_one_another_are_all_read(self, read: Read, subtype: str) -> None:
        parts = [self.ogg(subtype, seed) for seed in range(3)]
        joined = read(b"".join(parts))
        assert joined.frames == 3 * FRAMES
        assert np.array_equal(joined.samples, np.concatenate([read(part).samples for part in parts], axis=1))
        assert np.array_equal(read(b"".join(parts), 1.5).samples, joined.cropped(1.5).samples)
        with pytest.raises(DataError):
            read(parts[0] + self.ogg(subtype, 1, 24_000))

    def test_a_page_that_is_damaged_or_gone_is_told(self, read: Read, subtype: str) -> None:
        content = self.ogg(subtype)
        pages = self.pages(content)
        for place in (pages[len(pages) // 2] + 100, len(content) - 5):
            damaged = bytearray(content)
            damaged[place] ^= 1
            with pytest.raises(DataError):
                read(bytes(damaged))
        middle = len(pages) // 2
        for left in (content[: pages[middle]] + content[pages[middle + 1] :], content[: pages[-1]]):
            with pytest.raises(DataError):
                read(left)

    def test_what_is_behind_the_part_that_is_needed_is_not_looked_at(self, read: Read, subtype: str) -> None:
        content = bytearray(self.ogg(subtype))
        content[-5] ^= 1
        assert np.array_equal(read(bytes(content), 0.2).samples, read(self.ogg(subtype), 0.2).samples)
        assert read(self.ogg(subtype) + TAG).frames == FRAMES


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
@pytest.mark.parametrize("ending", ["wav", "mp3", "flac", "m4a", "ogg"])
def test_an_ending_says_nothing_of_the_content(read: Read, kind: str, ending: str) -> None:
    content = encoded(kind)
    assert np.array_equal(read(content, name=f"x.{ending}").samples, read(content, name=f"y.{kind.lower()}").samples)


@given(st.binary(max_size=40), st.binary(min_size=5, max_size=60), st.integers(0, 60), st.integers(0, 60))
def test_a_spliced_file_reads_as_its_bytes(head: bytes, content: bytes, start: int, place: int) -> None:
    start = min(start, len(content))
    spliced = SplicedFile(io.BytesIO(content), head, start)
    assert spliced.read() == head + content[start:]
    assert spliced.seek(place) == place
    assert spliced.read(7) == (head + content[start:])[place : place + 7]
