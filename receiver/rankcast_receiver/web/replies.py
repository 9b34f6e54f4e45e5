"""Replies of the HTTP interface: JSON that nobody stores, errors in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rankcast_receiver.web.json_text import json_text

NO_STORE: Final = {"Cache-Control": "no-store"}


def json_reply(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a value as JSON."""
    return Response(json_text(value), status, {**NO_STORE, **(headers or {})}, "application/json")


async def error_reply(_: Request, exc: Exception) -> Response:
    """Return what an exception of Starlette says as ``{"error": ...}``."""
    assert isinstance(exc, HTTPException)
    return json_reply({"error": exc.detail}, exc.status_code, exc.headers)
