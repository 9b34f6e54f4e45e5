"""The command ``rankcast control HOST OPERATION``: query or change a running sender."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from rankcast.atomic_file import check_writable, write_whole
from rankcast.commands.nats_access import nats_access
from rankcast.commands.nats_command_options import nats_options
from rankcast.credentials import shown_address
from rankcast.decoder import Decoder
from rankcast.errors import NoStreamError, RequestRefusedError, SettingsError
from rankcast.frame import Scalar
from rankcast.images import write_image
from rankcast.nats import DEFAULT_SITE, NatsAddress, NatsOptions, check_site, is_nats
from rankcast.net import (
    CONTROL_PORT_OFFSET,
    DEFAULT_ENDPOINT,
    ControlClient,
    CurveClient,
    check_endpoint,
    client_keys,
    control_endpoint,
)
from rankcast.path_parameter import PATH
from rankcast.printable import printable
from rankcast.settings import parse_set
from rankcast.user_path import expand_path
from rankcast.wire import Limits, Reply, check_stream, unpack

DEFAULT_PORT: Final = int(DEFAULT_ENDPOINT.rpartition(":")[2]) + CONTROL_PORT_OFFSET
_LOSSLESS_SUFFIXES: Final = (".png", ".tif", ".tiff")
_PORT: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::(\d+))?")


def _address(host: str) -> str:
    """Return the endpoint to connect to for ``HOST[:PORT]`` or a complete address."""
    if host.startswith("ipc://"):
        return control_endpoint(check_endpoint(host, bind=False))
    match = _PORT.fullmatch(host.removeprefix("tcp://"))
    if match is None or not match[1]:
        raise SettingsError(
            f"got {shown_address(host)!r:.80}, want HOST or HOST:PORT of the control channel "
            f"(default port {DEFAULT_PORT})"
        )
    return check_endpoint(f"tcp://{match[1]}:{match[2] or DEFAULT_PORT}", bind=False)


class _NatsSender:
    """The sender of one camera at a NATS server."""

    def __init__(self, address: str, options: NatsOptions, camera: str) -> None:
        self._address = NatsAddress.of(address)
        self._options = options
        if not camera:
            raise SettingsError(
                f"got no camera for {self._address}: give --camera SITE.CAMERA, as "
                f"`rankcast find --nats {self._address}` lists them"
            )
        site, dot, name = camera.partition(".")
        if not dot:
            site, name = options.site or DEFAULT_SITE, camera
        self._camera = check_site(site), check_stream(name)

    def call(self, op: str, args: Mapping[str, Scalar], timeout_s: float) -> Reply:
        from rankcast.nats.client import request_once

        return request_once(
            self._address, self._options, self._camera, op, args, timeout_s=timeout_s
        )


class _Session:
    """Context of all operations: address, keys, time-out and output format."""

    def __init__(
        self,
        address: str,
        camera: str,
        timeout_s: float,
        curves: Sequence[CurveClient],
        as_json: bool,
        nats: _NatsSender | None = None,
    ) -> None:
        self._nats = nats
        self._camera = camera
        self._as_json = as_json
        self._address = address
        self._timeout_s = timeout_s
        self._curves: Sequence[CurveClient | None] = curves or (None,)

    def call(self, op: str, args: Mapping[str, Scalar] | None = None) -> Reply:
        """Send a request, trying the server keys in turn, because only the right one connects."""
        if self._nats is not None:
            return self._nats.call(op, args or {}, self._timeout_s)
        for left, curve in zip(range(len(self._curves) - 1, -1, -1), self._curves, strict=True):
            timeout_s = self._timeout_s / len(self._curves)
            with ControlClient(self._address, curve) as client:
                try:
                    return client.call(op, self._camera, args or {}, timeout_s=timeout_s)
                except NoStreamError:
                    if not left:
                        raise
        raise AssertionError("there is always one key, or None, to try")

    def print(self, values: Mapping[str, Any]) -> None:
        """Print a result as one JSON object, or one line per value."""
        if self._as_json:
            click.echo(json.dumps(_plain(values), indent=2, allow_nan=False))
            return
        for name, value in values.items():
            if isinstance(value, Mapping):
                value = ", ".join(f"{key} {_text(item)}" for key, item in value.items()) or "none"
            click.echo(f"{printable(name)} = {_text(value)}")


_HELP: Final = """Query the sender at HOST, or change it while it runs.

\b
get [NAME]         print one setting, or all of them
set NAME=VALUE...  change settings: quality, bitrate, gop, exposure, gain, fps, width, ...
trigger            trigger one frame, of a camera with trigger=on
status             print the state of the sender
keyframe           request a key frame
original OUT       save the newest frame without loss, as a picture (.png, .tiff)
                   or as a packet (.rkc)
record [cause=C]   record an event, if the sender records with --pre-trigger or --post-trigger
"""


@click.command(help=_HELP)
@click.argument("host", metavar="HOST[:PORT] | ipc://SOCKET | nats://HOST:PORT")
@click.argument(
    "operation",
    type=click.Choice(["get", "set", "trigger", "status", "keyframe", "original", "record"]),
)
@click.argument("words", metavar="[NAME | NAME=VALUE... | OUT | cause=C]", nargs=-1)
@click.option("--camera", metavar="NAME", default="",
              help="Camera, if the sender has several; at a NATS server SITE.CAMERA.")  # fmt: skip
@nats_options
@click.option("--key", type=PATH, metavar="NAME.key",
              help="Secret key of this client, if the sender requires one.")  # fmt: skip
@click.option("--server-key", "server_keys", type=PATH, multiple=True,
              metavar="NAME.pub", help="Public key of the sender; repeatable.")  # fmt: skip
@click.option("--timeout", "timeout_s", type=float, default=5.0, show_default=True, metavar="S",
              help="Longest wait for the reply, in seconds.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def control(
    host: str,
    operation: str,
    words: tuple[str, ...],
    camera: str,
    key: Path | None,
    server_keys: tuple[Path, ...],
    config_file: Path | None,
    sets: tuple[str, ...],
    site: str | None,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Query the sender at HOST, or change it while it runs."""
    if not (math.isfinite(timeout_s) and 0 < timeout_s <= 3600):
        raise SettingsError(f"got --timeout {timeout_s:g}, want more than 0 and at most 3600 s")
    if is_nats(host):
        if key is not None or server_keys:
            raise SettingsError("got --key with a NATS server, which has users of its own")
        sender = _NatsSender(host, nats_access(config_file, sets, site), camera)
        _OPERATIONS[operation](_Session(host, camera, timeout_s, (), as_json, sender), words)
        return
    if config_file is not None or sets or site is not None:
        raise SettingsError("got --config, --set or --site, which are for nats:// addresses")
    if camera:
        check_stream(camera)
    if (key is None) != (not server_keys):
        given = "--server-key" if key is None else "--key"
        raise SettingsError(f"got {given} alone, want --key and --server-key together")
    curves = () if key is None else client_keys(key, server_keys)
    session = _Session(_address(host), camera, timeout_s, curves, as_json)
    _OPERATIONS[operation](session, words)


def _get(session: _Session, words: tuple[str, ...]) -> None:
    _at_most(words, 1, "get [NAME]")
    session.print(session.call("get", {"name": words[0]} if words else None).result)


def _set(session: _Session, words: tuple[str, ...]) -> None:
    values: dict[str, Scalar] = {}
    for word in words:
        name, equals, _ = word.partition("=")
        if not equals or not name.strip():
            raise SettingsError(f"got {word!r:.60}, want NAME=VALUE, as in quality=60")
        name, value = parse_set(word)
        if isinstance(value, Mapping | list):
            raise SettingsError(f"got {word!r:.60}, want one value for each name")
        values[name] = value
    if not values:
        raise SettingsError("got set without a value, want set NAME=VALUE...")
    session.print(session.call("set", values).result)


def _trigger(session: _Session, words: tuple[str, ...]) -> None:
    _at_most(words, 0, "trigger")
    session.print(session.call("set", {"trigger": "once"}).result)


def _status(session: _Session, words: tuple[str, ...]) -> None:
    _at_most(words, 0, "status")
    session.print(session.call("status").result)


def _keyframe(session: _Session, words: tuple[str, ...]) -> None:
    _at_most(words, 0, "keyframe")
    session.print(session.call("keyframe").result)


def _original(session: _Session, words: tuple[str, ...]) -> None:
    if len(words) != 1:
        raise SettingsError(f"got {len(words)} files, want original OUT.png, OUT.tiff or OUT.rkc")
    try:
        path = Path(expand_path(words[0]))
    except ValueError as exc:
        raise SettingsError(f"got OUT {words[0]!r:.80}: {exc}") from None
    raw = path.suffix.lower() == ".rkc"
    if not raw and path.suffix.lower() not in _LOSSLESS_SUFFIXES:
        wanted = ", ".join(_LOSSLESS_SUFFIXES)
        raise SettingsError(f"got suffix {path.suffix!r:.20} of OUT, want {wanted} or .rkc")
    check_writable(path)
    reply = session.call("original")
    if not reply.packet:
        raise RequestRefusedError("the reply of the sender contains no picture")
    if raw:
        unpack(reply.packet, Limits())
        write_whole(path, reply.packet)
    else:
        write_image(path, Decoder(Limits()).decode(reply.packet))
    session.print({**reply.result, "bytes": len(reply.packet), "file": str(path)})


def _record(session: _Session, words: tuple[str, ...]) -> None:
    _at_most(words, 1, "record [cause=C]")
    args: dict[str, Scalar] = {}
    if words:
        name, equals, cause = words[0].partition("=")
        if name != "cause" or not equals:
            raise SettingsError(f"got {words[0]!r:.60}, want record [cause=C], as in cause=ejector")
        args["cause"] = cause
    session.print(session.call("record", args).result)


_OPERATIONS: Final[Mapping[str, Callable[[_Session, tuple[str, ...]], None]]] = {
    "get": _get, "set": _set, "trigger": _trigger, "status": _status, "keyframe": _keyframe,
    "original": _original, "record": _record,
}  # fmt: skip


def _at_most(words: tuple[str, ...], most: int, usage: str) -> None:
    if len(words) > most:
        raise SettingsError(f"got {' '.join(words)!r:.80}, want {usage}")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {printable(name): _plain(item) for name, item in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.12g}"
    return value.hex() if isinstance(value, bytes) else printable(value)
