"""Detect the file system of a folder."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

# Prefixes of the names of network file systems, and of those that the host of a virtual machine serves.
_NETWORK = (
    *(
        "nfs",
        "cifs",
        "smb",
        "afs",
        "afpfs",
        "webdav",
        "lustre",
        "gpfs",
        "beegfs",
        "ceph",
        "gluster",
        "fuse.",
        "macfuse",
    ),
    *("osxfuse", "9p", "virtiofs", "fakeowner", "vboxsf", "vmhgfs", "prl_fs"),
)


def on_network(folder: Path) -> bool:
    """Return whether the folder lies on a network disk, where SQLite's write-ahead log does not work."""
    return kind(folder.resolve(), mounts()).startswith(_NETWORK)


def kind(folder: Path, listing: str) -> str:
    r"""Return the file system of an absolute folder, such as ``nfs4``; "" if it is not listed.

    Args:
        listing: lines such as ``host:/home /home nfs4 rw 0 0`` (Linux, where a blank in a name is ``\040``) or
            ``//me@host/share on /Volumes/share (smbfs, nodev)`` (macOS).

    >>> kind(Path("/home/me"), "/dev/sda / ext4 rw 0 0\nhost:/home /home nfs4 rw 0 0")
    'nfs4'
    """
    kinds = {}
    for line in listing.split("\n"):  # names may contain other line separators
        if mac := re.fullmatch(r".+? on (/.*) \((\w+)[^()]*\)", line):
            kinds[mac[1]] = mac[2]
        elif len(linux := line.split(" ")) >= 3:
            kinds[re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), linux[1])] = linux[2]
    around = [place for place in kinds if folder.is_relative_to(place)]
    return kinds[max(around, key=len)] if around else ""


def mounts() -> str:
    """Return the mounted disks, one per line, as Linux lists them in a file, or as ``mount`` prints them on macOS."""
    try:
        listed = Path("/proc/mounts")
        if listed.is_file():
            return listed.read_text(encoding="utf-8", errors="surrogateescape")
        return subprocess.run(
            ["/sbin/mount"], capture_output=True, encoding="utf-8", errors="surrogateescape", check=True, timeout=10
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
