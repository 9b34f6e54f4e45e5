"""A server decodes nothing for pages that decode, and begins when somebody needs pixels."""

from __future__ import annotations

import json
import signal
import time
import urllib.request
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver.chrome.webdriver import WebDriver

from rankcast.frame import Pixels
from rankcast.images import read_image
from support.browser import CHROMIUM, MISSING, browser, wait_for
from support.web_page import WebPage, ask, wait_until
from support.web_station import WebStation

pytestmark = pytest.mark.timeout(120)
SHORT_GROUPS = ("--set", "codec.svd-patch.gop=40")
"""Pages that join begin with the packets since the last key frame."""
DECODED = "rankcast_receiver_packets_decoded_total"

CANVAS = """
const [done] = arguments;
(async () => {
  const {crc32} = await import("/page/stream/crc32.js");
  const view = rankcast.views.get("cam");
  const painted = () => new Promise((go) => requestAnimationFrame(go));
  const context = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const found = [];
  for (let before, tries = 0; found.length < 4 && tries < 900; tries++) {
    await painted();
    const sequence = view.drawn?.sequence;
    if (sequence === before) continue;
    before = sequence;
    for (let i = 0; i < 6; i++) await painted();  // it reaches the element later
    if (view.drawn.sequence !== sequence) continue;
    context.canvas.width = view.canvas.width;
    context.canvas.height = view.canvas.height;
    context.drawImage(view.canvas, 0, 0);
    const {width, height} = context.canvas;
    const data = context.getImageData(0, 0, width, height).data.buffer;
    found.push([Number(sequence), crc32(new Uint8Array(data))]);
  }
  done([found, view.feed.verified, [...view.feed.refusals]]);
})();
"""


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def decoded(station: WebStation) -> int:
    """Return how many packets the server has decoded."""
    lines = ask(station.url, "metrics").body.decode().splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith(DECODED + "{"))


def wait_idle(station: WebStation) -> int:
    """Wait until the server decodes no longer; return how much it has decoded."""
    wait_until(lambda: not station.camera()["decoding"])
    return decoded(station)


def rgba_crc(pixels: Pixels) -> int:
    rgba = np.full((*pixels.shape[:2], 4), 255, np.uint8)
    rgba[..., :3] = pixels[..., ::-1]
    return zlib.crc32(rgba.tobytes())


@pytest.mark.slow
def test_a_snapshot_of_a_camera_that_nobody_decoded_is_the_newest_picture(
    stack: ExitStack, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    station = WebStation(stack, "--report", str(report), sender=SHORT_GROUPS)
    station.wait_live()
    with WebPage(station.url) as page:
        page.watch("cam")
        frames = list(page.frames(40))
        camera = station.camera()
        assert decoded(station) == 0
        assert camera["decoding"] is False
        # What is known of the camera is known all the same.
        assert camera["live"]
        assert camera["fps"] > 5
        assert camera["stream"]["psnr_db"] > 20
        assert camera["stream"]["shape"] == [120, 160, 3]
        assert camera["latency_ms"]["p50"] < 1000
        assert camera["age_ms"] < 1000
        assert camera["lost"] == {}
        for _ in range(2):
            first = frames[-1].sequence
            answer = ask(station.url, "api/cameras/cam/snapshot")
            assert answer.status == 200, answer.body
            sequence = int(answer.headers["X-Rankcast-Sequence"])
            assert sequence >= first
            assert station.camera()["decoding"]
            while frames[-1].sequence < sequence:
                frames.extend(page.frames(1))
            (tmp_path / "shot.png").write_bytes(answer.body)
            same = next(frame for frame in frames if frame.sequence == sequence)
            assert np.array_equal(read_image(tmp_path / "shot.png"), same.pixels)
            page.watch()  # a page that does not read would need a reference packet
            before = wait_idle(station)
            assert before > 0
            page.watch("cam")
            frames = list(page.frames(60))
            assert decoded(station) == before, page.skipped
    assert station.receiver.stop(signal.SIGTERM) == 0
    values = json.loads(report.read_text())
    assert values["balanced"] is True
    assert set(values["lost"]) <= {"stopped"}
    assert values["psnr_db"] > 20
    assert values["fps"] > 5
    sinks = values["sinks"]
    assert sinks["pictures"]["delivered"] > 0
    assert sinks["pictures"]["lost"]["nobody_watching"] > 50


@pytest.mark.slow
def test_an_mjpeg_client_starts_decoding_and_its_end_ends_it(stack: ExitStack) -> None:
    station = WebStation(stack)
    station.wait_live()
    assert decoded(station) == 0
    with urllib.request.urlopen(f"{station.url}api/cameras/cam/stream.mjpg", timeout=20) as stream:
        assert len(stream.read(20_000)) == 20_000
        assert station.camera()["decoding"]
        time_s = time.monotonic()
        while time.monotonic() - time_s < 4:  # longer than decoding lingers
            stream.read(4096)
        assert station.camera()["decoding"]
    before = wait_idle(station)
    received = station.camera()["received"]
    wait_until(lambda: station.camera()["received"] > received + 20)
    assert decoded(station) == before


@pytest.mark.slow
def test_a_page_that_takes_jpeg_starts_decoding_and_leaves(stack: ExitStack) -> None:
    station = WebStation(stack, sender=SHORT_GROUPS)
    station.wait_live()
    with WebPage(station.url) as page, WebPage(station.url) as beside:
        page.watch("cam", form="jpeg")
        packets, sequences = page.packets(), []
        for _ in range(5):
            topic, data = next(packets)
            assert topic == "cam/jpeg"
            head = json.loads(data[4 : 4 + int.from_bytes(data[:4], "little")])
            sequences.append(head["sequence"])
            page.send(type="ack", cameras={"cam": head["sequence"]})
        assert sequences == sorted(set(sequences))
        page.watch()
        before = wait_idle(station)
        beside.watch("cam")
        list(beside.frames(60))
        assert decoded(station) == before
        # A picture of then would look live now.
        page.watch("cam", form="jpeg")
        data = next(data for topic, data in packets if topic == "cam/jpeg")
        head = json.loads(data[4 : 4 + int.from_bytes(data[:4], "little")])
        assert head["sequence"] > sequences[-1] + 20


@pytest.mark.slow
def test_cameras_that_only_a_server_decodes_are_decoded_while_a_page_is_there(
    stack: ExitStack,
) -> None:
    station = WebStation(stack, sender=("--codec", "kmeans"))
    station.wait_live()
    assert station.camera()["decodes"] == "server"
    assert decoded(station) == 0
    with WebPage(station.url) as page:
        page.watch("cam", form="jpeg")
        assert next(page.packets())[0] == "cam/jpeg"
        assert decoded(station) > 0
    wait_idle(station)


@pytest.mark.slow
def test_a_snapshot_that_cannot_be_made_says_why_after_five_seconds(stack: ExitStack) -> None:
    never = (
        "--set",
        "codec.svd-patch.gop=100000",
        "--set",
        "codec.svd-patch.keyframe_interval_s=0",
    )
    station = WebStation(
        stack, "--set", "network.control=false", sender=never,
        source="synthetic:conveyor?width=64&height=48&fps=200",
    )  # fmt: skip
    wait_until(lambda: station.camera().get("received", 0) > 700)
    began_s = time.monotonic()
    answer = ask(station.url, "api/cameras/cam/snapshot")
    assert answer.status == 504
    assert "could not be decoded within 5 s: the sender sent no key frame" in answer.json["error"]
    assert 4 < time.monotonic() - began_s < 12
    assert station.camera()["live"], "pages miss nothing"
    assert decoded(station) == 0


@pytest.mark.slow
def test_with_a_recording_nothing_is_decoded_and_with_saved_pictures_everything(
    stack: ExitStack, tmp_path: Path
) -> None:
    station = WebStation(stack, "--record", str(tmp_path / "all.mcap"))
    station.wait_live()
    other = WebStation(stack, "--save", str(tmp_path), "--connect", station.address)
    wait_until(lambda: station.camera()["received"] > 30)
    assert decoded(station) == 0
    assert ask(station.url, "api/cameras/cam/snapshot").status == 200
    wait_until(lambda: decoded(other) > 30)


@pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
def test_the_canvas_of_a_page_has_the_pixels_of_the_decoder_while_the_server_decodes_nothing(
    stack: ExitStack,
) -> None:
    driver: WebDriver = stack.enter_context(browser())
    station = WebStation(stack, source="synthetic:conveyor?width=160&height=120&fps=5")
    station.wait_live()
    driver.get(station.url + "#camera=cam")
    wait_for(driver, "rankcast.views.get('cam')?.state.tone === 'live'")
    with WebPage(station.url) as page, ThreadPoolExecutor(1) as beside:
        page.watch("cam")
        wanted = {}
        showing = beside.submit(driver.execute_async_script, CANVAS)
        while not showing.done():
            for frame in page.frames(1):
                wanted[frame.sequence] = rgba_crc(frame.pixels)
    found, verified, refused = showing.result()
    assert refused == []
    assert verified > 0
    compared = [(crc, wanted[sequence]) for sequence, crc in found if sequence in wanted]
    assert len(compared) >= 3
    assert all(shown == decoded_crc for shown, decoded_crc in compared)
    assert decoded(station) == 0
