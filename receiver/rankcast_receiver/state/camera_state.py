"""CameraState: the state of one camera as shown to viewers, and the reason if it is not live."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rankcast.net import LinkState

STALE_S: Final = 1.0
"""A frame captured or shown longer ago than this is stale, unless the sender announces a slower
frame rate."""
LATE_S: Final = 0.9 * STALE_S
"""A frame older than this when decoded is late; the rest of the budget is for the path to the
screen."""
PACE_FACTOR: Final = 1.5
"""A slow stream is stale once the next frame is late by half the announced interval."""
ANSWER_S: Final = 2.5
"""Status is sent once a second at any frame rate: a sender whose latest status is older than this
does not respond."""
CONNECT_S: Final = 1.0
"""A connection or handshake that takes longer is worth reporting."""

_SENDER_STATES: Final = (
    "opening", "live", "waiting", "stalled", "frozen", "failed", "backoff", "ended",
)  # fmt: skip
"""States that senders report; any other comes from a newer release or an attacker."""


class State(StrEnum):
    """States of a camera as a viewer sees it."""

    CONNECTING = "connecting"
    OPENING = "opening"
    LIVE = "live"
    STALE = "stale"
    WAITING_FOR_TRIGGER = "waiting_for_trigger"
    FROZEN = "frozen"
    PAST = "past"
    CAMERA_DEAD = "camera_dead"
    SENDER_DEAD = "sender_dead"
    NETWORK_DEAD = "network_dead"
    KEY_REFUSED = "key_refused"
    PROTOCOL_REFUSED = "protocol_refused"
    NO_SUCH_CAMERA = "no_such_camera"
    ENDED = "ended"

    @property
    def words(self) -> str:
        """The state as displayed."""
        return self.value.replace("_", " ")


@dataclass(frozen=True, slots=True)
class CameraState:
    """The state of one camera at one moment."""

    camera: str
    """Name of the camera at this receiver; empty before any is known."""
    endpoint: str
    state: State
    detail: str = ""
    """The reason, in ASCII, one line."""
    stale_after_s: float = STALE_S
    """Age at which a frame of this camera becomes stale."""

    def __str__(self) -> str:
        return f"{self.state.words}: {self.detail}" if self.detail else self.state.words


@dataclass(frozen=True, slots=True)
class Evidence:
    """All inputs of `judge`; ages are in seconds, None for events that never happened."""

    link: LinkState
    link_age_s: float
    """Time since the link entered its state."""
    ever_up: bool
    """True if a sender at this address was ever connected."""
    link_detail: str = ""
    frame_age_s: float | None = None
    """Time since the last frame was handed out."""
    picture_age_s: float | None = None
    """Time since that frame was captured."""
    status_age_s: float | None = None
    """Time since the last status or a later picture: either shows that the sender is alive."""
    camera_state: str = ""
    """State of the camera in the sender's last status."""
    frame_interval_s: float = 0.0
    """Frame interval announced in the last status; 0 if none."""
    triggered: bool = False
    """True if the camera waits for triggers, according to the last status."""
    uplink: str = ""
    """Why a relay gets nothing of this camera, in ASCII; empty while it does."""
    ended: bool = False
    waiting_for_keyframe: bool = False
    joining: bool = False
    """True until the first picture of the stream could be decoded."""
    overloaded: bool = False
    """True if this receiver dropped frames because decoding took too long."""
    refusal: str = ""
    """Why this receiver cannot decode the stream; empty while it can."""
    cameras: tuple[str, ...] | None = None
    """Cameras listed by the sender; None while unknown."""
    wanted: str = ""
    """Camera that was requested by name."""
    keyed: bool = False
    """True if this receiver has a key, which the sender may have limited to some cameras."""
    at_server: bool = False
    """True if the link is that to a server, to which senders publish."""
    absent: bool = False
    """True if nobody takes requests for this camera, according to that server."""
    shortage: str = ""
    """What the link carries if that is less than the stream; else empty."""
    behind: str = ""
    """How far the shown frames are in the past, on purpose; empty in the present."""
    waits: str = ""
    """Why this recorder does not read the camera yet, in one line; else empty."""
    missing_stream: str = ""
    """Why the wanted stream of the camera does not come, in one line; else empty."""

    @property
    def stale_after_s(self) -> float:
        """Age at which a frame becomes stale, at the announced frame rate."""
        return max(STALE_S, PACE_FACTOR * self.frame_interval_s)

    @property
    def shown_stale_after_s(self) -> float:
        """Age at which a picture is marked stale: never because no trigger came."""
        return math.inf if self.triggered else self.stale_after_s


def judge(seen: Evidence) -> tuple[State, str]:
    """Return the state of a camera and the reason, checking the strongest evidence first.

    Returns
    -------
    State, str
    """
    if seen.waits and seen.link is LinkState.UP:
        return State.STALE, seen.waits
    if seen.behind and seen.link is LinkState.UP:
        return State.PAST, seen.behind
    if seen.ended:
        if seen.camera_state == "failed":
            return State.CAMERA_DEAD, "the camera failed and the sender has stopped"
        return State.ENDED, ""
    if seen.waiting_for_keyframe and seen.link is LinkState.UP:
        why = "" if seen.joining else "a frame was lost"
        why = _refused(seen) or ("decoding is slower than the stream" if seen.overloaded else why)
        why = f"{why}, waiting for a key frame" if why else "waiting for a key frame"
        return State.STALE, f"{why}; {seen.shortage}" if seen.shortage else why
    if seen.camera_state == "frozen" and seen.link is LinkState.UP and _answers(seen):
        return State.FROZEN, f"{seen.wanted or 'the camera'} repeats one picture"
    if seen.frame_age_s is not None and seen.frame_age_s <= STALE_S:
        if seen.picture_age_s is None or seen.picture_age_s <= STALE_S:
            return State.LIVE, seen.shortage
        late_s = seen.picture_age_s - seen.frame_age_s
        if late_s > LATE_S:
            cause = seen.shortage or "the link or this machine cannot keep up"
            return State.STALE, f"frames arrive {late_s:.1f} s after capture: {cause}"
    if seen.link is LinkState.UP:
        return _connected(seen)
    return _disconnected(seen)


def _answers(seen: Evidence) -> bool:
    return seen.status_age_s is not None and seen.status_age_s <= ANSWER_S


def _connected(seen: Evidence) -> tuple[State, str]:
    """Judge an established connection by the sender's status, if it is fresh."""
    if seen.missing_stream and not _answers(seen):
        return State.NO_SUCH_CAMERA, seen.missing_stream
    if (
        not _answers(seen)
        and seen.wanted
        and seen.cameras is not None
        and seen.wanted not in seen.cameras
    ):
        has = ", ".join(seen.cameras) or "none"
        lacks = f"the sender has no camera {seen.wanted}"
        if seen.keyed:
            lacks += ", or this key may not see it"
        return State.NO_SUCH_CAMERA, f"{lacks}; it has {has}"
    if seen.absent and not _answers(seen):
        if seen.status_age_s is None:
            return State.NO_SUCH_CAMERA, f"no sender at the server has camera {seen.wanted}"
        return State.SENDER_DEAD, (
            f"the sender is gone: nobody at the server has camera {seen.wanted} any more"
        )
    if seen.status_age_s is None:
        return _no_status(seen)
    known = seen.camera_state in _SENDER_STATES
    word = seen.camera_state if known else f"{seen.camera_state!a:.24}"
    said = f"{seen.wanted or 'the camera'} is {word}"
    if seen.status_age_s > ANSWER_S:
        return State.NETWORK_DEAD, (
            f"connected, but the sender has been silent for {seen.status_age_s:.1f} s; "
            f"its last status: {said}"
        )
    if seen.uplink:
        return State.NETWORK_DEAD, f"the relay gets no pictures from {seen.uplink:.300}"
    answers = f"the sender responds, {said}"
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
    if seen.triggered:
        # Its frame was a moment ago when the sender said that the camera is live.
        return State.WAITING_FOR_TRIGGER, f"the sender responds, {seen.wanted or 'the camera'} " \
                                          "is waiting"  # fmt: skip
    if seen.frame_age_s is None and seen.link_age_s <= seen.stale_after_s:
        return State.CONNECTING, f"{answers}, waiting for its first frame"
    if seen.frame_age_s is None:
        return State.STALE, f"{answers}, but no frame has arrived yet"
    if max(seen.frame_age_s, seen.picture_age_s or 0.0) <= seen.stale_after_s:
        # Between two frames of a slow stream, while status messages still arrive.
        return State.LIVE, ""
    return State.STALE, f"{answers}, but frames have stopped arriving"


def _refused(seen: Evidence) -> str:
    return f"its packets are refused ({seen.refusal})" if seen.refusal else ""


def _no_status(seen: Evidence) -> tuple[State, str]:
    if seen.link_age_s <= ANSWER_S:
        return State.CONNECTING, "connected, waiting for the first status of the sender"
    if seen.link_detail:
        return State.KEY_REFUSED, seen.link_detail
    if seen.wanted and seen.cameras is None:
        return State.NO_SUCH_CAMERA, (
            f"connected, but nothing arrives for camera {seen.wanted}: check its name"
        )
    if seen.at_server:
        return State.NO_SUCH_CAMERA, "connected to the server, where no such camera is published"
    return State.NETWORK_DEAD, "connected, but nothing answered"


def _disconnected(seen: Evidence) -> tuple[State, str]:
    detail = seen.link_detail
    match seen.link:
        case LinkState.KEY_REFUSED:
            return State.KEY_REFUSED, detail
        case LinkState.PROTOCOL_REFUSED:
            peer = "NATS server" if seen.at_server else "Rankcast sender"
            return State.PROTOCOL_REFUSED, f"the peer is not a {peer}: {detail}"
        case LinkState.FLOODED:
            return State.PROTOCOL_REFUSED, detail
        case LinkState.CLOSED if seen.at_server:
            return State.NETWORK_DEAD, f"the server is gone: {detail}"
        case LinkState.REFUSED | LinkState.CLOSED if seen.ever_up:
            return State.SENDER_DEAD, f"the sender is gone: {detail}"
        case LinkState.REFUSED | LinkState.CLOSED:
            return State.SENDER_DEAD, (
                f"nothing answered: {detail}; is the sender running at this address and port?"
            )
        case LinkState.UNREACHABLE:
            return State.NETWORK_DEAD, f"nothing answered: {detail}"
    if seen.link_age_s <= CONNECT_S:
        if seen.ever_up:
            return State.NETWORK_DEAD, "reconnecting after silence"
        return State.CONNECTING, "nothing answered yet"
    if seen.link is LinkState.CONNECTING:
        return State.NETWORK_DEAD, (
            f"nothing answered: no reply to the connection attempt for {seen.link_age_s:.1f} s"
        )
    if seen.ever_up:
        return State.NETWORK_DEAD, (
            "the peer accepts the connection and sends nothing: the sender or its machine hangs"
        )
    return State.PROTOCOL_REFUSED, (
        "the peer is not a Rankcast sender, or it hangs: it accepts the connection and sends "
        "nothing; another service on that port?"
    )
