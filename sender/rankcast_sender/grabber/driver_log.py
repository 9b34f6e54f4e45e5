"""DriverLog: what a driver prints, in the log of the sender."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import IO, Final

from rankcast.credentials import without_secrets
from rankcast.printable import printable
from rankcast.runtime import LogLimiter

log = logging.getLogger(__name__)

MAX_LINE_BYTES: Final = 4096
_SHOWN: Final = 300
_INTERVAL_S: Final = 1.0
_BURST: Final = 10


class DriverLog:
    """Logs the lines that drivers write to the standard streams of a grabber process.

    Parameters
    ----------
    name : str
        Name of the camera in the log.
    secrets : sequence of str
        Texts that are never logged.
    """

    def __init__(self, name: str, secrets: Sequence[str] = ()) -> None:
        self._name = name
        self._secrets = sorted((text for text in secrets if text), key=len, reverse=True)
        self._limiter = LogLimiter(_INTERVAL_S, _BURST)
        self.last = ""
        """The newest line."""

    def read(self, stream: IO[bytes]) -> None:
        """Log all lines until the process ends."""
        while line := stream.readline(MAX_LINE_BYTES):
            self.add(line)

    def add(self, line: bytes) -> None:
        """Log one line, without credentials, unless there were too many of late."""
        text = self.redact(" ".join(line.decode("utf-8", "replace").split()))
        if not text:
            return
        self.last = printable(text)[:_SHOWN]
        if self._limiter.may_log():
            more = self._limiter.suppressed
            log.warning("%s: driver: %s%s", self._name, self.last,
                        f" ({more} lines left out)" if more else "")  # fmt: skip

    def redact(self, text: str) -> str:
        """Return `text` without credentials."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return without_secrets(text)
