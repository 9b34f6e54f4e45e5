"""What people do with the page: controls, recordings, views of a picture, JPEG for packets."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator

import numpy as np
import pytest
import simplejpeg
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from support.browser import (
    CHROMIUM,
    MISSING,
    browser,
    complaints,
    resize,
    save_screenshot,
    wait_for,
    wait_until,
)
from support.moving_scene import scene
from support.scripted_cameras import open_page, packets_of_scene, scripted_camera
from support.scripted_web import FakeCamera, FakeWeb

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason=MISSING),
]


@pytest.fixture(scope="module")
def driver() -> Iterator[WebDriver]:
    with browser() as driver:
        resize(driver, 1440, 900)
        yield driver


def jpeg_message(number: int) -> bytes:
    """What the server sends of a codec that the page does not decode."""
    head = json.dumps({"sequence": number, "t_mono_ns": str(2**60), "codec": "pca",
                       "shape": [72, 104, 3], "dtype": "uint8", "psnr_db": 33.5, "meta": {"lot": 7},
                       }).encode()  # fmt: skip
    picture = np.ascontiguousarray(scene(number % 30))
    return struct.pack("<I", len(head)) + head + simplejpeg.encode_jpeg(picture, colorspace="BGR")


def test_a_codec_of_the_server_is_shown_as_jpeg_and_says_so(driver: WebDriver) -> None:
    shown = FakeCamera("line1", jpeg_message, channel="jpeg", listed={"decodes": "server"})
    with FakeWeb([shown]) as web:
        open_page(driver, web, shown="line1")
        wait_for(driver, "rankcast.single?.state.tone === 'live'")
        watches = [one["cameras"] for one in web.heard if one["type"] == "watch"]
        assert watches[-1] == {"line1": "jpeg"}
        wait_for(driver, "document.querySelector('.panel').textContent"
                 ".includes('pca, here as JPEG')")  # fmt: skip
        assert driver.find_element(By.CSS_SELECTOR, ".mark").text == "JPEG"


def test_without_the_core_the_page_shows_jpeg_and_says_so(driver: WebDriver) -> None:
    shown = FakeCamera("line1", jpeg_message, channel="jpeg")
    with FakeWeb([shown], without_core=True) as web:
        open_page(driver, web)
        wait_for(driver, "rankcast.views.get('line1')?.state.tone === 'live'")
        note = driver.find_element(By.ID, "core-note")
        assert "JPEG" in note.text


def test_controls_send_what_was_set_and_show_the_answer(driver: WebDriver) -> None:
    def answer(request: dict[str, object]) -> dict[str, object]:
        if request["op"] == "trigger":
            return {"ok": False, "error": "line1 has no trigger", "result": {}}
        return {"ok": True, "error": "", "result": {"quality": 40}}

    shown = scripted_camera()
    shown.listed["sender"] = {
        "settings": {"quality": 75},
        "camera": {"exposure": 8000.0, "trigger": "on"},
        "events": True,
    }
    with FakeWeb([shown], control=True, answer=answer) as web:
        open_page(driver, web, shown="line1")
        quality = wait_for(driver, "document.querySelector('input[aria-label^=Quality]')")
        wait_for(driver, "document.querySelector('input[aria-label^=Quality]').value === '75'")
        quality.clear()
        quality.send_keys("40", Keys.ENTER)
        asked = wait_until(lambda: [one for one in web.heard if one["type"] == "request"], "set")
        assert asked[0]["op"] == "set"
        assert asked[0]["camera"] == "line1"
        assert asked[0]["args"] == {"quality": 40}
        wait_for(driver, "document.querySelector('.panel').textContent.includes('quality = 40')")
        buttons = driver.find_elements(By.CSS_SELECTOR, ".actions button")
        assert [one.text for one in buttons] == ["Key frame", "Trigger", "Record event"]
        buttons[1].click()
        wait_for(driver, "document.querySelector('.panel').textContent"
                 ".includes('Trigger: line1 has no trigger')")  # fmt: skip


def test_without_permission_there_are_no_controls(driver: WebDriver) -> None:
    with FakeWeb([scripted_camera()]) as web:
        open_page(driver, web, shown="line1")
        wait_for(driver, "document.querySelector('.panel')")
        assert driver.find_elements(By.CSS_SELECTOR, ".actions") == []


@pytest.mark.slow
def test_a_recording_is_listed_played_and_scrubbed(driver: WebDriver) -> None:
    packets = packets_of_scene("svd-patch", 60, "uint8", 3)
    with FakeWeb([scripted_camera()], recordings={"night.mcap": packets}) as web:
        open_page(driver, web)
        complaints(driver)
        driver.find_element(By.ID, "to-recordings").click()
        wait_for(driver, "document.querySelector('#recordings .name')").click()
        wait_for(driver, "rankcast.recordings.views.get('line1')?.drawn?.sequence > 5n")
        assert driver.find_element(By.CSS_SELECTOR, "#recordings .chip").text.startswith("RECORDED")
        driver.find_element(By.TAG_NAME, "body").send_keys(" ")
        wait_until(lambda: any(one.get("paused") for one in web.heard), "pause")
        driver.execute_script(
            "const slider = rankcast.recordings.slider; slider.value = 0.5; slider.oninput()"
        )
        wait_until(lambda: any(one.get("from_s") == 0.5 for one in web.heard), "a jump")
        wait_for(driver, "rankcast.recordings.views.get('line1').drawn.sequence === 15n")
        save_screenshot(driver, "recording")
        assert complaints(driver) == []
        driver.find_element(By.ID, "to-cameras").click()
        wait_for(driver, "!document.querySelector('#cameras').hidden")


def test_zoom_shows_single_pixels_by_keys(driver: WebDriver) -> None:
    with FakeWeb([scripted_camera()]) as web:
        open_page(driver, web, shown="line1")
        wait_for(driver, "rankcast.single?.drawn")
        body = driver.find_element(By.TAG_NAME, "body")
        body.send_keys("+++++")
        wait_for(driver, "rankcast.single.zoom.factor > 2.9")
        rendering = "getComputedStyle(document.querySelector('.frame canvas')).imageRendering"
        assert driver.execute_script(f"return {rendering}") == "pixelated"
        wait_for(driver, "document.querySelector('.values').textContent.includes('R ')")
        body.send_keys("0")
        wait_for(driver, "rankcast.single.zoom.factor === 1")


def test_a_difference_to_the_same_picture_is_even(driver: WebDriver) -> None:
    shown = scripted_camera(count=1)
    with FakeWeb([shown]) as web:
        open_page(driver, web, shown="line1")
        wait_for(driver, "rankcast.single?.drawn")
        body = driver.find_element(By.TAG_NAME, "body")
        body.send_keys("k")
        wait_for(driver, "rankcast.single.keptSequence !== null")
        body.send_keys("d")
        changed = wait_for(driver, "rankcast.single.drawn.changed")
        assert changed == {"most": 0, "share": 0}
        assert "difference" in driver.find_element(By.CSS_SELECTOR, ".mark").text


def test_false_colours_and_fixed_levels_reach_the_canvas(driver: WebDriver) -> None:
    shown = scripted_camera(dtype="uint16", channels=1, count=1)
    pixel = """
        const [done] = arguments, view = rankcast.single;
        requestAnimationFrame(() => requestAnimationFrame(() => {
          const context = document.createElement("canvas").getContext("2d");
          context.drawImage(view.canvas, 0, 0);
          done([...context.getImageData(50, 30, 1, 1).data]);
        }));
    """
    with FakeWeb([shown]) as web:
        open_page(driver, web, shown="line1")
        wait_for(driver, "rankcast.single?.drawn")
        driver.execute_script(
            "rankcast.single.set({levels: {mode: 'fixed', low: 65534, high: 65535}})"
        )
        wait_until(lambda: driver.execute_async_script(pixel) == [0, 0, 0, 255], "black")
        driver.execute_script("rankcast.single.set({falseColour: 'viridis'})")
        wait_until(lambda: driver.execute_async_script(pixel) == [68, 1, 84, 255], "viridis")


def test_the_keys_are_listed_in_a_dialog_that_closes(driver: WebDriver) -> None:
    with FakeWeb([scripted_camera()]) as web:
        open_page(driver, web)
        body = driver.find_element(By.TAG_NAME, "body")
        body.send_keys("?")
        wait_for(driver, "document.querySelector('dialog').open")
        assert "full screen" in driver.find_element(By.TAG_NAME, "dialog").text
        driver.switch_to.active_element.send_keys(Keys.ESCAPE)
        wait_for(driver, "!document.querySelector('dialog').open")


@pytest.mark.slow
def test_everything_that_can_be_used_has_a_name(driver: WebDriver) -> None:
    with FakeWeb([scripted_camera()], control=True, recordings={}) as web:
        open_page(driver, web, shown="line1")
        wait_for(driver, "document.querySelector('.panel')")
        for element in driver.find_elements(By.CSS_SELECTOR, "button, select, input, a"):
            if element.is_displayed():
                assert element.accessible_name, element.get_attribute("outerHTML")


SIZES = [(1440, 900), (768, 1024), (390, 844)]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_nothing_is_wider_than_the_window(
    driver: WebDriver, width: int, height: int, scheme: str
) -> None:
    cameras = [scripted_camera(name=f"line{number}") for number in range(4)]
    cameras[3].listed.update(live=False, state="sender_dead", words="sender dead", detail="x " * 60)
    with FakeWeb(cameras, control=True, recordings={"night.mcap": [b""]}) as web:
        resize(driver, width, height, scheme)
        for view, where in (("grid", ""), ("single", "camera=line0"), ("list", "recordings")):
            open_page(driver, web)
            driver.execute_script(f"location.hash = '{where}'")
            wait_for(driver, "rankcast.views.get('line0')?.feed")
            if where == "recordings":
                wait_for(driver, "document.querySelector('tbody .name')")
            else:
                wait_for(driver, "rankcast.views.get('line0').meter.steps.length > 3")
            save_screenshot(driver, f"{view}-{width}-{scheme}")
            wide = driver.execute_script("return document.documentElement.scrollWidth")
            assert wide <= width
    resize(driver, 1440, 900)
