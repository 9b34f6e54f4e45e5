"""ChannelWriter: publishes frames and status of each stream on the subjects that it has."""

from __future__ import annotations

from rankcast.nats import FRAMES, STATUS, count_parts, subject_of
from rankcast.nats.client import NatsConnection
from rankcast.wire import MAIN, Kind, pack_status, split_stream
from rankcast_sender.nats.server_path import ServerPath
from rankcast_sender.nats.stream_keeper import StreamKeeper
from rankcast_sender.sockets import Channel


class ChannelWriter:
    """Writes to one connection, and counts for the streams of the server what they should have.

    Parameters
    ----------
    connection : NatsConnection
    site : str

    Notes
    -----
    Belongs to the event loop of the connection; `frames_unsent` may be read from any thread.
    """

    def __init__(self, connection: NatsConnection, site: str) -> None:
        self.frames_unsent = 0
        """Frames that were coded while the server could not take them."""
        self.keeper: StreamKeeper | None = None
        """Watches the streams of the server; None without."""
        self._connection = connection
        self._site = site

    async def frame(self, channel: Channel, path: ServerPath, data: bytes) -> bool:
        """Publish one packet with a picture; return False if the server cannot take it."""
        # One may have been coded, and another one begun, before the path was full.
        if path.is_over or not await self._publish(channel, FRAMES, data):
            self.frames_unsent += 1
            return False
        path.sent()
        return True

    async def status(self, channel: Channel, kind: Kind) -> None:
        """Publish the status of a stream, or its end."""
        packet = pack_status(
            kind, channel.stream_id, channel.status(channel.viewers), *channel.clocks_ns()
        )
        channel.on_status(packet)
        if self._connection.is_up:
            await self._publish(channel, STATUS, packet)

    async def _publish(self, channel: Channel, what: str, packet: bytes) -> bool:
        camera, stream = split_stream(channel.name)
        subject = subject_of(self._site, camera, what, stream)
        if not await self._connection.publish(subject, packet):
            return False
        if self.keeper is not None and stream == MAIN:
            messages = count_parts(len(packet), self._connection.max_payload)
            self.keeper.published(channel.name, messages)
        return True
