"""A hub and the servers of two sites, on loopback, as docs/scale.md configures them."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from support.certificates import make_certificate
from support.nats_server import BareClient, NatsServer

REPOSITORY = Path(__file__).resolve().parents[2]
SITES = ("berlin", "lyon")
READY_S = 30.0


def documented(name: str) -> str:
    """Return a configuration of the document, without the address of its clients."""
    text = (REPOSITORY / "docs/scale.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- {name} -->(.*?)<!-- /{name} -->", text, re.S)
    assert found is not None, name
    return re.sub(r"^ *listen: \S+:4222.*$", "", found[1], flags=re.M)


class NatsSites:
    """The hub, and a leaf node for each site."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self._leaf_port = taken.getsockname()[1]
        self._folder = folder
        self._stack = stack
        make_certificate(folder)
        self.hub = self._run("hub", documented("hub.conf"))
        leaf = documented("leaf.conf")
        self.site = {
            name: self._run(name, leaf.replace("berlin", name).replace("BERLIN", name.upper()))
            for name in SITES
        }

    def wait_joined(self) -> None:
        """Wait until what one site publishes reaches the other."""
        until_s = time.monotonic() + READY_S
        with BareClient(self.site["berlin"].port) as publisher:
            while time.monotonic() < until_s:
                with BareClient(self.site["lyon"].port) as subscriber:
                    subscriber.subscribe("rankcast.*.*.status")
                    subscriber.patience(0.2)
                    time.sleep(0.05)  # the interest has no acknowledgement
                    publisher.publish("rankcast.berlin.probe.status", b"")
                    try:
                        subscriber.message()
                    except TimeoutError:
                        continue
                    return
        raise AssertionError("the sites do not reach each other")

    def _run(self, name: str, text: str) -> NatsServer:
        for written, here in (
            ("server.crt", f"{self._folder}/server.crt"),
            ("server.key", f"{self._folder}/server.key"),
            ("/var/lib/nats", f"{self._folder}/{name}"),
            ("0.0.0.0:7422", f"127.0.0.1:{self._leaf_port}"),
            ("HUB:7422", f"127.0.0.1:{self._leaf_port}"),
        ):
            text = text.replace(written, here)
        server = NatsServer(self._folder, text, name)
        self._stack.callback(server.kill)
        return server


@contextmanager
def nats_sites(folder: Path) -> Iterator[NatsSites]:
    with ExitStack() as stack:
        sites = NatsSites(folder, stack)
        sites.wait_joined()
        yield sites
