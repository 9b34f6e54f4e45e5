"""What a hostile sender does to a receiver over time: tests/fuzz/fuzz_receiver.py takes these."""

from __future__ import annotations

from typing import Any

import msgpack

from corpus.hostile.control import framed
from corpus.hostile.messages import Files, frames, seed
from rankcast.wire import Header, Kind, pack
from support import packets
from support.intake import join_messages

WAIT = framed({"wait_ms": 1100})


def _said(stream_id: bytes = packets.STREAM_ID, camera: bytes = b"cam", **body: Any) -> bytes:
    """A status with nothing but this body."""
    header = Header(Kind.STATUS, stream_id, 4, 5)
    return frames(pack(header, msgpack.packb(body)), camera + b"/status")


def _picture(camera: bytes = b"cam", **changes: Any) -> bytes:
    return frames(packets.packet(**changes), camera + b"/frames")


def _reply(number: int = 0, error: str = "", **result: Any) -> bytes:
    return framed({"id": number, "ok": not error, "error": error, "result": result})


def receptions() -> Files:
    """Sequences for a whole receiver: frames, status, replies, and time that passes."""

    def sequence(name: str, *messages: bytes) -> tuple[str, bytes]:
        return f"receiver/{name}.seq", join_messages((*messages, WAIT))

    wanted = framed({"wait_ms": 900, "wanted": True})
    wrong_times: tuple[Any, ...] = (
        -1, 0, 2**63, 2**64 - 1, 1e308, float("nan"), True, None, "now", b"\0" * 8,
    )  # fmt: skip
    yield sequence(
        "pongs_of_any_time",
        *(
            message
            for number, value in enumerate(wrong_times)
            for message in (_reply(t1=value, t2=value), _picture(sequence=5 + number), WAIT)
        ),
    )
    yield sequence("pong_before_its_ping", _reply(t1=10**18, t2=10**18 - 1), _picture(), WAIT)
    yield sequence(
        "clock_that_jumps",
        *(
            message
            for number, hours in enumerate((0, 1, -1, 10**6, 0))
            for message in (
                _reply(t1=10**18 + hours * 3600 * 10**9, t2=10**18 + hours * 3600 * 10**9),
                _picture(sequence=5 + number, t_capture_utc_ns=10**18),
                WAIT,
            )
        ),
    )
    yield sequence("names_that_lead_elsewhere", wanted, _reply(cameras={"../../etc": "live"}))
    yield sequence("names_with_escapes", wanted, _reply(cameras={"\x1b[2J": "live", "": 1}))
    yield sequence("cameras_that_are_none", wanted, _reply(cameras=5), _reply(cameras=None))
    yield sequence("answers_to_nothing", *(_reply(2**31 + k, t1=1, t2=2) for k in range(64)))
    yield sequence("refusal_with_escapes", wanted, _reply(error="\x1b]0;x\x07" * 20), WAIT)
    yield sequence(
        "control_that_moves",
        *(
            message
            for port in (*range(7000, 7020), 0, 65_535)
            for message in (_said(published=0, control=port), WAIT, WAIT)
        ),
    )
    yield sequence(
        "states_that_flutter",
        *(
            message
            for state in ("live", "stalled", "\x1b[2J", "x" * 1000, "ended", "failed", "\u202e")
            for message in (_said(published=1, state=state), framed({"wait_ms": 1200}))
        ),
    )
    yield sequence(
        "a_new_stream_each_time",
        *(_picture(stream_id=bytes((1, k)) * 4, sequence=2**40) for k in range(200)), WAIT,
    )  # fmt: skip
    yield sequence(
        "more_cameras_than_there_may_be",
        *(_picture(b"cam%d" % k, stream_id=bytes((2, k)) * 4) for k in range(100)), WAIT,
    )  # fmt: skip
    yield sequence(
        "stamps_of_any_time",
        *(
            _picture(sequence=5 + number, t_capture_mono_ns=mono, t_capture_utc_ns=utc)
            for number, (mono, utc) in enumerate(
                (a, b)
                for a in (0, 1, 10**13, 2**63 - 1, 2**64 - 1)
                for b in (0, 1_795_179_415 * 10**9, 2**63 - 1, 2**64 - 1)
            )
        ),
    )
    first, second, third = seed("svd-patch", "still")
    yield sequence(
        "key_frames_that_never_come",
        frames(pack(first.header, first.body)),
        *(
            message
            for _ in range(40)
            for message in (
                frames(pack(third.header, third.body)),
                framed({"wait_ms": 100}),
                _reply(coming=True, sequence=0),
            )
        ),
    )
    yield sequence(
        "predicted_for_ever",
        *(frames(packets.packet(kind=1, ref_sequence=1, sequence=5 + k)) for k in range(60)),
    )
    assert second.header.kind is Kind.PREDICTED
    yield sequence(
        "connection_that_flaps",
        *(framed({"wait_ms": 400, "event": k, "value": 2**28}) for k in range(60)),
    )
