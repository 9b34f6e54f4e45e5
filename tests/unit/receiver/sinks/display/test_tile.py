"""The text over the picture of a camera: rates, coding, age, and what is wrong."""

from __future__ import annotations

import pytest

from rankcast.frame import Coding, Frame
from rankcast_receiver.sinks.display.tile import Tile, describe_coding
from rankcast_receiver.sinks.overlay import OverlayText
from rankcast_receiver.state import STALE_S, CameraState, State
from support.fakes import picture
from support.fakescreen import display, frame, overlay


@pytest.mark.parametrize("stale_after_s", [STALE_S, 6.0])
def test_a_frame_is_marked_stale_at_the_same_age_at_which_its_camera_is(
    stale_after_s: float,
) -> None:
    tile = Tile(Frame(picture(), camera="cam"), 0.0)
    live = CameraState("cam", "tcp://a:1", State.LIVE, stale_after_s=stale_after_s)
    assert tile.text(stale_after_s - 0.1, 0, live).stale == ""
    assert tile.text(stale_after_s + 0.1, 0, live).stale == f"STALE {stale_after_s + 0.1:.1f} s"
    assert tile.text(STALE_S + 0.1, 0, None).stale == "STALE 1.1 s"


def test_the_text_has_rates_codec_rank_quality_and_age() -> None:
    sink, screen, clock = display()
    for sequence in range(21):
        sink.put(frame(sequence, age_ms=45 - sequence * 50))
        clock.t_s += 0.05
    clock.t_s -= 0.05
    assert overlay(sink) == OverlayText(
        ("cam #20   20.0 fps   20.00 Mbit/s", "svd  rank 51  38.2 dB   age 45 ms")
    )
    assert sink.shown == 21
    assert screen.sizes == [(640, 360), (640, 90)]
    assert len(screen.pictures) == 22, "one while waiting and one a frame"


def test_a_substream_is_named_beside_its_camera() -> None:
    main = Tile(Frame(picture(), camera="line3"), 0.0).text(0.0, 0, None).lines[0]
    sub = Tile(Frame(picture(), camera="line3", stream="sub"), 0.0).text(0.0, 0, None).lines[0]
    assert main.startswith("line3 #0 ")
    assert sub.startswith("line3 (sub) #0 ")


def test_rates_forget_what_is_older_than_the_window() -> None:
    sink, _, clock = display()
    sink.put(frame(0, coding=Coding("svd", 10**9)))
    for sequence in range(1, 12):
        clock.t_s += 1.0
        sink.put(frame(sequence))
    assert "1.0 fps   1.00 Mbit/s" in overlay(sink).lines[0]
    assert len(sink._view.tiles["cam"]._arrivals) <= 4


def test_a_frame_without_a_successor_turns_stale_and_its_age_grows() -> None:
    sink, screen, clock = display()
    sink.put(frame())
    clock.t_s += 0.95 * STALE_S
    assert overlay(sink).stale == ""
    clock.t_s += 1.55
    assert overlay(sink) == OverlayText(
        ("cam #0   -- fps   -- Mbit/s", "svd  rank 51  38.2 dB   age 2545 ms"), stale="STALE 2.5 s"
    )
    before = len(screen.pictures)
    assert sink.idle()
    assert len(screen.pictures) == before + 1
    assert tuple(screen.pictures[-1][-1, 5]) == (64, 64, 255)
    sink.put(frame(1, age_ms=45 - 2500))
    assert overlay(sink).stale == ""


@pytest.mark.parametrize("state", [State.LIVE, State.STALE])
def test_a_frame_that_is_old_on_arrival_is_never_shown_as_live(state: State) -> None:
    sink, _, _ = display(CameraState("cam", "tcp://10.0.0.5:5555", state, "frames come late"))
    sink.put(frame(age_ms=1400))
    assert overlay(sink).stale.startswith("STALE 1.4 s")
    sink.put(frame(1, age_ms=1400, clock_error_ns=600_000_000))
    assert overlay(sink).stale == ("" if state is State.LIVE else "STALE 0.0 s: frames come late")


def test_a_frame_from_the_future_shows_that_the_clocks_differ() -> None:
    sink, _, _ = display()
    sink.put(frame(age_ms=-300))
    assert overlay(sink).lines[1].endswith("age clock?")
    sink.put(frame(1, t_capture_here_ns=None))
    assert overlay(sink).lines[1].endswith("age unknown (clock not synchronised)")


def test_an_age_from_a_measured_clock_has_its_error_bar() -> None:
    sink, _, _ = display()
    sink.put(frame(clock_error_ns=2_300_000))
    assert overlay(sink).lines[1].endswith("age 45 +-2.3 ms")
    sink.put(frame(1, age_ms=-2, clock_error_ns=2_300_000))
    assert overlay(sink).lines[1].endswith("age 0 +-2.3 ms"), (
        "within the error the clock is not wrong"
    )


@pytest.mark.parametrize(
    ("state", "detail", "after_s", "want"),
    [
        (State.LIVE, "", 0.1, ""),
        (State.STALE, "a frame was lost, waiting for a key frame", 0.1,
         "STALE 0.1 s: a frame was lost, waiting for a key frame"),
        (State.SENDER_DEAD, "the sender is gone", 1.2,
         "STALE 1.2 s: sender dead: the sender is gone"),
        (State.CAMERA_DEAD, "", 3.0, "STALE 3.0 s: camera dead"),
        (State.FROZEN, "cam repeats one picture", 0.1, "FROZEN: cam repeats one picture"),
        (State.PAST, "1:20 min behind live", 0.1, "PAST: 1:20 min behind live"),
        (State.WAITING_FOR_TRIGGER, "the sender responds, cam is waiting", 30.0, ""),
        (State.ENDED, "", 0.5, ""),
        (State.ENDED, "", 5.0, "ENDED 5 s ago"),
    ],
)  # fmt: skip
def test_a_problem_is_shown_in_red_over_the_last_frame(
    state: State, detail: str, after_s: float, want: str
) -> None:
    sink, _, clock = display(CameraState("cam", "tcp://10.0.0.5:5555", state, detail))
    sink.put(frame())
    clock.t_s += after_s
    assert overlay(sink).stale == want


def test_a_wait_for_a_trigger_is_shown_and_nothing_is_stale() -> None:
    waiting = CameraState("cam", "tcp://10.0.0.5:5555", State.WAITING_FOR_TRIGGER)
    sink, _, clock = display(waiting)
    sink.put(frame())
    clock.t_s += 42.5
    assert overlay(sink).lines[-1] == "waiting for trigger, 42.5 s so far"
    live = CameraState("cam", "tcp://10.0.0.5:5555", State.LIVE, stale_after_s=float("inf"))
    sink, _, clock = display(live)
    sink.put(frame())
    clock.t_s += 42.5
    assert overlay(sink).stale == "", "the state is a moment older than the text"


@pytest.mark.parametrize(
    ("coding", "want"),
    [
        (None, "not coded"),
        (Coding("raw", 1, psnr_db=float("inf")), "raw  lossless"),
        (Coding("jpeg", 1), "jpeg"),
        (Coding("svd", 1, rank=(5, 4, 4), psnr_db=30.0), "svd  rank 5/4  30.0 dB"),
    ],
)
def test_the_coding_in_a_few_words(coding: Coding | None, want: str) -> None:
    assert describe_coding(frame(coding=coding)) == want
