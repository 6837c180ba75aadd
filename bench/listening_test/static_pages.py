"""A listening test as a folder of files that any web server can hand out; answers stay in the listeners' browsers."""

from __future__ import annotations

import json
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

from bench.errors import UsageError
from bench.listening_test.design import SOUNDS, read_design
from bench.listening_test.listener_session import common_content, session_content
from bench.paths import StrPath

_STATIC = files("bench.listening_test") / "static"
_FILES = ("listener.css", "player.js", "answers.js", "listener.js")


def write_listening_pages(folder: StrPath, out: StrPath, send: str = "") -> None:
    """Write the pages of a listening test, with nothing in them that says which model is which.

    Args:
        folder: of the test.
        out: a new or an empty folder.
        send: an address that each listener's answers are sent to as JSON when they are done, beside the download.

    Raises:
        UsageError: there is no test in the folder, ``out`` cannot be used, or ``send`` is no address.
        DataError: the design is damaged.
    """
    folder, out = Path(folder), Path(out)
    if send and not (urlsplit(send).scheme in ("http", "https") and urlsplit(send).netloc):
        raise UsageError(f"--send-to is '{send}', must be an address such as https://example.org/answers")
    design = read_design(folder)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already, and not an empty folder; name a new one with --out")
    content = {
        **common_content(design),
        "sessions": [session_content(design, place)["pages"] for place in range(len(design.sessions))],
        "volume": session_content(design, 0)["volume"],
        "completion": {"code": design.test.completion.code, "address": ""},
        "send": send,
    }
    page = (_STATIC / "listener.html").read_text("utf-8").replace('data-answers="server"', 'data-answers="browser"')
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as made:
            whole = Path(made) / out.name
            (whole / "static").mkdir(parents=True)
            for name in _FILES:
                (whole / "static" / name).write_bytes((_STATIC / name).read_bytes())
            shutil.copytree(folder / SOUNDS, whole / SOUNDS, copy_function=shutil.copyfile)
            (whole / "sessions.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
            (whole / "index.html").write_text(page, encoding="utf-8")
            whole.replace(out)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}; free disk space or fix permissions") from None
