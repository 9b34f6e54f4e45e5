"""Announcement: what a sender says about one camera by mDNS, and the check of what others say."""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rankcast.errors import SettingsError, WireError
from rankcast.wire import check_name

SERVICE_TYPE: Final = "_rankcast._tcp.local."
VERSION: Final = "1"
"""Of the keys and values below; a reader ignores keys that it does not know."""
MAX_ENTRIES: Final = 32
MAX_TEXT_BYTES: Final = 1300
"""Most keys, and most bytes of keys and values, of one announcement: RFC 6763 advises to stay
within one packet."""
MAX_ADDRESSES: Final = 8
MAX_SIDE: Final = 2**20
KEY_CHARS: Final = 40

_HOST: Final = re.compile(r"[a-zA-Z0-9_-]{1,63}")
_CODEC: Final = re.compile(r"[a-z0-9-]{1,32}")
_SIZE: Final = re.compile(r"([1-9]\d{0,6})x([1-9]\d{0,6})", re.ASCII)
_SERVER: Final = re.compile(r"[a-zA-Z0-9_.-]{1,253}")


@dataclass(frozen=True, slots=True)
class Announcement:
    """One camera of one sender."""

    camera: str
    host: str
    """Name of the machine, as it says itself."""
    port: int
    """Port of the frames."""
    addresses: tuple[str, ...] = ()
    """Numeric, in the order to try."""
    codec: str = ""
    """Empty if the sender does not say."""
    size: tuple[int, int] | None = None
    """Width and height; None before the first picture."""
    key: bytes = b""
    """Public key of the sender, 40 characters of Z85; empty without keys."""
    server: str = ""
    """DNS name that all cameras of one sender share, and no other sender has."""

    @property
    def name(self) -> str:
        """``CAMERA@HOST``."""
        return f"{self.camera}@{self.host}"

    @property
    def endpoint(self) -> str:
        """The first address, as ``tcp://HOST:PORT``; empty if there is none."""
        if not self.addresses:
            return ""
        host = self.addresses[0]
        return f"tcp://[{host}]:{self.port}" if ":" in host else f"tcp://{host}:{self.port}"

    @property
    def size_text(self) -> str:
        """``1280x720``, or an empty text."""
        return "" if self.size is None else f"{self.size[0]}x{self.size[1]}"

    def texts(self) -> dict[str, str]:
        """Return keys and values of the TXT record; addresses and port are in other records."""
        texts = {
            "v": VERSION,
            "camera": self.camera,
            "host": self.host,
            "codec": self.codec,
            "size": self.size_text,
            "key": self.key.decode("ascii"),
        }
        return {name: value for name, value in texts.items() if value}


def parse(
    texts: Mapping[bytes, bytes | None], port: int | None, addresses: Sequence[str], server: str
) -> Announcement:
    """Return what the records of one service say; anybody on the network may have written them.

    Raises
    ------
    WireError
        If a value is missing, too long or not of its form.
    """
    if len(texts) > MAX_ENTRIES:
        raise WireError(f"got {len(texts)} entries, want at most {MAX_ENTRIES}")
    size = sum(len(name) + len(value or b"") for name, value in texts.items())
    if size > MAX_TEXT_BYTES:
        raise WireError(f"got {size} bytes of text, want at most {MAX_TEXT_BYTES}")
    if (version := _text(texts, "v")) != VERSION:
        raise WireError(f"got version {version!r:.20} of the announcement, want {VERSION}")
    if port is None or not 1 <= port <= 65535:
        raise WireError(f"got port {port}, want 1 to 65535")
    try:
        camera = check_name(_text(texts, "camera"))
    except SettingsError as exc:
        raise WireError(str(exc)) from exc
    return Announcement(
        camera=camera,
        host=_matching(_HOST, "host", _text(texts, "host")),
        port=port,
        addresses=_addresses(addresses),
        codec=_matching(_CODEC, "codec", _text(texts, "codec"), optional=True),
        size=_size(_text(texts, "size")),
        key=_key(_text(texts, "key")),
        server=_matching(_SERVER, "server", server).lower(),
    )


def _text(texts: Mapping[bytes, bytes | None], name: str) -> str:
    value = texts.get(name.encode("ascii")) or b""
    try:
        return value.decode("ascii")
    except UnicodeDecodeError:
        raise WireError(f"got {name} {value!r:.40}, want ASCII") from None


def _matching(pattern: re.Pattern[str], name: str, text: str, *, optional: bool = False) -> str:
    if not pattern.fullmatch(text) and not (optional and not text):
        raise WireError(f"got {name} {text!r:.60}, want {pattern.pattern}")
    return text


def _size(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    match = _SIZE.fullmatch(text)
    width, height = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise WireError(f"got size {text!r:.40}, want WIDTHxHEIGHT, 1 to {MAX_SIDE} each")
    return width, height


def _key(text: str) -> bytes:
    if not text:
        return b""
    from zmq.utils import z85

    try:
        raw = z85.decode(text)
    except (KeyError, ValueError, struct.error):
        raw = b""
    # Z85 has several spellings of some keys; only the canonical one can be compared as text.
    if len(text) != KEY_CHARS or z85.encode(raw) != text.encode():
        raise WireError(f"got a key of {len(text)} characters, want {KEY_CHARS} characters of Z85")
    return text.encode("ascii")


def _addresses(given: Sequence[str]) -> tuple[str, ...]:
    """Return the addresses that a connection can be made to, IPv4 first."""
    found = []
    for text in dict.fromkeys(given):
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            continue
        scoped = isinstance(address, ipaddress.IPv6Address) and address.scope_id
        if address.is_multicast or address.is_unspecified:
            continue
        if address.version == 6 and address.is_link_local and not scoped:
            continue  # nobody can know through which interface
        found.append((address.version, text))
    found.sort(key=lambda item: item[0])  # stable
    if not found:
        raise WireError("got no address that a connection can be made to")
    return tuple(text for _, text in found[:MAX_ADDRESSES])
