"""Recordings that the server decodes, in a browser before a real receiver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By

from rankcast.decoder import Decoder
from rankcast.frame import Pixels
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
from support.recordings import packets_of, record_in_time
from support.web_station import WebStation

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason=MISSING),
]
GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SHAPE = (120, 160, 3)
COUNT, FPS = 90, 30
NO_WEBASSEMBLY = "delete globalThis.WebAssembly"
"""What a browser without it has."""
VIEW = "rankcast.recordings.views.get('{}')"
NOTE = "document.querySelector('#recordings .player').textContent"
CANVAS = """
    const [name, done] = arguments, view = rankcast.recordings.views.get(name);
    requestAnimationFrame(() => requestAnimationFrame(() => {
      const {canvas} = view, copy = document.createElement("canvas");
      copy.width = canvas.width; copy.height = canvas.height;
      const context = copy.getContext("2d");
      context.drawImage(canvas, 0, 0);
      const {data} = context.getImageData(0, 0, copy.width, copy.height);
      done([copy.height, copy.width, [...data]]);
    }));
"""


def moving(count: int) -> list[Pixels]:
    return [scene(number, SHAPE) for number in range(count)]


@pytest.fixture(scope="module")
def packets() -> dict[str, list[bytes]]:
    return {
        "line1": packets_of("svd-patch", moving(COUNT), group=30),
        "line2": packets_of("kmeans", moving(COUNT)),
    }


@pytest.fixture(scope="module")
def station(
    tmp_path_factory: pytest.TempPathFactory, packets: dict[str, list[bytes]]
) -> Iterator[WebStation]:
    folder = tmp_path_factory.mktemp("recordings")
    record_in_time(folder / "mixed.mcap", packets, FPS)
    record_in_time(folder / "line1.mcap", {"line1": packets["line1"]}, FPS)
    gan = [(GOLDEN / "gan" / "colour.rkc").read_bytes()]
    record_in_time(folder / "gan.mcap", {"line3": gan}, FPS)
    with ExitStack() as stack:
        found = WebStation(stack, "--web-recordings", str(folder))
        found.wait_live()
        yield found


@pytest.fixture(scope="module")
def driver() -> Iterator[WebDriver]:
    with browser() as driver:
        resize(driver, 1440, 900)
        yield driver


@pytest.fixture
def plain_driver() -> Iterator[WebDriver]:
    with browser() as driver:
        resize(driver, 1440, 900)
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": NO_WEBASSEMBLY})
        yield driver


def play(driver: WebDriver, station: WebStation, name: str) -> None:
    """Open a recording."""
    driver.get("about:blank")
    complaints(driver)
    driver.get(f"{station.url}#recording={name}")
    wait_for(driver, "rankcast.recordings.views.size")


def jump(driver: WebDriver, to_s: float) -> None:
    driver.execute_script(
        "const {slider} = rankcast.recordings; slider.value = arguments[0]; slider.oninput()", to_s
    )


def canvas(driver: WebDriver, camera: str) -> Pixels:
    """Return what is on the canvas of a camera, as BGR."""
    height, width, data = driver.execute_async_script(CANVAS, camera)
    rgba = np.array(data, np.uint8).reshape(height, width, 4)
    return np.ascontiguousarray(rgba[:, :, 2::-1])


def decoded(packets: list[bytes], sequence: int) -> Pixels:
    decoder = Decoder()
    for packet in packets[:sequence]:
        decoder.decode(packet)
    return decoder.decode(packets[sequence])


def difference(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def sequence_of(driver: WebDriver, camera: str) -> int:
    return int(driver.execute_script(f"return String({VIEW.format(camera)}.drawn.sequence)"))


def test_both_cameras_of_a_mixed_recording_are_played_and_scrubbed(
    driver: WebDriver, station: WebStation, packets: dict[str, list[bytes]]
) -> None:
    play(driver, station, "mixed.mcap")
    for camera in packets:
        wait_for(driver, f"{VIEW.format(camera)}.drawn?.sequence > 10n")
    assert "line2: kmeans, decoded by the server and shown as JPEG" in driver.execute_script(
        f"return {NOTE}"
    )
    assert "line1: " not in driver.execute_script(f"return {NOTE}")
    marks = [one.text for one in driver.find_elements(By.CSS_SELECTOR, "#recordings .mark")]
    assert marks == ["", "JPEG"]
    driver.find_element(By.TAG_NAME, "body").send_keys(" ")  # pause
    for to_s, wanted in ((2.0, 60), (0.5, 15), (2.5, 75)):
        jump(driver, to_s - 0.5 / FPS)
        for camera, of_camera in packets.items():
            wait_for(driver, f"{VIEW.format(camera)}.drawn.sequence === {wanted}n")
            shown = canvas(driver, camera)
            exact = difference(shown, decoded(of_camera, wanted))
            assert exact < 4 if camera == "line2" else exact == 0
    chips = [one.text for one in driver.find_elements(By.CSS_SELECTOR, "#recordings .chip")]
    assert all(chip.startswith("RECORDED 20") for chip in chips)
    for width, height in ((1440, 900), (390, 844)):
        resize(driver, width, height)
        driver.execute_script("rankcast.recordings.tick()")
        save_screenshot(driver, f"recording-mixed-{width}")
    resize(driver, 1440, 900)
    assert complaints(driver) == []


@pytest.mark.slow
def test_a_speed_is_kept_and_the_end_is_reached(driver: WebDriver, station: WebStation) -> None:
    play(driver, station, "mixed.mcap")
    wait_for(driver, f"{VIEW.format('line2')}.drawn")
    driver.execute_script("const {speed} = rankcast.recordings; speed.value = 4; speed.onchange()")
    wait_for(driver, "rankcast.recordings.isEnded")
    wait_for(driver, f"{VIEW.format('line2')}.drawn.sequence === {COUNT - 1}n")
    driver.find_element(By.TAG_NAME, "body").send_keys(" ")  # again from the beginning
    wait_for(driver, f"{VIEW.format('line2')}.drawn.sequence < 30n")


@pytest.mark.slow
def test_without_webassembly_a_recording_is_jpeg_and_the_page_says_so(
    plain_driver: WebDriver, station: WebStation, packets: dict[str, list[bytes]]
) -> None:
    driver = plain_driver
    play(driver, station, "line1.mcap")
    assert driver.execute_script("return typeof WebAssembly") == "undefined"
    # Far beyond the 16 pictures that may be on the way.
    wait_for(driver, f"{VIEW.format('line1')}.drawn?.sequence > 20n")
    assert driver.execute_script(f"return [...{VIEW.format('line1')}.feed.refusals]") == []
    assert "the server sends JPEG" in driver.find_element(By.ID, "core-note").text
    assert "line1: svd-patch, decoded by the server" in driver.execute_script(f"return {NOTE}")
    driver.find_element(By.TAG_NAME, "body").send_keys(" ")
    jump(driver, 1.5 - 0.5 / FPS)
    wait_for(driver, f"{VIEW.format('line1')}.drawn.sequence === 45n")
    assert difference(canvas(driver, "line1"), decoded(packets["line1"], 45)) < 4
    for width, height in ((1440, 900), (390, 844)):
        resize(driver, width, height)
        save_screenshot(driver, f"recording-without-core-{width}")


@pytest.mark.slow
def test_a_camera_whose_model_is_missing_says_so_in_its_picture(
    driver: WebDriver, station: WebStation
) -> None:
    play(driver, station, "gan.mcap")
    word = "document.querySelector('#recordings .word').textContent"
    wait_until(lambda: driver.execute_script(f"return {word}") == "NOT DECODED", "NOT DECODED")
    said = driver.execute_script("return document.querySelector('#recordings .notice').textContent")
    assert "the server does not decode this camera" in said
    assert "model" in said or "torch" in said
    save_screenshot(driver, "recording-without-model-1440")
