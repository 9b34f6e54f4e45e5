"""Aravis by its GObject bindings: loading them, finding cameras, and what their errors mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from rankcast_sender.devices.device import DeviceError, RefusedValueError

PACKAGES: Final = "gir1.2-aravis-0.8 python3-gi"
"""Debian's and Ubuntu's packages of the bindings."""
_REFUSING: Final = frozenset(
    {"INVALID_PARAMETER", "FEATURE_NOT_FOUND", "WRONG_FEATURE", "PROTOCOL_ERROR_INVALID_PARAMETER",
     "PROTOCOL_ERROR_WRITE_PROTECT"}
)  # fmt: skip
"""Errors of a device that took the command and did not accept it; others mean that it is gone."""


def load_aravis() -> Any:  # Any: a module made at run time, without stubs
    """Return the module `Aravis` of the bindings.

    Raises
    ------
    RefusedValueError
        If they are not installed.
    """
    try:
        import gi

        gi.require_version("Aravis", "0.8")
        from gi.repository import Aravis
    except (ImportError, ValueError) as exc:
        raise RefusedValueError(
            f"needs the bindings of Aravis 0.8 ({' '.join(str(exc).split())}): run "
            f"apt-get install {PACKAGES}, or see docs/getting-started.md"
        ) from exc
    return Aravis


@dataclass(frozen=True)
class FoundCamera:
    """A camera that answered, or is plugged in."""

    id: str
    """Vendor and serial number, as Aravis names the camera."""
    vendor: str
    model: str
    serial: str
    address: str
    """IP address; empty for USB."""
    physical_id: str
    """MAC address, or GUID of a USB3 Vision camera."""
    protocol: str

    def has_name(self, name: str) -> bool:
        """Whether `name` is one of the names of this camera, in any case."""
        names = (self.id, self.serial, self.address, self.physical_id)
        return name.casefold() in {known.casefold() for known in names if known}


def find_cameras(aravis: Any) -> list[FoundCamera]:
    """Ask all networks and USB buses; takes a second."""
    aravis.update_device_list()
    cameras = []
    for index in range(aravis.get_n_devices()):
        protocol = aravis.get_device_protocol(index) or ""
        usb = protocol == "USB3Vision"
        cameras.append(
            FoundCamera(
                id=aravis.get_device_id(index) or "",
                vendor=aravis.get_device_vendor(index) or "",
                model=aravis.get_device_model(index) or "",
                serial=aravis.get_device_serial_nbr(index) or "",
                address="" if usb else aravis.get_device_address(index) or "",
                physical_id=aravis.get_device_physical_id(index) or "",
                protocol=protocol,
            )
        )
    return cameras


def open_camera(aravis: Any, name: str) -> Any:
    """Open a camera and take control of it.

    Parameters
    ----------
    aravis : module
    name : str
        Aravis's id of the camera, its serial number, IP or MAC address, USB3 Vision GUID, or the
        name that a user gave it.

    Raises
    ------
    DeviceError
        If it is not there, does not answer, or another program holds it.
    RefusedValueError
        If several cameras have this name.
    """
    found = find_cameras(aravis)
    named = [camera.id for camera in found if camera.has_name(name)]
    if len(named) > 1:
        raise RefusedValueError(
            f"aravis:{name} names {len(named)} cameras, want the id of one: {', '.join(named)}"
        )
    if named:
        return open_found(aravis, named[0], f"aravis:{name}")
    try:
        # A camera that no broadcast reaches answers at its address, and Aravis knows user's names.
        return open_found(aravis, name, f"aravis:{name}")
    except DeviceError as exc:
        if error_word(aravis, exc.__cause__) != "NOT_FOUND":
            raise
        raise DeviceError(f"aravis:{name} is not there: {_those_there(found)}") from exc


def open_found(aravis: Any, camera_id: str, title: str) -> Any:
    """Open a camera that was found, and take control of it.

    Parameters
    ----------
    aravis : module
    camera_id : str
    title : str
        Names the camera in messages.

    Raises
    ------
    DeviceError
        If it does not answer, or another program holds it.
    """
    try:
        camera = aravis.Camera.new(camera_id)
    except Exception as exc:
        if error_word(aravis, exc) is None:
            raise
        raise DeviceError(
            f"{title} does not open ({one_line(exc)}): check its cable and its power"
        ) from exc
    if camera.is_gv_device() and not camera.get_device().is_controller():
        raise DeviceError(
            f"{title}: another program holds it (control access denied): end that program; after a "
            "crash the camera is free within seconds"
        )
    return camera


def _those_there(found: list[FoundCamera]) -> str:
    if not found:
        return (
            "no camera answers here; check cable, power, the network of its address, and that a "
            "firewall lets UDP pass"
        )
    known = [f"{camera.id} ({camera.address or camera.physical_id})" for camera in found]
    return f"want one of {', '.join(known)}"


def error_word(aravis: Any, exc: BaseException | None) -> str | None:
    """Return Aravis's word for an error, such as ``TIMEOUT``; None if it is not Aravis's."""
    domain, code = getattr(exc, "domain", ""), getattr(exc, "code", None)
    kinds = {"arv-device-error-quark": "DeviceError", "arv-gc-error-quark": "GcError"}
    if domain not in kinds:
        return None
    kind = getattr(aravis, kinds[domain])
    for word in dir(kind):
        if word.isupper() and int(getattr(kind, word)) == code:
            return word
    return "UNKNOWN"


@contextmanager
def reported(aravis: Any, what: str) -> Iterator[None]:
    """Raise the errors of Aravis as errors of a device that begin with `what`.

    Raises
    ------
    RefusedValueError
        If the camera took a command and did not accept it.
    DeviceError
        If it did not answer.
    """
    try:
        yield
    except Exception as exc:
        word = error_word(aravis, exc)
        if word is None:
            raise
        line = f"{what}: {one_line(exc)}"
        if getattr(exc, "domain", "") == "arv-gc-error-quark" or word in _REFUSING:
            raise RefusedValueError(line) from exc
        raise DeviceError(line) from exc


def one_line(exc: Exception) -> str:
    """Return the message of a GLib error, without its domain and code."""
    return " ".join(str(getattr(exc, "message", "") or exc).split())
