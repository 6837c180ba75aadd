"""Exit 0 where tunebench runs on this Python, or print why it does not and exit 1. Even Python 2 can run this."""

import platform
import sys

VERSIONS = ("3.11", "3.12")
MACHINES = {"linux": ("x86_64",), "darwin": ("arm64", "x86_64")}
OLDEST_MACOS = {"arm64": 15, "x86_64": 13}


def problem():
    """Return why tunebench does not run here, or None."""
    version = ".".join(map(str, sys.version_info[:2]))
    if version not in VERSIONS:
        return "is Python " + version
    if platform.python_implementation() != "CPython":
        return "is " + platform.python_implementation()
    machine = platform.machine()
    if machine not in MACHINES.get(sys.platform, ()) or sys.maxsize < 2**32:
        return "is built for " + sys.platform + " " + machine
    if sys.platform == "darwin" and int(platform.mac_ver()[0].split(".")[0]) < OLDEST_MACOS[machine]:
        return "runs on macOS " + platform.mac_ver()[0] + ", which is older than " + str(OLDEST_MACOS[machine])
    try:
        for module in ("ensurepip", "venv"):
            __import__(module)
    except ImportError:
        return "cannot make virtual environments (Debian, Ubuntu: apt install python3-venv)"
    return None


if __name__ == "__main__":
    found = problem()
    if found:
        print(found)
    sys.exit(1 if found else 0)
