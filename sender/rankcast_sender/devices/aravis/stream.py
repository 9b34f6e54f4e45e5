"""AravisStream: a few buffers of our own memory that Aravis fills."""

from __future__ import annotations

import ctypes
import mmap
from typing import Any, Final

_SOCKET_FRAMES: Final = 4
"""Frames of room in the socket: the kernel counts up to twice the bytes of a small packet."""
_MAX_SOCKET_BYTES: Final = 64 << 20
RMEM_MAX: Final = "/proc/sys/net/core/rmem_max"


class AravisStream:
    """The stream of one camera; it can be stopped and started with frames of another size.

    Errors of Aravis pass through.

    The memory of the buffers is allocated here, because the bindings would copy each frame into a
    bytes object: a view of ours goes straight into the slot.

    Parameters
    ----------
    aravis : module
    camera : Aravis.Camera
    count : int
        Number of buffers, which bounds how old the oldest waiting frame can be.
    resend : bool
        Request missing packets again; GigE Vision only.
    packet_socket : bool
        Receive GigE Vision packets below the network stack, which needs root.
    packet_bytes : int, optional
        Size of a GigE Vision packet; None: what the camera has, less if that does not arrive.
    """

    def __init__(
        self,
        aravis: Any,
        camera: Any,
        count: int,
        *,
        resend: bool = True,
        packet_socket: bool = False,
        packet_bytes: int | None = None,
    ) -> None:
        self._aravis = aravis
        self._camera = camera
        self._count = count
        self._memory: dict[Any, mmap.mmap] = {}
        self._running = False
        gigabit = camera.is_gv_device()
        if gigabit and not packet_socket:
            # With root's rights Aravis would use one, which receives nothing on loopback.
            camera.gv_set_stream_options(aravis.GvStreamOption.PACKET_SOCKET_DISABLED)
        if gigabit and packet_bytes is not None:
            camera.gv_set_packet_size_adjustment(aravis.GvPacketSizeAdjustment.NEVER)
            camera.gv_set_packet_size(packet_bytes)
        self.payload_bytes: int = camera.get_payload()
        """Size of one frame in the stream."""
        self._stream = camera.create_stream(None, None)
        if gigabit:
            room = min(_SOCKET_FRAMES * self.payload_bytes, _MAX_SOCKET_BYTES)
            self._stream.set_property("socket-buffer", aravis.GvStreamSocketBuffer.FIXED)
            self._stream.set_property("socket-buffer-size", room)
            if not resend:
                self._stream.set_property("packet-resend", aravis.GvStreamPacketResend.NEVER)

    def start(self) -> None:
        """Give Aravis empty buffers and have the camera send."""
        self.payload_bytes = self._camera.get_payload()
        for _ in range(self._count):
            memory = mmap.mmap(-1, self.payload_bytes)
            address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
            buffer = self._aravis.Buffer.new(self.payload_bytes, address)
            self._memory[buffer] = memory
            self._stream.push_buffer(buffer)
        self._camera.start_acquisition()
        self._running = True

    def stop(self) -> None:
        """Have the camera stop, and take the buffers back; frames that wait are discarded."""
        if self._running:
            self._running = False
            self._camera.stop_acquisition()
        self._stream.stop_thread(True)
        self._memory.clear()

    def restart(self) -> None:
        """Start again after `stop`."""
        self._stream.start_thread()
        self.start()

    def take(self, timeout_s: float) -> Any | None:
        """Return the next buffer, also one that is not complete; None if none comes in time."""
        return self._stream.timeout_pop_buffer(round(timeout_s * 1e6))

    def give_back(self, buffer: Any) -> None:
        """Have Aravis fill a buffer again."""
        self._stream.push_buffer(buffer)

    def view(self, buffer: Any, frame_bytes: int) -> memoryview:
        """Return the first bytes of a buffer, which are its picture; valid until `give_back`."""
        return memoryview(self._memory[buffer])[:frame_bytes]


def too_little_room(payload_bytes: int, limit_path: str = RMEM_MAX) -> str:
    """Return what to do if a socket has no room for one frame; empty if it has."""
    try:
        with open(limit_path, encoding="ascii") as file:
            limit_bytes = int(file.read())
    except (OSError, ValueError):
        return ""
    if limit_bytes >= payload_bytes:
        return ""
    wanted_bytes = 2 * payload_bytes
    return (
        f"a frame has {payload_bytes} bytes and a socket holds {limit_bytes}, so frames may "
        f"arrive incomplete: run sysctl -w net.core.rmem_max={wanted_bytes}"
    )
