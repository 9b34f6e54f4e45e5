"""A bit rate that follows the links: which one is encoded, shown and set."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from rankcast.encoder import Encoder, check_options
from rankcast.errors import SettingsError
from rankcast.frame import Frame
from rankcast_sender.camera import Camera, LinkFollower, StreamOptions, ViewerReport
from rankcast_sender.stream_encoder import StreamEncoder

PICTURE = np.random.default_rng(3).integers(0, 256, (24, 32, 3), np.uint8)
RATES = {"bitrate": 4e6, "min_bitrate": "500 kbit/s"}


class FixedLink(LinkFollower):
    """A link whose bit rate the test sets, and which notes what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.rate = 4e6
        self.asked: list[tuple[float, float]] = []
        self.heard: list[tuple[bytes, str, ViewerReport]] = []

    def target(self, lowest: float, highest: float, viewers: int, now_s: float) -> float:  # noqa: ARG002
        self.asked.append((lowest, highest))
        return min(max(self.rate, lowest), highest)

    def hear(self, viewer: bytes, key: str, report: ViewerReport, now_s: float) -> None:  # noqa: ARG002
        self.heard.append((viewer, key, report))


class Stream:
    """A watched camera without sockets."""

    def __init__(self, *, realtime: bool = True, **options: Any) -> None:
        self.camera = Camera(
            StreamOptions(codec="svd-patch", codec_options=options, realtime=realtime)
        )
        self.camera.channel.viewers = 1
        self.link = self.camera.link = FixedLink()
        self.encoder = Encoder("svd-patch", **options)
        self._stream = StreamEncoder(self.camera, self.encoder)
        self._sent = 0

    def send(self) -> Any:
        """Encode a frame and return the bit rate that it was encoded with."""
        self._sent += 1
        at_ns = self._sent * 40_000_000
        frame = Frame(PICTURE, frame=self._sent, t_capture_mono_ns=at_ns, t_capture_utc_ns=at_ns)
        self.camera.grabbed(frame)
        assert self._stream.encode(frame) is not None
        return self.encoder.options.get("bitrate")


def test_frames_are_encoded_with_what_the_link_carries_and_without_a_key_frame() -> None:
    stream = Stream(**RATES)
    assert stream.send() == 4e6
    made = stream.camera.keyframes.made
    stream.link.rate = 1e6
    assert stream.send() == 1e6
    assert stream.camera.key_sequence == 0
    stream.link.rate = 9e6
    assert stream.send() == 4e6
    assert stream.camera.keyframes.made == made
    assert stream.link.asked[-1] == (5e5, 4e6)


def test_the_settings_show_what_was_set_and_what_is_in_force() -> None:
    stream = Stream(**RATES)
    stream.link.rate = 1.23456e6
    shown = stream.camera.settings
    assert (shown["bitrate"], shown["bitrate_now"], shown["min_bitrate"]) == (4e6, 1234560, 5e5)
    assert stream.camera.status().settings["bitrate_now"] == 1234560
    assert "bitrate_now" not in stream.camera.option_names


def test_an_operators_change_keeps_the_rate_and_sets_a_new_ceiling() -> None:
    stream = Stream(**RATES)
    stream.send()
    stream.link.rate = 1e6
    stream.send()
    stream.camera.set({"gop": 100})
    stream.send()  # of the change
    assert stream.send() == 1e6
    assert not stream.camera.codec_settings.refusal
    stream.camera.set({"bitrate": 8e6})
    stream.send()
    assert stream.send() == 1e6
    assert stream.link.asked[-1] == (5e5, 8e6)
    stream.camera.set({"bitrate": "600 kbit/s"})
    stream.send()
    assert stream.send() == 6e5


def test_turning_it_off_brings_the_set_rate_back() -> None:
    stream = Stream(**RATES)
    stream.link.rate = 1e6
    assert stream.send() == 1e6
    stream.camera.set({"min_bitrate": 0})
    assert stream.send() == 4e6
    assert "bitrate_now" not in stream.camera.settings
    stream.camera.set({"min_bitrate": 5e5})
    stream.send()
    assert stream.send() == 1e6
    stream.camera.set({"quality": 60})
    assert stream.send() is None
    assert stream.send() is None


@pytest.mark.parametrize(
    "options", [{}, {"bitrate": 4e6}, {"min_bitrate": 5e5}, {"quality": 50, "min_bitrate": 5e5}]
)
def test_without_both_limits_nothing_is_followed(options: dict[str, Any]) -> None:
    stream = Stream(**options)
    stream.link.rate = 1e3
    stream.send()
    stream.camera.report(b"a", 1, 1, None, None, 1, 900.0)
    assert stream.link.asked == stream.link.heard == []
    assert stream.encoder.options.get("bitrate") == options.get("bitrate")


def test_a_sender_that_sends_every_frame_does_not_follow() -> None:
    stream = Stream(realtime=False, **RATES)
    stream.link.rate = 1e6
    assert stream.send() == 4e6
    assert stream.link.asked == []


def test_reports_reach_the_follower_with_the_key_of_their_viewer() -> None:
    stream = Stream(**RATES)
    stream.camera.report(b"a", 10, 5, 20.0, 1.0, 3, 700.0, "line3")
    (heard,) = stream.link.heard
    assert heard == (b"a", "line3", ViewerReport(10, 5, 20.0, 1.0, 3, 700.0))


def test_changes_are_logged_and_a_link_that_changes_all_the_time_fills_no_disk(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "rankcast_sender.stream_encoder")
    stream = Stream(**RATES)
    stream.send()
    stream.link.reason = "60 % of the viewers lose frames or fall behind"
    for number in range(50):
        stream.link.rate = 1e6 if number % 2 == 0 else 2e6
        stream.send()
    assert caplog.messages[0] == (
        "cam: bit rate 1 Mbit/s instead of 4: 60 % of the viewers lose frames or fall behind"
    )
    assert len(caplog.messages) < 8


@pytest.mark.parametrize("wrong", ["1 MB/s", "much", -5, 10, 2e12, True, "5 Mbit/s"])
def test_a_lowest_rate_that_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises(SettingsError, match="min_bitrate"):
        check_options("svd-patch", {"bitrate": 4e6, "min_bitrate": wrong})


def test_a_rate_below_the_lowest_one_is_refused_while_streaming() -> None:
    stream = Stream(**RATES)
    with pytest.raises(SettingsError, match="min_bitrate 500000 above bitrate 400000"):
        stream.camera.set({"bitrate": 4e5})
    assert stream.send() == 4e6
