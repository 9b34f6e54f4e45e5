"""Source URIs: ``SCHEME:PATH[?OPTION=VALUE[&OPTION=VALUE...]]``.

The path is taken literally, because Windows paths and globs are full of characters that a URI
would escape; values are percent-decoded. The URL of a network camera may have a query of its own:
of that, names of our options are ours.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rankcast.credentials import shown_address, without_credentials, without_secrets
from rankcast.errors import SettingsError
from rankcast.validation_text import reason_of
from rankcast_sender.sources.credentials import is_unambiguous, shown_url

URL_SCHEMES: Final = ("rtsp", "rtsps", "http", "https")
SCHEMES: Final = ("camera", "replay", "synthetic", "basler", "aravis", "python", *URL_SCHEMES)
Fps = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]
"""Frames per second; no camera that OpenCV reads exceeds 1,000."""

# A query must look like options: `replay:img_?.png` is a glob.
_QUERY: Final = re.compile(r"[A-Za-z_][\w-]*=[^&?]*(?:&[A-Za-z_][\w-]*=[^&?]*)*")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
Options = TypeVar("Options", bound="SourceOptions")


class SourceOptions(BaseModel):
    """Options common to all sources."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fps: Fps | None = None

    @classmethod
    def check_path(cls, path: str) -> None:
        """Reject a malformed path without opening it.

        Raises
        ------
        SettingsError
        """


@dataclass(frozen=True, slots=True)
class SourceUri:
    """The parts of a source URI; nothing is opened yet."""

    scheme: str
    path: str
    query: Mapping[str, str]

    @property
    def is_url(self) -> bool:
        """True for the URL of a network camera."""
        return self.scheme in URL_SCHEMES

    def __str__(self) -> str:
        """Return the source without credentials."""
        if self.is_url:
            return shown_url(f"{self.scheme}:{self.path}")
        query = "&".join(f"{name}={value}" for name, value in self.query.items())
        text = f"{self.path}?{query}" if query else self.path
        return f"{self.scheme}:{without_secrets(text)}"

    def with_options(self, names: Container[str]) -> SourceUri:
        """Return the source with those parts of the query of its URL that are options of ours."""
        if not self.is_url:
            return self
        path, mark, query_text = self.path.partition("?")
        mine: list[str] = []
        theirs: list[str] = []
        for part in query_text.split("&") if mark else []:
            (mine if part.partition("=")[0] in names else theirs).append(part)
        rest = f"{path}?{'&'.join(theirs)}" if theirs else path
        return SourceUri(self.scheme, rest, _parse_query("&".join(mine), str(self)))


def parse_source(text: str) -> SourceUri:
    """Split a source URI into its parts.

    Parameters
    ----------
    text : str
        For example ``camera:0?width=1920``, ``replay:frames/*.png``, ``synthetic:conveyor``.

    Raises
    ------
    SettingsError
        If the scheme is unknown, the path is missing or an option is given twice.
    """
    match = _SCHEME.fullmatch(text)
    known = ", ".join(
        f"{scheme}://..." if scheme in URL_SCHEMES else f"{scheme}:..." for scheme in SCHEMES
    )
    if match is None or match[1].lower() not in SCHEMES:
        shown = shown_address(text)
        raise SettingsError(f"got source {shown!r:.200}, want one of {known}")
    path, query_text = match[2], ""
    if match[1].lower() in URL_SCHEMES:
        return _parse_url(match[1].lower(), path)
    head, mark, tail = path.rpartition("?")
    if mark and _QUERY.fullmatch(tail):
        path, query_text = head, tail
    if not path or "\0" in path:
        raise SettingsError(
            f"got source {without_credentials(text)!r:.200}, want {match[1].lower()}:PATH with a "
            "path after the colon"
        )
    return SourceUri(match[1].lower(), path, _parse_query(query_text, text))


def _parse_url(scheme: str, path: str) -> SourceUri:
    plain = path.isprintable() and " " not in path
    if not path.startswith("//") or not plain or not is_unambiguous(path[2:]):
        # Nothing of it is shown: which part is the password is not clear.
        raise SettingsError(
            f"got a source {scheme}: that is no URL, want {scheme}://[USER:PASSWORD@]HOST[:PORT]"
            "/PATH; write special characters of a password as in %40 for @"
        )
    return SourceUri(scheme, path, MappingProxyType({}))


def _parse_query(query_text: str, source: str) -> Mapping[str, str]:
    query: dict[str, str] = {}
    for part in query_text.split("&") if query_text else []:
        name, _, value = part.partition("=")
        if name in query:
            raise SettingsError(
                f"got option {name!r} twice in source {without_credentials(source)!r:.200}, "
                "give it once"
            )
        query[name] = unquote(value)
    return MappingProxyType(query)


def check_query(model: type[Options], uri: SourceUri, **overrides: Any) -> Options:
    """Validate the query of a source URI.

    Parameters
    ----------
    model : type
        Class of the source's options.
    uri : SourceUri
        Its query holds the values as text.
    **overrides
        Values that take precedence over the query, such as ``--fps``; None is ignored.

    Raises
    ------
    SettingsError
        If an option is unknown, or a value has the wrong type or is out of range.
    """
    values: dict[str, Any] = dict(uri.query)
    values.update({name: value for name, value in overrides.items() if value is not None})
    known = ", ".join(model.model_fields)
    model.check_path(uri.path)
    try:
        return model(**values)
    except ValidationError as exc:
        first = exc.errors()[0]
        name = ".".join(str(part) for part in first["loc"][:1])
        path = without_credentials(uri.path)
        source = f"source {uri.scheme}:{path:.100}" if not uri.is_url else f"source {uri}"
        if first["type"] == "extra_forbidden":
            raise SettingsError(f"{source} has no option {name!r}; its options: {known}") from None
        given = repr(values.get(name))
        got = f"{source}, {name} = {without_credentials(given):.60}" if name else source
        raise SettingsError(f"{got}: {reason_of(first)} (options: {known})") from None
