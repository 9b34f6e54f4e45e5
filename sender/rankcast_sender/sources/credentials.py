"""Credentials in the URL of a camera, which no log, status, report or message may show."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, urlsplit

HIDDEN: Final = "***"
# A password may contain an unescaped @ or /: all up to the last @ of the word is left out.
_USER_INFO: Final = re.compile(r"(?<=://)[^\s\"'<>]*@")


def without_credentials(text: str) -> str:
    """Return `text` with user names and passwords of all URLs replaced by ``***``."""
    return _USER_INFO.sub(f"{HIDDEN}@", text) if "://" in text else text


def shown_url(url: str) -> str:
    """Return a URL without credentials and query, which often holds some as well."""
    bare = without_credentials(url)
    return bare.partition("?")[0].partition("#")[0]


def secrets_of(url: str) -> tuple[str, ...]:
    """Return the parts of a URL that a driver must not print."""
    scheme, _, rest = url.partition("://")
    if not rest:
        return ()
    info, at, _ = rest.rpartition("@")
    user, _, password = info.partition(":") if at else ("", "", "")
    found = {info, password, unquote(password), urlsplit(f"{scheme}://host/?{_query(url)}").query}
    for part in _query(url).split("&"):
        value = part.partition("=")[2]
        found |= {value, unquote(value)} if len(value) > _SHORT else set()
    found.add(url)
    return tuple(sorted(found - {"", user}))


_SHORT: Final = 3
"""Values of a query this short are numbers of channels, not secrets."""


def _query(url: str) -> str:
    return url.partition("?")[2]
