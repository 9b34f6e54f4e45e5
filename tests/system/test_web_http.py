"""HTTP of a receiver's web address for other programs: JSON, snapshots, MJPEG, recordings."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from websockets.exceptions import InvalidStatus

from rankcast.decoder import Decoder
from rankcast.images import read_image, read_text
from rankcast.recordings import RecordingOptions
from rankcast.wire import unpack
from support.processes import run
from support.recordings import messages_of, packets_of, pictures, record
from support.web_page import WebPage, ask, wait_until
from support.web_station import WebStation


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    packets = packets_of("svd-patch", pictures(60), group=20)
    record(folder / "line3.mcap", {"left": packets, "right": packets_of("raw", pictures(60))})
    record(folder / "long.mcap", {"cam": packets}, RecordingOptions(segment_bytes=65_536))
    record(folder / "group.mcap", {"cam": packets_of("svd-patch", pictures(255), group=250)})
    (folder / "torn.mcap").write_bytes((folder / "line3.mcap").read_bytes()[:-3000])
    (folder / "rubbish.mcap").write_bytes(b"no recording at all")
    (folder / "notes.txt").write_text("no recording either")
    outside = tmp_path_factory.mktemp("outside") / "secret.mcap"
    record(outside, {"cam": packets})
    (folder / "link.mcap").symlink_to(outside)
    return folder


@pytest.fixture(scope="module")
def station(recordings: Path) -> Iterator[WebStation]:
    with ExitStack() as stack:
        found = WebStation(
            stack, "--web-control", "--web-recordings", str(recordings),
            sender=("--set", "codec.svd-patch.quality=60"),
        )  # fmt: skip
        found.wait_live()
        yield found


def test_the_cameras_are_described(station: WebStation) -> None:
    cameras = ask(station.url, "api/cameras").json["cameras"]
    assert [camera["name"] for camera in cameras] == ["cam"]
    wait_until(lambda: station.camera()["sender"] is not None)
    camera = station.camera()
    assert camera["stream"]["shape"] == [120, 160, 3]
    assert camera["stream"]["codec"] == "svd-patch"
    assert camera["clock"]["error_ms"] == 0
    assert camera["sender"]["settings"]["quality"] == 60
    assert ask(station.url, "api/cameras/none").status == 404


def test_a_snapshot_is_a_picture_that_says_what_it_is(station: WebStation, tmp_path: Path) -> None:
    for form, suffix in (("png", ".png"), ("tiff", ".tiff"), ("jpeg", ".jpg")):
        answer = ask(station.url, f"api/cameras/cam/snapshot?format={form}")
        assert answer.status == 200
        assert answer.headers["Content-Type"] == f"image/{form}"
        path = tmp_path / f"shot{suffix}"
        path.write_bytes(answer.body)
        assert read_image(path).shape == (120, 160, 3)
        tag = json.loads(read_text(path) or "")
        assert str(tag["sequence"]) == answer.headers["X-Rankcast-Sequence"]
        assert tag["fidelity"] == answer.headers["X-Rankcast-Fidelity"] == "lossy"
        assert tag["codec"] == "svd-patch"


def test_an_original_is_lossless(station: WebStation, tmp_path: Path) -> None:
    answer = ask(station.url, "api/cameras/cam/snapshot?original=1")
    assert answer.status == 200, answer.body
    assert answer.headers["X-Rankcast-Fidelity"] == "lossless"
    (tmp_path / "shot.png").write_bytes(answer.body)
    tag = json.loads(read_text(tmp_path / "shot.png") or "")
    assert (tag["codec"], tag["fidelity"]) == ("lossless", "lossless")
    # An original has no sequence.
    assert (answer.headers["X-Rankcast-Sequence"], tag["frame"] > 0) == ("", True)
    assert answer.headers["X-Rankcast-Frame"] == str(tag["frame"])
    said = re.search('filename="cam_(.*)_(.*)_lossless.png"', answer.headers["Content-Disposition"])
    assert said is not None
    assert int(said[1]) == tag["frame"]
    shot_utc = datetime.strptime(said[2], "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
    assert shot_utc == datetime.fromisoformat(tag["capture_utc"])


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("api/cameras/none/snapshot", 404),
        ("api/cameras/cam/snapshot?format=bmp", 400),
        ("api/cameras/cam/snapshot?original=yes", 400),
        ("api/cameras/cam/stream.mjpg?quality=0", 400),
        ("api/cameras/cam/stream.mjpg?quality=1.5", 400),
        ("api/cameras/cam/stream.mjpg?fps=nan", 400),
        ("api/recordings/none.mcap", 404),
        ("api/nothing", 404),
        ("page/../application.py", 404),
        ("page/%2e%2e/application.py", 404),
        ("page/..%2f..%2fapp.py", 404),
        ("page/%00", 404),
    ],
)
def test_a_wrong_request_is_answered_in_one_line(
    station: WebStation, path: str, status: int
) -> None:
    answer = ask(station.url, path)
    assert answer.status == status
    assert "\n" not in answer.json["error"]


def test_opencv_reads_the_mjpeg_stream(station: WebStation) -> None:
    capture = cv2.VideoCapture(f"{station.url}api/cameras/cam/stream.mjpg?fps=10")
    try:
        pictures = []
        for _ in range(3):
            read, picture = capture.read()
            assert read
            pictures.append(picture)
    finally:
        capture.release()
    assert pictures[0].shape == (120, 160, 3)
    assert not np.array_equal(pictures[0], pictures[2])


def test_ffmpeg_reads_the_mjpeg_stream(station: WebStation, tmp_path: Path) -> None:
    command = [
        "ffmpeg", "-v", "error", "-f", "mpjpeg", "-i", f"{station.url}api/cameras/cam/stream.mjpg",
        "-frames:v", "3", str(tmp_path / "%d.png"),
    ]  # fmt: skip
    subprocess.run(command, check=True, timeout=40)
    assert len(list(tmp_path.glob("*.png"))) == 3


def test_head_of_a_stream_without_an_end_has_one(station: WebStation) -> None:
    answer = ask(station.url, "api/cameras/cam/stream.mjpg", "HEAD")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("multipart/x-mixed-replace")


def test_a_page_gets_jpeg_where_it_asks_for_it(station: WebStation) -> None:
    with WebPage(station.url) as page:
        page.watch("cam", form="jpeg")
        sequences = []
        packets = page.packets()
        for _ in range(5):
            topic, data = next(packets)
            assert topic == "cam/jpeg"
            size = int.from_bytes(data[:4], "little")
            head = json.loads(data[4 : 4 + size])
            sequences.append(head["sequence"])
            jpeg = cv2.imdecode(np.frombuffer(data[4 + size :], np.uint8), cv2.IMREAD_COLOR)
            assert list(jpeg.shape) == head["shape"] == [120, 160, 3]
            page.send(type="ack", cameras={"cam": head["sequence"]})
    assert sequences == sorted(set(sequences))


def test_a_page_changes_the_sender_and_hears_its_refusals(station: WebStation) -> None:
    with WebPage(station.url) as page:
        page.send(type="request", id=1, op="set", camera="cam", args={"quality": 40})
        reply = page.text_of("reply")
        assert (reply["id"], reply["ok"], reply["error"]) == (1, True, "")
        assert reply["result"]["quality"] == 40
        page.send(type="request", id=2, op="set", camera="cam", args={"quality": 4000})
        refused = page.text_of("reply")
        assert not refused["ok"]
        assert "quality" in refused["error"]
        page.send(type="request", id=3, op="get", camera="cam", args={"name": "quality"})
        assert page.text_of("reply")["result"] == {"quality": 40}
        page.send(type="request", id=4, op="keyframe", camera="cam", args={})
        assert page.text_of("reply")["ok"]
        page.send(type="request", id=5, op="original", camera="cam", args={})
        assert "no operation" in page.text_of("reply")["error"]
        page.send(type="request", id=6, op="set", camera="none", args={"quality": 1})
        assert "no control channel" in page.text_of("reply")["error"]
        page.socket.send(r'{"type":"request","id":7,"op":"set","camera":"cam","args":{"\ud800":1}}')
        assert "cannot be sent" in page.text_of("reply")["error"]
        wait_until(lambda: station.camera()["sender"]["settings"]["quality"] == 40)


def test_recordings_are_listed_with_what_is_wrong(station: WebStation) -> None:
    found = {one["name"]: one for one in ask(station.url, "api/recordings").json["recordings"]}
    assert set(found) == {"line3.mcap", "long.mcap", "group.mcap", "torn.mcap", "rubbish.mcap"}
    whole = found["line3.mcap"]
    assert (whole["frames"], whole["complete"], whole["error"]) == (120, True, "")
    assert sorted(whole["cameras"]) == ["left", "right"]
    assert whole["duration_s"] > 0
    torn = found["torn.mcap"]
    assert not torn["complete"]
    assert 0 < torn["frames"] <= 120
    assert "no recording" in found["rubbish.mcap"]["error"]
    assert ask(station.url, "api/recordings/line3.mcap").json["frames"] == 120


def test_a_recording_is_played_bit_by_bit(station: WebStation) -> None:
    expected = packets_of("svd-patch", pictures(60), group=20)
    with WebPage(station.url, "api/recordings/line3.mcap/play") as page:
        assert page.hello["type"] == "recording"
        assert sorted(page.hello["cameras"]) == ["left", "right"]
        page.send(type="play", from_s=0, speed=100.0, paused=False)
        packets = page.packets()
        played: dict[str, list[bytes]] = {"left/frames": [], "right/frames": []}
        while sum(map(len, played.values())) < 120:
            topic, data = next(packets)
            played[topic].append(data)
            page.acknowledge(unpack(data), topic.split("/")[0])
        assert len(played["left/frames"]) == 60
        decoder = Decoder()
        reference = Decoder()
        for data, own in zip(played["left/frames"], expected, strict=True):
            assert np.array_equal(decoder.decode(data), reference.decode(own))
        assert page.text_of("end")


def test_a_paused_recording_shows_the_picture_of_the_wanted_time(station: WebStation) -> None:
    facts = ask(station.url, "api/recordings/line3.mcap").json
    with WebPage(station.url, "api/recordings/line3.mcap/play") as page:
        page.send(type="play", from_s=facts["duration_s"] / 2, speed=1.0, paused=True)
        seek = {
            one["camera"]: one["sequence"] for one in (page.text_of("seek"), page.text_of("seek"))
        }
        decoder = Decoder()
        for topic, data in page.packets():
            page.acknowledge(unpack(data), topic.split("/")[0])
            if topic == "left/frames":
                decoder.decode(data)
                if unpack(data).header.sequence == seek["left"]:
                    break
        assert 0 < seek["left"] < 60


def test_a_seek_far_behind_a_key_frame_waits_for_the_page(
    station: WebStation, recordings: Path
) -> None:
    times = [one.t_recorded_ns for one in messages_of(recordings / "group.mcap")]
    facts = ask(station.url, "api/recordings/group.mcap").json
    with WebPage(station.url, "api/recordings/group.mcap/play") as page:
        from_s = (times[245] - times[0]) / 1e9
        assert from_s < facts["duration_s"]
        page.send(type="play", from_s=from_s, speed=1.0, paused=True)
        wanted = page.text_of("seek")["sequence"]
        assert 128 < wanted < 250  # where it begins is told in milliseconds
        packets, came = page.packets(timeout_s=0.5), []
        while not came or came[-1].header.sequence < wanted:
            before = len(came)
            with suppress(TimeoutError):
                while True:
                    came.append(unpack(next(packets)[1]))
            packets = page.packets(timeout_s=0.5)  # the time-out has ended it
            assert 0 < len(came) - before <= 64
            page.acknowledge(came[-1])
    assert [packet.header.sequence for packet in came] == list(range(wanted + 1))


def test_a_link_out_of_the_folder_and_a_path_are_no_recordings(station: WebStation) -> None:
    for name in ("link.mcap", "..%2f..%2fsecret.mcap", "%2e%2e", "rubbish.mcap%00"):
        with pytest.raises(InvalidStatus), WebPage(station.url, f"api/recordings/{name}/play"):
            pass


def test_a_damaged_recording_says_why_it_does_not_play(station: WebStation) -> None:
    with WebPage(station.url, "api/recordings/rubbish.mcap/play") as page:
        page.send(type="play", from_s=0, speed=1.0, paused=False)
        assert "no recording" in page.text_of("error")["error"]


def test_the_description_lists_the_routes(station: WebStation) -> None:
    described = ask(station.url, "api/openapi.json").json
    assert described["openapi"] == "3.1.0"
    assert "/api/cameras/{name}/snapshot" in described["paths"]


@pytest.mark.slow
def test_a_receiver_without_control_refuses_changes_and_answers_get() -> None:
    with ExitStack() as stack:
        station = WebStation(stack)
        station.wait_live()
        with WebPage(station.url) as page:
            assert page.hello["control"] is False
            page.send(type="request", id=1, op="set", camera="cam", args={"quality": 40})
            assert "--web-control" in page.text_of("reply")["error"]
            page.send(type="request", id=2, op="get", camera="cam", args={"name": "quality"})
            assert page.text_of("reply")["ok"]
        assert ask(station.url, "api/recordings").status == 404
        port = urlsplit(station.url).port
        second = run("receive", "--connect", station.address, "--web", f"127.0.0.1:{port}")
        assert second.returncode != 0
        assert f"127.0.0.1:{port} cannot be taken" in second.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--web", "0.0.0.0:0"), "can be reached from other machines"),
        pytest.param(("--web", "nowhere:1"), "want an IP address", marks=pytest.mark.slow),
        pytest.param(
            ("--web", "127.0.0.1:0", "--tls-cert", "a.pem"),
            "belong together",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ("--web", "127.0.0.1:0", "--tls-cert", "a.pem", "--tls-key", "b.pem"),
            "no such file",
            marks=pytest.mark.slow,
        ),
        (("--web", "127.0.0.1:0", "--web-token", "missing"), "the token cannot be read"),
        pytest.param(
            ("--web", "127.0.0.1:0", "--web-recordings", "missing"),
            "not a directory",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_wrong_setting_prevents_the_start(options: tuple[str, ...], words: str) -> None:
    ended = run("receive", *options)
    assert ended.returncode == 2
    assert words in ended.stderr.splitlines()[-1]


@pytest.mark.slow
def test_of_several_senders_a_name_says_which() -> None:
    with ExitStack() as stack:
        station = WebStation(stack)
        other = WebStation(stack, "--connect", station.address)
        names = ["cam-1", "cam-2"]
        wait_until(
            lambda: all(
                camera.get("live") and camera["name"] in names
                for camera in ask(other.url, "api/cameras").json["cameras"]
            )
        )
        with WebPage(other.url) as page:
            page.watch(*names)
            missing = set(names)
            for frame in page.frames(300):  # one of them may join with a group of 90
                missing.discard(frame.camera)
                if not missing:
                    break
            assert not missing
