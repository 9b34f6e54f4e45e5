"""The page in a browser, before a real receiver and a real sender."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
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
from support.starvation import Starvation
from support.web_station import SOURCE, WebStation

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason=MISSING),
]
SHOWN = "rankcast.views.get('cam')"
STALE_S = 2.0


@pytest.fixture(scope="module")
def driver() -> Iterator[WebDriver]:
    with browser() as driver:
        resize(driver, 1440, 900)
        yield driver


def word(driver: WebDriver) -> str:
    text: str = driver.execute_script("return document.querySelector('.word').textContent")
    return text


@pytest.mark.slow
def test_the_picture_moves_and_its_numbers_change(driver: WebDriver) -> None:
    with ExitStack() as stack:
        station = WebStation(stack)
        driver.get(station.url + "#camera=cam")
        wait_for(driver, f"{SHOWN}?.state.tone === 'live'")
        complaints(driver)
        first = driver.execute_script(f"return String({SHOWN}.drawn.sequence)")
        wait_for(driver, f"{SHOWN}.drawn.sequence > {first}n + 20n")
        figures = driver.find_element(By.CSS_SELECTOR, ".figures").text
        assert "fps" in figures
        assert "±" in figures
        assert driver.execute_script(f"return [...{SHOWN}.feed.refusals]") == []
        assert driver.execute_script(f"return {SHOWN}.feed.verified") > 0
        assert complaints(driver) == []


def test_a_killed_sender_is_stale_in_two_seconds_and_comes_back(driver: WebDriver) -> None:
    with ExitStack() as stack:
        station = WebStation(stack)
        driver.get(station.url)
        wait_for(driver, f"{SHOWN}?.state.tone === 'live'")
        # What the receiver and this process wait for a processor is not the page's fault.
        starved = Starvation(station.receiver.process.pid, os.getpid())
        station.sender.process.send_signal(signal.SIGKILL)
        killed_s = time.monotonic()
        wait_until(lambda: word(driver) == "STALE", "STALE", 10)
        passed_s = time.monotonic() - killed_s
        waited_s = starved.seconds()
        save_screenshot(driver, "sender-killed")
        assert passed_s - waited_s <= STALE_S
        station.start_sender()
        wait_until(lambda: word(driver) == "", "live again")


@pytest.mark.slow
def test_a_killed_receiver_is_no_signal_in_two_seconds(driver: WebDriver) -> None:
    with ExitStack() as stack:
        station = WebStation(stack)
        driver.get(station.url)
        wait_for(driver, f"{SHOWN}?.state.tone === 'live'")
        station.receiver.process.send_signal(signal.SIGKILL)
        killed_s = time.monotonic()
        wait_until(lambda: word(driver) == "NO SIGNAL", "NO SIGNAL", 10)
        assert time.monotonic() - killed_s <= STALE_S


@pytest.mark.slow
def test_a_control_changes_the_quality_of_the_sender(driver: WebDriver) -> None:
    with ExitStack() as stack:
        station = WebStation(stack, "--web-control")
        driver.get(station.url + "#camera=cam")
        field = "document.querySelector('input[aria-label^=Quality]')"
        wait_for(driver, f"{field}?.value === '75'")
        quality = driver.find_element(By.CSS_SELECTOR, "input[aria-label^=Quality]")
        quality.clear()
        quality.send_keys("31", Keys.ENTER)
        wait_until(
            lambda: station.camera()["sender"]["settings"].get("quality") == 31, "quality 31"
        )
        wait_for(driver, f"{field}.value === '31'")


@pytest.mark.slow
def test_exposure_trigger_and_event_reach_the_sender(driver: WebDriver, tmp_path: Path) -> None:
    events = ("--record", str(tmp_path / "e.mcap"), "--pre-trigger", "1", "--post-trigger", "1")
    with ExitStack() as stack:
        station = WebStation(
            stack, "--web-control", sender=events, source=SOURCE + "&trigger=on"
        )  # fmt: skip
        driver.get(station.url + "#camera=cam")
        wait_until(lambda: word(driver) == "WAITING FOR TRIGGER", "waiting")
        panel = "document.querySelector('.panel').textContent"
        exposure = wait_for(driver, "document.querySelector('input[aria-label^=Exposure]')")
        wait_until(exposure.is_displayed, "an exposure")
        exposure.clear()
        exposure.send_keys("0.5", Keys.ENTER)
        wait_until(lambda: station.camera()["sender"]["camera"]["exposure"] == 0.5, "exposure")
        before = station.camera()["received"]
        driver.find_element(By.XPATH, "//button[.='Trigger']").click()
        wait_until(lambda: station.camera()["received"] == before + 1, "a picture")
        wait_for(driver, f"{SHOWN}.drawn")
        driver.find_element(By.XPATH, "//button[.='Record event']").click()
        wait_for(driver, f"{panel}.includes('Record event: done')")
        wait_until(lambda: list(tmp_path.glob("e*.mcap")), "a file of the event")


@pytest.mark.slow
def test_a_recording_is_played_and_scrubbed(driver: WebDriver, tmp_path: Path) -> None:
    with ExitStack() as stack:
        station = WebStation(
            stack, "--web-recordings", str(tmp_path), sender=("--record", str(tmp_path / "a.mcap"))
        )
        station.wait_live()
        time.sleep(3)  # what is to be played has to be as long
        station.sender.process.send_signal(signal.SIGTERM)
        station.sender.process.wait(10)
        driver.get(station.url + "#recordings")
        wait_for(driver, "document.querySelector('#recordings .name')").click()
        played = "rankcast.recordings.views.get('cam')"
        wait_for(driver, f"{played}?.drawn?.sequence > 5n")
        driver.find_element(By.TAG_NAME, "body").send_keys(" ")
        before = driver.execute_script(f"return String({played}.drawn.sequence)")
        driver.execute_script(
            "const {slider} = rankcast.recordings; slider.value = 2.5; slider.oninput()"
        )
        wait_for(driver, "rankcast.recordings.position >= 2.5")
        wait_for(driver, f"{played}.drawn.sequence > {before}n")
        assert driver.find_element(By.CSS_SELECTOR, "#recordings .chip").text.startswith("RECORDED")
