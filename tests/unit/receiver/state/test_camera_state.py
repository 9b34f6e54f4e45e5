"""What a viewer is told, from the evidence alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rankcast.net import LinkState
from rankcast_receiver.state import CameraState, Evidence, State, judge

UP = Evidence(link=LinkState.UP, link_age_s=60.0, ever_up=True, wanted="cam")
ANSWERS = replace(UP, status_age_s=0.4, camera_state="live", frame_age_s=1.2)
FIRST = Evidence(link=LinkState.CONNECTING, link_age_s=0.1, ever_up=False, wanted="cam")


@pytest.mark.parametrize(
    ("seen", "state", "word"),
    [
        (replace(ANSWERS, frame_age_s=0.9), State.LIVE, ""),
        (ANSWERS, State.STALE, "frames have stopped arriving"),
        (replace(ANSWERS, frame_age_s=None), State.STALE, "no frame has arrived yet"),
        (replace(ANSWERS, frame_age_s=0.01, waiting_for_keyframe=True), State.STALE,
         "a frame was lost"),
        (replace(ANSWERS, waiting_for_keyframe=True, overloaded=True), State.STALE,
         "decoding is slower"),
        (replace(ANSWERS, frame_age_s=0.9, picture_age_s=0.95), State.LIVE, ""),
        (replace(ANSWERS, frame_age_s=0.1, picture_age_s=1.5), State.STALE,
         "frames arrive 1.4 s after capture: the link or this machine cannot keep up"),
        (replace(ANSWERS, frame_age_s=0.95, picture_age_s=1.05), State.STALE,
         "frames have stopped arriving"),
        (replace(ANSWERS, frame_age_s=0.1, picture_age_s=-3600.0), State.LIVE, ""),
        (replace(ANSWERS, waiting_for_keyframe=True, refusal="the limit is 9"), State.STALE,
         "its packets are refused (the limit is 9), waiting for a key frame"),
        (replace(ANSWERS, frame_age_s=None, refusal="the limit is 9"), State.STALE,
         "the sender responds, cam is live, but its packets are refused (the limit is 9)"),
        (replace(ANSWERS, frame_age_s=0.1, refusal="the limit is 9"), State.LIVE, ""),
        (replace(ANSWERS, camera_state="opening"), State.OPENING, "cam is opening"),
        (replace(ANSWERS, camera_state="waiting"), State.WAITING_FOR_TRIGGER, "cam is waiting"),
        (replace(ANSWERS, triggered=True), State.WAITING_FOR_TRIGGER, "cam is waiting"),
        (replace(ANSWERS, triggered=True, frame_age_s=0.5), State.LIVE, ""),
        (replace(ANSWERS, triggered=True, status_age_s=2.6), State.NETWORK_DEAD, "silent for"),
        (replace(ANSWERS, triggered=True, refusal="the limit is 9"), State.STALE, "refused"),
        (replace(ANSWERS, camera_state="frozen"), State.FROZEN, "cam repeats one picture"),
        (replace(ANSWERS, camera_state="frozen", frame_age_s=0.1), State.FROZEN, "repeats"),
        (replace(ANSWERS, camera_state="frozen", status_age_s=3.0, frame_age_s=0.1), State.LIVE,
         ""),
        (replace(ANSWERS, behind="9 s behind live", frame_age_s=0.1), State.PAST, "9 s behind"),
        (replace(ANSWERS, behind="9 s behind live", ended=True), State.PAST, "9 s behind live"),
        (replace(ANSWERS, camera_state="stalled"), State.CAMERA_DEAD, "cam is stalled"),
        (replace(ANSWERS, camera_state="failed"), State.CAMERA_DEAD, "cam is failed"),
        (replace(ANSWERS, camera_state="backoff"), State.CAMERA_DEAD, "cam is backoff"),
        (replace(ANSWERS, camera_state="stalled", frame_age_s=0.5), State.LIVE, ""),
        (replace(ANSWERS, ended=True, camera_state="ended"), State.ENDED, ""),
        (replace(ANSWERS, ended=True, camera_state="failed"), State.CAMERA_DEAD, "failed"),
        (replace(ANSWERS, status_age_s=2.6), State.NETWORK_DEAD,
         "silent for 2.6 s; its last status: cam is live"),
        (replace(UP, link_age_s=0.5), State.CONNECTING, "waiting for the first status"),
        (replace(UP, link_age_s=3.0), State.NO_SUCH_CAMERA, "check its name"),
        (replace(UP, cameras=("left", "right")), State.NO_SUCH_CAMERA,
         "no camera cam; it has left, right"),
        (replace(UP, cameras=("left", "right"), keyed=True), State.NO_SUCH_CAMERA,
         "no camera cam, or this key may not see it; it has left, right"),
        (replace(ANSWERS, status_age_s=2.6, cameras=("left",)), State.NO_SUCH_CAMERA, "has left"),
        (replace(ANSWERS, status_age_s=0.6, cameras=("left",)), State.STALE, "stopped arriving"),
        (replace(UP, cameras=("cam",)), State.NETWORK_DEAD, "nothing answered"),
        (replace(UP, wanted=""), State.NETWORK_DEAD, "nothing answered"),
        (FIRST, State.CONNECTING, "nothing answered yet"),
        (replace(FIRST, link_age_s=1.5), State.NETWORK_DEAD, "no reply to the connection attempt"),
        (replace(FIRST, ever_up=True), State.NETWORK_DEAD, "reconnecting after silence"),
        (replace(FIRST, link=LinkState.HANDSHAKING, ever_up=True), State.NETWORK_DEAD,
         "reconnecting after silence"),
        (replace(FIRST, link=LinkState.REFUSED, link_detail="it is refused"), State.SENDER_DEAD,
         "nothing answered: it is refused; is the sender running"),
        (replace(FIRST, link=LinkState.REFUSED, ever_up=True), State.SENDER_DEAD, "is gone"),
        (replace(FIRST, link=LinkState.CLOSED, ever_up=True), State.SENDER_DEAD, "is gone"),
        (replace(FIRST, link=LinkState.UNREACHABLE, link_detail="no route"), State.NETWORK_DEAD,
         "no route"),
        (replace(FIRST, link=LinkState.KEY_REFUSED, link_detail="unknown"), State.KEY_REFUSED,
         "unknown"),
        (replace(FIRST, link=LinkState.PROTOCOL_REFUSED), State.PROTOCOL_REFUSED,
         "not a Rankcast sender"),
        (replace(FIRST, link=LinkState.HANDSHAKING), State.CONNECTING, "nothing answered yet"),
        (replace(FIRST, link=LinkState.HANDSHAKING, link_age_s=1.1), State.PROTOCOL_REFUSED,
         "another service"),
        (replace(FIRST, link=LinkState.HANDSHAKING, link_age_s=1.1, ever_up=True),
         State.NETWORK_DEAD, "hangs"),
    ],
)  # fmt: skip
def test_the_state_follows_from_the_evidence(seen: Evidence, state: State, word: str) -> None:
    found, detail = judge(seen)
    assert found is state
    assert word in detail
    assert detail.isascii()


def test_a_viewer_that_joins_is_not_told_of_a_lost_frame() -> None:
    seen = replace(ANSWERS, waiting_for_keyframe=True, joining=True)
    assert judge(seen) == (State.STALE, "waiting for a key frame")
    slow = replace(seen, overloaded=True)
    assert judge(slow)[1] == "decoding is slower than the stream, waiting for a key frame"


@pytest.mark.parametrize(
    ("interval_s", "stale_after_s"),
    [(0.0, 1.0), (1 / 30, 1.0), (0.5, 1.0), (4.0, 6.0), (60.0, 90.0)],
)
def test_a_frame_is_live_until_the_announced_pace_is_missed_and_no_longer(
    interval_s: float, stale_after_s: float
) -> None:
    paced = replace(ANSWERS, frame_interval_s=interval_s)
    assert paced.stale_after_s == stale_after_s
    for age_s, state in ((stale_after_s - 0.01, State.LIVE), (stale_after_s + 0.01, State.STALE)):
        assert judge(replace(paced, frame_age_s=age_s))[0] is state
        assert judge(replace(paced, frame_age_s=age_s, picture_age_s=age_s))[0] is state
        assert judge(replace(paced, frame_age_s=age_s - 0.05, picture_age_s=age_s))[0] is state


@pytest.mark.parametrize(("interval_s", "stale_after_s"), [(0.0, 1.0), (4.0, 6.0)])
def test_the_first_frame_of_a_new_connection_is_awaited_as_long_as_any_other(
    interval_s: float, stale_after_s: float
) -> None:
    joined = replace(ANSWERS, frame_interval_s=interval_s, frame_age_s=None)
    for age_s, state, words in (
        (stale_after_s - 0.01, State.CONNECTING, "cam is live, waiting for its first frame"),
        (stale_after_s + 0.01, State.STALE, "no frame has arrived yet"),
    ):
        found, detail = judge(replace(joined, link_age_s=age_s))
        assert found is state
        assert words in detail
    refused = replace(joined, link_age_s=0.1, refusal="the limit is 9")
    assert judge(refused)[0] is State.STALE


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"status_age_s": 2.6}, State.NETWORK_DEAD),
        ({"link": LinkState.CLOSED}, State.SENDER_DEAD),
        ({"link": LinkState.HANDSHAKING}, State.NETWORK_DEAD),
        ({"camera_state": "stalled"}, State.CAMERA_DEAD),
        ({"camera_state": "waiting"}, State.WAITING_FOR_TRIGGER),
        ({"refusal": "the limit is 9"}, State.STALE),
        ({"frame_age_s": None}, State.STALE),
        ({"frame_age_s": 0.1, "picture_age_s": 1.5}, State.STALE),
        ({"waiting_for_keyframe": True}, State.STALE),
    ],
)
def test_a_slow_pace_hides_nothing_else_between_two_frames(
    change: dict[str, Any], state: State
) -> None:
    between = replace(ANSWERS, frame_interval_s=4.0, frame_age_s=3.0)
    assert judge(between)[0] is State.LIVE
    assert judge(replace(between, **change))[0] is state


@pytest.mark.parametrize("link", [link for link in LinkState if link is not LinkState.UP])
def test_a_fresh_frame_is_live_whatever_the_connection_does_just_now(link: LinkState) -> None:
    seen = Evidence(link=link, link_age_s=0.0, ever_up=True, frame_age_s=0.3)
    assert judge(seen) == (State.LIVE, "")


@pytest.mark.parametrize("link", list(LinkState))
def test_no_state_is_live_more_than_a_second_after_the_last_frame(link: LinkState) -> None:
    for camera_state in ("live", "opening", "waiting", "stalled", "ended", "", "sleepy"):
        for status_age_s in (None, 0.1, 9.0):
            seen = Evidence(
                link=link,
                link_age_s=9.0,
                ever_up=True,
                frame_age_s=1.01,
                status_age_s=status_age_s,
                camera_state=camera_state,
            )
            assert judge(seen)[0] is not State.LIVE


@pytest.mark.parametrize("link", list(LinkState))
def test_no_picture_older_than_a_second_is_live_however_lately_it_came(link: LinkState) -> None:
    for late_s in (0.05, 0.9, 5.0):
        seen = replace(ANSWERS, link=link, frame_age_s=1.01 - late_s, picture_age_s=1.01)
        assert judge(seen)[0] is not State.LIVE


def test_words_of_a_sender_that_are_none_are_quoted_and_cut() -> None:
    state, detail = judge(replace(ANSWERS, camera_state="\u2603" * 500))
    assert state is State.STALE
    assert detail.isascii()
    assert len(detail) < 100


def test_a_state_reads_as_words() -> None:
    said = CameraState("cam", "tcp://a:1", State.WAITING_FOR_TRIGGER, "it waits")
    assert str(said) == "waiting for trigger: it waits"
    assert str(replace(said, detail="")) == "waiting for trigger"


AT_SERVER = replace(UP, at_server=True)


@pytest.mark.parametrize(
    ("seen", "state", "word"),
    [
        (replace(AT_SERVER, absent=True), State.NO_SUCH_CAMERA, "no sender at the server has"),
        (replace(AT_SERVER, absent=True, status_age_s=3.0), State.SENDER_DEAD, "any more"),
        (replace(AT_SERVER, absent=True, status_age_s=0.5, camera_state="live", frame_age_s=0.1),
         State.LIVE, ""),
        (replace(AT_SERVER, absent=True, waits="held by another"), State.STALE, "held by another"),
        (replace(AT_SERVER, wanted=""), State.NO_SUCH_CAMERA, "where no such camera is published"),
        (replace(AT_SERVER, link_detail="not permitted"), State.KEY_REFUSED, "not permitted"),
        (replace(AT_SERVER, link=LinkState.CLOSED, link_detail="it ended"), State.NETWORK_DEAD,
         "the server is gone: it ended"),
        (replace(AT_SERVER, link=LinkState.PROTOCOL_REFUSED, link_detail="it is mail"),
         State.PROTOCOL_REFUSED, "the peer is not a NATS server: it is mail"),
        (replace(FIRST, at_server=True, link=LinkState.UNREACHABLE, link_detail="refused"),
         State.NETWORK_DEAD, "nothing answered: refused"),
    ],
)  # fmt: skip
def test_a_camera_behind_a_server_is_judged_by_what_the_server_says(
    seen: Evidence, state: State, word: str
) -> None:
    found, detail = judge(seen)
    assert found is state
    assert word in detail
