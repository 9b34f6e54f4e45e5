"""What delays and gaps say about the path from a sender."""

from __future__ import annotations

import pytest

import rankcast
from rankcast.frame import Frame
from rankcast.wire import Kind, Status, pack_status, unpack
from rankcast_receiver.net.path_meter import OLD_S, WINDOW_S, PathMeter
from rankcast_receiver.stream import ReceivedPacket
from support.fakes import picture
from support.received import received

THERE_S = 5000.0
"""How far the sender's clock is behind."""


class Path:
    """A camera and a path that delays what it sends."""

    def __init__(self, *cameras: str) -> None:
        self.now_s = 10_000.0
        self.meter = PathMeter(self.now_s)
        self.begun: list[float] = []
        self._encoders = {name: rankcast.Encoder("raw") for name in cameras or ("cam",)}

    def picture(self, late_s: float = 0.0, camera: str = "cam") -> None:
        """Let a picture arrive `late_s` after it was taken."""
        packet = self._encode(camera, self.now_s - late_s)
        self.meter.hear(packet, len(packet.data), self.now_s)

    def lose(self, count: int, camera: str = "cam") -> None:
        for _ in range(count):
            self._encode(camera, self.now_s)

    def status(self, late_s: float = 0.0, camera: str = "cam") -> None:
        sent_ns = round((self.now_s - late_s - THERE_S) * 1e9)
        encoder = self._encoders[camera]
        packet = unpack(pack_status(Kind.STATUS, encoder.stream_id, Status(), sent_ns, 1))
        self.meter.hear(
            ReceivedPacket(camera, self.now_s, packet, memoryview(b""), Status()), 300, self.now_s
        )

    def passes(self, seconds: float) -> None:
        self.now_s += seconds
        if self.meter.tick(self.now_s):
            self.begun.append(self.now_s)

    def _encode(self, camera: str, taken_s: float) -> ReceivedPacket:
        frame = Frame(picture(0), t_capture_mono_ns=round((taken_s - THERE_S) * 1e9))
        data = self._encoders[camera].encode(frame)
        return received(unpack(data), camera, data)


@pytest.mark.parametrize("always_s", [0.01, 3.0])
def test_a_path_that_is_always_slow_is_not_late(always_s: float) -> None:
    path = Path()
    for _ in range(300):
        path.picture(always_s)
        path.passes(0.1)
        assert not path.meter.only_old(path.now_s)
    assert path.meter.shortage == ""


def test_pictures_that_wait_ever_longer_are_old_until_the_connection_is_new() -> None:
    path, late_s = Path(), 0.0
    while not path.meter.only_old(path.now_s):
        path.picture(late_s)
        late_s += 0.1
        path.passes(0.1)
    assert late_s >= OLD_S + 0.5
    path.meter.restart(path.now_s)
    path.picture(late_s)
    assert not path.meter.only_old(path.now_s)


def test_what_waited_while_this_process_stood_still_is_read_and_not_old() -> None:
    path = Path()
    path.picture()
    path.passes(4.0)
    for number in range(100):
        path.picture(4.0 - number * 0.04)
        path.passes(0.001)
    assert not path.meter.only_old(path.now_s)


def test_pictures_that_their_sender_held_back_are_not_old_while_its_status_arrives_in_time() -> (
    None
):
    path = Path()
    path.picture()
    for number in range(100):
        path.picture(3.0)
        if number % 10 == 0:
            path.status()
        path.passes(0.1)
        assert not path.meter.only_old(path.now_s)
    for _ in range(30):
        path.picture(3.0)
        path.status(3.0)
        path.passes(0.1)
    assert path.meter.only_old(path.now_s)


def test_clocks_that_drift_apart_are_not_a_path_that_grows_slow() -> None:
    path, late_s = Path(), 0.0
    for _ in range(2000):
        path.picture(late_s)
        late_s += 0.01  # in 100 s: 100 ppm
        path.now_s += 100.0
        assert not path.meter.only_old(path.now_s)


def test_a_link_that_loses_pictures_and_never_runs_empty_is_told_with_what_would_fit() -> None:
    path = Path()
    path.picture()
    for _ in range(2 * int(WINDOW_S / 0.1)):
        path.picture(0.3)
        path.lose(1)
        path.passes(0.1)
    size = len(path._encode("cam", path.now_s).data)
    bit_s = size * 10 * 8
    assert 60_000 < bit_s < 80_000, "what the numbers below follow from"
    assert path.meter.shortage == (
        "the link carries about 65 kbit/s: codec.bitrate = 52 kbit/s at the sender would fit"
    ), bit_s
    assert len(path.begun) == 1, "the beginning is told once"


def test_the_rate_is_that_of_all_cameras_together() -> None:
    path = Path("left", "right")
    for name in ("left", "right"):
        path.picture(camera=name)
    for _ in range(110):
        for name in ("left", "right"):
            path.picture(0.3, name)
            path.lose(1, name)
        path.passes(0.1)
    assert path.meter.shortage.endswith("would fit for its 2 cameras together")


@pytest.mark.parametrize(("late_s", "lost"), [(0.0, 3), (0.3, 0)])
def test_losses_or_delays_alone_are_no_narrow_link(late_s: float, lost: int) -> None:
    """A full queue at the sender, a processor that is busy: neither would be helped by bit rate."""
    path = Path()
    path.picture()
    for _ in range(120):
        path.picture(late_s)
        path.lose(lost)
        path.passes(0.1)
    assert path.meter.shortage == ""


def test_a_link_that_has_recovered_is_no_longer_told() -> None:
    path = Path()
    path.picture()
    for _ in range(110):
        path.picture(0.3)
        path.lose(1)
        path.passes(0.1)
    assert path.meter.shortage
    for _ in range(120):
        path.picture()
        path.passes(0.1)
    assert path.meter.shortage == ""


def test_a_report_tells_how_late_even_the_quickest_message_was() -> None:
    path = Path()
    assert path.meter.take_late_s() is None
    path.picture(0.1)
    path.status(0.05)
    assert path.meter.take_late_s() == pytest.approx(0.0)
    assert path.meter.take_late_s() is None
    for late_s in (1.3, 0.9, 1.1):
        path.picture(0.1 + late_s)
    assert path.meter.take_late_s() == pytest.approx(0.9, abs=0.01)


def test_pictures_that_were_encoded_late_are_not_late_on_the_way() -> None:
    path = Path()
    path.picture(0.1)
    path.status(0.1)
    path.meter.take_late_s()
    path.picture(1.5)
    path.status(0.12)
    assert path.meter.take_late_s() == pytest.approx(0.02, abs=0.01)
