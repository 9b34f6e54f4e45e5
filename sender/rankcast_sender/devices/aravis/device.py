"""AravisDevice: GigE Vision and USB3 Vision cameras through Aravis."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from rankcast_sender.devices.aravis.bindings import load_aravis, open_camera, reported
from rankcast_sender.devices.aravis.features import AravisFeatures
from rankcast_sender.devices.aravis.stream import AravisStream, too_little_room
from rankcast_sender.devices.device import (
    DeviceError,
    DeviceState,
    Grabbed,
    RefusedValueError,
    Value,
)
from rankcast_sender.devices.frame_gaps import FrameGaps
from rankcast_sender.devices.genicam_settings import GenicamSettings

DEFAULT_BUFFERS: Final = 4
_REASONS: Final = {
    "missing-packets": "packets did not arrive (missing-packets)",
    "timeout": "the end of a frame did not arrive in time (timeout)",
    "size-mismatch": "a frame has another size than the camera stated (size-mismatch)",
}
"""What the statuses of a buffer mean, by the names that Aravis gives them."""


class AravisDevice:
    """One camera.

    Parameters
    ----------
    load : callable
        Returns the module `Aravis`.
    """

    def __init__(self, load: Callable[[], Any] = load_aravis) -> None:
        self._load = load
        self._name = "aravis:"
        self._aravis: Any = None
        self._camera: Any = None
        self._stream: AravisStream | None = None
        self._features: AravisFeatures
        self._settings: GenicamSettings
        self._gaps = FrameGaps()
        self._lost = 0
        self._held: Any = None
        """The buffer of the frame that `read` returned last."""
        self._told: set[str] = set()
        self._gone = False
        self._format = ""

    def open(self, options: Mapping[str, Value]) -> DeviceState:
        """Open the camera, set the options that were given, and have it send.

        Parameters
        ----------
        options : mapping
            ``path`` names the camera; ``formats`` are the pixel formats that the sender can unpack,
            with spaces between; the others are those of `AravisOptions`.

        Raises
        ------
        DeviceError
            If the camera is not there, does not answer, or another program holds it.
        RefusedValueError
            If the bindings are missing, or the camera does not accept an option.
        """
        path = str(options["path"])
        self._name = f"aravis:{path}"
        aravis = self._aravis = self._load()
        camera = self._camera = open_camera(aravis, path)
        camera.get_device().connect("control-lost", self._lose_control)
        with reported(aravis, f"{self._name} does not start"):
            # Another program may have left it running, and some settings are locked then.
            camera.stop_acquisition()
            self._features = AravisFeatures(aravis, camera.get_device())
            self._settings = GenicamSettings(
                self._features, tuple(str(options.get("formats") or "").split())
            )
            self._settings.start(options)
            self._format = self._settings.pixel_format
            self._stream = self._make_stream(options)
            self._stream.start()
        warning = too_little_room(self._stream.payload_bytes) if camera.is_gv_device() else ""
        return self._state(warning)

    def _make_stream(self, options: Mapping[str, Value]) -> AravisStream:
        packet_bytes = options.get("packet_bytes")
        return AravisStream(
            self._aravis,
            self._camera,
            int(options.get("buffers") or DEFAULT_BUFFERS),
            resend=options.get("resend") != "off",
            packet_socket=options.get("packet_socket") == "on",
            packet_bytes=None if packet_bytes is None else int(packet_bytes),
        )

    def read(self, timeout_s: float) -> Grabbed | None:
        """Return the next frame, or how many were lost; None if nothing came in time.

        Raises
        ------
        DeviceError
            If the control of the camera is lost, or it sends no pictures.
        """
        assert self._stream is not None
        if self._held is not None:
            self._stream.give_back(self._held)
            self._held = None
        buffer = self._stream.take(timeout_s)
        if buffer is None:
            self._check_control()
            return None
        lost = self._lost + self._gaps.before(_frame_id(buffer))
        self._lost = 0
        if buffer.get_status() != self._aravis.BufferStatus.SUCCESS:
            self._tell(buffer.get_status().value_nick)
            self._stream.give_back(buffer)
            self._check_control()
            return Grabbed(None, lost=lost + 1)
        self._held = buffer
        return self._grabbed(buffer, lost)

    def _tell(self, status: str) -> None:
        """Say once why frames are not whole: the sender logs what this process prints."""
        if status not in self._told:
            self._told.add(status)
            sys.stderr.write(f"frames are lost: {_REASONS.get(status, status)}\n")

    def _grabbed(self, buffer: Any, lost: int) -> Grabbed:
        assert self._stream is not None
        kind = buffer.get_payload_type()
        kinds = self._aravis.BufferPayloadType
        if kind not in (kinds.IMAGE, kinds.EXTENDED_CHUNK_DATA):
            raise DeviceError(
                f"{self._name} sends payload {kind.value_nick}, want image: turn multi-part and "
                "compression off in the camera"
            )
        width, height = buffer.get_image_width(), buffer.get_image_height()
        padding = buffer.get_image_padding()
        # Bits 16 to 23 of a format of PFNC are those of one pixel.
        pixel_bits = buffer.get_image_pixel_format() >> 16 & 0xFF
        line_bytes = -(-width * pixel_bits // 8)
        frame_bytes = (
            height * (line_bytes + padding.x_padding)
            if padding.x_padding
            else -(-width * height * pixel_bits // 8)
        )
        boot_ns, utc_ns = _times(int(buffer.get_system_timestamp()))
        return Grabbed(
            self._stream.view(buffer, frame_bytes),
            height=height,
            width=width,
            pixel_format=self._format,
            line_padding=padding.x_padding,
            device_frame_id=_frame_id(buffer),
            device_time_ns=int(buffer.get_timestamp()) or None,
            line=self._settings.line(),
            lost=lost,
            boot_ns=boot_ns,
            utc_ns=utc_ns,
        )

    def apply(self, values: Mapping[str, Value]) -> DeviceState:
        """Change all of `values` or none; a change of the region stops the camera for a moment.

        Raises
        ------
        RefusedValueError
            If the camera does not accept a value.
        DeviceError
            If the camera does not answer.
        """
        assert self._stream is not None
        settings = self._settings
        changes = dict(values)
        if changes.get("trigger") == "once":
            del changes["trigger"]
            if changes:
                raise RefusedValueError(
                    f"got trigger = once together with {', '.join(changes)}: trigger by itself"
                )
            settings.check_software_trigger()
            self._features.execute("TriggerSoftware")
            return self._state()
        plan = settings.plan(changes)
        if plan.resizes:
            with reported(self._aravis, f"{self._name} does not pause"):
                self._pause()
        try:
            settings.carry_out(plan)
        finally:
            if plan.resizes:
                with reported(self._aravis, f"{self._name} does not start again"):
                    self._stream.restart()
        return self._state()

    def _pause(self) -> None:
        """Stop the stream; frames that wait are lost, and counted."""
        assert self._stream is not None
        self._held = None
        while (buffer := self._stream.take(0)) is not None:
            self._lost += self._gaps.before(_frame_id(buffer)) + 1
        self._stream.stop()
        self._gaps.restart()

    def close(self) -> None:
        """Stop the camera and release it to others."""
        self._held = None
        if self._camera is None or self._gone:
            return
        if self._stream is not None:
            self._stream.stop()
        if self._camera.is_gv_device():
            self._camera.get_device().leave_control()

    def _lose_control(self, *_: Any) -> None:
        self._gone = True

    def _check_control(self) -> None:
        device = self._camera.get_device()
        if self._gone or (self._camera.is_gv_device() and not device.is_controller()):
            self._gone = True
            raise DeviceError(
                f"{self._name} is gone, or another program has taken it: check its cable and power"
            )

    def _state(self, warning: str = "") -> DeviceState:
        camera, settings = self._camera, self._settings
        names = (
            camera.get_vendor_name(), camera.get_model_name(), camera.get_device_serial_number(),
        )  # fmt: skip
        known = " ".join(str(name) for name in names if name)
        return DeviceState(
            description=f"{self._name} {known}, {settings.describe()}",
            frame_interval_s=settings.frame_interval_s,
            values=settings.values(),
            waits_for_trigger=settings.waits_for_trigger,
            polls=True,
            warning=warning,
        )


def _frame_id(buffer: Any) -> int | None:
    """Return the number of a frame; None from a camera that does not count and sends zeros."""
    return int(buffer.get_frame_id()) or None


def _times(arrival_utc_ns: int) -> tuple[int, int]:
    """Return CLOCK_BOOTTIME and UTC of the first packet of a frame, which Aravis notes in UTC."""
    now_utc_ns = time.time_ns()
    now_boot_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    age_ns = now_utc_ns - arrival_utc_ns
    if not 0 <= age_ns <= 10_000_000_000:  # the clock was set meanwhile
        age_ns = 0
    return now_boot_ns - age_ns, now_utc_ns - age_ns


def make_device() -> AravisDevice:
    """Return the device, without opening anything."""
    return AravisDevice()
