"""Checks of what the station stores: keys, and the folder for pictures and recordings."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rankcast.atomic_file import os_reason
from rankcast.commands.doctor.finding import Finding, note, ok, stops
from rankcast.errors import SettingsError
from rankcast.net import SECRET_SUFFIX, load_authorized, read_public, read_secret

LEAST_FREE_BYTES: Final = 1 << 30
SLOW_DISK_BYTES_S: Final = 20e6
"""Below this a disk may not keep up with recording one lossless camera."""
_PROBE_BYTES: Final = 8 << 20


def check_key(path: Path) -> Finding:
    """Check a key file, or a folder of authorised keys, as a sender would read it."""
    subject = f"key {path.name}"
    try:
        if path.is_dir():
            keys = load_authorized(path)
            if not keys:
                return stops(subject, f"{path} is empty", "rankcast keys authorize NAME.pub")
            return ok(f"keys {path.name}", f"{len(keys)} authorised in {path}")
        if path.suffix == SECRET_SUFFIX:
            read_secret(path)
            return ok(subject, f"{path}: a secret key that its owner alone can read")
        read_public(path)
        return ok(subject, f"{path}: a public key")
    except SettingsError as exc:
        return stops(subject, str(exc), "rankcast keys new NAME makes a pair")


def check_folder(folder: Path, *, needed: bool = True) -> Iterator[Finding]:
    """Check the space and the speed of the disk under a folder for pictures or recordings.

    Parameters
    ----------
    folder : Path
    needed : bool
        False if nobody has said that something will be written there: nothing stops a stream then.
    """
    subject = f"folder {folder}"
    fault = stops if needed else note
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    try:
        free = shutil.disk_usage(nearest).free
        seconds = _write_time_s(nearest)
    except OSError as exc:
        yield fault(subject, os_reason(exc), "choose a folder that this user may write to")
        return
    found = f"{free / 1e9:,.1f} GB free"
    if free < LEAST_FREE_BYTES:
        yield fault(subject, found, "make room, or choose another disk")
    else:
        yield ok(subject, found)
    speed = _PROBE_BYTES / seconds
    text = f"{speed / 1e6:,.0f} MB/s written through to the disk"
    if speed < SLOW_DISK_BYTES_S:
        yield note(f"disk of {folder}", text, "record lossy streams there, or use a faster disk")
    else:
        yield ok(f"disk of {folder}", text)


def _write_time_s(folder: Path) -> float:
    """Return the time that a file takes until it is on the disk."""
    path = folder / f".rankcast-{secrets.token_hex(4)}.part"
    data = os.urandom(_PROBE_BYTES)
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        started_s = time.monotonic()
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
        return max(time.monotonic() - started_s, 1e-6)
    finally:
        os.close(descriptor)
        path.unlink()
