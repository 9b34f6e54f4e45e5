"""SegmentFile: one MCAP file of a recording, written message by message."""

from __future__ import annotations

import errno
import os
import threading
import zlib
from array import array
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from rankcast.atomic_file import fsync_folder, os_reason
from rankcast.errors import RecordingError
from rankcast.recordings.segment import mcap_format as mcap
from rankcast.recordings.segment.file_lock import lock_for_writing

_OPEN: Final = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
BUFFER_BYTES: Final = 1 << 20
_PIECE_ENTRIES: Final = 4096
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class SegmentFile:
    """A new file under its final name, from the first byte on.

    Each message is handed to the kernel by one call, unbuffered, so that it survives the end of the
    process. What was written of a message that failed is cut off again.

    Parameters
    ----------
    path : Path
    library : str
        Name and version of the program, for other readers of MCAP.
    facts : mapping of str to str
        Metadata of the recording.
    buffered : bool, optional
        Hand over many messages at once, for a copy of a file that exists.

    Raises
    ------
    FileExistsError
        If the name is taken.
    RecordingError
        If the file cannot be created or its start not be written; no file is left then.

    Notes
    -----
    Holds 26 bytes for each message, for the index at the end of the file.
    """

    def __init__(
        self, path: Path, library: str, facts: Mapping[str, str], *, buffered: bool = False
    ) -> None:
        self.path = path
        self.bytes = 0
        """Size of the file."""
        self.frames = 0
        """Frames among the messages, as the writer counts them."""
        self.durable = 0
        """Of these, how many the disk has for certain."""
        self.suspect = False
        """True once the disk has failed to keep something."""
        self.has_index = False
        """True once the file ends with its index."""
        self._channels: dict[str, tuple[int, bytes]] = {}
        self._counts: dict[int, int] = {}
        self._starts, self._sizes, self._times = array("Q"), array("Q"), array("Q")
        self._of_channel = array("H")
        self._closing = threading.Lock()
        """Held while the disk is waited for, and while the file is closed."""
        self._finished = False
        self._buffer: list[bytes | bytearray | memoryview] = []
        self._buffer_bytes = BUFFER_BYTES if buffered else 0
        self._waiting_bytes = 0
        start, metadata = mcap.file_start(library), mcap.metadata(facts)
        self._metadata_start, self._metadata_bytes = len(start), len(metadata)
        try:
            self._file = os.open(path, _OPEN, 0o666)
        except FileExistsError:
            raise
        except (OSError, ValueError) as exc:
            raise _cannot(path, exc) from exc
        try:
            lock_for_writing(self._file)
            self._append((start, metadata))
            fsync_folder(path.parent)
        except OSError as exc:
            os.close(self._file)
            with suppress(OSError):
                path.unlink()
            raise _cannot(path, exc) from exc

    @property
    def messages(self) -> int:
        """Number of messages written."""
        return len(self._starts)

    def write(
        self,
        topic: str,
        encoding: str,
        sequence: int,
        t_log_ns: int,
        t_publish_ns: int,
        data: bytes | bytearray | memoryview,
    ) -> None:
        """Write one message; it is in the kernel when this returns.

        Raises
        ------
        RecordingError
            If it could not be written, whole or at all: nothing of it is in the file.
        """
        channel, head = self._channel(topic, encoding)
        before, after = mcap.message_chunk(head, channel, sequence, t_log_ns, t_publish_ns, data)
        start = self.bytes
        try:
            self._append((before, data, after))
        except OSError as exc:
            raise _cannot(self.path, exc) from exc
        self._starts.append(start)
        self._sizes.append(len(before) + len(data))
        self._times.append(t_log_ns)
        self._of_channel.append(channel)
        self._counts[channel] = self._counts.get(channel, 0) + 1

    def sync(self) -> None:
        """Wait until the disk has all that was written before; any thread may call this.

        Raises
        ------
        OSError
            If the disk may have lost some of it: this file must not be relied on any more.
        """
        frames = self.frames
        with self._closing:
            if self._finished or self.suspect:
                return
            try:
                getattr(os, "fdatasync", os.fsync)(self._file)
            except OSError:
                self.suspect = True  # a second try may succeed although pages were dropped
                raise
            self.durable = frames

    def discard(self) -> None:
        """Close and remove the file."""
        with self._closing:
            if not self._finished:
                self._finished = True
                os.close(self._file)
        with suppress(OSError):
            self.path.unlink()

    def finish(self) -> None:
        """Write the index, wait for the disk, close; may be called twice.

        A file that does not get its index, on a full disk, say, is complete without it.

        Raises
        ------
        RecordingError
            If the disk may have lost some of the file.
        """
        with self._closing:
            if self._finished:
                return
            self._finished = True
            try:
                end = self.bytes
                try:
                    self._write_summary()
                    self._buffer_bytes = 0
                    self._append(())
                    self.has_index = True
                except OSError:
                    self._cut(end)
                os.fsync(self._file)
                if not self.suspect:
                    self.durable = self.frames
            except OSError as exc:
                raise _cannot(self.path, exc) from exc
            finally:
                os.close(self._file)

    def _channel(self, topic: str, encoding: str) -> tuple[int, bytes]:
        known = self._channels.get(topic)
        if known is None:
            channel = len(self._channels) + 1
            known = channel, mcap.channel_record(channel, topic, encoding)
            self._channels[topic] = known
        return known

    def _append(self, parts: tuple[bytes | bytearray | memoryview, ...]) -> None:
        """Write all of `parts`, or none of them; later, if this file is buffered."""
        total = sum(map(len, parts))
        if self._waiting_bytes + total < self._buffer_bytes:
            self._buffer += parts
            self._waiting_bytes += total
            self.bytes += total
            return
        if self._buffer:
            parts = (*self._buffer, *parts)
            self._buffer = []
            self.bytes -= self._waiting_bytes
            total, self._waiting_bytes = total + self._waiting_bytes, 0
            parts = (b"".join(parts),)
        try:
            written = _write(self._file, parts)
            if written < total:  # the disk became full within, or a signal came
                rest = memoryview(b"".join(parts))[written:]
                while rest:
                    rest = rest[os.write(self._file, rest) :]
        except BaseException:
            self._cut(self.bytes)
            raise
        self.bytes += total

    def _cut(self, size: int) -> None:
        # What cannot be cut off, a reader skips as torn.
        with suppress(OSError):
            os.ftruncate(self._file, size)
            os.lseek(self._file, size, os.SEEK_SET)

    def _write_summary(self) -> None:
        self._append((mcap.data_end(),))
        summary_start, crc = self.bytes, 0
        offsets = b""
        for opcode, pieces in (
            (mcap.Opcode.CHANNEL, [head for _, head in self._channels.values()]),
            (mcap.Opcode.STATISTICS, [self._statistics()]),
            (mcap.Opcode.CHUNK_INDEX, self._chunk_indexes()),
            (
                mcap.Opcode.METADATA_INDEX,
                [mcap.metadata_index(self._metadata_start, self._metadata_bytes)],
            ),
        ):
            group_start = self.bytes
            for piece in pieces:
                self._append((piece,))
                crc = zlib.crc32(piece, crc)
            if self.bytes > group_start:
                offsets += mcap.summary_offset(opcode, group_start, self.bytes - group_start)
        offsets_start = self.bytes
        crc = zlib.crc32(offsets, crc)
        self._append((offsets, mcap.footer(summary_start, offsets_start, crc)))

    def _statistics(self) -> bytes:
        times = self._times
        first, last = (min(times), max(times)) if times else (0, 0)
        return mcap.statistics(self._counts, first, last)

    def _chunk_indexes(self) -> Iterable[bytes]:
        """Yield the index records in pieces: all of them may be tens of megabytes."""
        for at in range(0, len(self._starts), _PIECE_ENTRIES):
            upto = at + _PIECE_ENTRIES
            yield b"".join(
                map(
                    mcap.chunk_index, self._of_channel[at:upto], self._times[at:upto],
                    self._starts[at:upto], self._sizes[at:upto],
                )
            )  # fmt: skip


def _write(file: int, parts: tuple[bytes | bytearray | memoryview, ...]) -> int:
    if hasattr(os, "writev"):
        return os.writev(file, parts)
    return os.write(file, b"".join(parts))


def _cannot(path: Path, exc: OSError | ValueError) -> RecordingError:
    if isinstance(exc, OSError):
        hint = ": free some space" if exc.errno in _NO_ROOM else ""
        return RecordingError(f"{path}: cannot be written: {os_reason(exc)}{hint}")
    return RecordingError(f"{path}: cannot be written: {exc}")
