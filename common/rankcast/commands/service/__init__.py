"""The command ``rankcast service``: an end of a stream as a service of systemd."""

from rankcast.commands.service.command import service

__all__ = ["service"]
