"""Detect the kind of a file from its first bytes, as file extensions are often wrong."""

from __future__ import annotations

from typing import NamedTuple

HEAD = 4096
"""Bytes from the beginning of a file that `kind_of` needs."""

AUDIO_ENDINGS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".m4a", ".aac", ".mp4", ".webm", ".wma")
"""Extensions of audio files; those from ``.m4a`` on need the extra ``formats``."""

LFS_POINTER = b"version https://git-lfs.github.com"


class FileKind(NamedTuple):
    """A kind of file.

    Attributes:
        name: description of the content, for messages.
        demuxer: FFmpeg's name of the format, if the second decoder reads it.
        remedy: what to do about a file without audio; empty for audio.
    """

    name: str
    demuxer: str = ""
    remedy: str = ""


WAV, FLAC, OGG, MPEG = (FileKind(name) for name in ("WAV", "FLAC", "Ogg", "MPEG audio"))
OTHER = FileKind("")
"""Kinds that libsndfile identifies."""

_AGAIN = "download it again"
_NOTES = "rename it to {}, and its notes are scored"
_STARTS = {
    b"fLaC": FLAC,
    b"OggS": OGG,
    b"ADIF": FileKind("AAC", "aac"),
    b"\x1a\x45\xdf\xa3": FileKind("WebM or Matroska", "matroska"),
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": FileKind("Windows Media", "asf"),
    LFS_POINTER: FileKind("a Git LFS pointer", remedy="run 'git lfs pull' in its repository"),
    b"MThd": FileKind("MIDI", remedy=_NOTES.format(".mid")),
    b"PK\x03\x04": FileKind("a ZIP archive", remedy="unpack it"),
    b"\x1f\x8b": FileKind("gzip-compressed data", remedy="unpack it"),
    b"%PDF": FileKind("a PDF", remedy=_AGAIN),
    b"\x89PNG": FileKind("a picture", remedy=_AGAIN),
    b"\xff\xd8\xff\xe0": FileKind("a picture", remedy=_AGAIN),
}
_ZEROS = FileKind("zero bytes", remedy=f"its content was lost; {_AGAIN}")
_CODECS = {b"alac": "ALAC", b"mp4a": "AAC"}


def kind_of(head: bytes) -> FileKind:
    """Return the kind of a file from its first `HEAD` bytes, or from all of them if it is shorter.

    >>> kind_of(b"OggS...").name, kind_of(b"<!DOCTYPE html><html>").name
    ('Ogg', 'a web page')
    """
    for start, kind in _STARTS.items():
        if head.startswith(start):
            return kind
    if head[:4] in (b"RIFF", b"RIFX") and head[8:12] == b"WAVE":
        return WAV
    if head[4:8] == b"ftyp":
        return FileKind("MPEG-4 audio", "mov")
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        # The MPEG layer; 0 is the transport stream of AAC.
        return MPEG if head[1] & 0x06 else FileKind("AAC", "aac")
    if head.startswith(b"ID3"):
        return _behind_tag(head)
    return _of_text(head) if head.strip(b"\0") else _ZEROS


def mpeg4_name(content: bytes) -> str:
    """Name the codec of MPEG-4 audio by the bytes that describe its tracks."""
    found = [name for code, name in _CODECS.items() if code in content]
    return f"{found[0]} (MPEG-4)" if found else "MPEG-4 audio"


def id3_size(head: bytes) -> int:
    """Return the length in bytes of the ID3v2 tag that begins at ``head``; 0 if there is none."""
    if len(head) < 10 or head[:3] != b"ID3" or max(head[6:10]) > 0x7F:
        return 0
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return 10 + size + (10 if head[5] & 0x10 else 0)


def _behind_tag(head: bytes) -> FileKind:
    behind = head[id3_size(head) :]
    if not behind.startswith(b"ID3") and len(behind) > 2:
        kind = kind_of(behind)
        return kind if kind.demuxer or kind is FLAC else MPEG
    return MPEG


def _of_text(head: bytes) -> FileKind:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return FileKind("a web page", remedy=_AGAIN)
    if b"<score-partwise" in head or b"<score-timewise" in head:
        return FileKind("MusicXML", remedy=_NOTES.format(".musicxml"))
    if start.startswith((b"{", b"<?xml", b"<error")):
        return FileKind("text", remedy=f"perhaps the error message of a server; {_AGAIN}")
    return OTHER
