"""Credentials in the URL of a camera: user information and query."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

_AUTHORITY_END: Final = re.compile(r"[/?#]")
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^:@\[\]]+)(:\d{1,5})?")
_SHORT: Final = 3
"""Values of a query this short are numbers of channels, not secrets."""


def shown_url(url: str) -> str:
    """Return a URL without credentials and without its query, which may hold some as well."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{_split(rest)[1].partition('?')[0].partition('#')[0]}"


def secrets_of(url: str) -> tuple[str, ...]:
    """Return the parts of a URL that must be left out of what a driver prints."""
    info, place = _split(url.partition("://")[2])
    user, _, password = info.partition(":")
    query = place.partition("?")[2]
    found = {url, info, password, unquote(password), query}
    for part in query.split("&"):
        # A value may contain a = itself, as of a password with a ? that cuts the URL in two.
        words = part.split("=")
        for value in ("=".join(words[count:]) for count in range(1, len(words))):
            if len(value) > _SHORT:
                found |= {value, unquote(value)}
    return tuple(sorted(found - {"", user}, key=len, reverse=True))


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
