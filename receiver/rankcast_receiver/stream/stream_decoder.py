"""StreamDecoder: decodes a batch of packets, camera by camera, within one time budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from rankcast.boot_clock import boot_s
from rankcast_receiver.stream.camera_states import CameraStates
from rankcast_receiver.stream.camera_stream import CameraStream
from rankcast_receiver.stream.decoded import Decoded
from rankcast_receiver.stream.packet_queue import PacketBatch
from rankcast_receiver.stream.picture_decoder import DECODE_BUDGET_S
from rankcast_receiver.stream.received_packet import ReceivedPacket
from rankcast_receiver.stream.sender_streams import SenderStreams

STATES_INTERVAL_S: Final = 0.05
"""Shortest interval between two evaluations of the states."""


class StreamDecoder:
    """Decodes the packets of all senders.

    Parameters
    ----------
    senders : sequence of SenderStreams
    states : CameraStates
        Updated after each batch, before its frames are returned.
    stopped : callable
        Called before each picture; True ends decoding.
    budget_s : float
        Time for all pictures of one batch.
    now_s : callable
        Monotonic clock.
    """

    def __init__(
        self,
        senders: Sequence[SenderStreams],
        states: CameraStates,
        stopped: Callable[[], bool] = lambda: False,
        budget_s: float = DECODE_BUDGET_S,
        *,
        now_s: Callable[[], float] = boot_s,
    ) -> None:
        self._senders = senders
        self._states = states
        self._stopped = stopped
        self._budget_s = budget_s
        self._now_s = now_s
        self._next_states_s = float("-inf")

    def decode(self, batch: PacketBatch) -> Sequence[Decoded]:
        """Decode one batch of packets, and return frames held back earlier if they are due.

        Cameras share the budget, and the one with the longest backlog is decoded last: a camera
        that is too fast to decode takes no time from the others. Each camera may start at least
        one picture.
        """
        waiting, dropped = self._route(batch)
        until_s = self._now_s() + self._budget_s
        turns = []
        for done, stream in enumerate(sorted(waiting, key=lambda stream: len(waiting[stream]))):
            share_s = (until_s - self._now_s()) / (len(waiting) - done)
            turns.append(
                stream.decode(
                    waiting[stream], share_s, self._stopped, dropped=dropped.get(stream, 0)
                )
            )
        # After decoding, so that packets queued while this process was suspended do not count as
        # silence; before the frames are handed out, so that a late frame gets its own state.
        now_s = self._now_s()
        if now_s >= self._next_states_s:
            self._next_states_s = now_s + STATES_INTERVAL_S
            for sender, link in zip(self._senders, batch.links, strict=True):
                sender.retire(link)
                sender.tick()
            self._states.update(self._senders, batch.links)
        return turns

    def stop(self) -> None:
        """Account for frames still held: `decode` will not be called again."""
        for sender in self._senders:
            for stream in sender.streams.values():
                stream.stop()

    def _route(
        self, batch: PacketBatch
    ) -> tuple[dict[CameraStream, list[ReceivedPacket]], dict[CameraStream, int]]:
        waiting: dict[CameraStream, list[ReceivedPacket]] = {
            stream: []
            for sender in self._senders
            for stream in sender.streams.values()
            if stream.unfinished
        }
        dropped: dict[CameraStream, int] = {}
        for key, packets in batch.packets.items():
            for received in packets:
                stream = self._senders[key.sender].route(received)
                if stream is not None:
                    waiting.setdefault(stream, []).append(received)
                    dropped[stream] = batch.dropped.get(key, 0)
        return waiting, dropped
