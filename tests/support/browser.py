"""A browser without a screen that shows the page."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.webdriver import WebDriver

from support.scripted_web import REPOSITORY

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHROMEDRIVER = shutil.which("chromedriver")
MISSING = "Chromium is missing: apt-get install chromium chromium-driver"
ARTEFACTS = REPOSITORY / "out" / "page"
PATIENCE_S = 30.0


@contextmanager
def browser(width: int = 1440, height: int = 900) -> Iterator[WebDriver]:
    """Start a browser, and end it afterwards."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--hide-scrollbars", f"--window-size={width},{height}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(CHROMEDRIVER)))
    driver.set_script_timeout(600)
    try:
        yield driver
    finally:
        driver.quit()


def resize(driver: WebDriver, width: int, height: int, scheme: str = "dark") -> None:
    """Show pages in this size, and in the colours of this scheme."""
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    feature = {"name": "prefers-color-scheme", "value": scheme}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def wait_until(found: Callable[[], Any], what: str, timeout_s: float = PATIENCE_S) -> Any:
    """Return what `found` returns, once that is true."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if value := found():
            return value
        time.sleep(0.03)
    raise AssertionError(f"not within {timeout_s:g} s: {what}")


def wait_for(driver: WebDriver, script: str, timeout_s: float = PATIENCE_S) -> Any:
    """Return what an expression of the page becomes, once that is true."""
    return wait_until(lambda: driver.execute_script(f"return {script}"), script, timeout_s)


def complaints(driver: WebDriver) -> list[str]:
    """Errors that the page has written to the console so far, refused policies among them."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


def save_screenshot(driver: WebDriver, name: str) -> Path:
    """Keep a picture of the page for people to look at."""
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    path = ARTEFACTS / f"{name}.png"
    assert driver.save_screenshot(str(path))
    return path
