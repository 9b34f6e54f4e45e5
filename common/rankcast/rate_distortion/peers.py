"""The peers of the codecs: encoders of live streams, with the options that they run with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from rankcast.rate_distortion.av_coder import AvCoder, AvEncoder
from rankcast.rate_distortion.clip_format import ClipFormat
from rankcast.rate_distortion.coder import Coder, MjpegCoder

_CRF: Final = (36, 30, 25, 20, 15)
_CRF_AV1: Final = (56, 44, 34, 24, 14)
"""From about 32 to 46 dB on clips of fixed cameras, measured on those of the benchmark."""


@dataclass(frozen=True, slots=True)
class Peer:
    """An encoder of streams that is no codec of Rankcast."""

    name: str
    """Name in ``--codecs`` and in results."""
    label: str
    """What it is, in words."""
    settings: tuple[int, ...]
    """A few values of its option, from coarse to fine."""
    encoder: AvEncoder | None
    """None for MJPEG."""

    @property
    def symbol(self) -> str:
        """Option that trades bytes for quality, as tables show it."""
        return "q" if self.encoder is None else self.encoder.setting

    def refusal(self, clip: ClipFormat) -> str | None:
        """Return why the installation or the encoder cannot code a clip; None if it can."""
        if self.encoder is not None:
            return self.encoder.missing() or self.encoder.refusal(clip)
        return None if clip.bits == 8 else f"JPEG takes 8 bits a sample; this clip has {clip.bits}"

    def start(self, clip: ClipFormat, setting: float, gop: int, threads: int = 1) -> Coder:
        """Start a stream.

        Raises
        ------
        UnsupportedImageError
            If the encoder is missing or refuses the clip.
        """
        if self.encoder is None:
            return MjpegCoder(int(setting))
        return AvCoder(self.encoder, clip, setting, gop, threads)


def _x264(name: str, preset: str, *, psnr: bool = False) -> Peer:
    """Return x264 with zero latency; `psnr` turns off what pleases the eye and costs PSNR."""
    # `tune=psnr` is psy-rd=0 and aq-mode=0 (x264 --fullhelp).
    tune = "psnr,zerolatency" if psnr else "zerolatency"
    label = f"x264 {preset}, zero latency" + (", tuned for PSNR" if psnr else "")
    return Peer(name, label, _CRF,
                AvEncoder("libx264", "h264", {"preset": preset, "tune": tune}))  # fmt: skip


PEERS: Final[Mapping[str, Peer]] = MappingProxyType({
    peer.name: peer
    for peer in (
        _x264("h264", "veryfast"),
        _x264("h264-ultrafast", "ultrafast"),
        _x264("h264-psnr", "veryfast", psnr=True),
        _x264("h264-medium", "medium", psnr=True),
        Peer("h265", "x265 veryfast, zero latency", _CRF, AvEncoder(
            "libx265", "hevc",
            # Without `info` x265 leaves out the text that names its settings.
            {"preset": "veryfast", "tune": "zerolatency",
             "x265-params": "info=0:log-level=none:pools=none:frame-threads=1"})),
        Peer("av1", "SVT-AV1 preset 10, low delay", _CRF_AV1, AvEncoder(
            "libsvtav1", "libdav1d",
            {"preset": "10", "svtav1-params": "pred-struct=1:lookahead=0:lp=1"})),
        Peer("av1-aom", "libaom real time, cpu-used 8", _CRF_AV1, AvEncoder(
            "libaom-av1", "libdav1d",
            {"usage": "realtime", "cpu-used": "8", "lag-in-frames": "0", "b": "0"})),
        Peer("mjpeg", "one JPEG a frame, libjpeg-turbo", (25, 50, 72, 86, 95), None),
    )
})  # fmt: skip
"""By name. All of them run without a delay, as live pictures need."""
