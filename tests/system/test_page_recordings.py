"""Recordings in the page: jumps, what cannot be decoded, and a connection that is lost."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from selenium.webdriver.chrome.webdriver import WebDriver

import rankcast
from rankcast.frame import Frame, Pixels
from rankcast.wire import Limits, unpack
from support.browser import CHROMIUM, MISSING, browser, resize, wait_for, wait_until
from support.moving_scene import scene
from support.scripted_cameras import packets_of_scene
from support.scripted_web import STREAM_ID, FakeWeb

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason=MISSING),
]
PLAYED = "rankcast.recordings.views.get('line1')"
COUNT = 250
FEED = """
const [messages, done] = arguments, view = rankcast.recordings.views.get("line1");
const drawn = [];
view.feed.handlers.drawn = ({sequence}) => { drawn.push(String(sequence)); };
const answers = {};
for (const type of ["snapshot", "values"])
  view.feed.handlers[type] = (message) => { answers[type] = message; };
for (const [type, value] of messages) {
  if (type === "packet") view.feed.put(new Uint8Array(value).buffer, 0, "frames");
  else view.feed.tell(type, value);
}
const {blob, name} = await new Promise((go) => { view.feed.handlers.snapshot = go;
  view.feed.tell("snapshot", {format: "png"}); });
await new Promise((go) => setTimeout(go, 200));
done([drawn, name, answers.values?.values ?? null, [...new Uint8Array(await blob.arrayBuffer())]]);
"""


@pytest.fixture(scope="module")
def driver() -> Iterator[WebDriver]:
    with browser() as driver:
        resize(driver, 1440, 900)
        yield driver


def play(driver: WebDriver, web: FakeWeb, name: str = "night.mcap") -> None:
    """Open a recording."""
    driver.get("about:blank")
    driver.get(f"{web.url}#recording={name}")
    wait_for(driver, f"{PLAYED}?.feed")


def play_paused(driver: WebDriver, web: FakeWeb) -> None:
    """Open a recording, and pause at its beginning."""
    play(driver, web)
    wait_for(driver, f"{PLAYED}.drawn")
    driver.execute_script("rankcast.recordings.pause()")
    wait_until(lambda: any(one.get("paused") for one in web.heard), "pause")


def feed(driver: WebDriver, messages: list[tuple[str, object]]) -> list[object]:
    """Give the worker these messages; what it drew, its snapshot's name and bytes, and values."""
    plain = [[kind, list(value) if isinstance(value, bytes) else value] for kind, value in messages]
    script = f"const given = arguments; (async () => {{{FEED.replace('arguments', 'given')}}})()"
    found: list[object] = driver.execute_async_script(script, plain)
    return found


def read_png(data: object) -> Pixels:
    import cv2

    return cv2.imdecode(np.array(data, np.uint8), cv2.IMREAD_UNCHANGED)  # type: ignore[return-value]


def test_a_jump_far_behind_a_key_frame_shows_its_picture_and_its_time(driver: WebDriver) -> None:
    packets = packets_of_scene("svd-patch", COUNT, "uint8", 3)
    wanted = COUNT - 10
    with FakeWeb([], recordings={"night.mcap": packets}) as web:
        play_paused(driver, web)
        driver.execute_script(f"""
            const view = {PLAYED}, draws = view.draws;
            window.drawn = [];
            view.draws = function (one) {{
              drawn.push(Number(one.sequence));
              draws.call(this, one);
            }};
            const {{slider}} = rankcast.recordings;
            slider.value = ({wanted} + 0.5) / 30; slider.oninput();
        """)
        wait_for(driver, f"{PLAYED}.drawn.sequence === {wanted}n")
        wait_for(driver, f"{PLAYED}.feed.waiting === 0")
        assert driver.execute_script(f"return {PLAYED}.feed.dropped") == 0
        assert all(one == wanted or one < 60 for one in driver.execute_script("return drawn"))
        decoder = rankcast.Decoder()
        for packet in packets[:wanted]:
            decoder.decode(packet)
        short = unpack(packets[wanted], Limits())
        t_utc_ns = decoder.complete(short).header.t_capture_utc_ns
        shown = np.datetime64(t_utc_ns, "ns").astype("datetime64[ms]")
        chip = driver.execute_script(
            "return document.querySelector('#recordings .chip').textContent"
        )
        assert chip == f"RECORDED {str(shown).replace('T', ' ')} UTC"


def seek_to(packet: bytes, sequence: int) -> tuple[str, dict[str, object]]:
    """The message that says from which picture of a stream on pictures are shown."""
    return "seek", {"stream": packet[STREAM_ID].hex(), "sequence": sequence}


def test_pictures_before_a_jump_are_in_no_snapshot_and_no_value(driver: WebDriver) -> None:
    packets = packets_of_scene("svd-patch", COUNT, "uint8", 3)
    pixels = rankcast.Decoder().decode(packets[0])
    with FakeWeb([], recordings={"still.mcap": [packets[0]]}) as web:
        play(driver, web, "still.mcap")
        wait_for(driver, f"{PLAYED}.drawn")
        drawn, name, values, data = feed(driver, [
            seek_to(packets[0], 30),
            *[("packet", packet) for packet in packets[:20]],
            ("look", {"probe": {"x": 40, "y": 30}}),
        ])  # fmt: skip
    assert str(name).startswith("line1_000000000_")
    assert np.array_equal(read_png(data), pixels)
    assert values == pixels[30, 40].tolist()
    assert set(drawn) <= {"0"}  # type: ignore[call-overload]


def test_a_sender_that_began_anew_after_a_jump_is_shown(driver: WebDriver) -> None:
    packets = packets_of_scene("svd-patch", COUNT, "uint8", 3)
    other = rankcast.Encoder("svd-patch").encode(Frame(scene(3), frame=0))
    with FakeWeb([], recordings={"still.mcap": [packets[0]]}) as web:
        play(driver, web, "still.mcap")
        wait_for(driver, f"{PLAYED}.drawn")
        *_, data = feed(driver, [
            seek_to(packets[0], 30),
            *[("packet", packet) for packet in packets[:20]],
            seek_to(other, 0),
            ("packet", other),
        ])  # fmt: skip
    assert np.array_equal(read_png(data), rankcast.Decoder().decode(other))


def test_a_codec_that_the_page_does_not_decode_says_so_in_its_picture(driver: WebDriver) -> None:
    packets = [rankcast.Encoder("kmeans").encode(Frame(scene(0), frame=0))] * 3
    with FakeWeb([], recordings={"kmeans.mcap": packets}) as web:
        play(driver, web, "kmeans.mcap")
        wait_for(driver, "document.querySelector('#recordings .word').textContent")
        said = driver.execute_script(
            "return document.querySelector('#recordings .notice').textContent")  # fmt: skip
        assert "NOT DECODED" in said
        assert "this codec is not decoded in the page" in said
        assert "kmeans" in said


@pytest.mark.slow
def test_without_the_core_jpeg_is_asked_for_and_every_packet_that_comes_is_acknowledged(
    driver: WebDriver,
) -> None:
    packets = packets_of_scene("svd-patch", 60, "uint8", 3)
    with FakeWeb([], recordings={"night.mcap": packets}, without_core=True) as web:
        play(driver, web)
        plays = [one for one in web.heard if one["type"] == "play"]
        assert [one["form"] for one in plays] == ["jpeg"]
        wait_until(
            lambda: any(one["type"] == "ack" and one["cameras"] == {"line1": 59}
                        for one in web.heard), "the last picture given up"
        )  # fmt: skip


def test_a_lost_connection_stands_in_the_picture_of_a_recording(driver: WebDriver) -> None:
    packets = packets_of_scene("svd-patch", COUNT, "uint8", 3)
    with FakeWeb([], recordings={"night.mcap": packets}) as web:
        play(driver, web)
        wait_for(driver, f"{PLAYED}.drawn")
        driver.execute_script("rankcast.recordings.player.socket.socket.close()")
        wait_for(driver, "document.querySelector('#recordings .notice').textContent"
                 ".includes('connection to the server was lost')")  # fmt: skip


def test_a_jpeg_that_is_no_jpeg_is_acknowledged_so_that_playing_goes_on(
    driver: WebDriver,
) -> None:
    jpeg = rankcast.Encoder("jpeg").encode(Frame(scene(0), frame=0))
    packets = packets_of_scene("svd-patch", COUNT, "uint8", 3)
    header = unpack(jpeg, Limits()).header
    assert header.codec == 2
    start = jpeg.index(b"\xff\xd8\xff")
    # Markers up to the size of the picture stay; what follows is no entropy-coded data.
    end = jpeg.index(b"\xff\xda", start)
    content = jpeg[8:end] + b"\xff\xd9"
    damaged = jpeg[:4] + struct.pack("<I", zlib.crc32(content)) + content
    with FakeWeb([], recordings={"still.mcap": [packets[0]]}) as web:
        play(driver, web, "still.mcap")
        wait_for(driver, f"{PLAYED}.drawn")
        web.heard.clear()
        driver.execute_script(
            f"{PLAYED}.source.acknowledge = (_, one) => {{ window.acked = Number(one); }};"
            f"{PLAYED}.feed.put(new Uint8Array(arguments[0]).buffer, 0, 'frames');",
            list(damaged),
        )
        wait_for(driver, f"{PLAYED}.feed.refusals.size === 1")
        assert driver.execute_script("return window.acked") == header.sequence
