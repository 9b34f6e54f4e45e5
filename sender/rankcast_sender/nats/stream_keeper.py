"""StreamKeeper: makes the streams that keep the cameras of a sender, and checks that they do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from rankcast.errors import NoStreamError, StoreError
from rankcast.nats import KeepOptions
from rankcast.nats.client import NatsConnection
from rankcast.nats.jetstream import JetStream, StreamFacts, keep, stream_name
from rankcast.runtime import LogLimiter
from rankcast_sender.camera import Camera

log = logging.getLogger(__name__)

CHECK_S: Final = 2.0
LOG_INTERVAL_S: Final = 60.0


class _KeptStream:
    """The stream of one camera, and what became of the messages published for it."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.name = ""
        """Name of the stream, once it is known."""
        self.published = 0
        """Messages handed to the connection for this stream."""
        self.said = ""
        self.is_known = False
        """True once the log says what is kept."""
        self.log_limiter = LogLimiter(LOG_INTERVAL_S)
        self._own = False
        self._base: int | None = None
        """Newest message of the stream when counting began; None while it does not count."""
        self._counted_from = 0
        self._arrived = 0
        """Messages that the stream has taken since."""
        self._settled = 0
        """Messages that had been published at the check before."""
        self._missing = 0
        self._missing_before = 0

    @property
    def counts(self) -> bool:
        """True while the stream is compared with what is published."""
        return self.camera.kept and self._base is not None

    def begin(self, facts: StreamFacts, *, own: bool) -> None:
        """Count from now on what the stream takes of what is published."""
        self._own = own
        if not self.camera.kept:
            # Frames before this moment are not in the stream: later ones must not build on them.
            self.camera.kept = True
            self.camera.request_keyframe()
        self._missing_before += self._missing
        self._missing = 0
        self._base, self._counted_from = facts.last_sequence, self.published
        self._arrived = 0
        self._settled = self.published

    def look(self, facts: StreamFacts) -> int:
        """Compare the stream with what was published; return how many more messages it lacks."""
        if self._base is None or facts.last_sequence < self._base:
            self.begin(facts, own=self._own)
        assert self._base is not None
        # What was published before the last check has had time to arrive.
        wanted = self._settled - self._counted_from
        self._arrived = facts.last_sequence - self._base
        missing = max(self._missing, wanted - self._arrived)
        return self._note(missing if self._own else 0)

    def stop(self) -> int:
        """Note that nothing is kept any more; return how many more messages that costs."""
        self.camera.kept = False
        if self._base is None:
            return 0
        missing = self.published - self._counted_from - self._arrived
        return self._note(max(self._missing, missing) if self._own else 0)

    def forget(self) -> None:
        """Discard the counts of this connection."""
        self._base = None
        self.camera.kept = False

    def resume(self) -> None:
        """Assume, at a new connection, that a stream which was there still is."""
        if self.name and not self.said:
            self.camera.kept = True
            # Nobody got the frames that were on their way: the budget of requests is not for this.
            self.camera.keyframes.nobody_watches()
            self.camera.request_keyframe()

    def settle(self) -> None:
        """Note what the next check expects to find."""
        self._settled = self.published

    def _note(self, missing: int) -> int:
        more, self._missing = missing - self._missing, missing
        self.camera.not_kept = self._missing_before + missing
        return max(0, more)


class StreamKeeper:
    """Makes the stream of each camera and compares it with what is published.

    The live path knows nothing of it: the server takes into a stream what passes through it.

    Parameters
    ----------
    connection : NatsConnection
    site : str
    cameras : sequence of Camera
    options : KeepOptions

    Notes
    -----
    Belongs to the event loop of the connection.
    """

    def __init__(
        self, connection: NatsConnection, site: str, cameras: Sequence[Camera], options: KeepOptions
    ) -> None:
        self._connection = connection
        self._jetstream = JetStream(connection)
        self._site = site
        self._options = options
        self._streams = {camera.name: _KeptStream(camera) for camera in cameras}
        self._task: asyncio.Task[None] | None = None
        for camera in cameras:
            camera.not_kept = 0

    def published(self, camera: str, messages: int) -> None:
        """Count messages that were handed to the connection."""
        self._streams[camera].published += messages

    def begin_session(self) -> None:
        """Look at the streams through a new connection."""
        self.end_session()
        for stream in self._streams.values():
            stream.resume()
        self._task = asyncio.ensure_future(self._run())

    def end_session(self) -> None:
        """Stop looking, because the connection has ended."""
        for stream in self._streams.values():
            stream.forget()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def check(self) -> None:
        """Raise what ended the task, if it failed."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()

    async def _run(self) -> None:
        while self._connection.is_up:
            for stream in self._streams.values():
                await self._look_after(stream)
            await asyncio.sleep(CHECK_S)

    async def _look_after(self, stream: _KeptStream) -> None:
        camera = stream.camera
        try:
            if not stream.counts:
                await self._open(stream)
                return
            facts = await self._jetstream.stream(stream.name)
            if facts is None:
                raise StoreError("its stream was deleted")
            more = stream.look(facts)
            stream.settle()
            if more and stream.log_limiter.may_log():
                log.warning("%s: the server did not keep %d of the messages so far",
                            camera.name, camera.not_kept)  # fmt: skip
        except StoreError as exc:
            stream.stop()
            self._say(stream, f"the server does not keep it: {exc}")
        except NoStreamError as exc:
            self._say(stream, f"whether the server keeps it is not known: {exc}")

    async def _open(self, stream: _KeptStream) -> None:
        kept = await keep(self._jetstream, self._site, stream.camera.name, self._options)
        facts = kept.facts
        stream.name = facts.name
        stream.begin(facts, own=facts.name == stream_name(self._site, stream.camera.name))
        if kept.note:
            self._say(stream, kept.note)
        elif stream.said:
            stream.said = ""
            log.info("%s: the server keeps it again", stream.camera.name)
        elif not stream.is_known:
            stream.is_known = True
            log.info(
                "%s: the server keeps %g s of it, at most %.1f GB, in stream %s",
                stream.camera.name, self._options.age_s, self._options.max_bytes / 1e9, facts.name,
            )  # fmt: skip

    def _say(self, stream: _KeptStream, text: str) -> None:
        if text != stream.said:
            stream.said = text
            log.warning("%s: %s", stream.camera.name, text)
