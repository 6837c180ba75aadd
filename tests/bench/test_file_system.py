"""Which file system a folder lies on, from what Linux and macOS list, and what runs make of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.file_system import kind, mounts
from bench.pipeline.run import run

LINUX = """\
sysfs /sys sysfs rw,nosuid 0 0
/dev/sda1 / ext4 rw,relatime 0 0
filer:/export/home /home nfs4 rw,vers=4.2 0 0
//filer/my\\040files /mnt/my\\040files cifs rw 0 0
gluster1:/v /scratch fuse.glusterfs rw 0 0
/dev/sdb1 /home/fast xfs rw 0 0
tmpfs /home/fast tmpfs rw 0 0
filer:/tabs /mnt/a\\011b\\012c\\134d nfs rw 0 0
filer:/ends /mnt/ef g nfs4 rw 0 0
"""
MACOS = """\
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
devfs on /dev (devfs, local, nobrowse)
/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse, protect)
map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)
//me@filer._smb._tcp.local/share on /Volumes/a share on disk (1) (smbfs, nodev, nosuid, mounted by me)
filer:/export on /Volumes/export (nfs, nodev, nosuid)
"""


@pytest.mark.parametrize(
    ("listing", "folder", "expected"),
    [
        (LINUX, "/", "ext4"),
        (LINUX, "/var/results", "ext4"),
        (LINUX, "/home/me/results", "nfs4"),
        (LINUX, "/home2", "ext4"),
        (LINUX, "/home/fast/results", "tmpfs"),  # the later mount covers the earlier one
        (LINUX, "/mnt/my files/results", "cifs"),
        (LINUX, "/mnt/a\tb\nc\\d/results", "nfs"),
        (LINUX, "/mnt/e\x0cf\u2028g/results", "nfs4"),
        (LINUX, "/scratch", "fuse.glusterfs"),
        (MACOS, "/Users/me", "apfs"),
        (MACOS, "/Volumes/a share on disk (1)/results", "smbfs"),
        (MACOS, "/Volumes/export/results", "nfs"),
        ("", "/home", ""),
        ("nonsense\n\n", "/home", ""),
    ],
)
def test_the_innermost_mount_counts(listing: str, folder: str, expected: str) -> None:
    assert kind(Path(folder), listing) == expected


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="not a supported system")
def test_this_computer_is_read(tmp_path: Path) -> None:
    assert kind(tmp_path.resolve(), mounts())


def test_clips_under_a_name_in_another_case_are_kept(tmp_path: Path) -> None:
    settings = {"suite": "quick@1", "models": ["noise"], "metrics": [], "duration": 0.1, "executor": {"workers": 0}}
    run(settings, tmp_path)
    made = {file: file.read_bytes() for file in tmp_path.glob("audio/noise/*.flac")}
    (tmp_path / "audio" / "NOISE").symlink_to("noise")  # as a disk that knows no case shows it
    run(settings, tmp_path)
    assert len(made) == 12
    assert {file: file.read_bytes() for file in tmp_path.glob("audio/noise/*.flac")} == made
