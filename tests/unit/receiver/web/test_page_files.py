"""Files of the page: small, complete, and nothing in them comes from elsewhere."""

from __future__ import annotations

import asyncio
import gzip
import re
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from rankcast_receiver.web.page_files import page_routes
from support.scripted_web import PAGE

MOST_BYTES = 200_000
MOST_CORE_BYTES = 150_000
MOST_LINES = 400
FILES = sorted(path for path in PAGE.rglob("*") if path.is_file())
MODULES = [path for path in FILES if path.suffix == ".js"]


def name_of(path: Path) -> str:
    return path.relative_to(PAGE).as_posix()


def test_the_page_is_small_as_it_is_sent() -> None:
    page = sum(len(gzip.compress(path.read_bytes())) for path in FILES)
    # tests/contract/test_packet_decoders.py holds the size of the core; gzip takes a third of it.
    assert page + MOST_CORE_BYTES * 0.4 < MOST_BYTES


def test_the_server_sends_the_page_compressed() -> None:
    async def ask(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=Starlette(routes=page_routes()))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path, headers={"Accept-Encoding": "gzip"})

    for path in ("/", "/page/page.js", "/page/style/base.css"):
        answer = asyncio.run(ask(path))
        assert answer.status_code == 200
        assert answer.headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_files_of_the_page_and_what_they_export(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    for names, source in re.findall(r"import \{([^}]*)\} from \"([^\"]+)\"", text):
        other = (path.parent / source).resolve()
        assert other in FILES, source
        exported = other.read_text(encoding="utf-8")
        for name in filter(None, (one.strip() for one in names.split(","))):
            assert re.search(
                rf"export (async )?(class|function|const) {re.escape(name)}\b"
                rf"|export \{{[^}}]*\b{re.escape(name)}\b[^}}]*\}}",
                exported,
            ), f"{source} exports no {name}"
            assert len(re.findall(rf"\b{re.escape(name)}\b", text)) > 1, f"{name} is not used"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_is_fetched_from_elsewhere_or_parsed_as_markup(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    addresses = set(re.findall(r"https?://[^\s\"')]+", text)) - {"http://www.w3.org/2000/svg"}
    assert addresses == set()
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert forbidden not in text
    if path.suffix == ".html":
        # The content security policy refuses both.
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*src=)", text)
