"""Credentials in the URL of a camera: user information, query, and those in its path."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from rankcast.credentials import HIDDEN

_AUTHORITY_END: Final = re.compile(r"[/?#]")
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^:@\[\]]+)(:\d{1,5})?")
# Cameras of XMEye take `/user=admin_password=secret_channel=1`; the password may contain a /.
_IN_PATH: Final = re.compile(
    r"(?<=/)[^/]*(?:user|username|login|pass|passwd|password|pwd|token|secret)=.*",
    re.IGNORECASE | re.DOTALL,
)
_KEY: Final = re.compile(r"[_&;,][A-Za-z]+=")
_SHORT: Final = 3
"""Values of a query this short are numbers of channels, not secrets."""


def shown_url(url: str) -> str:
    """Return a URL without credentials and without its query, which may hold some as well."""
    scheme, _, rest = url.partition("://")
    place = _split(rest)[1].partition("?")[0].partition("#")[0]
    return f"{scheme}://{_IN_PATH.sub(HIDDEN, place)}"


def secrets_of(url: str) -> tuple[str, ...]:
    """Return the parts of a URL that must be left out of what a driver prints."""
    info, place = _split(url.partition("://")[2])
    user, _, password = info.partition(":")
    query = place.partition("?")[2]
    found = {url, info, password, unquote(password), query}
    if in_path := _IN_PATH.search(place):
        found |= _values(in_path[0])
    for part in query.split("&"):
        # A value may contain a = itself, as of a password with a ? that cuts the URL in two.
        words = part.split("=")
        for value in ("=".join(words[count:]) for count in range(1, len(words))):
            if len(value) > _SHORT:
                found |= {value, unquote(value)}
    return tuple(sorted(found - {"", user}, key=len, reverse=True))


def _values(text: str) -> set[str]:
    """Return `text` of the form ``user=admin_password=secret_channel=1``, and its long values."""
    found = {text}
    for equals in re.finditer("=", text):
        rest = text[equals.end() :]
        # A value may contain an underscore itself.
        ends = [len(rest), *(key.start() for key in _KEY.finditer(rest))]
        found |= {rest[:end] for end in ends if end > _SHORT}
    return found | {unquote(value) for value in found}


def is_unambiguous(rest: str) -> bool:
    """Return True if it is clear what of a URL, after ``://``, are credentials, host and query."""
    authority = _AUTHORITY_END.split(rest, maxsplit=1)[0]
    info, _, host = authority.rpartition("@")
    path = rest[len(authority) :].partition("?")[0]
    # In `anna:12?@cam` all but the last word may be meant as credentials.
    late = not info and ":" in host and "@" in rest
    return "@" not in info + path and not late and _HOST.fullmatch(host) is not None


def _split(rest: str) -> tuple[str, str]:
    """Return credentials, and all that follows them."""
    authority = _AUTHORITY_END.split(rest, maxsplit=1)[0]
    info, _, host = authority.rpartition("@")
    return info, host + rest[len(authority) :]
