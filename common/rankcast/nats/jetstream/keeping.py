"""keep: makes the stream in which a NATS server keeps the packets of one camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rankcast.errors import StoreError
from rankcast.nats.jetstream.api import SUBJECTS_OVERLAP, JetStream, StreamFacts
from rankcast.nats.keep_options import KeepOptions
from rankcast.nats.subjects import FRAMES, STATUS, subject_of

_OURS: Final = "rankcast"


@dataclass(frozen=True, slots=True)
class Kept:
    """The stream of a camera, as it is now."""

    facts: StreamFacts
    note: str = ""
    """One line on a stream that an administrator made otherwise; empty if it is as wanted."""


def stream_name(site: str, camera: str) -> str:
    """Return the name of the stream that a sender makes for its camera.

    Neither part contains the separator, which names of streams and files may contain.
    """
    return f"{_OURS}={site}={camera}"


def config_of(site: str, camera: str, options: KeepOptions) -> Mapping[str, Any]:
    """Return the configuration of the stream of a camera."""
    age_ns = int(options.age_s * 1e9)
    return {
        "name": stream_name(site, camera),
        "subjects": [subject_of(site, camera, FRAMES), subject_of(site, camera, STATUS)],
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "max_age": age_ns,
        "max_bytes": options.max_bytes,
        "max_msgs": -1,
        "max_consumers": -1,
        "num_replicas": options.replicas,
        # Senders publish without asking for an acknowledgement, and a number of their own tells
        # packets apart.
        "no_ack": True,
        "duplicate_window": min(age_ns, 10**9),
    }


async def keep(jetstream: JetStream, site: str, camera: str, options: KeepOptions) -> Kept:
    """Make the stream of a camera, or change its limits to those wanted.

    A stream that an administrator made for the same subjects stays as it is.

    Raises
    ------
    StoreError
        If the server refuses.
    NoStreamError
        If no answer came.
    """
    wanted = config_of(site, camera, options)
    frames = subject_of(site, camera, FRAMES)
    for name in await jetstream.names(frames):
        facts = await jetstream.stream(name)
        if facts is None:
            continue
        if name != wanted["name"]:
            if not set(wanted["subjects"]) <= set(facts.config.get("subjects") or ()):
                listed = " and ".join(wanted["subjects"])
                return Kept(
                    facts,
                    f"stream {name} of the administrator keeps it, but receivers cannot read it: "
                    f"list {listed} in it, without * or >",
                )
            return Kept(facts, f"stream {name} of the administrator keeps it, with its own limits")
        if all(facts.config.get(key) == value for key, value in wanted.items()):
            return Kept(facts)
        try:
            return Kept(await jetstream.update(wanted))
        except StoreError as exc:
            return Kept(facts, f"stream {name} cannot be changed to these limits: {exc}")
    try:
        return Kept(await jetstream.create(wanted))
    except StoreError as exc:
        if exc.number == SUBJECTS_OVERLAP:
            raise StoreError(
                f"another stream keeps some of the subjects of {site}.{camera}, such as its "
                "control requests: let it keep its frames and status only",
                exc.number,
            ) from exc
        raise
