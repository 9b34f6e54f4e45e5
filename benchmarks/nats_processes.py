"""Servers of NATS on loopback, and viewers of one that only count bytes."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

PROGRAM: Final = shutil.which("nats-server", path="/usr/sbin:/usr/bin:/usr/local/bin")
START_S: Final = 60.0
READER: Final = """
import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.recv(65536)
connection.sendall(b"CONNECT {}\\r\\nSUB rankcast.*.*.frames 1\\r\\n")
while data := connection.recv(1 << 20):
    if b"PING\\r\\n" in data:
        connection.sendall(b"PONG\\r\\n")
"""
"""A viewer that decodes nothing, so that the server can be measured and not its viewers."""


class Servers:
    """Some servers; more than one form a cluster."""

    def __init__(self, folder: Path, count: int, stack: ExitStack) -> None:
        if PROGRAM is None:
            raise SystemExit("nats-server is not installed: apt-get install nats-server")
        self.ports = free_ports(count)
        routes = free_ports(count)
        listed = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
        self.processes: list[subprocess.Popen[bytes]] = []
        for number, port in enumerate(self.ports):
            config = folder / f"node{number}.conf"
            cluster = (
                f"cluster {{ name: bench, listen: 127.0.0.1:{routes[number]}, routes: [{listed}] }}"
            )
            config.write_text(
                f"listen: 127.0.0.1:{port}\nserver_name: node{number}\n"
                f'jetstream {{ store_dir: "{folder}/store{number}" }}\n'
                + (cluster if count > 1 else "")
            )
            process = subprocess.Popen([PROGRAM, "-c", str(config)], stderr=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)
            self.processes.append(process)
        self._wait_ready(count)

    def address(self, first: int = 0) -> str:
        """Return the address of all servers, one of them first."""
        ports = self.ports[first:] + self.ports[:first]
        return "nats://" + ",".join(f"127.0.0.1:{port}" for port in ports)

    def ask(self, what: str, data: Any) -> Any:
        """Ask JetStream at the first server; an error without an answer."""
        try:
            with socket.create_connection(("127.0.0.1", self.ports[0]), 2.0) as connection:
                body = json.dumps(data).encode()
                head = f"PUB $JS.API.{what} answer {len(body)}\r\n".encode()
                connection.sendall(b"CONNECT {}\r\nSUB answer 1\r\n" + head + body + b"\r\n")
                file = connection.makefile("rb")
                for line in file:
                    if line.startswith(b"MSG answer"):
                        return json.loads(file.read(int(line.split()[-1])) or b'{"error": 1}')
        except OSError:
            pass
        return {"error": "no answer"}

    def _wait_ready(self, count: int) -> None:
        until_s = time.monotonic() + START_S
        config = {"name": "probe", "subjects": ["probe"], "num_replicas": count}
        while "error" in self.ask("STREAM.CREATE.probe", config):
            if time.monotonic() > until_s:
                raise SystemExit("the servers are not ready")
            time.sleep(0.1)
        self.ask("STREAM.DELETE.probe", {})


@contextmanager
def servers(folder: Path, count: int = 1) -> Iterator[Servers]:
    """Run servers, with JetStream."""
    with ExitStack() as stack:
        yield Servers(folder, count, stack)


@contextmanager
def readers(port: int, count: int) -> Iterator[None]:
    """Run viewers that receive and count messages, and decode nothing."""
    with ExitStack() as stack:
        for _ in range(count):
            process = subprocess.Popen([sys.executable, "-c", READER, str(port)])
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield


def processor_s(pid: int) -> float:
    """Return the processor time of a process so far."""
    import os

    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that are free now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
