"""KeptCamera: reads one camera from its stream at the server until it is live."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from rankcast.boot_clock import boot_s
from rankcast.errors import NoStreamError, StoreError, WireError
from rankcast.nats import ANY, FRAMES, Assembler, PastOptions, parse_subject, split_name, subject_of
from rankcast.nats.jetstream import (
    DurableReader,
    JetStream,
    Start,
    Stored,
    StreamFacts,
    StreamReader,
    key_frame_before,
    place_of,
)
from rankcast.runtime import LogLimiter
from rankcast.wire import Limits
from rankcast_receiver.nats.acknowledgements import Acknowledgements, PacketKey, key_of
from rankcast_receiver.nats.lag import Lag, duration_text
from rankcast_receiver.stream import ReceivedPacket, read_packet

log = logging.getLogger(__name__)

JOIN_PENDING: Final = 32
"""Messages before the end of the stream at which live frames are subscribed to."""
MAX_HELD: Final = 512
MAX_HELD_BYTES: Final = 64 * 1024 * 1024
PATIENCE_S: Final = 2.0
"""A live frame that the stream does not have after this time was not stored."""
ELECTION_S: Final = 12.0
"""A cluster whose leader of a stream is gone elects another one within about nine."""
ROOM_S: Final = 0.005
RETRY_S: Final = 1.0
MARGIN_S: Final = 3.0
"""Catching up begins this much before the last frame: frames that come twice are dropped by their
sequence."""
LONGEST_PAUSE_S: Final = 5.0
"""Longer pauses between frames of the past are skipped."""


@dataclass(frozen=True, slots=True)
class Ways:
    """What a camera that is read from its stream needs of the inlet."""

    jetstream: JetStream
    deliver: Callable[[ReceivedPacket], ReceivedPacket]
    """Hands a packet to the receiver; returns it as it was placed."""
    has_room: Callable[[int], bool]
    """True while so many more bytes may wait to be decoded."""
    oldest_s: Callable[[str], float | None]
    """When the oldest packet of a camera that waits to be decoded was received; None without."""
    follow: Callable[[str], Awaitable[None]]
    """Subscribes to the live frames of a camera."""
    unfollow: Callable[[str], Awaitable[None]]
    """Ends that subscription."""
    note: Callable[[], None]
    """Tells the receiver that a camera is in the past, before any of its frames."""
    limits: Limits


class KeptCamera:
    """Plays what the stream of one camera has, then hands over to the live frames.

    Live packets are held from shortly before the end of the stream on. Once the stream delivers the
    first of them, the two overlap: the others follow, and the stream is left. What the stream
    lacks, because its leader was gone for a while, is taken from those that are held. A durable
    consumer never leaves the stream.

    Parameters
    ----------
    name : str
        ``SITE.CAMERA``.
    options : PastOptions
    ways : Ways
    missed_s : float, optional
        Catch up with what was published in so many seconds, in place of `PastOptions.since`.
    recorder : str, optional
        8 hexadecimal digits, the same for all cameras of this recorder, see `Claim`.
    """

    def __init__(
        self,
        name: str,
        options: PastOptions,
        ways: Ways,
        missed_s: float | None = None,
        recorder: str = "00000000",
    ) -> None:
        self.name = name
        self.is_live = False
        """True once its packets no longer come from the stream."""
        self.joined = False
        """True while its live frames are subscribed to."""
        self.foreign = 0
        """Messages in the stream that are no packets of the camera."""
        self.acknowledgements = Acknowledgements(self._acknowledge)
        self._options = options
        self._ways = ways
        self._missed_s = missed_s
        self._claim_token = recorder + secrets.token_hex(4)
        self._durable: DurableReader | None = None
        site, camera = split_name(name)
        self._frames = subject_of(site, camera, FRAMES)
        self._subject = subject_of(site, camera, ANY)
        limits = ways.limits
        self._assembler = Assembler(limits.max_packet_bytes, 2 * limits.max_packet_bytes)
        self._next_sequence = 0
        self._frames_played = 0
        self._wanted_ns = 0
        self._base: tuple[float, int] | None = None
        self._lag = Lag(lambda: ways.oldest_s(name))
        self._is_noted = False
        self._answers = False
        self._last: PacketKey | None = None
        """The picture that was delivered last."""
        self._pending = 0
        self._heard_s = boot_s()
        self._held: deque[ReceivedPacket] = deque()
        self._held_bytes = 0
        self._held_since_s = 0.0
        self._trouble_log = LogLimiter(60.0)
        self._replies: set[asyncio.Future[bool]] = set()

    @property
    def behind(self) -> str:
        """How far this camera is in the past, in one line; empty in the present."""
        speed, behind_s = self._options.speed, self._lag.behind_s
        reads = not self.is_live and (self._pending > 0 or speed > 0)
        if not (behind_s and (reads or self._lag.is_waiting)):
            return ""
        pace = f", {speed:g} times as fast" if speed not in (0.0, 1.0) else ""
        return f"{duration_text(behind_s)} behind live, from the stream at the server{pace}"

    @property
    def waits(self) -> str:
        """Which recorder has the durable name that is waited for, in one line; else empty."""
        return "" if self._durable is None else self._durable.waits

    @property
    def catches_up(self) -> bool:
        """True while packets of the stream are still to come."""
        return not self.is_live and (not self._lag.newest_ns or self._pending > 0)

    def hold(self, received: ReceivedPacket) -> bool:
        """Take a live packet; return False if it goes to the receiver as always."""
        if self.is_live:
            return False
        if not self.joined:
            return True  # the stream has it too
        if not self._held:
            self._held_since_s = boot_s()
        self._held.append(received)
        self._held_bytes += len(received.data)
        while self._options.durable and self._is_full:
            self._drop_first()
        return True

    @property
    def _is_full(self) -> bool:
        return len(self._held) > MAX_HELD or self._held_bytes > MAX_HELD_BYTES

    async def tick(self, now_s: float, *, is_up: bool = True) -> None:
        """Join, leave or give up the stream where it has not come to an end by itself."""
        self._lag.tick()
        # Without a connection no stream can be joined; the next session joins again.
        if self.is_live or not is_up:
            return
        if self._options.durable:
            if not self.joined:
                await self._join()
            return
        if self._is_full:
            # The stream is read more slowly than the camera sends: join again later.
            self._drop_held()
            self.joined = False
            await self._ways.unfollow(self.name)
        silent_s = now_s - self._heard_s
        patience_s = PATIENCE_S if self._answers else ELECTION_S
        if not self.joined and silent_s > PATIENCE_S and not self._pending:
            await self._join()
        elif self._held and silent_s > patience_s and now_s - self._held_since_s > patience_s:
            self._go_live(0)

    async def run(self) -> None:
        """Read the stream until the camera is live, the connection ends, or this is cancelled."""
        jetstream = self._ways.jetstream
        # Parts of before this connection are complete in the stream.
        self._assembler.clear()
        self._drop_held()
        # What was missed is near: live frames are held from the start.
        self.joined = False
        self._answers, self._heard_s = False, boot_s()
        if self._missed_s is not None:
            await self._join()
        while not self.is_live:
            try:
                await self._read(jetstream)
                return
            except (StoreError, NoStreamError) as exc:
                if not jetstream.connection.is_up:
                    return
                if self._trouble_log.may_log():
                    log.warning("%s: its stream at the server cannot be read: %s", self.name, exc)
                if isinstance(exc, StoreError) and not self._options.durable:
                    self._go_live(0)
                    return
                await asyncio.sleep(RETRY_S)

    async def _read(self, jetstream: JetStream) -> None:
        names = await jetstream.names(self._frames)
        facts = await jetstream.stream(names[0]) if names else None
        if facts is None:
            if self._missed_s is None:
                raise StoreError(
                    "no stream keeps this camera: set nats.keep_age_s at its sender, or leave out "
                    "--since and --durable"
                )
            self._go_live(0)
            return
        reader = await self._reader(jetstream, facts)
        self._answers = True
        async with aclosing(reader.read()) as messages:
            async for stored in messages:
                await self._take(stored)
                self._next_sequence = reader.next_sequence
                if self.is_live:
                    return

    async def _reader(self, jetstream: JetStream, facts: StreamFacts) -> StreamReader:
        durable = self._options.durable
        if not durable:
            if not self._next_sequence:
                self._next_sequence = await self._first(jetstream, facts)
            return StreamReader(jetstream, facts.name, self._subject, self._next_sequence)
        first = 0
        if not self.acknowledgements.next_sequence:
            if await jetstream.consumer(facts.name, durable) is None:
                first = await self._first(jetstream, facts)
            elif self._options.since is not None:
                log.info("%s: the durable consumer %s exists: it goes on where it was, whatever "
                         "--since says", self.name, durable)  # fmt: skip
        reader = DurableReader(
            jetstream, facts.name, self._subject, durable, first, self._claim_token,
            held=self._durable is not None and self._durable.held,
        )  # fmt: skip
        reader.next_sequence = self.acknowledgements.next_sequence
        self._durable = reader
        return reader

    async def _first(self, jetstream: JetStream, facts: StreamFacts) -> int:
        """Return the message with which reading begins."""
        present = await self._place(jetstream, facts, None)
        self._lag.server_ahead_ns = present.t_server_ns - time.time_ns()
        if self._missed_s is not None:
            # What comes before the last frame is dropped, and what follows builds on it.
            t_ns = present.t_server_ns - int((self._missed_s + MARGIN_S) * 1e9)
            return (await self._place(jetstream, facts, t_ns)).stream_sequence
        place, since = present, self._options.since
        if since is not None:
            self._wanted_ns = since.at_ns(present.t_server_ns)
            place = await self._place(jetstream, facts, self._wanted_ns)
            if facts.messages and self._wanted_ns < facts.t_first_ns:
                log.warning("%s: its stream begins at %s, after the time that was asked for: it "
                            "starts there", self.name, _utc(facts.t_first_ns))  # fmt: skip
            else:
                log.info("%s: from %s on, out of its stream", self.name, _utc(self._wanted_ns))
        return await key_frame_before(
            jetstream, facts.name, place.stream_sequence, facts.first_sequence
        )

    async def _place(self, jetstream: JetStream, facts: StreamFacts, t_ns: int | None) -> Start:
        return await place_of(jetstream, facts.name, self._subject, t_ns)

    async def _take(self, stored: Stored) -> None:
        """Take one message of the stream."""
        self._heard_s = boot_s()
        # A message that waits for its time, or for room, is still to come.
        self._lag.newest_ns, self._pending = stored.place.t_stored_ns, stored.place.pending + 1
        await self._play(stored)
        self._pending = stored.place.pending

    async def _play(self, stored: Stored) -> None:
        """Deliver the packet that a message completes, if any, and join the live frames."""
        durable = bool(self._options.durable)
        if durable and not self.acknowledgements.deliver(stored):
            return
        received = self._packet(stored)
        if received is None:
            return
        await self._pace(stored.place.t_stored_ns)
        while not self._ways.has_room(len(received.data)):
            await asyncio.sleep(ROOM_S)
        if not self._is_noted and self.behind:
            self._is_noted = True
            self._ways.note()
        for earlier in self._between(received):
            self._forward(earlier, stored.place.stream_sequence - 1)
        self._forward(received, stored.place.stream_sequence)
        if durable:
            return
        if self._held and self._held[0].data == received.data:
            self._go_live(1)
        elif not self.joined and stored.place.pending <= JOIN_PENDING:
            await self._join()

    def _forward(self, received: ReceivedPacket, sequence: int) -> None:
        """Deliver a packet that this message of the stream ends with, or one before it."""
        # Before the decoder can take it.
        self._lag.forward(received.t_received_s)
        placed = self._ways.deliver(received)
        if placed.packet is None:
            return
        if received.packet is not None and received.is_picture:
            self._frames_played += 1
            self._last = key_of(received.packet.header)
        if self._options.durable:
            self.acknowledgements.forward(key_of(placed.packet.header), sequence)

    def _between(self, received: ReceivedPacket) -> list[ReceivedPacket]:
        """Return the live pictures before this one that the stream does not have."""
        if received.packet is None or not received.is_picture:
            return []
        now, found = key_of(received.packet.header), []
        while self._held and _is_before(self._held[0], now):
            held = self._drop_first()
            packet, last = held.packet, self._last
            if packet is None or not held.is_picture or last is None:
                continue
            if last.stream_id == now.stream_id and packet.header.sequence > last.sequence:
                found.append(held)
        return found

    def _drop_first(self) -> ReceivedPacket:
        first = self._held.popleft()
        self._held_bytes -= len(first.data)
        return first

    def _packet(self, stored: Stored) -> ReceivedPacket | None:
        """Return the packet that a message completes; None if it completes none."""
        sequence = stored.place.stream_sequence
        try:
            subject = parse_subject(stored.subject)
            data = self._assembler.take(stored.subject, stored.data)
        except WireError as exc:
            self.foreign += 1
            self.acknowledgements.discard(sequence)
            log.debug("%s: ignored a message of its stream: %s", self.name, exc)
            return None
        if data is None:
            return None
        received = read_packet(self.name, subject.channel, data, self._ways.limits, boot_s())
        if received.packet is None:
            self.acknowledgements.discard(sequence)
        return received

    async def _pace(self, t_stored_ns: int) -> None:
        """Wait until a packet is due."""
        if not self._options.speed or t_stored_ns < self._wanted_ns:
            return
        now_s = boot_s()
        if self._base is None:
            self._base = now_s, t_stored_ns
        due_s = self._base[0] + (t_stored_ns - self._base[1]) / 1e9 / self._options.speed
        if due_s - now_s > LONGEST_PAUSE_S:
            self._base = now_s, t_stored_ns
        elif due_s > now_s:
            await asyncio.sleep(due_s - now_s)

    async def _join(self) -> None:
        self.joined = True
        await self._ways.follow(self.name)

    def _go_live(self, known: int) -> None:
        """Deliver the live packets that were held, but the first ones, which are known."""
        self.is_live = True
        for received in list(self._held)[known:]:
            self._ways.deliver(received)
        self._drop_held()
        if self._frames_played:
            log.info("%s: live, after %d frames of its stream", self.name, self._frames_played)

    def _drop_held(self) -> None:
        self._held.clear()
        self._held_bytes = 0

    def _acknowledge(self, subject: str) -> None:
        task = asyncio.ensure_future(self._ways.jetstream.connection.publish(subject, b"+ACK"))
        self._replies.add(task)
        task.add_done_callback(self._replies.discard)

    def recorded(self, key: PacketKey) -> None:
        """Note a packet that is in the recording."""
        self.acknowledgements.record(key)


def _is_before(held: ReceivedPacket, picture: PacketKey) -> bool:
    """Return whether a live packet is older than a picture of the same stream."""
    if held.packet is None:
        return True
    header, status = held.packet.header, held.status
    newest = header.sequence if status is None else status.published
    limit = picture.sequence if status is None else picture.sequence + 1
    return header.stream_id == picture.stream_id and newest < limit


def _utc(t_ns: int) -> str:
    return f"{datetime.fromtimestamp(t_ns // 10**9, UTC):%Y-%m-%d %H:%M:%S} UTC"
