"""A listening test as static files for any web server; answers stay in the listeners' browsers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from bench.atomic_write import new_folder
from bench.errors import UsageError
from bench.listening_test.access import is_web_address
from bench.listening_test.design import ListeningDesign, check_sound_files, read_design
from bench.listening_test.folder import SOUNDS
from bench.listening_test.listener_session import common_content, session_content, sounds_of_session
from bench.paths import StrPath

_STATIC = files("bench.listening_test") / "static"
_FILES = ("listener.css", "player.js", "answers.js", "listener.js")


def write_listening_pages(folder: StrPath, out: StrPath, send: str = "") -> None:
    """Write the pages of a listening test, without the identity of models.

    Args:
        folder: of the test.
        out: a new or an empty folder.
        send: address to which answers are sent as JSON at the end, in addition to the download.

    Raises:
        UsageError: there is no test in the folder, ``out`` cannot be used, or ``send`` is not an address.
        DataError: the design or a sound is damaged.
    """
    folder, out = Path(folder), Path(out)
    if send and not is_web_address(send):
        raise UsageError(f"--send-to is '{send}', must be an address such as https://example.org/answers")
    design = read_design(folder)
    check_sound_files(design, folder)
    with new_folder(out) as whole:
        _write(design, folder, whole, range(len(design.sessions)), "browser", send)


def write_preview(folder: Path, out: Path) -> None:
    """Write the first session of a test into a new folder, as pages that store no answers.

    Args:
        folder: of the test.
        out: the new folder; made if missing.

    Raises:
        UsageError: there is no test in the folder.
        DataError: the design is damaged.
        OSError: the files cannot be written.
    """
    _write(read_design(folder), folder, out, range(1), "preview", "")


def _write(design: ListeningDesign, folder: Path, out: Path, listeners: Sequence[int], answers: str, send: str) -> None:
    """Write the sessions of some listeners."""
    content = {
        **common_content(design),
        "sessions": [session_content(design, listener)["pages"] for listener in listeners],
        "volume": session_content(design, 0)["volume"],
        "completion": {"code": design.test.completion.code, "address": ""},
        "send": send,
    }
    (out / "static").mkdir(parents=True)
    (out / SOUNDS).mkdir()
    for name in _FILES:
        (out / "static" / name).write_bytes((_STATIC / name).read_bytes())
    for name in sorted({name for listener in listeners for name in sounds_of_session(design, listener)}):
        shutil.copyfile(folder / SOUNDS / f"{name}.mp3", out / SOUNDS / f"{name}.mp3")
    text = json.dumps(content, ensure_ascii=False)
    (out / "sessions.js").write_text(f"window.listeningTest = {text};\n", encoding="utf-8")
    page = (_STATIC / "listener.html").read_text("utf-8").replace('data-answers="server"', f'data-answers="{answers}"')
    first = '<script src="static/player.js"'
    page = page.replace(first, f'<script src="sessions.js" defer></script>\n{first}')
    (out / "index.html").write_text(page, encoding="utf-8")
