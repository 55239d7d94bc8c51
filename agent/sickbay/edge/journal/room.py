"""This looks at the file system under the journal: is there room to grow, and does it take writes at all?"""

import os
from pathlib import Path

HEADROOM_BYTES = 8 << 20  # of a small disk a twentieth
INODES_LEAST = 64
FULL_BYTES = 64 * 1024


def short(folder: Path, already: bool = False) -> str:
    """This returns "" while all is well, else what is short, for a person: nothing but what is grave may grow then.

    Where it was short `already`, a quarter more must be free: what hovers at the edge is told once.
    """
    try:
        found = os.statvfs(folder)
    except OSError:
        return ""
    if found.f_flag & os.ST_RDONLY:
        # ext4 remounts itself so after an error, and stays so when the disk is well again.
        return f"{folder}: the file system is read-only now. Check the disk, remount it for writing"
    free = found.f_bavail * found.f_frsize
    least = min(HEADROOM_BYTES, found.f_blocks * found.f_frsize // 20)
    more = 1.25 if already else 1.0
    if free < least * more:
        return (
            f"{folder}: {free >> 10} KiB of the disk are left, less than {least >> 10}; the ledger and the events stop "
            f"growing, only what is grave is added. Make room on it"
        )
    if found.f_files and found.f_favail < INODES_LEAST * more:
        return f"{folder}: {found.f_favail} inodes of the disk are left; no file can soon be made. Remove small files on it"
    return ""


def is_full(folder: Path) -> bool:
    """This returns whether there is no room to speak of."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < FULL_BYTES or bool(found.f_files and not found.f_favail)


def is_read_only(folder: Path) -> bool:
    """This returns whether the file system was mounted, or remounted itself, read-only."""
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False
