"""Credentials in addresses and URLs, which no message, log or report may show."""

from __future__ import annotations

import re
from typing import Any, Final

HIDDEN: Final = "***"
# A password may contain an unescaped @ or /: all up to the last @ of the word is left out.
_USER_INFO: Final = re.compile(r"(?<=://)[^\s\"'<>]*@")
_SCHEME: Final = re.compile(r"[A-Za-z]+:(?://)?")


def without_credentials(text: str) -> str:
    """Return `text` with user names and passwords of all URLs replaced by ``***``."""
    return _USER_INFO.sub(f"{HIDDEN}@", text) if "://" in text else text


def shown_address(text: str) -> str:
    """Return an address as an error may show it: all before its last ``@`` is left out.

    Unlike `without_credentials` it takes nothing but an address, so that it also knows a password
    with blanks or quotes in it, one of a mistyped scheme, and those of several hosts.
    ``CAMERA@HOST``, which has no password, stays as it is.
    """
    info, at, host = text.rpartition("@")
    if not at or ":" not in info:
        return text
    scheme = _SCHEME.match(text)
    # In `anna:secret@host` the part before the colon is a user, not a scheme.
    is_scheme = scheme is not None and (scheme[0].endswith("//") or ":" in info[scheme.end() :])
    return f"{scheme[0] if scheme and is_scheme else ''}{HIDDEN}@{host}"


def shown_value(value: Any) -> Any:
    """Return the value of a setting as an error may show it: see `shown_address`."""
    if isinstance(value, str):
        return shown_address(value)
    if isinstance(value, list | tuple):
        return [shown_value(each) for each in value]
    return value
