"""Aravis's fake GigE Vision camera: a real process that speaks the real protocol on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

import pytest

from rankcast_sender.devices.aravis import PACKAGES
from rankcast_sender.grabber import AravisOptions, DeviceSource, open_aravis
from rankcast_sender.grabber.bindings_python import bindings_python
from rankcast_sender.sources import check_query, parse_source
from support.own_loopback import own_loopback

PROGRAM: Final = "arv-fake-gv-camera-0.8"
SERIAL: Final = "RC01"
CAMERA_ID: Final = f"Aravis-Fake-{SERIAL}"
REQUIRED: Final = "REQUIRE_ARAVIS"
"""Set by `make test-aravis`: what is missing fails."""
WAIT_S: Final = 20.0
GVCP_PORT: Final = 3956
# GVCP: key, flags (acknowledge), command 2 (discovery), no payload, request 1.
DISCOVERY: Final = bytes.fromhex("42 01 0002 0000 0001")
_IMPORTS: Final = (
    "import sys; sys.path += sys.argv[1:]; import gi; gi.require_version('Aravis', '0.8'); "
    "from gi.repository import Aravis"
)


@cache
def missing() -> str:
    """Return what to install before these tests can run; empty if nothing is missing."""
    if shutil.which(PROGRAM) is None:
        return f"{PROGRAM} is missing: run apt-get install aravis-tools {PACKAGES}"
    chosen = bindings_python()
    tried = subprocess.run(
        [chosen.python or sys.executable, "-c", _IMPORTS, *chosen.packages], capture_output=True
    )
    return "" if tried.returncode == 0 else f"run apt-get install {PACKAGES}"


class FakeGige:
    """One fake camera; frames are 512 x 512, Mono8, 25 a second until something else is set."""

    def __init__(self, lost_per_thousand: int = 0) -> None:
        self._arguments = [PROGRAM, "-i", "127.0.0.1", "-s", SERIAL, "-r", str(lost_per_thousand)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and wait until it answers."""
        assert self._process is None
        self._process = subprocess.Popen(
            self._arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        ends_s = time.monotonic() + WAIT_S
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.05)
            while time.monotonic() < ends_s:
                assert self._process.poll() is None, f"{PROGRAM} ended"
                try:
                    probe.sendto(DISCOVERY, ("127.0.0.1", GVCP_PORT))
                    probe.recv(1024)
                except (TimeoutError, ConnectionRefusedError):
                    continue
                return
        raise AssertionError(f"{PROGRAM} did not answer within {WAIT_S:g} s")

    def kill(self) -> None:
        """End the process at once, as when the power is cut."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def fake_gige(lost_per_thousand: int = 0) -> Iterator[FakeGige]:
    """Start a fake camera in a network of its own, in which the test runs as well."""
    if why := missing():
        if os.environ.get(REQUIRED):
            pytest.fail(why)
        pytest.skip(why)
    with own_loopback():
        camera = FakeGige(lost_per_thousand)
        camera.start()
        try:
            yield camera
        finally:
            camera.kill()


@contextmanager
def opened(query: str) -> Iterator[DeviceSource]:
    """Open a source, which starts its process, and close it."""
    uri = parse_source(query)
    source = open_aravis(uri.path, check_query(AravisOptions, uri), newest_wins=True)
    try:
        source.open()
        yield source
    finally:
        source.close()
