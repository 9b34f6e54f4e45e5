"""Which packets of a camera go on: streams that change at key frames, and nothing else."""

from __future__ import annotations

import pytest

from rankcast.errors import SettingsError
from rankcast.wire import Kind, Status
from rankcast_receiver.choice import StreamChoice, check_streams

STREAMS = {"main": "640x360", "small": "160x90", "sub": "320x180", "door": "600x300+0+10"}


class Auto:
    """A choice of its own, fed with pictures that come late or in time."""

    def __init__(self, streams: dict[str, str] = STREAMS) -> None:
        self.now_s = 50.0
        self.choice = StreamChoice("auto", "line3", self.now_s)
        self.entered = 0
        self.status("main", streams)

    def status(self, stream: str, streams: dict[str, str] = STREAMS, state: str = "live",
               kind: Kind = Kind.STATUS) -> bool:  # fmt: skip
        self.choice.hear(stream, Status(state=state, streams=streams), kind, 0.01, self.now_s)
        return self.choice.takes(stream, kind, None, self.now_s)

    def takes(self, stream: str, kind: Kind = Kind.PREDICTED, age_s: float = 0.02) -> bool:
        return self.choice.takes(stream, kind, age_s, self.now_s)

    def run(self, seconds: float, age_s: float) -> None:
        """Show pictures of that age until another stream is wanted."""
        until_s = self.now_s + seconds
        while self.now_s < until_s and not self.choice.next:
            self.now_s += 1 / 15
            self.entered += 1
            self.choice.tick(self.entered, 0, self.now_s, age_s, self.now_s)


def test_a_stream_that_is_given_by_name_is_all_that_goes_on() -> None:
    choice = StreamChoice("sub", "line3", 0.0)
    assert choice.subscribed == ("sub",)
    assert choice.takes("sub", Kind.PREDICTED, None, 0.0)
    assert not choice.takes("main", Kind.KEY, None, 0.0)
    choice.hear("main", Status(streams=STREAMS), Kind.STATUS, None, 0.0)
    assert choice.missing == ""
    choice.tick(100, 90, 1.0, 5.0, 1.0)
    assert choice.next == ""


@pytest.mark.parametrize(("streams", "has"), [(STREAMS, "main, small, sub, door"), ({}, "main")])
def test_a_stream_that_the_sender_lacks_is_told_with_those_it_has(
    streams: dict[str, str], has: str
) -> None:
    choice = StreamChoice("foo", "line3", 0.0)
    assert choice.missing == ""
    choice.hear("main", Status(streams=streams), Kind.STATUS, None, 0.0)
    assert choice.missing == f"the sender has no stream foo of this camera; it has {has}"


def test_late_pictures_lead_one_step_down_at_a_key_frame() -> None:
    auto = Auto()
    auto.run(5.0, age_s=0.5)
    choice = auto.choice
    # The part of the picture that is nearly as large is not a step: it shows something else.
    assert (choice.shown, choice.next, choice.subscribed) == ("main", "sub", ("sub",))
    assert auto.takes("main"), "what is on its way is shown"
    assert not auto.status("main"), "but its status counts no more losses"
    assert not auto.takes("sub"), "a predicted frame is no beginning"
    assert choice.shown == "main"
    assert auto.takes("sub", Kind.KEY)
    assert (choice.shown, choice.next, choice.changes) == ("sub", "", 1)
    assert not auto.takes("main", Kind.KEY)
    assert auto.takes("sub")
    auto.run(9.0, age_s=0.5)
    assert choice.next == "small"


def test_a_quiet_link_leads_up_again_and_both_streams_come_meanwhile() -> None:
    auto = Auto()
    auto.run(5.0, age_s=0.5)
    auto.takes("sub", Kind.KEY)
    auto.run(60.0, age_s=0.02)
    choice = auto.choice
    assert (choice.shown, choice.next, choice.subscribed) == ("sub", "main", ("sub", "main"))
    assert auto.takes("sub")
    assert auto.takes("main", Kind.KEY)
    assert (choice.shown, choice.subscribed, choice.changes) == ("main", ("main",), 2)
    seconds = choice.totals(auto.now_s).seconds
    assert sum(seconds.values()) == pytest.approx(auto.now_s - 50.0)
    assert seconds["sub"] == pytest.approx(10.0, abs=0.5)


def test_a_larger_stream_whose_first_picture_is_late_is_given_up() -> None:
    auto = Auto()
    auto.run(5.0, age_s=0.5)
    auto.takes("sub", Kind.KEY)
    auto.run(60.0, age_s=0.02)
    assert not auto.takes("main", Kind.KEY, age_s=0.6)
    assert (auto.choice.shown, auto.choice.next, auto.choice.subscribed) == ("sub", "", ("sub",))


def test_a_larger_stream_that_makes_the_shown_one_late_is_given_up() -> None:
    auto = Auto()
    auto.run(5.0, age_s=0.5)
    auto.takes("sub", Kind.KEY)
    auto.run(60.0, age_s=0.02)
    auto.now_s += 0.1
    auto.choice.tick(auto.entered, 0, auto.now_s, 0.4, auto.now_s)
    assert auto.choice.subscribed == ("sub",)


def test_a_smaller_stream_that_never_begins_is_given_up_and_asked_for_meanwhile() -> None:
    auto = Auto()
    auto.run(5.0, age_s=0.5)
    choice = auto.choice
    assert choice.keyframe_due(auto.now_s) == ""
    assert choice.keyframe_due(auto.now_s + 1.1) == "sub"
    assert choice.keyframe_due(auto.now_s + 1.2) == ""
    choice.tick(auto.entered, 0, None, None, auto.now_s + 11.0)
    assert (choice.next, choice.subscribed) == ("", ("main",))


def test_a_smaller_stream_that_brings_nothing_is_left_within_2_s_and_not_tried_for_a_minute() -> (
    None
):
    auto, began_s = Auto({"main": "640x360", "sub": "320x180"}), 0.0
    choice = auto.choice
    auto.run(5.0, age_s=0.5)
    began_s = auto.now_s
    assert choice.subscribed == ("sub",)
    while choice.next:
        auto.now_s += 0.25
        if (auto.now_s - began_s) % 1 == 0.5:  # the camera states its streams once a second
            auto.status("main", {"main": "640x360", "sub": "320x180"})
        choice.tick(auto.entered, 0, None, None, auto.now_s)
    assert auto.now_s - began_s <= 2.5
    assert choice.subscribed == ("main",)
    began_s = auto.now_s
    auto.run(55.0, age_s=0.5)
    assert choice.next == ""
    auto.run(30.0, age_s=0.5)
    assert choice.next == "sub"
    assert auto.now_s - began_s >= 60.0


def test_a_smaller_stream_is_waited_for_while_the_queue_in_front_of_it_empties() -> None:
    auto = Auto()
    auto.run(5.0, age_s=0.5)
    choice = auto.choice
    for _ in range(9):
        auto.now_s += 1.0
        choice.hear("main", Status(streams=STREAMS), Kind.STATUS, 3.0, auto.now_s)
        choice.tick(auto.entered, 0, None, None, auto.now_s)
        assert choice.next == "sub"
    assert auto.takes("sub", Kind.KEY)


def test_a_smaller_stream_that_fails_before_it_begins_is_left_at_once() -> None:
    auto = Auto()
    auto.run(5.0, age_s=0.5)
    auto.status("sub", state="failed", kind=Kind.END)
    assert (auto.choice.next, auto.choice.subscribed) == ("", ("main",))


def test_a_substream_that_has_failed_leads_back_to_the_camera() -> None:
    auto = Auto()
    auto.run(5.0, age_s=0.5)
    auto.takes("sub", Kind.KEY)
    assert not auto.status("sub", state="failed", kind=Kind.END)
    assert (auto.choice.next, auto.choice.subscribed) == ("main", ("main",))
    assert auto.takes("main", Kind.KEY)
    auto.now_s += 20.0
    auto.run(5.0, age_s=0.5)
    assert auto.choice.next == "small", "not the one that has failed"


def test_a_sender_without_substreams_is_shown_as_it_is() -> None:
    auto = Auto({})
    auto.run(30.0, age_s=2.0)
    assert (auto.choice.shown, auto.choice.next) == ("main", "")


@pytest.mark.parametrize(
    ("stream", "options", "message"),
    [
        ("Sub", {}, "stream name 'Sub'"),
        ("auto", {"live": False}, "with every frame kept"),
        ("sub", {"control": False}, "name the cameras with --camera"),
    ],
)
def test_what_cannot_be_received_is_refused_in_one_line(
    stream: str, options: dict[str, bool], message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        check_streams(stream, **{"named": False, "live": True, "control": True, **options})
    assert "\n" not in str(caught.value)


def test_named_cameras_need_no_control_channel() -> None:
    assert check_streams("sub", named=True, live=False, control=False) == "sub"
