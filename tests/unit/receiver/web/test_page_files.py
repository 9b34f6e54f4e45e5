"""Files of the page: small, complete, and nothing in them comes from elsewhere."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from rankcast_receiver.web.page_files import page_routes
from support.scripted_web import PAGE

MOST_BYTES = 200_000
SMALL_BYTES = 500
MOST_LINES = 400
FILES = sorted(path for path in PAGE.rglob("*") if path.is_file())
MODULES = [path for path in FILES if path.suffix == ".js"]


def name_of(path: Path) -> str:
    return path.relative_to(PAGE).as_posix()


def test_the_page_is_small_as_it_is_sent() -> None:
    async def ask_all() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=Starlette(routes=page_routes()))
        paths = ["/", "/page/rankcast_core.wasm", *(f"/page/{name_of(path)}" for path in FILES)]
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return [
                await client.get(path, headers={"Accept-Encoding": "gzip"})
                for path in paths
                if path != "/page/index.html"
            ]

    answers = asyncio.run(ask_all())
    assert {answer.status_code for answer in answers} == {200}
    for answer in answers:
        # What is this small takes no fewer packets when it is compressed.
        small = len(answer.content) < SMALL_BYTES
        assert small or answer.headers["Content-Encoding"] == "gzip", answer.url
    assert 0 < sum(answer.num_bytes_downloaded for answer in answers) < MOST_BYTES


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
