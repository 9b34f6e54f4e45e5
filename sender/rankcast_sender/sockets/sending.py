"""What is handed to libzmq, in the thread of the XPUB socket."""

from __future__ import annotations

import zmq

from rankcast.wire import Kind, frames_topic, pack_status, status_topic
from rankcast_sender.sockets.channel import (
    Channel,
    NewStream,
    NumberedPacket,
    Outgoing,
    StreamPause,
)


def send(xpub: zmq.Socket[bytes], channel: Channel, item: Outgoing) -> bool:
    """Hand one item to libzmq; False if it has no room."""
    if isinstance(item, NewStream | StreamPause):
        kind = Kind.STATUS if isinstance(item, NewStream) else Kind.END
        return publish_status(xpub, channel, kind)
    data = item.data if isinstance(item, NumberedPacket) else item
    if data:
        if channel.withheld:  # nobody can have asked for it
            channel.on_lost(1)
            return True
        if not _offer(xpub, frames_topic(channel.name) + data):
            return False
        channel.on_sent()
        if channel.joins is not None:
            number = item.sequence if isinstance(item, NumberedPacket) else channel.sent
            channel.joins.sent(data, number)
    return True


def publish_status(xpub: zmq.Socket[bytes], channel: Channel, kind: Kind) -> bool:
    """Publish a status or an end; False if there is no room."""
    if channel.withheld or channel.silent:
        return True
    status = channel.status(channel.viewers)
    packet = pack_status(kind, channel.stream_id, status, *channel.clocks_ns())
    channel.on_status(packet)
    return _offer(xpub, status_topic(channel.name) + packet)


def send_catch_up(xpub: zmq.Socket[bytes], channel: Channel, topic: bytes) -> int:
    """Send the viewer with this individual topic what it needs to go on, if there is that.

    Returns
    -------
    int
        Bytes that were sent.
    """
    found = None if channel.joins is None else channel.joins.joined(topic)
    return 0 if found is None or not _offer(xpub, topic + found) else len(found)


def _offer(xpub: zmq.Socket[bytes], message: bytes) -> bool:
    try:
        # Copied: to avoid the copy, which takes 50 us, pyzmq would need another thread.
        xpub.send(message, zmq.NOBLOCK)
    except zmq.Again:
        return False
    return True
