"""SegmentReader: the messages of one file of a recording, past everything that is damaged."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

from rankcast.atomic_file import open_without_waiting, os_reason
from rankcast.errors import RecordingError
from rankcast.printable import printable
from rankcast.recordings import mcap_format as mcap
from rankcast.recordings.channels import PACKET_ENCODING, ChannelFacts, parse_channel
from rankcast.recordings.damage import Damage
from rankcast.recordings.mcap_format import Opcode
from rankcast.recordings.mcap_records import (
    END_BYTES,
    PLACED,
    is_end,
    is_framed,
    metadata_of,
    profile_of,
)
from rankcast.recordings.recorded_message import RecordedMessage
from rankcast.recordings.rescue import Rescue, StreamNames
from rankcast.wire import OFFLINE, Limits

MAX_CHANNELS: Final = 65_536
"""Ids of channels are 16 bits."""
MAX_SMALL_BYTES: Final = 1 << 20
"""Longest record that is no chunk and no message."""
CHUNK_OVERHEAD_BYTES: Final = 1 << 16
MIN_PACKET_BYTES: Final = 17
_MOST_WRONG: Final = 2
"""Damaged bytes in the first 8 of a file that is still taken for MCAP."""


class SegmentReader:
    """Reads one file of a recording, in constant memory, without its index.

    Damage costs what it hit: reading goes on at the next intact packet. `damage` counts what was
    passed over, and is complete when the iteration has ended.

    Parameters
    ----------
    path : Path
    limits : Limits, optional
        Of a packet.
    salvage : bool, optional
        Read a file whose beginning is no MCAP, as after a damaged disk.

    Raises
    ------
    RecordingError
        If the file cannot be read, is empty, or is none of a recording.
    """

    def __init__(self, path: Path, limits: Limits = OFFLINE, *, salvage: bool = False) -> None:
        self.path = path
        self.damage = Damage()
        self.run = ""
        """Of the recorder, at random: segments of one run overlap. Known with the first message."""
        self.complete = False
        """True once the index at the end of the file was reached: the recorder was not killed."""
        self.foreign = 0
        """Messages of other programs so far."""
        self._limits, self._salvage = limits, salvage
        self._profile = ""
        self._channels: dict[int, ChannelFacts] = {}
        self._parsed: dict[bytes, ChannelFacts | None] = {}
        self._streams = StreamNames()
        self._found = False
        self._index_start = -1
        try:
            self._file = open(path, "rb", opener=open_without_waiting)  # noqa: SIM115
        except (OSError, ValueError) as exc:
            reason = os_reason(exc) if isinstance(exc, OSError) else str(exc)
            raise RecordingError(f"{path}: cannot be read: {reason}") from exc
        try:
            self.size = self._check_start()
        except BaseException:
            self._file.close()
            raise
        self._rescue = Rescue(self._file, self.size, limits, self._streams, self._channels)

    def __enter__(self) -> SegmentReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._file.close()

    def __iter__(self) -> Iterator[RecordedMessage]:
        """Yield the messages in the order of the file; see `messages`."""
        return self.messages()

    def messages(self, offset: int = 0) -> Iterator[RecordedMessage]:
        """Yield the messages from a place on.

        Parameters
        ----------
        offset : int
            0, or the offset of a message.

        Raises
        ------
        RecordingError
            If the disk fails, or the file is of another program or version.
        """
        self.damage = Damage()
        position = offset or self._after_magic()
        try:
            yield from self._messages(position)
        except OSError as exc:
            raise RecordingError(f"{self.path}: cannot be read: {os_reason(exc)}") from exc

    def _check_start(self) -> int:
        status = os.fstat(self._file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise RecordingError(f"{self.path}: is not a regular file")
        if not status.st_size:
            raise RecordingError(f"{self.path}: is empty, nothing was recorded")
        magic = self._file.read(len(mcap.MAGIC))
        wrong = _wrong_bytes(magic)
        if wrong > _MOST_WRONG and not self._salvage:
            raise RecordingError(
                f"{self.path}: is no recording: it begins with {magic.hex()}, an MCAP file with "
                f"{mcap.MAGIC.hex()}"
            )
        self._magic_is_wrong = wrong > 0
        return status.st_size

    def _after_magic(self) -> int:
        if self.size < len(mcap.MAGIC):
            self.damage.torn_bytes = self.size
        elif self._magic_is_wrong:
            self.damage.skip(0, len(mcap.MAGIC), "the magic of MCAP")
        return len(mcap.MAGIC)

    def _messages(self, position: int) -> Iterator[RecordedMessage]:
        while position < self.size:
            self._file.seek(position)
            framed = self._read_record(position)
            if framed is None:
                found = self._rescue.next_packet(position, self.size)
                if found is None:
                    self._end_in_damage(position)
                    break
                message, end = found
                self.damage.rescued += 1
                self.damage.skip(position, end - position - len(message.data), "damaged records")
                yield self._noted(message)
                position = end
                continue
            opcode, content = framed
            end = position + mcap.RECORD_HEAD.size + len(content)
            if opcode == Opcode.CHUNK:
                yield from self._chunk(position, end, content)
            elif opcode == Opcode.DATA_END:
                if self._is_end(end):
                    self.complete = True
                    break
                self._index_start = end
            else:
                yield from self._record(opcode, memoryview(content), position)
            position = end
        if self.foreign and not self._found:
            raise self._of_another_program()

    def _read_record(self, position: int) -> tuple[int, bytes] | None:
        """Return opcode and content of the record here; None if there is none that fits."""
        head = self._file.read(mcap.RECORD_HEAD.size)
        if len(head) < mcap.RECORD_HEAD.size:
            return None
        opcode, size = mcap.RECORD_HEAD.unpack(head)
        most = MAX_SMALL_BYTES
        if opcode in (Opcode.CHUNK, Opcode.MESSAGE, Opcode.ATTACHMENT):
            most = self._limits.max_packet_bytes + CHUNK_OVERHEAD_BYTES
        if size > min(most, self.size - position - mcap.RECORD_HEAD.size):
            return None
        content = self._file.read(size)
        if len(content) < size or not is_framed(opcode, content):
            return None
        return opcode, content

    def _chunk(self, position: int, end: int, content: bytes) -> Iterator[RecordedMessage]:
        _, _, _, crc, name_bytes = mcap.CHUNK_HEAD.unpack_from(content)
        if name_bytes:
            name = content[mcap.CHUNK_HEAD.size :][:name_bytes]
            raise RecordingError(
                f"{self.path}: its chunks are compressed with {printable(name.decode('ascii'))}, "
                "Rankcast reads them uncompressed: convert it with `mcap decompress`"
            )
        view = memoryview(content)[mcap.CHUNK_HEAD.size + mcap.UINT64.size :]
        if crc and zlib.crc32(view) != crc:
            yield from self._damaged_chunk(position, end)
            return
        at = 0
        while at + mcap.RECORD_HEAD.size <= len(view):
            opcode, size = mcap.RECORD_HEAD.unpack_from(view, at)
            start = at + mcap.RECORD_HEAD.size
            at = start + size
            if at > len(view):
                break
            yield from self._record(opcode, view[start:at], position)
        if at != len(view):
            self.damage.skip(position, end - position, "a malformed chunk")

    def _damaged_chunk(self, position: int, end: int) -> Iterator[RecordedMessage]:
        """Yield the packets of a chunk with a wrong CRC-32 that are intact themselves."""
        at, skipped = position, end - position
        while (found := self._rescue.next_packet(at, end)) is not None:
            message, at = found
            skipped -= len(message.data)
            self.damage.rescued += 1
            yield self._noted(message)
        self.damage.skip(position, skipped, "a damaged chunk")

    def _record(self, opcode: int, content: memoryview, position: int) -> Iterator[RecordedMessage]:
        """Take note of a record, in a chunk or outside; yield it if it is a message."""
        if opcode == Opcode.CHANNEL:
            self._note_channel(content)
        elif opcode == Opcode.MESSAGE and len(content) >= mcap.MESSAGE_HEAD.size:
            channel, sequence, t_log_ns, t_publish_ns = mcap.MESSAGE_HEAD.unpack_from(content)
            facts = self._channels.get(channel)
            if facts is None:
                self.damage.skip(position, len(content), "a message of an unknown channel")
            elif not facts.camera:
                self.foreign += 1
            else:
                data = content[mcap.MESSAGE_HEAD.size :].toreadonly()
                if facts.kind == "ledger" or len(data) >= MIN_PACKET_BYTES:
                    yield self._noted(
                        RecordedMessage(facts.camera, facts.kind, sequence, t_log_ns, t_publish_ns,
                                        data, position)
                    )  # fmt: skip
                else:
                    self.damage.skip(position, len(content), "a message without a packet")
        elif opcode == Opcode.HEADER:
            self._profile = profile_of(bytes(content)) or ""
        elif opcode == Opcode.METADATA:
            self.run = metadata_of(bytes(content)).get("run", self.run)

    def _noted(self, message: RecordedMessage) -> RecordedMessage:
        self._found = True
        if message.kind != "ledger":
            self._streams.learn(message.stream_id, message.camera)
        return message

    def _note_channel(self, content: memoryview) -> None:
        key = bytes(content)
        facts = self._parsed.get(key)
        if facts is None:
            facts = parse_channel(content)
            if facts is None or len(self._parsed) >= MAX_CHANNELS:
                return
            if facts.is_of_another_version:
                raise RecordingError(
                    f"{self.path}: has packets of {printable(facts.encoding)}, this version reads "
                    f"{PACKET_ENCODING}: update this end"
                )
            self._parsed[key] = facts
        self._channels[facts.id] = facts
        if not facts.camera and not self._found and self._profile not in ("", mcap.PROFILE):
            raise self._of_another_program()

    def _of_another_program(self) -> RecordingError:
        topics = [printable(facts.topic) for facts in self._channels.values() if not facts.camera]
        return RecordingError(
            f"{self.path}: is an MCAP file of another program, with topic {topics[0]:.60}: "
            "`rankcast receive --record FILE.mcap` writes what Rankcast reads"
        )

    def _is_end(self, position: int) -> bool:
        """Return whether the index of the file follows, up to its end."""
        if self.size - position < END_BYTES:
            return False
        self._file.seek(self.size - END_BYTES)
        return is_end(self._file.read(END_BYTES), position)

    def _end_in_damage(self, position: int) -> None:
        """Count what is left of the file, in which no packet was found."""
        rest = self.size - position
        self._file.seek(position)
        head = self._file.read(mcap.RECORD_HEAD.size)
        torn = len(head) < mcap.RECORD_HEAD.size or position == self._index_start
        if not torn:
            opcode, size = mcap.RECORD_HEAD.unpack(head)
            torn = opcode in PLACED and size > rest - mcap.RECORD_HEAD.size
        if torn:
            self.damage.torn_bytes += rest
        else:
            self.damage.skip(position, rest, "damaged records up to the end")


def _wrong_bytes(magic: bytes) -> int:
    return sum(a != b for a, b in zip(magic, mcap.MAGIC, strict=False))
