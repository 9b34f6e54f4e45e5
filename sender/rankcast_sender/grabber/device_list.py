"""Lists the devices that a device module finds, in a process that can be killed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rankcast.atomic_file import os_reason
from rankcast.errors import SourceError
from rankcast.printable import printable
from rankcast_sender.grabber.device_spec import DeviceSpec
from rankcast_sender.grabber.driver_log import DriverLog

LIST_S: Final = 20.0
"""Longest time to look for devices: opening each to ask for its formats takes a second."""
_MAX_DEVICES: Final = 256
_MAX_FORMATS: Final = 256
_MAX_TEXT: Final = 300


@dataclass(frozen=True, slots=True)
class ListedDevice:
    """A device that a device module has found."""

    path: str
    """Of the source URI that opens it."""
    model: str
    serial: str
    name: str
    """Name that somebody gave it; often empty."""
    link: str
    """GigE, USB3, ...; empty if unknown."""
    formats: tuple[str, ...]
    problem: str
    """Why it cannot be opened now; empty if it can."""


def list_devices(spec: DeviceSpec, limit_s: float = LIST_S) -> Sequence[ListedDevice]:
    """Return the devices that the module of `spec` finds.

    Raises
    ------
    SourceError
        If it cannot look for them, or takes longer than `limit_s`.
    """
    question = {"op": "list", "module": spec.module, "path": list(spec.import_path)}
    try:
        process = spec.start(())
    except OSError as exc:
        raise SourceError(f"{spec.name}: no process can be started ({os_reason(exc)})") from exc
    with process:
        try:
            answer, printed = process.communicate(json.dumps(question).encode() + b"\n", limit_s)
        except subprocess.TimeoutExpired as exc:
            process.kill()
            raise SourceError(
                f"{spec.name}: the search took more than {limit_s:g} s and was ended"
                f"{_last_words(spec, exc.stderr or b'')}"
            ) from exc
    return _devices(answer, spec, printed)


def _last_words(spec: DeviceSpec, printed: bytes) -> str:
    """Return what the driver printed last, without credentials."""
    log = DriverLog(spec.name, spec.secrets)
    lines = (" ".join(line.split()) for line in printed.decode("utf-8", "replace").splitlines())
    last = next((line for line in reversed([*lines]) if line), "")
    return f"; the driver says: {log.redact(last)[:_MAX_TEXT]}" if last else ""


def _devices(answer: bytes, spec: DeviceSpec, printed: bytes) -> Sequence[ListedDevice]:
    name = spec.name
    if not answer:
        raise SourceError(f"{name}: the search ended without an answer{_last_words(spec, printed)}")
    try:
        values = json.loads(answer)
        if values["msg"] == "failed":
            why = DriverLog(name, spec.secrets).redact(str(values["why"]))
            raise SourceError(why[:_MAX_TEXT])
        return [_device(device) for device in values["devices"][:_MAX_DEVICES]]
    except (ValueError, TypeError, KeyError, RecursionError) as exc:
        raise SourceError(
            f"{name}: the search answered {answer[:60]!r}{_last_words(spec, printed)}"
        ) from exc


def _device(values: Mapping[str, Any]) -> ListedDevice:
    formats = values["formats"]
    if not isinstance(formats, list):
        raise TypeError(f"formats is {type(formats).__name__}, want a list")
    path, model, serial, name, link, problem = (
        printable(str(values[key])[:_MAX_TEXT])
        for key in ("path", "model", "serial", "name", "link", "problem")
    )
    return ListedDevice(
        path, model, serial, name, link,
        tuple(printable(str(text)[:_MAX_TEXT]) for text in formats[:_MAX_FORMATS]), problem,
    )  # fmt: skip
