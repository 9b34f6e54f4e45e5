"""Lists the devices that a device module finds, in a process that can be killed."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from rankcast.atomic_file import os_reason
from rankcast.errors import SourceError
from rankcast.printable import printable
from rankcast_sender.grabber.device_spec import DeviceSpec
from rankcast_sender.grabber.messages import MAX_LINE_BYTES

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
    try:
        process = spec.start(())
    except OSError as exc:
        raise SourceError(f"{spec.name}: no process can be started ({os_reason(exc)})") from exc
    late = threading.Timer(limit_s, process.kill)
    late.start()
    try:
        answer = _ask(process, spec)
    finally:
        late.cancel()
        process.kill()
        process.wait()
        late.join()
        for stream in (process.stdin, process.stdout, process.stderr):
            assert stream is not None
            with suppress(OSError):
                stream.close()
    return _devices(answer, spec.name, limit_s)


def _ask(process: subprocess.Popen[bytes], spec: DeviceSpec) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    # A driver that prints much must not wait for somebody to read it.
    drain = threading.Thread(target=process.stderr.read)
    drain.start()
    question = {"op": "list", "module": spec.module, "path": list(spec.import_path)}
    try:
        with suppress(OSError):  # it has ended: its answer is empty
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
        return process.stdout.readline(16 * MAX_LINE_BYTES)
    finally:
        process.kill()
        drain.join()


def _devices(answer: bytes, name: str, limit_s: float) -> Sequence[ListedDevice]:
    if not answer:
        raise SourceError(f"{name}: the search ended without an answer, or took {limit_s:g} s")
    try:
        values = json.loads(answer)
        if values["msg"] == "failed":
            raise SourceError(printable(str(values["why"])[:_MAX_TEXT]))
        return [_device(device) for device in values["devices"][:_MAX_DEVICES]]
    except (ValueError, TypeError, KeyError, RecursionError) as exc:
        raise SourceError(f"{name}: the search answered {printable(repr(answer[:60]))}") from exc


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
