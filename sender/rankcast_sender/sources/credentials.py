"""Credentials in the URL of a camera, which no log, status, report or message may show."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

HIDDEN: Final = "***"
# A password may contain an unescaped @ or /: all up to the last @ of the word is left out.
_USER_INFO: Final = re.compile(r"(?<=://)[^\s\"'<>]*@")
_SHORT: Final = 3
"""Values of a query this short are numbers of channels, not secrets."""


def without_credentials(text: str) -> str:
    """Return `text` with user names and passwords of all URLs replaced by ``***``."""
    return _USER_INFO.sub(f"{HIDDEN}@", text) if "://" in text else text


def shown_url(url: str) -> str:
    """Return a URL without credentials and without its query, which may hold some as well."""
    scheme, _, rest = url.partition("://")
    before, at, after = rest.rpartition("@")
    # An @ in a query is no end of credentials, unless they contain the question mark.
    host = rest if at and "?" in before and ":" not in before.partition("?")[0] else after
    return f"{scheme}://{host.partition('?')[0].partition('#')[0]}"


def secrets_of(url: str) -> tuple[str, ...]:
    """Return the parts of a URL that must be left out of what a driver prints."""
    rest = url.partition("://")[2]
    info, _, place = rest.rpartition("@")
    user, _, password = info.partition(":")
    query = place.partition("?")[2]
    found = {url, info, password, unquote(password), query}
    for part in query.split("&"):
        value = part.partition("=")[2]
        if len(value) > _SHORT:
            found |= {value, unquote(value)}
    return tuple(sorted(found - {"", user}, key=len, reverse=True))
