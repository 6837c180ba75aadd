"""Run a command so that nothing of it outlives whoever asked for it: ``python guard.py PROGRAM ARGUMENT …``.

Whoever starts this file makes it the leader of a process group and holds the other end of its standard input. When that
end closes, for whatever reason, the whole group is killed; no process can be killed too suddenly for that to work.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def run(command: list[str]) -> int:
    """Run a command and return its exit code: 128 + n if signal n ended it, 126 if it cannot be started."""
    threading.Thread(target=_kill_group_when_alone, daemon=True).start()
    try:
        code = subprocess.call(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        print(f"{command[0]} cannot be started: {error.strerror}", file=sys.stderr)
        return 126
    return code if code >= 0 else 128 - code


def _kill_group_when_alone() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
