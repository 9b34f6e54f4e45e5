"""The page in a browser, before a server whose packets are scripted."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

import rankcast
from rankcast.frame import Frame, Pixels
from rankcast.wire import unpack
from support.browser import CHROMIUM, MISSING, browser, complaints, resize, wait_for, wait_until
from support.core_packets import CORPUS
from support.later import later
from support.moving_scene import scene
from support.scripted_cameras import open_page, packets_of_scene, scripted_camera
from support.scripted_web import FakeCamera, FakeWeb

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason=MISSING),
]

SHOW_ALL = """
const [name, count, done] = arguments;
const {crc32} = await import("/page/stream/crc32.js");
const view = rankcast.views.get(name);
const context = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const found = [];
const painted = () => new Promise((go) => requestAnimationFrame(go));
for (let i = 0; i < count; i++) {
  await fetch(`/next/${name}`);
  while (view.drawn?.sequence !== BigInt(i)) await painted();
  let crc = found.at(-1), empty = true;
  // The worker's drawing reaches the element with a later frame of the screen.
  for (let tries = 0; tries < 300 && (empty || crc === found.at(-1)); tries++) {
    await painted();
    context.canvas.width = view.canvas.width;
    context.canvas.height = view.canvas.height;
    context.drawImage(view.canvas, 0, 0);
    const {width, height} = context.canvas;
    const bytes = new Uint8Array(context.getImageData(0, 0, width, height).data.buffer);
    empty = bytes.every((byte) => byte === 0);  // a picture is opaque
    crc = crc32(bytes);
  }
  found.push(crc);
}
done([found, view.feed.verified, [...view.feed.refusals]]);
"""


@pytest.fixture(scope="module")
def driver() -> Iterator[WebDriver]:
    with browser() as driver:
        resize(driver, 1440, 900)
        yield driver


def word(driver: WebDriver) -> str:
    text: str = driver.execute_script("return document.querySelector('.word').textContent")
    return text


def rgba_crc(pixels: Pixels) -> int:
    rgba = np.full((*pixels.shape[:2], 4), 255, np.uint8)
    rgba[..., :3] = pixels[..., ::-1]
    return zlib.crc32(rgba.tobytes())


def check_canvas(driver: WebDriver, codec: str, count: int) -> None:
    decoder = rankcast.Decoder()
    shown = scripted_camera(codec, count=count, fps=0)
    assert shown.packet is not None
    wanted = [rgba_crc(decoder.decode(shown.packet(number))) for number in range(count)]
    with FakeWeb([shown]) as web:
        open_page(driver, web)
        # execute_async_script appends the callback that ends it.
        script = f"(async () => {{{SHOW_ALL.replace('arguments', 'given')}}})()"
        found, verified, refused = driver.execute_async_script(
            f"const given = arguments; {script}", "line1", count
        )
    assert refused == []
    assert found == wanted
    # The encoder says which pictures have a checksum; raw and lossless have none.
    assert verified == sum(
        unpack(shown.packet(n)).header.checksum is not None for n in range(count)
    )
    assert (verified > 0) == (codec == "svd-patch")


@pytest.mark.parametrize("codec", ["svd-patch", later("lossless"), later("raw")])
def test_sixty_canvases_have_the_pixels_of_the_decoder(driver: WebDriver, codec: str) -> None:
    check_canvas(driver, codec, 60)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("codec", ["svd-patch", "lossless", "raw"])
def test_a_thousand_canvases_have_the_pixels_of_the_decoder(driver: WebDriver, codec: str) -> None:
    check_canvas(driver, codec, 1000)


def test_the_value_under_the_pointer_is_the_sample_of_the_stream(driver: WebDriver) -> None:
    deep = scripted_camera(dtype="uint16", channels=1, fps=30, count=1)
    assert deep.packet is not None
    pixels = rankcast.Decoder().decode(deep.packet(0))
    with FakeWeb([deep]) as web:
        open_page(driver, web, shown="line1")
        wait_for(driver, "rankcast.single?.drawn")
        frame = driver.find_element(By.CSS_SELECTOR, ".frame")
        seen = set()
        for dx, dy in ((0, 0), (-220, -130), (311, 97)):
            ActionChains(driver).move_to_element_with_offset(frame, dx, dy).perform()
            text = wait_for(driver, "document.querySelector('.values').textContent")
            wait_for(driver, "!document.querySelector('.values').hidden")
            _, x, _, y, value = wait_for(
                driver, "document.querySelector('.values').textContent"
            ).split()
            assert int(value) == pixels[int(y), int(x)], text
            seen.add((x, y))
        assert len(seen) > 1


def test_a_snapshot_has_every_sample_and_says_that_it_is_lossy(driver: WebDriver) -> None:
    deep = scripted_camera(dtype="uint16", channels=1, count=1)
    assert deep.packet is not None
    pixels = rankcast.Decoder().decode(deep.packet(0))
    with FakeWeb([deep]) as web:
        open_page(driver, web, shown="line1")
        wait_for(driver, "rankcast.single?.drawn")
        name, data = driver.execute_async_script("""
            const done = arguments[0], view = rankcast.single;
            view.host = {...view.host, saved: async ({blob, name}) =>
              done([name, [...new Uint8Array(await blob.arrayBuffer())]])};
            rankcast.snapshot("png");
        """)
    import cv2

    read = cv2.imdecode(np.array(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(read, pixels)
    assert name.startswith("line1_000000000_")
    assert name.endswith("_lossy.png")
    assert b'"fidelity":"lossy"' in bytes(data)


@pytest.mark.slow
def test_a_silent_server_stands_in_the_picture_within_two_seconds(driver: WebDriver) -> None:
    with FakeWeb([scripted_camera()]) as web:
        open_page(driver, web)
        wait_for(driver, "rankcast.views.get('line1')?.state.tone === 'live'")
        web.silent = True
        driver.execute_script("""
            const element = document.querySelector(".word"), {connection} = rankcast;
            new MutationObserver(() => { window.saidMs ??= performance.timeOrigin
              + performance.now() - connection.socket.heardMs; })
              .observe(element, {childList: true, characterData: true, subtree: true});
        """)
        said_ms = wait_for(driver, "window.saidMs")
        assert said_ms < 2000
        assert word(driver) in ("NO SIGNAL", "STALE")
        wait_until(lambda: word(driver) == "NO SIGNAL", "NO SIGNAL")
        dimmed = driver.execute_script(
            "return getComputedStyle(document.querySelector('.frame canvas')).filter"
        )
        assert "grayscale(1)" in dimmed
        web.silent = False
        wait_until(lambda: word(driver) == "", "live again")


def test_a_server_that_comes_back_is_shown_again(driver: WebDriver) -> None:
    with FakeWeb([scripted_camera()]) as web:
        open_page(driver, web)
        wait_for(driver, "rankcast.views.get('line1')?.state.tone === 'live'")
        driver.execute_script("rankcast.connection.socket.socket.close()")
        wait_until(lambda: web.opened == 2, "a second connection")
        wait_for(driver, "rankcast.views.get('line1').state.tone === 'live'")


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ({"live": False, "state": "sender_dead", "words": "sender dead"}, "STALE"),
        ({"live": False, "state": "waiting_for_trigger", "words": "waiting for trigger"},
         "WAITING FOR TRIGGER"),
        ({"live": False, "state": "frozen", "words": "frozen"}, "FROZEN"),
        ({"live": False, "state": "past", "words": "past"}, "PAST"),
    ],
)  # fmt: skip
def test_what_the_server_says_of_a_camera_stands_in_its_picture(
    driver: WebDriver, listed: dict[str, Any], said: str
) -> None:
    with FakeWeb([scripted_camera()]) as web:
        open_page(driver, web)
        wait_for(driver, "rankcast.views.get('line1')?.state.tone === 'live'")
        web.cameras["line1"].listed.update(listed)
        wait_until(lambda: word(driver) == said, said, 3)
        web.cameras["line1"].listed.clear()
        wait_until(lambda: word(driver) == "", "live", 3)


def test_pictures_that_stop_are_stale_whatever_the_server_says(driver: WebDriver) -> None:
    shown = scripted_camera()
    with FakeWeb([shown]) as web:
        open_page(driver, web)
        wait_for(driver, "rankcast.views.get('line1')?.state.tone === 'live'")
        shown.window = 0  # the server sends no more pictures, and says live
        wait_until(lambda: word(driver) == "STALE", "STALE", 4)


def test_a_paused_picture_says_so_and_is_not_sent(driver: WebDriver) -> None:
    with FakeWeb([scripted_camera()]) as web:
        open_page(driver, web, shown="line1")
        wait_for(driver, "rankcast.single?.state.tone === 'live'")
        driver.find_element(By.TAG_NAME, "body").send_keys(" ")
        wait_until(lambda: word(driver) == "PAUSED", "PAUSED")
        wait_until(lambda: web.heard[-1] and {"type": "watch", "cameras": {}} in web.heard, "rest")
        first = driver.execute_script("return rankcast.single.ageMs()")
        wait_for(driver, f"rankcast.single.ageMs() > {first} + 300")
        driver.find_element(By.TAG_NAME, "body").send_keys(" ")
        wait_until(lambda: word(driver) == "", "live")


MARKUP = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>"


def test_markup_in_names_and_texts_is_text(driver: WebDriver) -> None:
    packets = [rankcast.Encoder("svd-patch").encode(Frame(scene(0), meta={MARKUP: MARKUP}))]
    shown = FakeCamera(MARKUP.replace("/", ""), lambda _: packets[0], period=1)
    shown.listed = {"detail": MARKUP, "words": MARKUP, "live": False, "state": "camera_dead",
                    "lost": {MARKUP: 3}, "sender": {"settings": {MARKUP: MARKUP}}}  # fmt: skip
    with FakeWeb([shown], control=True) as web:
        open_page(driver, web)
        complaints(driver)
        wait_for(driver, "document.querySelector('.name')").click()
        wait_for(driver, "[...document.querySelectorAll('.panel dd')].some("
                 "(one) => one.textContent.includes('onerror'))")  # fmt: skip
        assert driver.execute_script("return window.hacked") is None
        assert driver.find_elements(By.TAG_NAME, "img") == []
        assert MARKUP.replace("/", "") in driver.find_element(By.CSS_SELECTOR, ".name").text
        assert complaints(driver) == []


@pytest.mark.slow
def test_hostile_packets_are_typed_errors_and_the_next_key_frame_decodes(
    driver: WebDriver,
) -> None:
    hostile = [path.read_bytes().partition(b"\0")[2]
               for path in sorted((CORPUS / "malicious").rglob("*.msg"))
               if path.parent.name != "topic"]  # fmt: skip
    good = rankcast.Encoder("svd-patch").encode(scene(0))
    queue = iter(hostile)
    shown = FakeCamera("line1", lambda _: next(queue, good), fps=60, period=1, window=1000)
    with FakeWeb([shown]) as web:
        open_page(driver, web, shown="line1")
        # Only the good packet has a checksum that fits.
        wait_for(driver, "rankcast.single?.feed?.verified > 1", 60)
        wait_for(driver, "rankcast.single.state.tone === 'live'")
        kinds = dict(driver.execute_script("return [...rankcast.single.feed.refusals]"))
        assert {"WireError", "LimitError", "UnknownVersionError", "PayloadError"} <= set(kinds)
        assert sum(kinds.values()) > 0.8 * len(hostile)
        assert any(message["type"] == "restart" for message in web.heard)
        panel = driver.find_element(By.CSS_SELECTOR, ".panel").text
        assert "PayloadError" in panel


def test_a_damaged_packet_makes_the_page_ask_for_a_new_beginning(driver: WebDriver) -> None:
    packets = list(packets_of_scene("svd-patch", 30, "uint8", 3))
    damaged = [True]

    def packet(number: int) -> bytes:
        if number == 12 and damaged:
            damaged.clear()
            return packets[12][:-1] + bytes([packets[12][-1] ^ 1])
        return packets[number % 30]

    with FakeWeb([FakeCamera("line1", packet, period=30)]) as web:
        open_page(driver, web, shown="line1")
        refused = wait_for(driver, "rankcast.single && [...rankcast.single.feed.refusals]")
        refused = dict(wait_until(
            lambda: driver.execute_script("return [...rankcast.single.feed.refusals]"), "a refusal"
        ))  # fmt: skip
        assert "WireError" in refused
        wait_until(lambda: {"type": "restart", "camera": "line1"} in web.heard, "restart")
        before = driver.execute_script("return rankcast.single.feed.decoded")
        wait_for(driver, f"rankcast.single.feed.decoded > {before} + 20")


@pytest.mark.slow
def test_a_tab_that_nobody_sees_is_sent_nothing_and_joins_again(driver: WebDriver) -> None:
    with FakeWeb([scripted_camera()]) as web:
        open_page(driver, web)
        wait_for(driver, "rankcast.views.get('line1')?.state.tone === 'live'")
        shown = driver.current_window_handle
        driver.switch_to.new_window("tab")
        other = driver.current_window_handle
        rest = {"type": "watch", "cameras": {}}

        def latest() -> dict[str, Any]:
            return [one for one in web.heard if one["type"] == "watch"][-1]

        wait_until(lambda: latest() == rest, "rest")
        driver.switch_to.window(other)
        driver.close()
        driver.switch_to.window(shown)
        wait_until(lambda: latest() != rest, "a watch")
        wait_for(driver, "rankcast.views.get('line1').state.tone === 'live'")
