"""StreamEncoder: encodes the frames of a camera, whatever options clients set meanwhile."""

from __future__ import annotations

import logging
import time
from typing import Final

from rankcast.encoder import EncodedPacket, Encoder, try_options
from rankcast.errors import RankcastError, one_line
from rankcast.frame import Frame
from rankcast.runtime import ENCODE, NOBODY_WATCHING, SLOW_SERVER, LogLimiter
from rankcast.wire import Kind
from rankcast_sender.camera import Camera, CodecChange

log = logging.getLogger(__name__)

FOLLOW_LOG_S: Final = 10.0
"""The bit rate changes every few seconds while a link is found out."""
FOLLOW_LOG_BURST: Final = 4
UNDONE: Final = "%s: options undone, frame %d could not be coded with them: %s"


class StreamEncoder:
    """Encode the frames of one camera, within its ledger and its budget of key frames.

    Options that were changed at run time never cost a frame: if the first frame with them cannot
    be coded, it is coded with the options before.

    Parameters
    ----------
    camera : Camera
    encoder : Encoder
    """

    def __init__(self, camera: Camera, encoder: Encoder) -> None:
        self._camera = camera
        self._encoder = encoder
        self._undone_log = LogLimiter()
        self._follow_log = LogLimiter(FOLLOW_LOG_S, FOLLOW_LOG_BURST)
        self._rate: float | None = None
        """The bit rate that the encoder was given last; None while it is that of the options."""

    def encode(self, frame: Frame) -> EncodedPacket | None:
        """Encode one frame counted as grabbed; None if nobody can have it.

        Nobody watches or records the camera, or the server that takes its packets is behind.

        Raises
        ------
        UnsupportedImageError
            If the codec cannot encode this frame, which counts as a loss.
        """
        camera, encoder = self._camera, self._encoder
        if not camera.watched:
            camera.keyframes.nobody_watches()
            if camera.joins is not None:
                camera.joins.rest()
            camera.ledger.lose(NOBODY_WATCHING)
            return None
        if camera.channel.congested() and camera.tape is None:
            # Before it is coded: no viewer then misses what the next frame is predicted from.
            camera.ledger.lose(SLOW_SERVER)
            return None
        begun_s = time.monotonic()
        if requested := camera.keyframes.due(begun_s):
            encoder.request_keyframe()
        self._follow()
        try:
            change = camera.codec_settings.take()
            packet = self._encode(frame) if change is None else self._try(frame, change)
        except BaseException:
            camera.ledger.lose(ENCODE)
            raise
        ended_s = time.monotonic()
        camera.figures.encode_times.add((ended_s - begun_s) * 1e3)
        # Recorded before it is sent: a viewer that joins from now on needs another key frame.
        camera.keyframes.published(
            packet.header.sequence, len(packet.data), ended_s,
            key=packet.header.kind is Kind.KEY, requested=requested,
        )  # fmt: skip
        return packet

    def _follow(self) -> None:
        """Encode with the bit rate that the links to the viewers carry, if it follows them."""
        rate = self._camera.followed_bitrate()
        if rate is None:
            self._rate = None  # the options that turned it off have a rate of their own, or none
            return
        before = float(self._rate or self._encoder.options["bitrate"])
        if rate != before:
            self._encoder.set(bitrate=rate)
            if self._follow_log.may_log():
                log.info(
                    "%s: bit rate %.3g Mbit/s instead of %.3g: %s",
                    self._camera.name, rate / 1e6, before / 1e6, self._camera.link.reason,
                )  # fmt: skip
        self._rate = rate

    def _try(self, frame: Frame, change: CodecChange) -> EncodedPacket:
        """Encode a frame with changed options or, if that fails, with those before."""
        encoder, settings = self._encoder, self._camera.codec_settings
        before = encoder.use(change.trial)
        self._rate = None
        try:
            packet = encoder.encode_packet(frame)
        except Exception as exc:
            encoder.use(before)
            # The failure may have damaged the picture that the next one would be predicted from.
            encoder.request_keyframe()
            settings.settle(change, one_line(exc))
            self._log_undone(frame, exc)
            return encoder.encode_packet(frame)
        settings.settle(change)
        return packet

    def _encode(self, frame: Frame) -> EncodedPacket:
        """Encode a frame; options of a client that break the codec later on are undone as well."""
        encoder, settings = self._encoder, self._camera.codec_settings
        try:
            return encoder.encode_packet(frame)
        except RankcastError:
            raise  # this frame does not fit; the next one may
        except Exception as exc:
            if not settings.touched:
                raise
            encoder.use(try_options(encoder.codec, settings.initial))
            self._rate = None
            encoder.request_keyframe()
            settings.reset(one_line(exc))
            self._log_undone(frame, exc)
            return encoder.encode_packet(frame)

    def _log_undone(self, frame: Frame, exc: Exception) -> None:
        if self._undone_log.may_log():
            log.warning(UNDONE, self._camera.name, frame.frame, one_line(exc))
