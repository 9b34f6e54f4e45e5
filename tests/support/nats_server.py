"""A real nats-server on loopback, and a bare client that says what it likes."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

START_S = 10.0
_PROGRAM = shutil.which("nats-server", path="/usr/sbin:/usr/bin:/usr/local/bin") or shutil.which(
    "nats-server"
)


def need_nats_server() -> str:
    """Return the program, or skip with a visible reason."""
    if _PROGRAM is None:
        pytest.skip("nats-server is not installed: apt-get install nats-server")
    return _PROGRAM


class NatsServer:
    """One server on a port of its own; `text` is further configuration."""

    def __init__(self, folder: Path, text: str = "", name: str = "nats") -> None:
        self._program = need_nats_server()
        self._log = folder / f"{name}.log"
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port: int = taken.getsockname()[1]
        self._config = folder / f"{name}.conf"
        self._config.write_text(f"listen: 127.0.0.1:{self.port}\n{text}\n")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def address(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self._config)], stdout=log, stderr=log
            )
        until_s = time.monotonic() + START_S
        while time.monotonic() < until_s and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
                return
            except OSError:
                time.sleep(0.01)  # the server says nothing when it is ready
        raise AssertionError(f"nats-server did not start: {self._log.read_text()}")

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def nats_server(folder: Path, text: str = "") -> Iterator[NatsServer]:
    server = NatsServer(folder, text)
    try:
        yield server
    finally:
        server.kill()


class BareClient:
    """Speaks the protocol of NATS over a socket, without the client library."""

    def __init__(self, port: int, host: str = "127.0.0.1", **options: Any) -> None:
        self._socket = socket.create_connection((host, port), 5.0)
        self._file = self._socket.makefile("rb")
        self.info = json.loads(self._line().partition(b" ")[2])
        self._send(b"CONNECT " + json.dumps({"verbose": False, **options}).encode() + b"\r\n")
        self.ping()

    def publish(self, subject: str, data: bytes, reply: str = "") -> None:
        head = (
            f"PUB {subject} {reply} {len(data)}\r\n" if reply else f"PUB {subject} {len(data)}\r\n"
        )
        self._send(head.encode() + data + b"\r\n")

    def subscribe(self, subject: str) -> None:
        self._send(f"SUB {subject} 1\r\n".encode())
        self.ping()

    def message(self) -> tuple[str, bytes]:
        """Return subject and data of the next message."""
        while True:
            line = self._line()
            if found := re.fullmatch(rb"MSG (\S+) \S+ (?:\S+ )?(\d+)", line):
                data = self._file.read(int(found[2]) + 2)[:-2]
                return found[1].decode(), data

    def patience(self, seconds: float) -> None:
        """Wait no longer than this for each further byte."""
        self._socket.settimeout(seconds)

    def ping(self) -> None:
        """Wait until the server has taken all that was sent."""
        self._send(b"PING\r\n")
        while (line := self._line()) != b"PONG":
            assert not line.startswith(b"-ERR"), line

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def __enter__(self) -> BareClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def _line(self) -> bytes:
        line = self._file.readline()
        assert line, "the server closed the connection"
        if line == b"PING\r\n":
            self._send(b"PONG\r\n")
            return self._line()
        return line.rstrip(b"\r\n")
