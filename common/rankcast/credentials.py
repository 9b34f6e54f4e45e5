"""Credentials in addresses and URLs, which no message, log or report may show."""

from __future__ import annotations

import re
from typing import Any, Final

HIDDEN: Final = "***"
# A password may contain an unescaped @ or /: all up to the last @ of the word is left out.
_USER_INFO: Final = re.compile(r"(?<=://)[^\s\"'<>]*@")
_SCHEME: Final = re.compile(r"[A-Za-z]+:(?://)?")

# Part of a word; a quote ends a word only if no letter or digit follows.
_PART: Final = r"(?:[^\s\"'<>]|[\"'<>](?=\w))"
# Forms that messages name, and that are no credentials.
_FORM: Final = r"(?!\[?USER:PASSWORD@)"
# `scheme://anna:secret@`, and what a path makes of it: `scheme:/anna:secret@`.
_BEHIND_SCHEME: Final = re.compile(
    r"(?<![\w+.-])(?!(?:camera|ipc|python|replay):)([A-Za-z][\w+.-]+:[/\\]++)"
    + _FORM
    + _PART
    + "*@"
)
# `anna:secret@` alone; no source of files (`replay:img@2.png`), disk (`C:\a@b`) or time of day.
_PAIR: Final = re.compile(
    r"(?<![^\s:@/\\\"'<>=,(\[])(?!(?:python|replay):|(?:[^\s:]{0,40}T)?\d\d?:\d\d(?::\d\d)?[/.,Z+-])"
    + _FORM
    + r"[^\s:@/\\\"'<>=,(\[]+:(?![/\\]|(?:[A-Za-z][\w+.-]*:[/\\]+)?\*\*\*@)"
    + _PART
    + "*@"
)
# Quoted text with blanks or quotes in it, which may all be one password.
_QUOTED: Final = re.compile(r"(?<!\w)(['\"])((?:\\.|(?!\1)[^\\]){0,1000})\1(?!\w)", re.DOTALL)
_QUOTED_PAIR: Final = re.compile(
    r"(?!(?:python|replay):|(?:[A-Za-z]|camera|ipc):[/\\])[^\s:@]+:\S.*@", re.DOTALL
)
# `nats://anna:secret`, whose host was forgotten: no port, as of an address, follows the colon.
_NO_HOST: Final = re.compile(
    r"(?<=://)(?![0-9A-Fa-f:.%]*::)((?:[^\s:/@\"'<>,\[]+(?::\d{1,5})?,)*"
    r"(?!(?:localhost|\*|\d+(?:\.\d+){3}):)[^\s:/@\"'<>,\[]+:)"
    r"(?!\d{1,5}(?!\w)|PORT\b|\*)[^\s:/\"'<>,\[\]]" + _PART + r"*(?<![,.;:)\]])"
)
_AFTER_VALUE: Final = ",.;:)]"
_VALUE: Final = re.compile(
    r"((?:(?<![a-z])pass|passwd|password|passphrase|pwd|token|secret)=)"
    # No group inside of ++: CPython may fail on one.
    r"((?:\"(?![\"'\s,.;:)\]])[^\"']*\"|'(?![\"'\s,.;:)\]])[^\"']*'|[^\s&\"'<>]|[\"'<>](?=\w))++)",
    re.IGNORECASE,
)


def without_credentials(text: str) -> str:
    """Return `text` with user names and passwords of all URLs replaced by ``***``."""
    return _USER_INFO.sub(f"{HIDDEN}@", text) if "://" in text else text


def without_secrets(text: str) -> str:
    """Return a message with all that may be a password replaced by ``***``.

    Unlike `without_credentials` it takes text that may quote whatever a user has mistyped: also
    ``anna:secret@host`` without a scheme, ``scheme:/anna:secret@host``, ``scheme://anna:secret``
    without a host, and values such as ``password=secret``.
    """
    if "@" in text:
        text = _QUOTED.sub(_shown_quoted, text)
        text = _BEHIND_SCHEME.sub(rf"\1{HIDDEN}@", text)
        text = _PAIR.sub(f"{HIDDEN}@", text)
    if "://" in text:
        text = _NO_HOST.sub(rf"\1{HIDDEN}", text)
    return _VALUE.sub(_shown_pair, text) if "=" in text else text


def shown_address(text: str) -> str:
    """Return an address as an error may show it: all before its last ``@`` is left out.

    Unlike `without_secrets` it takes nothing but an address, so that it also knows a password
    with blanks or quotes in it, one of a mistyped scheme, and those of several hosts.
    ``CAMERA@HOST``, which has no password, stays as it is.
    """
    info, at, host = text.rpartition("@")
    if not at or ":" not in info:
        return without_secrets(text)
    scheme = _SCHEME.match(text)
    # In `anna:secret@host` the part before the colon is a user, not a scheme.
    is_scheme = scheme is not None and (scheme[0].endswith("//") or ":" in info[scheme.end() :])
    return f"{scheme[0] if scheme and is_scheme else ''}{HIDDEN}@{without_secrets(host)}"


def shown_value(value: Any) -> Any:
    """Return the value of a setting as an error may show it: see `shown_address`."""
    if isinstance(value, str):
        return shown_address(value)
    if isinstance(value, list | tuple):
        return [shown_value(each) for each in value]
    return value


def _shown_quoted(match: re.Match[str]) -> str:
    quote, text = match[1], match[2]
    is_word = not re.search(r"[\s\"']", text)
    return match[0] if is_word or not _QUOTED_PAIR.match(text) else f"{quote}{_hide(text)}{quote}"


def _shown_pair(match: re.Match[str]) -> str:
    value = match[2].rstrip(_AFTER_VALUE)
    return f"{match[1]}{HIDDEN}{match[2][len(value) :]}" if value else match[0]


def _hide(text: str) -> str:
    scheme = re.match(r"[A-Za-z][\w+.-]*:[/\\]+", text)
    return f"{scheme[0] if scheme else ''}{HIDDEN}@{text.rpartition('@')[2]}"
