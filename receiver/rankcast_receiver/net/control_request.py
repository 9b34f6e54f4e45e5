"""ControlRequest: a request to a sender from another thread than the one that sends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rankcast.frame import Scalar
from rankcast.wire import Reply


class ControlRequest:
    """One request to a camera's sender, and its reply once that has come.

    The receive thread sends it and sets the reply; whoever asked looks at `reply` when it likes.

    Parameters
    ----------
    camera : str
        Name of the camera at its sender.
    op : str
        Operation of the control channel.
    args : mapping of str to scalar
    on_reply : callable
        Called once, with the reply or with a refusal, in the thread that sets it.
    """

    def __init__(
        self,
        camera: str,
        op: str,
        args: Mapping[str, Scalar],
        on_reply: Callable[[Reply], object] = lambda _: None,
    ) -> None:
        self.camera = camera
        self.op = op
        self.args = args
        self._on_reply = on_reply
        self.reply: Reply | None = None
        """None while it is awaited; a request that failed at this end has a refusal, too."""

    def fail(self, reason: str) -> ControlRequest:
        """Answer it with a refusal, because no reply will come."""
        return self.answer(Reply(0, False, reason))

    def answer(self, reply: Reply) -> ControlRequest:
        """Set the reply."""
        self.reply = reply
        self._on_reply(reply)
        return self
