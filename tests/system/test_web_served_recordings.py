"""Cameras of a recording that the server decodes, over the WebSocket of a real receiver."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg

from rankcast.decoder import Decoder
from rankcast.frame import Pixels
from rankcast.images import encode_image, read_image
from rankcast.recordings import RecordingWriter
from rankcast.wire import unpack
from rankcast_receiver.web.recordings.routes import MOST_DECODING
from support.recordings import packets_of, pictures, record_in_time
from support.web_page import WAIT_S, WebPage, ask, wait_until
from support.web_station import WebStation

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
COUNT, FPS = 30, 10
KINDS = ("pca", "kmeans")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    served = {kind: packets_of(kind, pictures(COUNT)) for kind in KINDS}
    plain = packets_of("svd-patch", pictures(COUNT), group=10)
    for kind in KINDS:
        record_in_time(folder / f"{kind}.mcap", {"cam": served[kind]}, FPS)
    record_in_time(folder / "mixed.mcap", {"left": plain, "right": served["kmeans"]}, FPS)
    record_in_time(folder / "patch.mcap", {"cam": plain}, FPS)
    gan = (GOLDEN / "gan" / "colour.rkc").read_bytes()
    record_in_time(folder / "gan.mcap", {"cam": [gan]}, FPS)
    return folder


@pytest.fixture(scope="module")
def station(recordings: Path) -> Iterator[WebStation]:
    with ExitStack() as stack:
        found = WebStation(stack, "--web-recordings", str(recordings))
        found.wait_live()
        yield found


class Player:
    """A page that plays a recording."""

    def __init__(self, stack: ExitStack, station: WebStation, name: str) -> None:
        self.page = stack.enter_context(WebPage(station.url, f"api/recordings/{name}/play"))
        self.texts: list[dict[str, Any]] = []

    def play(self, from_s: float = 0, speed: float = 1.0, **wish: Any) -> None:
        wish.setdefault("paused", False)
        self.page.send(type="play", from_s=from_s, speed=speed, **wish)

    def next(
        self, *, acknowledge: bool = True, timeout_s: float = WAIT_S
    ) -> tuple[str, dict[str, Any], bytes]:
        """Return topic, head and content of the next picture; texts before it are noted."""
        while isinstance(message := self.page.socket.recv(timeout_s), str):
            self.texts.append(json.loads(message))
        topic, _, data = message.partition(b"\0")
        camera, _, channel = topic.decode().rpartition("/")
        if channel == "jpeg":
            size = int.from_bytes(data[:4], "little")
            head, content = json.loads(data[4 : 4 + size]), data[4 + size :]
        else:
            head, content = {"sequence": unpack(data).header.sequence}, data
        if acknowledge:
            self.page.send(type="ack", cameras={camera: head["sequence"]})
        return topic.decode(), head, content

    def until(self, kind: str) -> dict[str, Any]:
        """Return the next text of a kind; pictures before it are acknowledged."""
        while True:
            message = self.page.socket.recv(WAIT_S)
            if isinstance(message, str):
                self.texts.append(json.loads(message))
                if self.texts[-1]["type"] == kind:
                    return self.texts[-1]
                continue
            topic, _, data = message.partition(b"\0")
            size = int.from_bytes(data[:4], "little")
            sequence = json.loads(data[4 : 4 + size])["sequence"]
            self.page.send(type="ack", cameras={topic.decode().split("/")[0]: sequence})


def decoded(packets: list[bytes]) -> list[Pixels]:
    decoder = Decoder()
    return [decoder.decode(packet).copy() for packet in packets]


def is_like(jpeg: bytes, pixels: Pixels) -> bool:
    """Return whether a JPEG shows these pixels; others of the scene differ by more."""
    shown = simplejpeg.decode_jpeg(jpeg, colorspace="BGR").astype(int)
    wanted = pixels if pixels.ndim == 3 else pixels[:, :, np.newaxis]
    return shown.shape[:2] == pixels.shape[:2] and float(np.abs(shown - wanted).mean()) < 4


@pytest.mark.parametrize("kind", KINDS)
def test_what_pages_do_not_decode_is_played_as_jpeg(station: WebStation, kind: str) -> None:
    expected = decoded(packets_of(kind, pictures(COUNT)))
    with ExitStack() as stack:
        player = Player(stack, station, f"{kind}.mcap")
        player.play(speed=0.2)
        for number in range(3):
            topic, head, jpeg = player.next()
            assert topic == "cam/jpeg"
            assert (head["sequence"], head["codec"], head["shape"]) == (number, kind, [40, 64, 1])
            assert int(head["t_utc_ns"]) > 0
            assert is_like(jpeg, expected[number])
        (seek,) = [one for one in player.texts if one["type"] == "seek"]
        assert (seek["stream"], seek["sequence"]) == (head["stream"], 0)


@pytest.mark.slow
def test_a_mixed_recording_plays_both_to_the_end(station: WebStation) -> None:
    expected = packets_of("svd-patch", pictures(COUNT), group=10)
    with ExitStack() as stack:
        player = Player(stack, station, "mixed.mcap")
        player.play(speed=2.0)
        packets, jpegs = [], []
        while len(packets) < COUNT or jpegs[-1:] != [COUNT - 1]:
            topic, head, content = player.next()
            if topic == "left/frames":
                packets.append(content)
            else:
                assert topic == "right/jpeg"
                jpegs.append(head["sequence"])
        player.until("end")
        assert [np.asarray(one).tobytes() for one in decoded(packets)] == [
            one.tobytes() for one in decoded(expected)
        ]
        assert jpegs == sorted(set(jpegs))
        skipped = sum(one["frames"] for one in player.texts if one["type"] == "skipped")
        assert len(jpegs) + skipped == COUNT


def test_a_page_without_the_core_gets_jpeg_of_every_codec(station: WebStation) -> None:
    expected = decoded(packets_of("svd-patch", pictures(COUNT), group=10))
    with ExitStack() as stack:
        player = Player(stack, station, "patch.mcap")
        player.play(form="jpeg")
        sequences = []
        while sequences[-1:] != [COUNT - 1]:
            topic, head, jpeg = player.next()
            assert topic == "cam/jpeg"
            assert is_like(jpeg, expected[head["sequence"]])
            sequences.append(head["sequence"])
        assert len(sequences) > 16  # it goes on beyond what may be on the way


def test_a_jump_decodes_from_the_key_frame_before_and_shows_the_wanted_picture_alone(
    station: WebStation,
) -> None:
    facts = ask(station.url, "api/recordings/patch.mcap").json
    expected = decoded(packets_of("svd-patch", pictures(COUNT), group=10))
    with ExitStack() as stack:
        player = Player(stack, station, "patch.mcap")
        player.play(from_s=facts["duration_s"] + 1, paused=True, form="jpeg")
        _, head, jpeg = player.next()
        assert head["sequence"] == COUNT - 1
        assert is_like(jpeg, expected[-1])
        player.play(from_s=0, paused=True, form="jpeg")
        _, head, jpeg = player.next()
        assert head["sequence"] == 0
        assert is_like(jpeg, expected[0])
        assert [one for one in player.texts if one["type"] == "skipped"] == []


def test_playing_waits_for_a_page_that_acknowledges_nothing(station: WebStation) -> None:
    with ExitStack() as stack:
        player = Player(stack, station, "pca.mcap")
        player.play()
        came: list[int] = []
        with suppress(TimeoutError):
            while True:
                came.append(player.next(acknowledge=False, timeout_s=2)[1]["sequence"])
        assert 16 <= len(came) <= 18  # one is decoded meanwhile, and one waits
        player.page.send(type="ack", cameras={"cam": came[-1]})
        assert player.next()[1]["sequence"] > came[-1]


def test_pictures_that_cannot_be_decoded_in_time_are_skipped_and_counted(
    station: WebStation, recordings: Path
) -> None:
    big = packets_of("kmeans", pictures(4, (480, 640)))
    with RecordingWriter(recordings / "fast.mcap") as writer:
        for packet in big * 20:
            writer.write("cam", packet)
    with ExitStack() as stack:
        player = Player(stack, station, "fast.mcap")
        player.play(speed=100.0)
        player.until("end")
        skipped = sum(one["frames"] for one in player.texts if one["type"] == "skipped")
        assert 0 < skipped < 80


@pytest.mark.slow
def test_without_its_model_or_torch_a_gan_camera_is_one_line(station: WebStation) -> None:
    with ExitStack() as stack:
        player = Player(stack, station, "gan.mcap")
        player.play()
        refused = player.until("refused")
        assert refused["camera"] == "cam"
        assert refused["lasting"]
        why = "no folder of models is set" if find_spec("torch") else "torch"
        assert why in refused["error"]
        assert "\n" not in refused["error"]
        player.until("end")
        assert sum(one["type"] == "refused" for one in player.texts) == 1


@pytest.mark.slow
def test_with_its_model_a_gan_camera_is_played(recordings: Path) -> None:
    pytest.importorskip("torch", reason="codec gan needs torch")
    models = str(GOLDEN / "gan")
    with ExitStack() as stack:
        station = WebStation(stack, "--web-recordings", str(recordings), "--models", models)
        player = Player(stack, station, "gan.mcap")
        player.play()
        _, head, jpeg = player.next()
        assert head["codec"] == "gan"
        # Of noise, as this picture is, JPEG keeps little: it is compared with a JPEG.
        own = encode_image(".jpg", read_image(GOLDEN / "gan" / "colour.png"), jpeg_quality=80)
        assert is_like(jpeg, simplejpeg.decode_jpeg(own, colorspace="BGR"))


@pytest.mark.slow
def test_the_server_decodes_for_so_many_pages_and_tells_the_next(station: WebStation) -> None:
    with ExitStack() as stack:
        first = [Player(stack, station, "pca.mcap") for _ in range(MOST_DECODING)]
        for player in first:
            player.play(paused=True)
            assert player.next()[0] == "cam/jpeg"
        late = Player(stack, station, "mixed.mcap")
        late.play(paused=True)
        assert late.next()[0] == "left/frames"  # what pages decode themselves is played
        told = [one for one in late.texts if one["type"] == "refused"]
        refused = told[0] if told else late.until("refused")
        assert f"{MOST_DECODING} pages already" in refused["error"]
        first[0].page.socket.close()

        def is_served() -> bool:
            late.play(paused=True)
            return any(late.next()[0] == "right/jpeg" for _ in range(2))

        wait_until(is_served)
