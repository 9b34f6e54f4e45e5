"""Messages that a page sends over its WebSocket."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from rankcast.errors import WireError

MOST_NAME_CHARS: Final = 80
MOST_ARGS: Final = 32

Form: TypeAlias = Literal["packets", "jpeg"]


@dataclass(frozen=True, slots=True)
class Watch:
    """The cameras that the page wants from now on."""

    cameras: Mapping[str, Form]


@dataclass(frozen=True, slots=True)
class Ack:
    """The newest picture of each camera that the page has decoded, or given up."""

    cameras: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Ping:
    """A question for the clock of the server."""

    t0: float


@dataclass(frozen=True, slots=True)
class Restart:
    """The decoder of a camera lost the stream."""

    camera: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to the sender of a camera."""

    id: int
    op: str
    camera: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Play:
    """How a recording is played from now on."""

    from_s: float | None
    """Where; None goes on."""
    speed: float
    paused: bool
    form: Form = "packets"
    """How the cameras are sent from there on."""


PageMessage: TypeAlias = Watch | Ack | Ping | Restart | Ask | Play


def parse_page_message(text: str) -> PageMessage:
    """Parse a message of docs/web.md.

    Raises
    ------
    WireError
        If `text` is no such message.
    """
    try:
        values = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        raise WireError("a message is no JSON") from exc
    if not isinstance(values, dict):
        raise WireError("a message is no object")
    match values.get("type"):
        case "watch":
            return Watch({name: _form(form) for name, form in _cameras(values)})
        case "ack":
            return Ack({name: _sequence(value) for name, value in _cameras(values)})
        case "ping":
            return Ping(_number(values.get("t0"), "t0"))
        case "restart":
            return Restart(_name(values.get("camera")))
        case "request":
            return _ask(values)
        case "play":
            return _play(values)
        case other:
            raise WireError(f"a message has the unknown type {other!r:.40}")


def _refuse_constant(text: str) -> Any:
    raise ValueError(text)


def _cameras(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    cameras = values.get("cameras")
    if not isinstance(cameras, dict):
        raise WireError("cameras is no object")
    return [(_name(name), value) for name, value in cameras.items()]


def _name(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MOST_NAME_CHARS:
        raise WireError(f"{value!r:.40} is no name of a camera")
    return value


def _form(value: object) -> Form:
    if value == "packets":
        return "packets"
    if value == "jpeg":
        return "jpeg"
    raise WireError(f"a camera is wanted as {value!r:.40}, want packets or jpeg")


def _sequence(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:
        return int(value)
    if type(value) is not int or not 0 <= value < 2**64:
        raise WireError(f"a sequence is {value!r:.40}")
    return value


def _number(value: object, name: str) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):  # type: ignore[arg-type]
        raise WireError(f"{name} is {value!r:.40}, want a number")
    return value  # type: ignore[return-value]


def _ask(values: Mapping[str, Any]) -> Ask:
    number, op, args = values.get("id"), values.get("op"), values.get("args", {})
    if type(number) is not int or not 0 <= number < 2**53:
        raise WireError(f"the id of a request is {number!r:.40}")
    if not isinstance(op, str) or len(op) > MOST_NAME_CHARS:
        raise WireError(f"the operation of a request is {op!r:.40}")
    if not isinstance(args, dict) or len(args) > MOST_ARGS:
        raise WireError(f"a request has no args, or more than {MOST_ARGS}")
    for value in args.values():
        if value is not None and not isinstance(value, bool | int | float | str):
            raise WireError(f"an arg of a request is {value!r:.40}, want a scalar")
        if isinstance(value, float) and not math.isfinite(value):
            raise WireError("an arg of a request is no number")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise WireError("an arg of a request has more than 64 bits")
    return Ask(number, op, _name(values.get("camera")), args)


def _play(values: Mapping[str, Any]) -> Play:
    from_s, paused = values.get("from_s"), values.get("paused", False)
    if from_s is not None and _number(from_s, "from_s") < 0:
        raise WireError(f"from_s is {from_s}, want 0 or more seconds")
    speed = _number(values.get("speed", 1.0), "speed")
    if not 0.01 <= speed <= 100:
        raise WireError(f"speed is {speed}, want 0.01 to 100")
    if not isinstance(paused, bool):
        raise WireError(f"paused is {paused!r:.40}, want true or false")
    return Play(from_s, speed, paused, _form(values.get("form", "packets")))
