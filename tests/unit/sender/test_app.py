"""What the settings of a sender come to, before anything is opened."""

from __future__ import annotations

import pytest

from rankcast.errors import TransportError
from rankcast.net import SocketOptions
from rankcast.settings import set_layers, validate
from rankcast_sender import app
from rankcast_sender.sender_sockets import SenderOptions
from rankcast_sender.settings import SenderSettings


def test_queue_buffer_and_timeout_of_the_settings_are_those_of_the_sockets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[SocketOptions] = []

    def sockets(options: SenderOptions) -> None:
        found.append(options.connection())
        raise TransportError("that is enough")

    monkeypatch.setattr(app, "open_outlet", sockets)
    chosen = [
        "camera.source=synthetic:conveyor", "network.queue_messages=9",
        "network.buffer_bytes=65536", "network.unacknowledged_s=7",
    ]  # fmt: skip
    with pytest.raises(TransportError, match="enough"):
        app.run([validate(SenderSettings, set_layers(chosen))])
    (socket,) = found
    assert (socket.queue_messages, socket.buffer_bytes) == (9, 65_536)
    assert socket.unacknowledged_ms == 7000
