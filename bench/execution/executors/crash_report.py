"""Explain crashes of workers: the stack as one sentence and as a file in the run folder."""

from __future__ import annotations

import contextlib
import hashlib
import platform
import re
import signal
import sysconfig
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

from bench.atomic_write import replace_file
from bench.contracts.plugin_modules import OWN_MODULES, ROOT

CRASHES = "crashes"
"""Folder of the stacks in a run folder."""

# As `faulthandler` writes them.
_FATAL = re.compile(r"^Fatal Python error: (.*)$", re.MULTILINE)
_THREAD = re.compile(r"^(Current thread|Thread) 0x.*$", re.MULTILINE)
_FRAME = re.compile(r'^  File "(.*)", line (\d+|\?\?\?) in (.*)$', re.MULTILINE)
_SIGNALS = {
    "Segmentation fault": "SIGSEGV",
    "Bus error": "SIGBUS",
    "Illegal instruction": "SIGILL",
    "Floating point exception": "SIGFPE",
}
_INSTALLED = re.compile(r".*/(?:site|dist)-packages/([^/]+)")
_STANDARD_LIBRARY = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))


@dataclass(frozen=True)
class Frame:
    """One call of a stack."""

    path: str
    line: str
    function: str

    @property
    def ours(self) -> str:
        """The package of tunebench that contains it, or an empty string."""
        path = Path(self.path)
        top = path.relative_to(ROOT).parts[0] if path.is_relative_to(ROOT) else ""
        return top if top == "bench" or top in OWN_MODULES else ""

    @property
    def library(self) -> str:
        """The installed package or module, other than ours, that contains it, or an empty string."""
        found = _INSTALLED.match(self.path)
        return found[1].removesuffix(".py") if found and not self.ours else ""

    @property
    def standard(self) -> bool:
        """Whether it is in Python itself."""
        return self.path.startswith(("<", *_STANDARD_LIBRARY)) and not _INSTALLED.match(self.path)

    @property
    def where(self) -> str:
        """The library, or the file name without folders."""
        path = Path(self.path)
        if self.library or self.ours:
            return self.library or path.relative_to(ROOT).as_posix()
        return "/".join(path.parts[-2:]) if self.standard else path.name

    def __str__(self) -> str:
        found = _INSTALLED.match(self.path)
        file = f"{self.path[found.start(1) :]}, " if found and self.library else ""
        return f"{self.where} ({file}line {self.line}, {self.function})"


def signal_of(dump: str) -> str:
    """Return the name of a dump's signal; SIGABRT for everything that ends in abort()."""
    found = _FATAL.search(dump)
    return _SIGNALS.get(found[1], "SIGABRT") if found else ""


def crashed_stack(dump: str) -> list[Frame]:
    """Return the frames of the crashed thread, innermost first; of the current one if no Python thread crashed.

    They end with the first frame of the harness: frames outside of it are always the same, or differ only by
    the metric of the task.
    """
    _, *parts = _THREAD.split(dump)
    threads = list(zip(parts[::2], parts[1::2], strict=True))
    at_work = [text for kind, text in threads if kind == "Current thread"]
    at_work += [text for _, text in threads if " in perform\n" in text] + [text for _, text in threads]
    frames = [Frame(*found.groups()) for found in _FRAME.finditer(at_work[0])] if at_work else []
    outermost = next((place for place, frame in enumerate(frames) if frame.ours == "bench"), len(frames))
    return frames[: outermost + 1]


def culprit(frames: list[Frame]) -> Frame | None:
    """Return the innermost frame of an installed library, otherwise of a plugin or of ours, otherwise of Python."""
    others = [frame for frame in frames if not frame.standard]
    return next((frame for frame in others if frame.library), next(iter([*others, *frames]), None))


def explain_death(code: int, dump: str, doing: str, subject: str, folder: Path | None) -> str:
    """Return why a worker died and what to do, and store its stack.

    The sentence is the same for all crashes at the same place, so that they count as one failure.

    Args:
        code: as in `subprocess.Popen`: the exit code, or minus the signal.
        dump: the output of `faulthandler`, if any.
        doing: the kind of work, such as ``scoring``.
        subject: description of the work, for the file.
        folder: folder for the stack; None stores none.
    """
    if code >= 0:
        return f"the worker ended with exit code {code} while {doing}: something in it called exit()"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name == signal_of(dump) and (frames := crashed_stack(dump)):
        return f"the worker was killed by {explain_crash(name, frames, dump, doing, subject, folder)}"
    killed = f"the worker was killed by {name} while {doing}"
    if name == "SIGKILL":
        return f"{killed}, probably by the system for lack of memory: use fewer workers (executor.workers)"
    return f"{killed} without a stack trace; to find the cause, run it with executor.workers=0"


def explain_crash(name: str, frames: list[Frame], dump: str, doing: str, subject: str, folder: Path | None) -> str:
    """Return the rest of the sentence that begins with "the worker was killed by", for a signal that left a stack.

    Args:
        name: of the signal, such as ``SIGSEGV``.
        frames: at least one, as `crashed_stack` gives them.
        dump, doing, subject, folder: as for `explain_death`.
    """
    frame = culprit(frames)
    assert frame is not None
    seen = f"{name} in {frame} while {doing}"
    file = _keep(f"{name}-{frame.where}", frames, f"{seen}: {subject}", dump, folder)
    advice = [f"reinstall it ({_reinstall(frame.library)})"] if frame.library else []
    advice += [f"its stack is in {CRASHES}/{file}"] if file else []
    return f"{seen}: {'; '.join(advice)}" if advice else seen


@cache
def _reinstall(library: str) -> str:
    try:
        name = distribution(library).name
    except PackageNotFoundError:  # its name differs from the module's; finding it takes a second
        names = set(packages_distributions().get(library, []))
        name = names.pop() if len(names) == 1 else library
    return f"pip install --force-reinstall --no-deps {name}"


def _keep(name: str, frames: list[Frame], head: str, dump: str, folder: Path | None) -> str | None:
    """Write the stack to a file named after the place, so that repeated crashes there share one file."""
    if folder is None:
        return None
    place = hashlib.sha256(repr(frames).encode()).hexdigest()
    file = f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)}-{place[:8]}.txt"
    machine = f"{platform.node()}, Python {platform.python_version()}, {platform.platform()}"
    with contextlib.suppress(OSError):
        folder.mkdir(exist_ok=True)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        replace_file(folder / file, f"{head}\n{now}, {machine}\n\n{dump}")
        return file
    return None
