"""The panel, and what stays or changes in it as cameras come, go, stop and are chosen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By

import rankcast
from rankcast.frame import Frame
from support.browser import CHROMIUM, MISSING, browser, complaints, resize, wait_for, wait_until
from support.moving_scene import scene
from support.scripted_cameras import open_page, scripted_camera
from support.scripted_web import FakeCamera, FakeWeb

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason=MISSING),
]
CLOCK = {"t_mono_ns": "0", "here_ms": 0.0, "speed": 1.0, "error_ms": 0.5}


@pytest.fixture(scope="module")
def driver() -> Iterator[WebDriver]:
    with browser() as driver:
        resize(driver, 1440, 900)
        yield driver


@pytest.mark.slow
def test_a_camera_that_is_paused_has_no_latency(driver: WebDriver) -> None:
    shown = scripted_camera()
    shown.listed["clock"] = CLOCK
    with FakeWeb([shown]) as web:
        open_page(driver, web, shown="line1")
        wait_for(driver, "rankcast.single?.meter.latency()")
        driver.execute_script("rankcast.pause()")
        wait_for(driver, "rankcast.single.meter.latency() === null", 5)
        figures = "document.querySelector('.figures').textContent"
        wait_for(driver, f"{figures}.includes('Latency–')")


def test_a_difference_to_a_picture_of_another_size_is_called_none(driver: WebDriver) -> None:
    sizes = [(72, 104, 3), (64, 96, 3)]
    packets = [rankcast.Encoder("svd-patch").encode(Frame(scene(0, size))) for size in sizes]
    which = [0]
    with FakeWeb([FakeCamera("line1", lambda _: packets[which[0]], period=1)]) as web:
        open_page(driver, web, shown="line1")
        wait_for(driver, "rankcast.single?.drawn")
        driver.find_element(By.TAG_NAME, "body").send_keys("k")
        wait_for(driver, "document.getElementById('toast').textContent.includes('Kept picture #0')")
        driver.find_element(By.TAG_NAME, "body").send_keys("d")
        mark = driver.find_element(By.CSS_SELECTOR, ".mark")
        wait_until(lambda: mark.text.startswith("difference to #0"), "a difference")
        which[0] = 1
        wait_until(lambda: mark.text.startswith("no difference"), "no difference")


@pytest.mark.parametrize("hash_", ["camera=%E0", "recording=%E0", "camera"])
def test_an_address_that_is_no_name_shows_the_page(driver: WebDriver, hash_: str) -> None:
    with FakeWeb([scripted_camera()], recordings={}) as web:
        driver.get("about:blank")
        driver.get(f"{web.url}#{hash_}")
        wait_for(driver, "window.rankcast?.connection.hello")
        driver.execute_script("location.hash = ''")
        wait_for(driver, "rankcast.views.get('line1')?.state.tone === 'live'")
        complaints(driver)


def test_the_pause_button_is_that_of_the_camera_shown(driver: WebDriver) -> None:
    pressed = "document.getElementById('pause').getAttribute('aria-pressed')"
    with FakeWeb([scripted_camera(), scripted_camera(name="line2")]) as web:
        open_page(driver, web, shown="line1")
        wait_for(driver, "rankcast.single?.drawn")
        driver.execute_script("rankcast.pause()")
        assert driver.execute_script(f"return {pressed}") == "true"
        driver.execute_script("rankcast.next(1)")
        wait_for(driver, "rankcast.single.name === 'line2'")
        wait_for(driver, f"{pressed} === 'false'", 5)
        driver.execute_script("rankcast.next(1)")
        wait_for(driver, f"{pressed} === 'true'", 5)


def test_what_is_typed_survives_a_lost_connection_and_another_camera(driver: WebDriver) -> None:
    shown = scripted_camera()
    shown.listed["sender"] = {"codec": "svd-patch", "settings": {"quality": 75}}
    with FakeWeb([shown], control=True) as web:
        open_page(driver, web, shown="line1")
        field = "document.querySelector('input[aria-label^=Quality]')"
        wait_for(driver, f"{field}?.value === '75'")
        quality = driver.find_element(By.CSS_SELECTOR, "input[aria-label^=Quality]")
        quality.clear()
        quality.send_keys("41")
        driver.execute_script("rankcast.connection.socket.socket.close()")
        wait_until(lambda: web.opened == 2, "a second connection")
        wait_for(driver, "rankcast.connection.isUp && rankcast.single?.state.tone === 'live'")
        web.cameras["line2"] = scripted_camera(name="line2", fps=0)
        wait_for(driver, "rankcast.views.has('line2')")
        assert quality.get_attribute("value") == "41"
        assert driver.switch_to.active_element == quality


def test_a_camera_that_replaces_another_starts(driver: WebDriver) -> None:
    gone = FakeCamera("line2", None)
    with FakeWeb([scripted_camera(), gone]) as web:
        open_page(driver, web)
        wait_for(driver, "rankcast.views.get('line2')?.feed")
        driver.execute_script("""
            rankcast.views.get("line2").goneMs = function () { return this.camera ? 0 : 1e9; };
        """)
        web.cameras = {"line1": web.cameras["line1"], "line3": FakeCamera("line3", None)}
        wait_for(driver, "rankcast.views.has('line3')")
        wait_for(driver, "rankcast.views.get('line3').feed", 5)
        assert not driver.execute_script("return rankcast.views.has('line2')")


def test_only_what_the_camera_and_its_codec_have_can_be_set(driver: WebDriver) -> None:
    shown = scripted_camera("lossless")
    shown.listed["sender"] = {"codec": "lossless", "settings": {}, "camera": {"gain": 1.0},
                              "events": False}  # fmt: skip
    visible = """
        return [...document.querySelectorAll(".panel form, .actions button")]
          .filter((one) => one.offsetParent !== null)
          .map((one) => (one.querySelector("span") ?? one).firstChild.textContent);
    """
    with FakeWeb([shown], control=True) as web:
        open_page(driver, web, shown="line1")
        wait_for(driver, "rankcast.single?.drawn && document.querySelector('.actions')")
        wanted = ["Gain", "Key frame"]
        wait_until(lambda: driver.execute_script(visible) == wanted, "a gain alone")
        shown.listed["sender"] = {"codec": "svd-patch", "settings": {"bitrate": 2e6},
                                  "camera": {"trigger": "on"}, "events": True}  # fmt: skip
        wanted = ["Quality", "Bit rate", "Key frame", "Trigger", "Record event"]
        wait_until(lambda: driver.execute_script(visible) == wanted, "more")


def test_white_below_black_is_refused_in_words(driver: WebDriver) -> None:
    with FakeWeb([scripted_camera()]) as web:
        open_page(driver, web, shown="line1")
        wait_for(driver, "rankcast.single?.drawn")
        driver.execute_script("""
            const {tools} = rankcast.panel;
            tools.low.value = 200; tools.high.value = 100; tools.high.onchange();
        """)
        said = driver.find_element(By.CSS_SELECTOR, ".panel [role=alert]")
        assert "white must be above black" in said.text
        assert driver.execute_script("return rankcast.single.settings.levels.mode") == "auto"
        driver.execute_script("const {tools} = rankcast.panel; tools.low.value = 50; tools.fix()")
        assert not said.is_displayed()
        levels = driver.execute_script("return rankcast.single.settings.levels")
        assert levels == {"mode": "fixed", "low": 50, "high": 100}


@pytest.mark.parametrize("asks_for_token", [False, True])
def test_who_logged_in_can_log_out(driver: WebDriver, asks_for_token: bool) -> None:
    with FakeWeb([scripted_camera()], asks_for_token=asks_for_token) as web:
        open_page(driver, web)
        button = driver.find_element(By.CSS_SELECTOR, "#log-out button")
        if asks_for_token:
            wait_until(button.is_displayed, "a button")
        else:
            wait_for(driver, "rankcast.views.get('line1')?.state.tone === 'live'")
            assert not button.is_displayed()


def test_tiles_say_which_key_shows_them_alone(driver: WebDriver) -> None:
    with FakeWeb([scripted_camera(name=f"line{n}", fps=1) for n in range(1, 11)]) as web:
        open_page(driver, web)
        wait_for(driver, "rankcast.views.size === 10")
        digits = "return [...document.querySelectorAll('.digit')].map((one) => one.textContent)"
        assert driver.execute_script(digits) == [*"123456789", ""]
        driver.find_element(By.TAG_NAME, "body").send_keys("3")
        wait_for(driver, "rankcast.single?.name === 'line3'")


def facts(driver: WebDriver, title: str) -> dict[str, str]:
    """Return the rows of a section of the panel."""
    rows: dict[str, str] = driver.execute_script(
        """
        const section = [...document.querySelectorAll(".panel details")]
          .find((one) => one.querySelector("summary").textContent === arguments[0]);
        if (!section || section.hidden) return {};
        const pairs = [...section.querySelectorAll("dl > div")]
          .map(({children}) => [...children].map((one) => one.innerText));
        return Object.fromEntries(pairs);
        """,
        title,
    )
    return {name: text.replace("\u00a0", " ") for name, text in rows.items()}


def test_a_relay_says_what_it_passed_on_and_whether_its_uplink_is_up(driver: WebDriver) -> None:
    shown = scripted_camera()
    sender = {"fps": 5.0, "published": 90, "viewers": 3, "camera": {}, "settings": {}}
    relay = {"hops": 2, "uplink": "up", "lost": 7, "clock_error_ms": 0.25}
    shown.listed["sender"] = sender
    with FakeWeb([shown]) as web:
        open_page(driver, web, shown="line1")
        wait_until(lambda: facts(driver, "Sender"), "what the sender says")
        assert facts(driver, "Sender")["Published"] == "90"
        assert facts(driver, "Relay") == {}
        shown.listed["sender"] = sender | {"relay": relay}
        wait_until(lambda: facts(driver, "Relay"), "what the relay says")
        assert facts(driver, "Relay") == {
            "Relays from the camera to here": "2", "Uplink": "up", "Passed on": "90",
            "Not passed on": "7", "Viewers": "3", "Clock of the camera": "± 0.25 ms",
        }  # fmt: skip
        assert {"Published", "Viewers"} & facts(driver, "Sender").keys() == set()
        gone = {"uplink": "tcp://a:1: sender dead", "clock_error_ms": None}
        shown.listed["sender"] = sender | {"relay": relay | gone}
        wait_until(lambda: facts(driver, "Relay")["Uplink"] == "down", "an uplink that is down")
        assert facts(driver, "Relay")["Clock of the camera"] == "unknown to the relay"


def test_a_substream_is_named_beside_its_camera_and_all_streams_are_listed(
    driver: WebDriver,
) -> None:
    shown, whole = scripted_camera(), scripted_camera(name="line2")
    shown.listed["stream"] = {"name": "half"}
    whole.listed["stream"] = {"name": "main"}
    shown.listed["sender"] = {
        "fps": 5.0, "camera": {}, "settings": {},
        "streams": {"main": "640x360", "half": "320x180", "door": "160x120+200+100", "late": ""},
    }  # fmt: skip
    named = """
        return [...document.querySelectorAll(".line")].map((line) =>
          [line.querySelector(".name").textContent, line.querySelector(".stream").textContent]);
    """
    with FakeWeb([shown, whole]) as web:
        open_page(driver, web)
        wanted = [["line1", "half"], ["line2", ""]]
        wait_until(lambda: driver.execute_script(named) == wanted, "the name of a stream")
        driver.execute_script("rankcast.go('camera=line1')")
        wait_until(lambda: "Streams" in facts(driver, "Sender"), "streams")
        assert facts(driver, "Sender")["Streams"] == (
            "main 640 × 360, half 320 × 180, door 160 × 120 at 200, 100, late"
        )


def test_names_of_sites_are_whole_on_a_telephone_and_no_number_is_cut(driver: WebDriver) -> None:
    names = ["frankfurt.line1", "frankfurt.line2"]
    cut = """
        return [...document.querySelectorAll(".line .name, .numbers, .numbers span")]
          .filter((one) => one.scrollWidth > one.clientWidth && one.clientWidth > 0)
          .map((one) => one.textContent);
    """
    cameras = [scripted_camera(name=name) for name in names]
    for camera in cameras:
        camera.listed["stream"] = {"name": "half"}
    try:
        resize(driver, 390, 844)
        with FakeWeb(cameras) as web:
            open_page(driver, web)
            wait_for(driver, "rankcast.views.size === 2")
            driver.execute_script("""
                for (const view of rankcast.views.values())
                  view.meter.latency = () => ({ms: 266, errorMs: 17.6});
            """)
            numbers = "document.querySelectorAll('.numbers')[1].innerText"
            wait_for(driver, f"{numbers}.includes('ms') && {numbers}.includes('fps')")
            assert driver.execute_script(cut) == []
    finally:
        resize(driver, 1440, 900)


@pytest.mark.slow
def test_the_last_picture_of_a_camera_that_has_stopped_is_no_latency(driver: WebDriver) -> None:
    shown = scripted_camera()
    shown.listed |= {
        "clock": CLOCK, "live": False, "state": "network_dead", "words": "network dead",
    }  # fmt: skip
    with FakeWeb([shown]) as web:
        open_page(driver, web, shown="line1")
        wait_for(driver, "rankcast.single?.drawn && rankcast.single.meter.steps.length > 3")
        latencies = "rankcast.single.meter.steps.map((step) => step.latencyMs)"
        assert set(driver.execute_script(f"return {latencies}")) == {None}
        shown.listed |= {"live": True, "state": "live"}
        wait_for(driver, "rankcast.single.meter.latency()")
