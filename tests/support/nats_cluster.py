"""Three nats-servers on loopback that form a cluster with JetStream."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from support.nats_server import BareClient, NatsServer

NODES = 3
READY_S = 60.0
"""An election takes up to nine seconds, and servers of a busy machine need several."""


class NatsCluster:
    """The servers, by their number."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        routes = _free_ports(NODES)
        listed = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
        self.nodes = []
        for number, port in enumerate(routes):
            text = (
                f"server_name: node{number}\n"
                f'jetstream {{ store_dir: "{folder}/store{number}" }}\n'
                f"cluster {{ name: plant, listen: 127.0.0.1:{port}, routes: [{listed}] }}\n"
            )
            node = NatsServer(folder, text, f"node{number}")
            stack.callback(node.kill)
            self.nodes.append(node)

    @property
    def address(self) -> str:
        """All servers, the first one first."""
        return self.address_of(*range(NODES))

    def address_of(self, *numbers: int) -> str:
        return "nats://" + ",".join(f"127.0.0.1:{self.nodes[number].port}" for number in numbers)

    def wait_ready(self) -> None:
        """Wait until the servers have a leader and all of them keep streams."""
        until_s = time.monotonic() + READY_S
        while True:
            config = {"name": "probe", "subjects": ["probe"], "num_replicas": NODES}
            if "error" not in self.ask("STREAM.CREATE.probe", config, until_s):
                self.ask("STREAM.DELETE.probe", {}, until_s)
                return
            assert time.monotonic() < until_s, "the cluster is not ready"
            time.sleep(0.1)  # nothing says when an election is over

    def leader(self, stream: str) -> int:
        """Return the number of the server that leads a stream."""
        until_s = time.monotonic() + READY_S
        while time.monotonic() < until_s:
            info = self.ask(f"STREAM.INFO.{stream}", {}, until_s)
            if name := info.get("cluster", {}).get("leader", ""):
                return int(name.removeprefix("node"))
            time.sleep(0.1)  # the same
        raise AssertionError(f"stream {stream} has no leader")

    def ask(self, what: str, data: Any, until_s: float) -> Any:
        """Ask JetStream through the first server that answers."""
        while time.monotonic() < until_s:
            for node in self.nodes:
                if not node.is_running:
                    continue
                with BareClient(node.port) as client:
                    client.subscribe("_probe")
                    client.publish(f"$JS.API.{what}", json.dumps(data).encode(), "_probe")
                    client.patience(2.0)
                    try:
                        return json.loads(client.message()[1] or b'{"error": {}}')
                    except TimeoutError:
                        continue
        return {"error": {"description": "no answer"}}


@contextmanager
def nats_cluster(folder: Path) -> Iterator[NatsCluster]:
    with ExitStack() as stack:
        cluster = NatsCluster(folder, stack)
        cluster.wait_ready()
        try:
            yield cluster
        finally:
            for node in cluster.nodes:
                if node.is_running:
                    node.signal(signal.SIGCONT)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
