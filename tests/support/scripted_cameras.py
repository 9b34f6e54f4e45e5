"""Cameras whose packets were made beforehand, and the page opened on them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import rankcast
from rankcast.frame import Frame
from support.browser import wait_until
from support.moving_scene import scene
from support.scripted_web import FakeCamera, FakeWeb

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver


@cache
def packets_of_scene(codec: str, count: int, dtype: str, channels: int) -> list[bytes]:
    """Return the packets of a moving scene."""
    encoder = rankcast.Encoder(codec)
    shape = (72, 104, channels) if channels > 1 else (72, 104)
    return [encoder.encode(Frame(scene(number, shape, dtype), frame=number))
            for number in range(count)]  # fmt: skip


def scripted_camera(
    codec: str = "svd-patch", *, name: str = "line1", dtype: str = "uint8", channels: int = 3,
    count: int = 30, fps: float = 30.0,
) -> FakeCamera:  # fmt: skip
    """Return a camera that sends a moving scene again and again."""
    packets = packets_of_scene(codec, count, dtype, channels)
    return FakeCamera(name, lambda number: packets[number % count], fps=fps, period=count)


def open_page(driver: WebDriver, web: FakeWeb, *, shown: str = "") -> None:
    """Open the page and wait until it watches."""
    web.heard.clear()
    driver.get("about:blank")
    driver.get(web.url + (f"#camera={shown}" if shown else ""))
    wait_until(
        lambda: any(one["type"] == "watch" and one["cameras"] for one in web.heard), "a watch"
    )
