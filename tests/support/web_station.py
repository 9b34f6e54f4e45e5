"""A sender, and a receiver with a web address, as real processes."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from support.fakes import free_address
from support.processes import Rankcast, rankcast
from support.web_page import ask, wait_until

SOURCE = "synthetic:conveyor?width=160&height=120&fps=20"


class WebStation:
    """Both processes; they end with the stack."""

    def __init__(
        self, stack: ExitStack, *options: str, sender: tuple[str, ...] = (), source: str = SOURCE
    ) -> None:
        self.address = free_address()
        self._stack, self._sender, self._source = stack, sender, source
        self.sender = self.start_sender()
        self.receiver: Rankcast = stack.enter_context(
            rankcast("receive", "--connect", self.address, "--web", "127.0.0.1:0", *options)
        )
        self.url = self.receiver.wait_line("web address: ").rpartition(" ")[2]

    def start_sender(self) -> Rankcast:
        options = ("send", "--source", self._source, "--bind", self.address, *self._sender)
        return self._stack.enter_context(rankcast(*options))

    def camera(self, name: str = "cam") -> dict[str, Any]:
        found = ask(self.url, f"api/cameras/{name}").json
        assert isinstance(found, dict)
        return found

    def wait_live(self) -> None:
        """Wait until the camera is live, and its picture has come to the server."""
        wait_until(lambda: (seen := self.camera()).get("live", False) and bool(seen["stream"]))
