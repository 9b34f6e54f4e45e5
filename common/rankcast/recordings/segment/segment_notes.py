"""SegmentNotes: what the records of one file said so far, and the messages they make of others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rankcast.errors import RecordingError, WireError
from rankcast.recordings.segment import mcap_format as mcap
from rankcast.recordings.segment.channels import PACKET_ENCODING, ChannelFacts, parse_channel
from rankcast.recordings.segment.damage import Damage
from rankcast.recordings.segment.mcap_format import Opcode
from rankcast.recordings.segment.mcap_records import metadata_of, profile_of
from rankcast.recordings.segment.recorded_message import RecordedMessage
from rankcast.recordings.segment.rescue import StreamNames
from rankcast.wire import Limits, unpack

MAX_CHANNELS: Final = 65_536
"""Ids of channels are 16 bits."""
MIN_PACKET_BYTES: Final = 17
"""Up to the id of its stream."""


class SegmentNotes:
    """Header, metadata, channels and streams of one file.

    A record is trusted if it stands in a chunk whose CRC-32 is right: others must not decide what
    the file is, because a damaged byte may have changed them.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        self.profile = ""
        self.facts: Mapping[str, str] = {}
        self.channels: dict[int, ChannelFacts] = {}
        self.streams = StreamNames()
        self.foreign = 0
        """Messages of other programs so far."""
        self._path, self._limits = path, limits
        self._parsed: dict[bytes, ChannelFacts] = {}
        self._trusted: set[int] = set()
        self._found = False

    def channel(self, content: bytes, *, trusted: bool) -> ChannelFacts | None:
        """Note the record of a channel; None if it is malformed.

        Raises
        ------
        RecordingError
            If it is trusted, and the file is of another program or version.
        """
        facts = self._parsed.get(content)
        if facts is None:
            facts = parse_channel(content)
            if facts is None or len(self._parsed) >= MAX_CHANNELS:
                return None
            if trusted and facts.is_of_another_version:
                raise RecordingError(
                    f"{self._path}: has packets of {facts.encoding}, this version reads "
                    f"{PACKET_ENCODING}: update this end"
                )
            self._parsed[content] = facts
        if trusted:
            self._trusted.add(facts.id)
        elif facts.id in self._trusted:
            return self.channels[facts.id]
        self.channels[facts.id] = facts
        if trusted and not facts.camera and not self._found and not self._may_be_ours:
            raise self.of_another_program()
        return facts

    def note(self, opcode: int, content: memoryview, position: int, damage: Damage) -> None:
        """Note a record that is neither channel nor message."""
        if opcode == Opcode.HEADER:
            self.profile = profile_of(bytes(content)) or ""
            if self.profile != mcap.PROFILE:
                damage.skip(position, len(content), "the header", lost=False)
        elif opcode == Opcode.METADATA:
            facts = metadata_of(bytes(content))
            if facts is None:
                damage.skip(position, len(content), "the metadata", lost=False)
            self.facts = facts or self.facts

    def message(
        self, content: memoryview, position: int, damage: Damage, *, trusted: bool
    ) -> RecordedMessage | None:
        """Return the message of a record; None if it is damaged, or of another program."""
        if len(content) < mcap.MESSAGE_HEAD.size:
            damage.skip(position, len(content), "a message without a head")
            return None
        channel, sequence, t_log_ns, t_publish_ns = mcap.MESSAGE_HEAD.unpack_from(content)
        facts = self.channels.get(channel)
        if facts is None:
            damage.skip(position, len(content), "a message of an unknown channel")
            return None
        if not facts.camera:
            self.foreign += 1
            return None
        data = content[mcap.MESSAGE_HEAD.size :].toreadonly()
        if facts.kind != "ledger" and not self._is_packet(data, trusted=trusted):
            damage.skip(position, len(content), "a message that is no packet")
            return None
        return self.noted(
            RecordedMessage(
                facts.camera, facts.kind, sequence, t_log_ns, t_publish_ns, data, position
            )
        )

    def noted(self, message: RecordedMessage) -> RecordedMessage:
        """Learn from an intact message which camera its stream is of; return it."""
        self._found = True
        if message.kind != "ledger":
            self.streams.learn(message.stream_id, message.camera)
        return message

    def check_end(self) -> None:
        """Raise RecordingError if the file had messages, and all of them of other programs."""
        if self.foreign and not self._found:
            raise self.of_another_program()

    def of_another_program(self) -> RecordingError:
        """Return the error that names the file as one of another program."""
        topics = [facts.topic for facts in self.channels.values() if not facts.camera]
        return RecordingError(
            f"{self._path}: is an MCAP file of another program, with topic {topics[0]:.60}: "
            "`rankcast receive --record FILE.mcap` writes what Rankcast reads"
        )

    @property
    def _may_be_ours(self) -> bool:
        return self.profile in ("", mcap.PROFILE)

    def _is_packet(self, data: memoryview, *, trusted: bool) -> bool:
        if len(data) < MIN_PACKET_BYTES:
            return False
        if not trusted:
            try:
                unpack(data, self._limits)
            except WireError:
                return False
        return True
