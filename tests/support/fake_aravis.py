"""A module like Aravis's bindings with one camera, which does what Aravis's own fake cannot."""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

CAMERA_ID = "Acme-12345"


class FakeGLibError(Exception):
    """An error as the bindings raise it."""

    def __init__(self, domain: str, code: int, message: str) -> None:
        super().__init__(f"{domain}: {message} ({code})")
        self.domain, self.code, self.message = domain, code, message


def device_error(word: str, message: str) -> FakeGLibError:
    """Return an error of a device."""
    return FakeGLibError("arv-device-error-quark", getattr(DeviceError, word), message)


class DeviceError:
    WRONG_FEATURE, FEATURE_NOT_FOUND, NOT_CONNECTED, PROTOCOL_ERROR = range(4)
    TRANSFER_ERROR, TIMEOUT, NOT_FOUND, INVALID_PARAMETER = range(4, 8)


class GcError:
    PROPERTY_NOT_DEFINED, PVALUE_NOT_DEFINED, INVALID_PVALUE, EMPTY_ENUMERATION = range(4)
    OUT_OF_RANGE = 4


class Feature:
    """One feature; `access` is RO, WO or RW."""

    def __init__(self, value: Any, *, access: str = "RW", locked: bool = False) -> None:
        self.value = value
        self.access = access
        self.locked = locked

    def get_actual_access_mode(self) -> str:
        return self.access

    def is_locked(self) -> bool:
        return self.locked


class GcInteger(Feature):
    def __init__(self, value: int, least: int = 0, most: int = 4096, step: int = 1, **more: Any):
        super().__init__(value, **more)
        self.bounds, self.step = (least, most), step


class GcFloat(Feature):
    def __init__(self, value: float, least: float = 0.0, most: float = 1e6, **more: Any):
        super().__init__(value, **more)
        self.bounds = (least, most)


class GcBoolean(Feature):
    pass


class GcString(Feature):
    pass


class GcEnumeration(GcInteger):
    def __init__(self, value: str, *choices: str, **more: Any):
        Feature.__init__(self, value, **more)
        self.choices = choices


def sensor(**more: Feature) -> dict[str, Feature]:
    """Return the features of a camera of 640 x 480 pixels in steps of 16 columns."""
    return {
        "PixelFormat": GcEnumeration("Mono8", "Mono8", "Mono12p", "BayerRG12Packed", "Coord3D_C8"),
        "Width": GcInteger(64, 16, 640, 16),
        "Height": GcInteger(4, 2, 480, 2),
        "OffsetX": GcInteger(0, 0, 576, 16),
        "OffsetY": GcInteger(0, 0, 476, 2),
        "WidthMax": GcInteger(640, access="RO"),
        "HeightMax": GcInteger(480, access="RO"),
        "ExposureTime": GcFloat(10000.0, 20.0, 1e6),
        "ExposureAuto": GcEnumeration("Continuous", "Off", "Once", "Continuous"),
        "Gain": GcFloat(0.0, 0.0, 24.0),
        "AcquisitionFrameRate": GcFloat(30.0, 1.0, 60.0),
        "AcquisitionFrameRateEnable": GcBoolean(False),
        "TriggerSelector": GcEnumeration("FrameStart", "FrameStart"),
        "TriggerMode": GcEnumeration("Off", "Off", "On"),
        "TriggerSource": GcEnumeration("Line1", "Line1", "Software"),
        **more,
    }


class FakeDevice:
    """The device with its features; `steps` keeps what was done, in order."""

    def __init__(self, features: dict[str, Feature]) -> None:
        self.features = features
        self.steps: list[str] = []
        self.controller = True
        self.lose: Callable[[], None] = lambda: None
        self.broken: dict[str, Exception] = {}
        """Errors that writing a feature raises."""

    def connect(self, signal: str, callback: Callable[..., None]) -> None:
        assert signal == "control-lost"
        self.lose = callback

    def is_controller(self) -> bool:
        return self.controller

    def leave_control(self) -> None:
        self.steps.append("left")

    def is_feature_available(self, name: str) -> bool:
        return name in self.features

    def get_feature(self, name: str) -> Feature | None:
        return self.features.get(name)

    def _get(self, name: str) -> Any:
        return self.features[name].value

    get_string_feature_value = get_boolean_feature_value = _get
    get_integer_feature_value = get_float_feature_value = _get

    def _set(self, name: str, value: Any) -> None:
        if name in self.broken:
            raise self.broken.pop(name)
        self.features[name].value = value
        self.steps.append(f"{name}={value}")

    set_string_feature_value = set_boolean_feature_value = _set
    set_integer_feature_value = set_float_feature_value = _set

    def _bounds(self, name: str) -> tuple[float, float]:
        feature = self.features[name]
        assert isinstance(feature, GcInteger | GcFloat)
        return feature.bounds

    get_integer_feature_bounds = get_float_feature_bounds = _bounds

    def get_integer_feature_increment(self, name: str) -> int:
        feature = self.features[name]
        assert isinstance(feature, GcInteger)
        return feature.step

    def dup_available_enumeration_feature_values_as_strings(self, name: str) -> list[str]:
        feature = self.features[name]
        assert isinstance(feature, GcEnumeration)
        return list(feature.choices)

    def execute_command(self, name: str) -> None:
        self.steps.append(name)


class FakeBuffer:
    """A buffer over the memory at an address."""

    def __init__(self, size: int, address: int) -> None:
        self.size, self.address = size, address
        self.facts: dict[str, Any] = {}

    @classmethod
    def new(cls, size: int, address: int) -> FakeBuffer:
        return cls(size, address)

    def __getattr__(self, name: str) -> Callable[[], Any]:
        return lambda: self.facts[name.removeprefix("get_").removeprefix("image_")]


class FakeStream:
    """Fills buffers with the frames that a test has sent."""

    def __init__(self, device: FakeDevice) -> None:
        self._device = device
        self.empty: deque[FakeBuffer] = deque()
        self.full: deque[FakeBuffer] = deque()
        self.properties: dict[str, Any] = {}

    def set_property(self, name: str, value: Any) -> None:
        self.properties[name] = value

    def push_buffer(self, buffer: FakeBuffer) -> None:
        self.empty.append(buffer)

    def timeout_pop_buffer(self, timeout_us: int) -> FakeBuffer | None:
        assert 0 <= timeout_us <= 1_000_000
        return self.full.popleft() if self.full else None

    def stop_thread(self, delete: bool) -> None:
        assert delete
        self.empty.clear()
        self.full.clear()
        self._device.steps.append("stopped")

    def start_thread(self) -> None:
        self._device.steps.append("started")

    def send(self, data: bytes, frame_id: int, status: str = "", **facts: Any) -> None:
        """Have the camera send a frame; by default a whole one of 64 x 4 pixels of Mono8."""
        buffer = self.empty.popleft()
        ctypes.memmove(buffer.address, data, min(len(data), buffer.size))
        buffer.facts = {
            "status": SimpleNamespace(value_nick=status) if status else SUCCESS,
            "frame_id": frame_id, "payload_type": IMAGE, "width": 64,
            "height": 4, "padding": SimpleNamespace(x_padding=0, y_padding=0),
            "pixel_format": 0x01080001, "timestamp": 1000 * frame_id, "system_timestamp": 0,
            **facts,
        }  # fmt: skip
        self.full.append(buffer)


SUCCESS = SimpleNamespace(value_nick="success")
IMAGE = SimpleNamespace(value_nick="image")
MULTIPART = SimpleNamespace(value_nick="multipart")


class FakeCamera:
    """What `Aravis.Camera.new` returns."""

    def __init__(self, features: dict[str, Feature], *, gigabit: bool = True) -> None:
        self.device = FakeDevice(features)
        self.stream = FakeStream(self.device)
        self.gigabit = gigabit
        self.payload_bytes = 256

    def get_device(self) -> FakeDevice:
        return self.device

    def is_gv_device(self) -> bool:
        return self.gigabit

    def get_vendor_name(self) -> str:
        return "Acme"

    def get_model_name(self) -> str:
        return "Eye"

    def get_device_serial_number(self) -> str:
        return "12345"

    def get_payload(self) -> int:
        return self.payload_bytes

    def create_stream(self, *_: None) -> FakeStream:
        return self.stream

    def start_acquisition(self) -> None:
        self.device.steps.append("start")

    def stop_acquisition(self) -> None:
        self.device.steps.append("stop")

    def gv_set_stream_options(self, options: str) -> None:
        self.device.steps.append(options)

    def gv_set_packet_size_adjustment(self, policy: str) -> None:
        self.device.steps.append(f"adjust packets {policy}")

    def gv_set_packet_size(self, size: int) -> None:
        self.device.steps.append(f"packets of {size}")


class FakeAravis:
    """The module; `cameras` lists rows of id, serial, address and MAC address."""

    DeviceError, GcError = DeviceError, GcError
    GcEnumeration, GcBoolean, GcInteger, GcFloat = GcEnumeration, GcBoolean, GcInteger, GcFloat
    GcAccessMode = SimpleNamespace(RO="RO", WO="WO", RW="RW")
    BufferStatus = SimpleNamespace(SUCCESS=SUCCESS)
    BufferPayloadType = SimpleNamespace(IMAGE=IMAGE, EXTENDED_CHUNK_DATA=object())
    GvStreamOption = SimpleNamespace(PACKET_SOCKET_DISABLED="no packet socket")
    GvPacketSizeAdjustment = SimpleNamespace(NEVER="never")
    GvStreamSocketBuffer = SimpleNamespace(FIXED="fixed")
    GvStreamPacketResend = SimpleNamespace(NEVER="never")
    Buffer = FakeBuffer

    def __init__(self, camera: FakeCamera, *more: tuple[str, str, str, str]) -> None:
        self.rows = [(CAMERA_ID, "12345", "10.0.0.7", "00:11:22:33:44:55"), *more]
        self.opened: list[str] = []
        self.failure: Exception | None = None
        self.Camera = SimpleNamespace(new=self._open)
        self._camera = camera

    def _open(self, name: str) -> FakeCamera:
        self.opened.append(name)
        if self.failure is not None:
            raise self.failure
        if name not in (*(row[0] for row in self.rows), "front door"):
            raise device_error("NOT_FOUND", f"Device '{name}' not found")
        return self._camera

    def update_device_list(self) -> None:
        pass

    def get_n_devices(self) -> int:
        return len(self.rows)

    def get_device_id(self, index: int) -> str:
        return self.rows[index][0]

    def get_device_serial_nbr(self, index: int) -> str:
        return self.rows[index][1]

    def get_device_address(self, index: int) -> str:
        return self.rows[index][2]

    def get_device_physical_id(self, index: int) -> str:
        return self.rows[index][3]

    def get_device_vendor(self, index: int) -> str:
        return self.rows[index][0].partition("-")[0]

    get_device_model = get_device_vendor

    def get_device_protocol(self, index: int) -> str:
        return "GigEVision" if self.rows[index][2] else "USB3Vision"
