"""State: what a viewer is told of one camera, and why it is not simply live."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rankcast.net import Link

STALE_S: Final = 1.0
"""A picture that was taken longer ago is not called live, nor one that has stood for longer."""
LATE_S: Final = 0.9 * STALE_S
"""A picture that is older when it is decoded comes late; the rest is for the way to the screen."""
ANSWER_S: Final = 2.5
"""Status comes once a second: a sender whose last one is older does not answer any more."""
CONNECT_S: Final = 1.0
"""A connection or handshake that takes longer is a finding, not a beginning."""

_WORDS: Final = ("opening", "live", "waiting", "stalled", "failed", "backoff", "ended")
"""Of senders; anything else comes from a newer one, or a hostile one."""


class State(StrEnum):
    """States of a camera as a viewer sees it."""

    CONNECTING = "connecting"
    OPENING = "opening"
    LIVE = "live"
    STALE = "stale"
    WAITING_FOR_TRIGGER = "waiting_for_trigger"
    CAMERA_DEAD = "camera_dead"
    SENDER_DEAD = "sender_dead"
    NETWORK_DEAD = "network_dead"
    KEY_REFUSED = "key_refused"
    PROTOCOL_REFUSED = "protocol_refused"
    NO_SUCH_CAMERA = "no_such_camera"
    ENDED = "ended"

    @property
    def words(self) -> str:
        """The same for people."""
        return self.value.replace("_", " ")


@dataclass(frozen=True, slots=True)
class CameraState:
    """One camera at one moment."""

    camera: str
    """Name of the camera here; empty before any is known."""
    endpoint: str
    state: State
    detail: str = ""
    """Why, in ASCII, one line."""

    def __str__(self) -> str:
        return f"{self.state.words}: {self.detail}" if self.detail else self.state.words


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that `judge` knows; ages in seconds, None for what never happened."""

    link: Link
    link_age_s: float
    """Since the link is as it is."""
    ever_up: bool
    """A sender was connected at this address before."""
    link_detail: str = ""
    frame_age_s: float | None = None
    """Since the last picture was handed out."""
    picture_age_s: float | None = None
    """Since that picture was taken."""
    status_age_s: float | None = None
    """Since the last status, or a frame that came after one: the sender is not silent."""
    camera_state: str = ""
    """The sender's own word in its last status."""
    ended: bool = False
    waiting_for_keyframe: bool = False
    overloaded: bool = False
    """Frames were dropped here because decoding took too long."""
    refusal: str = ""
    """Why this receiver cannot take what comes; empty while it can."""
    cameras: tuple[str, ...] | None = None
    """What the sender says that it has; None when that is unknown."""
    wanted: str = ""
    """The camera that was asked for by name."""


def judge(seen: Evidence) -> tuple[State, str]:
    """Tell the state of a camera and why, from the strongest evidence on.

    Returns
    -------
    State, str
    """
    if seen.ended:
        if seen.camera_state == "failed":
            return State.CAMERA_DEAD, "the camera failed, and the sender ended"
        return State.ENDED, ""
    if seen.waiting_for_keyframe and seen.link is Link.UP:
        why = "decoding is slower than the stream" if seen.overloaded else "a frame was lost"
        return State.STALE, f"{_refused(seen) or why}, waiting for a key frame"
    if seen.frame_age_s is not None and seen.frame_age_s <= STALE_S:
        if seen.picture_age_s is None or seen.picture_age_s <= STALE_S:
            return State.LIVE, ""
        late_s = seen.picture_age_s - seen.frame_age_s
        if late_s > LATE_S:
            return State.STALE, (
                f"frames come {late_s:.1f} s after they were taken: "
                "the way or this machine is too slow for them"
            )
    if seen.link is Link.UP:
        return _connected(seen)
    return _disconnected(seen)


def _connected(seen: Evidence) -> tuple[State, str]:
    """The connection stands, so that the sender's own word counts if it is fresh."""
    silent = seen.status_age_s is None or seen.status_age_s > ANSWER_S
    if silent and seen.wanted and seen.cameras is not None and seen.wanted not in seen.cameras:
        has = ", ".join(seen.cameras) or "none"
        return State.NO_SUCH_CAMERA, f"the sender has no camera {seen.wanted}; it has {has}"
    if seen.status_age_s is None:
        return _unanswered(seen)
    word = seen.camera_state if seen.camera_state in _WORDS else f"{seen.camera_state!a:.24}"
    said = f"{seen.wanted or 'it'} is {word}"
    if seen.status_age_s > ANSWER_S:
        return State.NETWORK_DEAD, (
            f"the sender fell silent {seen.status_age_s:.1f} s ago although the connection stands, "
            f"before that {said}"
        )
    answers = f"the sender answers, {said}"
    match seen.camera_state:
        case "opening":
            return State.OPENING, answers
        case "waiting":
            return State.WAITING_FOR_TRIGGER, answers
        case "stalled" | "failed" | "backoff":
            return State.CAMERA_DEAD, answers
        case "ended":
            return State.ENDED, ""
    if seen.refusal:
        return State.STALE, f"{answers}, but {_refused(seen)}"
    if seen.frame_age_s is None:
        return State.STALE, f"{answers}, but no frame has come yet"
    return State.STALE, f"{answers}, but frames stopped coming"


def _refused(seen: Evidence) -> str:
    return f"what comes is refused ({seen.refusal})" if seen.refusal else ""


def _unanswered(seen: Evidence) -> tuple[State, str]:
    if seen.link_age_s <= ANSWER_S:
        return State.CONNECTING, "connected, no word from the sender yet"
    if seen.wanted and seen.cameras is None:
        return State.NO_SUCH_CAMERA, (
            f"connected, but nothing comes for camera {seen.wanted}: is that its name?"
        )
    return State.NETWORK_DEAD, "nothing answered, although the connection stands"


def _disconnected(seen: Evidence) -> tuple[State, str]:
    detail = seen.link_detail
    match seen.link:
        case Link.KEY_REFUSED:
            return State.KEY_REFUSED, detail
        case Link.PROTOCOL_REFUSED:
            return State.PROTOCOL_REFUSED, f"nothing answered as a sender does: {detail}"
        case Link.REFUSED | Link.CLOSED if seen.ever_up:
            return State.SENDER_DEAD, f"the sender is gone: {detail}"
        case Link.REFUSED | Link.CLOSED:
            return State.SENDER_DEAD, (
                f"nothing answered: {detail}; does the sender run, at that address and port?"
            )
        case Link.UNREACHABLE:
            return State.NETWORK_DEAD, f"nothing answered: {detail}"
    if seen.link_age_s <= CONNECT_S:
        if seen.ever_up:
            return State.NETWORK_DEAD, "the connection is made anew after silence"
        return State.CONNECTING, "nothing answered yet"
    if seen.link is Link.CONNECTING:
        return State.NETWORK_DEAD, (
            f"nothing answered: no reply to the connection attempt for {seen.link_age_s:.1f} s"
        )
    if seen.ever_up:
        return State.NETWORK_DEAD, (
            "something takes the connection and says nothing: the sender hangs, or its machine does"
        )
    return State.PROTOCOL_REFUSED, (
        "nothing answered as a sender does: something takes the connection and says nothing; "
        "another service on that port, or a sender that hangs"
    )
