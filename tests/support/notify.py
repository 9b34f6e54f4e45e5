"""The service manager's end of the notify socket."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from types import TracebackType


class NotifySocket:
    """Records the messages of a process to its service manager, with their times.

    Parameters
    ----------
    folder : Path
        For the socket; short, since its name must fit into 107 bytes.
    """

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self.told: list[tuple[float, str]] = []

    def read(self, timeout_s: float) -> str | None:
        """Return the next message; None after the timeout."""
        self._socket.settimeout(max(timeout_s, 0.001))
        try:
            message = self._socket.recv(4096).decode()
        except TimeoutError:
            return None
        self.told.append((time.monotonic(), message))
        return message

    def wait(self, message: str, timeout_s: float = 60.0) -> float:
        """Wait for `message` and return its time; earlier messages are recorded, too."""
        ends = time.monotonic() + timeout_s
        while self.read(ends - time.monotonic()) != message:
            assert time.monotonic() < ends, f"{message} never came: {self.told}"
        return self.told[-1][0]

    @property
    def messages(self) -> list[str]:
        """Return all messages so far."""
        return [message for _, message in self.told]

    def __enter__(self) -> NotifySocket:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
