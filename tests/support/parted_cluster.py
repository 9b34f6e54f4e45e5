"""Three nats-servers in network namespaces of their own: each can be cut off without a word."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from support.nats_server import BareClient, need_nats_server
from support.own_loopback import own_loopback

NODES: Final = 3
PORT: Final = 4222
ROUTES: Final = 6222
"""Port for the other servers."""
READY_S: Final = 60.0
# Dropped on the way in and out: neither side gets a reset or an error.
_CUT: Final = (
    "add table inet cut; "
    "add chain inet cut in {{ type filter hook input priority 0; policy {0}; }}; "
    "add chain inet cut out {{ type filter hook output priority 0; policy {0}; }}"
)


class PartedNode:
    """One server, and the network that only it is in."""

    def __init__(self, number: int, folder: Path, stack: ExitStack) -> None:
        self.host = _host(number)
        self._folder = folder
        self._number = number
        self._log = (folder / f"node{number}.log").open("ab")
        stack.callback(self._log.close)
        self._holder = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
        stack.callback(_kill, self._holder)
        self._inside = ("nsenter", "-t", str(self._holder.pid), "-n")
        self._connect()
        self._server = subprocess.Popen(
            [*self._inside, need_nats_server(), "-c", str(self._write_config())],
            stdout=self._log, stderr=self._log,
        )  # fmt: skip
        stack.callback(_kill, self._server)

    def cut(self) -> None:
        """Drop every packet from and to this server from now on."""
        _run(*self._inside, "nft", _CUT.format("drop"))

    def cut_routes(self) -> None:
        """Drop the packets between this server and the others; clients still reach it."""
        way = "; ".join(
            f"add rule inet cut {chain} tcp {end} {ROUTES} drop"
            for chain in ("in", "out") for end in ("dport", "sport")
        )  # fmt: skip
        _run(*self._inside, "nft", f"{_CUT.format('accept')}; {way}")

    def mend(self) -> None:
        """Let packets through again."""
        _run(*self._inside, "nft", "delete table inet cut")

    def try_cut(self) -> None:
        """Skip where packets cannot be dropped."""
        found = subprocess.run(
            [*self._inside, "nft", _CUT.format("accept")], capture_output=True, text=True
        )
        if found.returncode:
            pytest.skip(f"nft drops no packets here: {found.stderr.strip()}")
        self.mend()

    def _connect(self) -> None:
        outside = os.readlink("/proc/thread-self/ns/net")
        until_s = time.monotonic() + READY_S
        while os.readlink(f"/proc/{self._holder.pid}/ns/net") == outside:
            assert time.monotonic() < until_s, "no namespace of its own"
            time.sleep(0.01)  # `unshare` says nothing when it is in it
        link, pid = f"node{self._number}", str(self._holder.pid)
        _run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", pid)
        _run("ip", "link", "set", link, "master", "plant", "up")
        _run(*self._inside, "ip", "link", "set", "lo", "up")
        _run(*self._inside, "ip", "addr", "add", f"{self.host}/24", "dev", "eth0")
        _run(*self._inside, "ip", "link", "set", "eth0", "up")

    def _write_config(self) -> Path:
        routes = ", ".join(f'"nats://{_host(number)}:{ROUTES}"' for number in range(NODES))
        path = self._folder / f"node{self._number}.conf"
        path.write_text(
            f"server_name: node{self._number}\n"
            f"listen: {self.host}:{PORT}\n"
            f'jetstream {{ store_dir: "{self._folder}/store{self._number}" }}\n'
            f"cluster {{ name: plant, listen: {self.host}:{ROUTES}, routes: [{routes}] }}\n"
        )
        return path


class PartedCluster:
    """The servers, by their number."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        _run("ip", "link", "add", "plant", "type", "bridge")
        _run("ip", "addr", "add", f"{_host(-1)}/24", "dev", "plant")
        _run("ip", "link", "set", "plant", "up")
        self.nodes = [PartedNode(number, folder, stack) for number in range(NODES)]
        self.nodes[0].try_cut()

    def address_of(self, *numbers: int) -> str:
        return "nats://" + ",".join(f"{self.nodes[number].host}:{PORT}" for number in numbers)

    def wait_ready(self) -> None:
        """Wait until each server knows the others, and all of them keep streams."""
        until_s = time.monotonic() + READY_S
        for node in self.nodes:
            while True:
                try:
                    with BareClient(PORT, node.host) as client:
                        if len(client.info.get("connect_urls", ())) == NODES:
                            break
                except OSError:
                    pass
                assert time.monotonic() < until_s, "the cluster is not ready"
                time.sleep(0.1)  # nothing says when the routes are there
        config = {"name": "probe", "subjects": ["probe"], "num_replicas": NODES}
        while not self._ask("STREAM.CREATE.probe", config):
            assert time.monotonic() < until_s, "the cluster keeps no streams"
            time.sleep(0.1)  # nothing says when an election is over
        self._ask("STREAM.DELETE.probe", {})

    def _ask(self, what: str, data: Any) -> bool:
        """Ask JetStream through the first server; return whether it did that."""
        with BareClient(PORT, self.nodes[0].host) as client:
            client.subscribe("_probe")
            client.publish(f"$JS.API.{what}", json.dumps(data).encode(), "_probe")
            client.patience(3.0)
            try:
                return "error" not in json.loads(client.message()[1] or b'{"error": {}}')
            except TimeoutError:
                return False


@contextmanager
def parted_cluster(folder: Path) -> Iterator[PartedCluster]:
    """Run the servers; the thread of the test is in the network that reaches all of them."""
    need_nats_server()
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("namespaces need root")
    for tool in ("unshare", "nsenter", "ip", "nft"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} on this machine")
    before = os.readlink("/proc/thread-self/ns/net")
    with own_loopback(), ExitStack() as stack:
        if os.readlink("/proc/thread-self/ns/net") == before:
            pytest.skip("no network namespace of our own here")
        cluster = PartedCluster(folder, stack)
        cluster.wait_ready()
        yield cluster


def _host(number: int) -> str:
    return f"10.77.0.{number + 2}"


def _run(*command: str) -> None:
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode:
        pytest.skip(f"no network of our own here: {command[0]}: {found.stderr.strip()}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
