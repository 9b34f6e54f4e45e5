"""Logging in with a browser: the form, the session, and where it leads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By

from support.browser import CHROMIUM, MISSING, browser, resize, save_screenshot, wait_until
from support.processes import rankcast

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason=MISSING),
]

TOKEN = "0123456789abcdef-a-token"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a receiver that asks for a token."""
    token: Path = tmp_path_factory.mktemp("login") / "token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    with rankcast(
        "receive", "--connect", "tcp://127.0.0.1:9", "--web", "127.0.0.1:0",
        "--web-token", str(token),
    ) as receiver:  # fmt: skip
        yield receiver.wait_line("web address: ").rpartition(" ")[2]


@pytest.fixture(scope="module")
def driver() -> Iterator[WebDriver]:
    with browser() as driver:
        resize(driver, 1440, 900)
        yield driver


def ask_for_camera(driver: WebDriver, url: str) -> None:
    """Open the address of a camera without a session."""
    driver.delete_all_cookies()
    driver.get("about:blank")  # another fragment alone loads nothing
    driver.get(f"{url}#camera=cam")


def give(driver: WebDriver, token: str) -> None:
    driver.find_element(By.ID, "token").send_keys(token)
    driver.find_element(By.TAG_NAME, "button").click()


@pytest.mark.slow
def test_the_token_opens_the_page_that_was_asked_for(driver: WebDriver, url: str) -> None:
    ask_for_camera(driver, url)
    assert driver.current_url == f"{url}login#camera=cam"
    save_screenshot(driver, "login")
    give(driver, TOKEN)
    wait_until(lambda: driver.find_elements(By.ID, "cameras"), "the page")
    assert driver.current_url == f"{url}#camera=cam"


def test_a_wrong_token_is_told_and_asked_for_again(driver: WebDriver, url: str) -> None:
    ask_for_camera(driver, url)
    give(driver, "wrong")
    remark = wait_until(lambda: driver.find_elements(By.CSS_SELECTOR, "[role=alert]"), "a remark")
    assert remark[0].text == "This token is wrong."
    assert remark[0].value_of_css_property("color") == "rgba(255, 107, 98, 1)"  # of login.css
    save_screenshot(driver, "login-wrong")
    give(driver, TOKEN)
    wait_until(lambda: driver.find_elements(By.ID, "cameras"), "the page")
    assert driver.current_url == f"{url}#camera=cam"
