"""Cameras that the server shows as JPEG: whose numbers stand beside them, and what is saved."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
import simplejpeg
from selenium.webdriver.chrome.webdriver import WebDriver

from support.browser import CHROMIUM, MISSING, browser, resize, wait_for
from support.moving_scene import scene
from support.scripted_cameras import open_page
from support.scripted_web import FakeCamera, FakeWeb

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason=MISSING),
]
STREAM = {
    "id": "00", "codec": "pca", "shape": [72, 104, 3], "dtype": "uint16", "significant_bits": 12,
    "cfa": "", "psnr_db": 33.5, "energy": 0.98765, "rank": [7, 7, 7],
}  # fmt: skip


@pytest.fixture(scope="module")
def driver() -> Iterator[WebDriver]:
    with browser() as driver:
        resize(driver, 1440, 900)
        yield driver


@cache
def jpeg_of(number: int) -> bytes:
    picture = np.ascontiguousarray(scene(number % 30))
    return simplejpeg.encode_jpeg(picture, colorspace="BGR")


def served(number: int) -> bytes:
    """A message of the server that holds a JPEG."""
    head = json.dumps({"sequence": number, "t_mono_ns": str(2**60), "codec": "pca",
                       "shape": [72, 104, 3], "dtype": "uint16", "psnr_db": 33.5, "meta": {},
                       }).encode()  # fmt: skip
    return struct.pack("<I", len(head)) + head + jpeg_of(number)


def served_camera() -> FakeCamera:
    listed = {"decodes": "server", "stream": STREAM, "bits_s": 7.25e6, "frame_bytes": 31_200,
              "fps": 25.0}  # fmt: skip
    return FakeCamera("line1", served, channel="jpeg", listed=listed)


def test_numbers_beside_a_jpeg_are_those_of_the_stream(driver: WebDriver) -> None:
    with FakeWeb([served_camera()]) as web:
        open_page(driver, web, shown="line1")
        wait_for(driver, "rankcast.single?.meter.steps.length > 2")
        wait_for(driver, "document.querySelector('.figures').textContent.includes('Mbit/s')")
        text = driver.execute_script("""
            return [...document.querySelectorAll(".panel dl > div")].map((row) =>
              `${row.firstChild.textContent}=${row.lastChild.textContent}`);
        """)
        assert "Bit rate=7.25 Mbit/s" in text
        assert "Frame rate=25.0 fps" in text
        assert "Energy kept=98.765 %" in text
        assert "PSNR=33.5 dB" in text
        assert "Rank=7 in each of 3 planes" in text
        assert "Picture=104 × 72, colour, 12 of 16 bit" in text
        assert "Packet=31.2 kB, mean of a second" in text
        (rate,) = [one for one in text if one.startswith("JPEG to this page=")]
        assert rate.endswith("bit/s")
        assert "7.25" not in rate


def test_a_snapshot_of_a_paused_jpeg_is_the_jpeg_that_is_shown(driver: WebDriver) -> None:
    with FakeWeb([served_camera()]) as web:
        open_page(driver, web, shown="line1")
        wait_for(driver, "rankcast.single?.drawn?.sequence > 3n")
        driver.execute_script("rankcast.pause()")
        wait_for(driver, "rankcast.single.state.word === 'PAUSED'")
        wait_for(driver, "rankcast.single.feed.waiting === 0")
        sequence, name, data = driver.execute_async_script("""
            const done = arguments[0], view = rankcast.single;
            view.host = {...view.host, saved: async ({blob, name}) => {
              const bytes = [...new Uint8Array(await blob.arrayBuffer())];
              done([Number(view.drawn.sequence), name, bytes]);
            }};
            rankcast.snapshot("png");
        """)
    assert bytes(data) == jpeg_of(sequence)
    assert name == f"line1_{sequence:09}_jpeg.jpg"
