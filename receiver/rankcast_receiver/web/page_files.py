"""The files of the page, and the native core that it runs."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from rankcast.core import wasm_module
from rankcast.errors import RankcastError

log = logging.getLogger(__name__)

FOLDER: Final = Path(__file__).with_name("page")
_PACKED: Final = [Middleware(GZipMiddleware)]
"""Page and core take 110 kB so, 300 kB otherwise."""


class _Files(StaticFiles):
    """Files that a browser asks for again, so that a new version shows at once."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "no-cache"
        return response

    def lookup_path(self, path: str) -> tuple[str, object]:  # type: ignore[override]
        try:
            return super().lookup_path(path)
        except ValueError:  # a NUL in the path
            return "", None


def page_routes() -> list[BaseRoute]:
    """Return the routes of the page and its files."""
    try:
        core: Path | None = wasm_module()
    except RankcastError as exc:
        core = None
        log.warning("the page shows JPEG, because its decoders cannot be compiled: %s", exc)
    return [
        Route("/", _index, methods=["GET"], middleware=_PACKED),
        Route(
            "/page/rankcast_core.wasm", partial(_core, core), methods=["GET"], middleware=_PACKED
        ),
        Mount("/page", _Files(directory=FOLDER, check_dir=False), middleware=_PACKED),
    ]


async def _index(_: Request) -> Response:
    return FileResponse(FOLDER / "index.html", headers={"Cache-Control": "no-cache"})


async def _core(path: Path | None, _: Request) -> Response:
    if path is None:
        raise HTTPException(404, "the decoders could not be compiled: see the log of the receiver")
    return FileResponse(path, media_type="application/wasm", headers={"Cache-Control": "no-cache"})
