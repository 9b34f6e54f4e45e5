"""SegmentReader: the messages of one file of a recording, past everything that is damaged."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final

from rankcast.atomic_file import open_without_waiting, os_reason
from rankcast.errors import RecordingError
from rankcast.recordings.segment import mcap_format as mcap
from rankcast.recordings.segment.damage import Damage
from rankcast.recordings.segment.mcap_format import Opcode
from rankcast.recordings.segment.mcap_records import (
    END_BYTES,
    PLACED,
    is_end,
    is_framed,
)
from rankcast.recordings.segment.recorded_message import RecordedMessage
from rankcast.recordings.segment.rescue import MAX_SEARCH, Rescue
from rankcast.recordings.segment.segment_notes import MIN_PACKET_BYTES, SegmentNotes
from rankcast.wire import OFFLINE, Limits

MAX_SMALL_BYTES: Final = 1 << 20
"""Longest record that is no chunk and no message."""
CHUNK_OVERHEAD_BYTES: Final = 1 << 16
PIECE_BYTES: Final = 1 << 20
CHUNK_HEAD_BYTES: Final = mcap.PLAIN_CHUNK_HEAD.size
MAX_FRAME_BYTES: Final = 256
"""Most that stands around a packet in its chunk: where no more was skipped, nothing was lost."""
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
        self.complete = False
        """True once the index at the end of the file was reached: the recorder was not killed."""
        self._limits, self._salvage = limits, salvage
        self._notes = SegmentNotes(path, limits)
        self._budget = 0
        """Bytes that may still be read for records that turn out to be none."""
        self._index_start = -1
        self._index_content = b""
        """What the index record of the latest chunk has to say; empty if that is unknown."""
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
        self._rescue = Rescue(
            self._file, self.size, limits, self._notes.streams, self._notes.channels
        )

    @property
    def facts(self) -> Mapping[str, str]:
        """Metadata of the recording, see docs/wire.md; known with the first message."""
        return self._notes.facts

    @property
    def run(self) -> str:
        """Random name of a run of the recorder, of which segments overlap; empty if damaged."""
        return self.facts.get("run", "")

    @property
    def is_ours(self) -> bool:
        """True if the file says that it is a recording, which may be without messages."""
        return self._notes.profile == mcap.PROFILE

    def fileno(self) -> int:
        """Return the descriptor of the file."""
        return self._file.fileno()

    def has_end(self) -> bool:
        """Return whether the file ends as a complete one does; what stands before is not read."""
        self._file.seek(max(0, self.size - END_BYTES))
        return self._file.read(END_BYTES).endswith(mcap.MAGIC)

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
        self._budget = MAX_SEARCH * self.size
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
            self.damage.skip(0, len(mcap.MAGIC), "the magic of MCAP", lost=False)
        return len(mcap.MAGIC)

    def _messages(self, position: int) -> Iterator[RecordedMessage]:
        self._file.seek(position)
        while position < self.size:
            # Behind the messages stands the index: if it is damaged, only packets are looked for.
            framed = None if position == self._index_start else self._read_record(position)
            if framed is not None and framed[0] == Opcode.CHUNK:  # nearly always
                message = self._only_message(position, framed[1])
                if message is not None:
                    position += mcap.RECORD_HEAD.size + len(framed[1])
                    yield message
                    continue
            if framed is None or not self._is_framed(*framed):
                self._budget -= 0 if framed is None else len(framed[1])
                found = self._rescue.next_packet(position, self.size)
                if found is None or self._budget < 0:
                    self._end_in_damage(position)
                    break
                message, end = found
                self.damage.rescued += 1
                skipped = end - position - len(message.data)
                self.damage.skip(
                    position, skipped, "damaged records", lost=skipped > MAX_FRAME_BYTES
                )
                yield self._notes.noted(message)
                position, self._index_start = end, -1
                self._file.seek(position)
                continue
            opcode, content = framed
            end = position + mcap.RECORD_HEAD.size + len(content)
            if opcode == Opcode.CHUNK:
                self._index_content = b""
                yield from self._chunk(position, end, content)
                self._file.seek(end)
            elif opcode == Opcode.MESSAGE_INDEX:
                if self._index_content not in (b"", content):
                    self.damage.skip(position, end - position, "an index record", lost=False)
                self._index_content = b""
            elif opcode == Opcode.DATA_END:
                if content == bytes(4) and self._is_end(end):
                    self.complete = True
                    break
                self._index_start = end
                self._file.seek(end)
            else:
                single = self._record(opcode, memoryview(content), position, trusted=False)
                if single is not None:
                    yield single
            position = end
        self._notes.check_end()

    def _read_record(self, position: int) -> tuple[int, bytes] | None:
        """Return opcode and content of the record here; None if its length is impossible."""
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
        return (opcode, content) if len(content) == size else None

    def _is_framed(self, opcode: int, content: bytes) -> bool:
        """Return whether the lengths within a record agree with its own."""
        expected = opcode == Opcode.MESSAGE_INDEX and content == self._index_content
        return expected or is_framed(opcode, content)

    def _only_message(self, position: int, content: bytes) -> RecordedMessage | None:
        """Return the message of an intact chunk as Rankcast writes it; None of any other chunk."""
        records_bytes = len(content) - CHUNK_HEAD_BYTES
        if records_bytes < mcap.RECORD_HEAD.size:
            return None
        first_ns, last_ns, size, crc, name_bytes, again = mcap.PLAIN_CHUNK_HEAD.unpack_from(content)
        if name_bytes or not size == again == records_bytes:
            return None
        view = memoryview(content).toreadonly()[CHUNK_HEAD_BYTES:]
        if not crc or zlib.crc32(view) != crc:
            return None
        opcode, size = mcap.RECORD_HEAD.unpack_from(view)
        start = mcap.RECORD_HEAD.size + size
        data_start = start + mcap.MESSAGE_START
        if opcode != Opcode.CHANNEL or data_start + MIN_PACKET_BYTES > len(view):
            return None
        opcode, size = mcap.RECORD_HEAD.unpack_from(view, start)
        if opcode != Opcode.MESSAGE or start + mcap.RECORD_HEAD.size + size != len(view):
            return None
        channel, sequence, t_log_ns, t_publish_ns = mcap.MESSAGE_HEAD.unpack_from(
            view, start + mcap.RECORD_HEAD.size
        )
        facts = self._notes.channel(bytes(view[mcap.RECORD_HEAD.size : start]), trusted=True)
        if facts is None or facts.id != channel or not facts.camera:
            return None
        if not first_ns == last_ns == t_log_ns:
            self.damage.skip(position, 16, "the times of a chunk", lost=False)
        self._index_content = mcap.MESSAGE_INDEX.pack(channel, 16, t_log_ns, start)
        return self._notes.noted(
            RecordedMessage(
                facts.camera, facts.kind, sequence, t_log_ns, t_publish_ns,
                view[data_start:], position,
            )
        )  # fmt: skip

    def _chunk(self, position: int, end: int, content: bytes) -> Iterator[RecordedMessage]:
        """Yield the messages of a chunk that is damaged, or was written by another program."""
        _, _, _, crc, name_bytes = mcap.CHUNK_HEAD.unpack_from(content)
        if name_bytes:
            name = content[mcap.CHUNK_HEAD.size :][:name_bytes]
            raise RecordingError(
                f"{self.path}: its chunks are compressed with {name.decode('ascii')}, "
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
            message = self._record(opcode, view[start:at], position, trusted=crc != 0)
            if message is not None:
                yield message
        if at != len(view):
            self.damage.skip(position, end - position, "a malformed chunk")

    def _damaged_chunk(self, position: int, end: int) -> Iterator[RecordedMessage]:
        """Yield the packets of a chunk with a wrong CRC-32 that are intact themselves."""
        at, skipped, lost = position, end - position, True
        while (found := self._rescue.next_packet(at, end)) is not None:
            message, at = found
            skipped, lost = skipped - len(message.data), False
            self.damage.rescued += 1
            yield self._notes.noted(message)
        self.damage.skip(position, skipped, "a damaged chunk", lost=lost)

    def _record(
        self, opcode: int, content: memoryview, position: int, *, trusted: bool
    ) -> RecordedMessage | None:
        """Note a record, in a chunk or outside; return it if it is a message."""
        if opcode == Opcode.MESSAGE:
            return self._notes.message(content, position, self.damage, trusted=trusted)
        if opcode == Opcode.CHANNEL:
            self._notes.channel(bytes(content), trusted=trusted)
        else:
            self._notes.note(opcode, content, position, self.damage)
        return None

    def _is_end(self, position: int) -> bool:
        """Return whether the index of the file follows, up to its end."""
        if self.size - position < END_BYTES:
            return False
        self._file.seek(self.size - END_BYTES)
        end = self._file.read(END_BYTES)
        return is_end(end, position, self._crc(position, self.size - mcap.CRC_AND_MAGIC_BYTES))

    def _crc(self, start: int, end: int) -> int:
        """Return the CRC-32 of a part of the file, read in pieces."""
        crc = 0
        self._file.seek(start)
        while start < end:
            piece = self._file.read(min(PIECE_BYTES, end - start))
            if not piece:
                break
            crc = zlib.crc32(piece, crc)
            start += len(piece)
        return crc

    def _end_in_damage(self, position: int) -> None:
        """Count what is left of the file, in which no packet was found."""
        rest = self.size - position
        self._file.seek(position)
        head = self._file.read(mcap.RECORD_HEAD.size)
        if 0 <= self._index_start <= position:
            self.damage.skip(position, rest, "the index at the end", lost=False)
            return
        torn = len(head) < mcap.RECORD_HEAD.size
        if not torn:
            opcode, size = mcap.RECORD_HEAD.unpack(head)
            torn = opcode in PLACED and size > rest - mcap.RECORD_HEAD.size
        if torn:
            self.damage.torn_bytes += rest
        else:
            self.damage.skip(position, rest, "damaged records up to the end")


def _wrong_bytes(magic: bytes) -> int:
    return sum(a != b for a, b in zip(magic, mcap.MAGIC, strict=False))
