"""Checks of the operating system: processors, buffers, shared memory, ports, clock."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from rankcast import pool
from rankcast.atomic_file import os_reason
from rankcast.commands.doctor.finding import Finding, note, ok, stops
from rankcast.net import CONTROL_PORT_OFFSET
from rankcast.runtime import clock_quality

LEAST_SOCKET_BYTES: Final = 262_144
"""Kernel buffer that both ends ask for by default, `network.buffer_bytes`."""
LEAST_PACKET_BYTES: Final = 10 << 20
"""Kernel buffer for GigE Vision cameras: 80 ms of 1 Gbit/s."""
LEAST_SHARED_BYTES: Final = 4 * 2448 * 2048 * 3
"""Four frames of a colour camera of 5 megapixels, in the memory shared with its grabber process."""
LEAST_DESCRIPTORS: Final = 1024
WORST_CLOCK_ERROR_MS: Final = 50.0
"""Above this, ages of frames between two stations say little."""
_SYSCTL: Final = Path("/proc/sys/net/core")
_SHARED: Final = Path("/dev/shm")


def check_system(port: int, host: str) -> Iterator[Finding]:
    """Check what the operating system grants.

    Parameters
    ----------
    port : int
        Port of frames on which a sender would listen.
    host : str
        Address of this machine at which it would; ``*`` is all of them.
    """
    yield _processors()
    yield from _descriptors()
    if sys.platform.startswith("linux"):
        yield _socket_buffers()
        yield _packet_buffers()
        yield _shared_memory()
    yield _port(host, port, "frames")
    yield _port(host, port + CONTROL_PORT_OFFSET, "control")
    yield _clock()


def _processors() -> Finding:
    allowed, all_of_them = pool.processors(), os.cpu_count() or 1
    text = f"{allowed} of {all_of_them}" if allowed < all_of_them else str(allowed)
    return ok("processors", text)


def _descriptors() -> Iterator[Finding]:
    if os.name == "nt":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    subject, found = "open files", f"{soft} a process"
    if soft != resource.RLIM_INFINITY and soft < LEAST_DESCRIPTORS:
        yield note(
            subject, found, f"ulimit -n {LEAST_DESCRIPTORS}: each viewer takes some (hard: {hard})"
        )
    else:
        yield ok(subject, "no limit" if soft == resource.RLIM_INFINITY else found)


def _sysctl(name: str) -> int:
    """Return a limit of the kernel, 0 where it does not tell."""
    try:
        return int((_SYSCTL / name).read_text())
    except (OSError, ValueError):
        return 0


def _socket_buffers() -> Finding:
    subject = "socket buffers"
    # Linux doubles what a socket asks for, and counts the limit before that.
    small = {name: _sysctl(name) for name in ("rmem_max", "wmem_max")}
    text = ", ".join(f"net.core.{name} {size:,} bytes" for name, size in small.items())
    if not all(small.values()):
        return note(subject, "the kernel does not tell", "nothing, inside a container")
    short = [name for name, size in small.items() if size < LEAST_SOCKET_BYTES]
    if short:
        fix = " ".join(f"net.core.{name}={LEAST_SOCKET_BYTES}" for name in short)
        return note(
            subject, f"{text}: less than network.buffer_bytes asks for", f"sudo sysctl -w {fix}"
        )
    return ok(subject, text)


def _packet_buffers() -> Finding:
    subject, most = "GigE packets", _sysctl("rmem_max")
    if not most:
        return note(subject, "the kernel does not tell", "nothing, inside a container")
    if most < LEAST_PACKET_BYTES:
        return note(
            subject,
            f"net.core.rmem_max {most:,} bytes",
            f"for GigE Vision cameras: sudo sysctl -w net.core.rmem_max={LEAST_PACKET_BYTES}",
        )
    return ok(subject, f"net.core.rmem_max {most:,} bytes")


def _shared_memory() -> Finding:
    subject = "shared memory"
    try:
        free = shutil.disk_usage(_SHARED).free
    except OSError as exc:
        return stops(
            subject, f"{_SHARED}: {os_reason(exc)}", f"mount a tmpfs at {_SHARED}: cameras need it"
        )
    found = f"{free / 1e6:,.0f} MB free in {_SHARED}"
    if not os.access(_SHARED, os.W_OK):
        return stops(subject, f"{_SHARED} is not writable", f"sudo chmod 1777 {_SHARED}")
    if free < LEAST_SHARED_BYTES:
        return note(
            subject,
            found,
            f"{LEAST_SHARED_BYTES / 1e6:,.0f} MB hold a 5-megapixel colour camera; in a container: "
            "--shm-size=512m",
        )
    return ok(subject, found)


def _port(host: str, port: int, purpose: str) -> Finding:
    subject, host = f"port {port}", host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family)) as probe:
        try:
            if os.name != "nt":
                # As libzmq does: a port that was in use a moment ago is free.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("" if host == "*" else host, port))
        except OSError as exc:
            return stops(
                subject, f"not free for {purpose} at {host}: {os_reason(exc)}", _port_advice(exc)
            )
    return ok(subject, f"free for {purpose} at {host}")


def _port_advice(exc: OSError) -> str:
    if exc.errno == errno.EADDRINUSE:
        return "end the sender that runs there, or send with another port: --bind tcp://HOST:PORT"
    if exc.errno == errno.EACCES:
        return "send with a port of 1024 or more: --bind tcp://HOST:PORT"
    return "give --host, and --bind of rankcast send, an address of this machine"


def _clock() -> Finding:
    subject, quality = "clock", clock_quality()
    if quality.synchronised is None:
        return note(subject, "this system does not tell", "nothing, if a time service runs")
    if not quality.synchronised:
        return note(
            subject,
            "not synchronised",
            "sudo apt-get install chrony, or enable systemd-timesyncd: saved times are those of "
            "this clock",
        )
    error_ms = quality.error_ms or 0.0
    if error_ms > WORST_CLOCK_ERROR_MS:
        return note(
            subject,
            f"synchronised, but may be {error_ms:.0f} ms off",
            "give the time service a nearer server",
        )
    return ok(subject, f"synchronised within {error_ms:.1f} ms")
