"""Coders of streams, compared at equal quality: bytes, similarity, processor time and delay."""

from rankcast.rate_distortion.av_coder import AvCoder, AvEncoder
from rankcast.rate_distortion.clip_format import ClipFormat
from rankcast.rate_distortion.coder import (
    Coder,
    MjpegCoder,
    PacketBytes,
    RankcastCoder,
    jpeg_encode,
)
from rankcast.rate_distortion.curve import (
    Curve,
    bd_rate_percent,
    chroma_gain_db,
    cover,
    geometric_mean,
    mean_gain,
    mean_ratio,
    pchip,
    with_chroma,
)
from rankcast.rate_distortion.meter import QualityMeter, luma_of
from rankcast.rate_distortion.peers import PEERS, Peer
from rankcast.rate_distortion.point import (
    Point,
    Quality,
    by_all_psnr,
    by_moving_psnr,
    by_moving_ssim,
    by_ms_ssim,
    by_psnr,
    by_ssim,
    of_db,
    ssim_db,
)
from rankcast.rate_distortion.trial import Trial, run_trial

__all__ = [
    "PEERS",
    "AvCoder",
    "AvEncoder",
    "ClipFormat",
    "Coder",
    "Curve",
    "MjpegCoder",
    "PacketBytes",
    "Peer",
    "Point",
    "Quality",
    "QualityMeter",
    "RankcastCoder",
    "Trial",
    "bd_rate_percent",
    "by_all_psnr",
    "by_moving_psnr",
    "by_moving_ssim",
    "by_ms_ssim",
    "by_psnr",
    "by_ssim",
    "chroma_gain_db",
    "cover",
    "geometric_mean",
    "jpeg_encode",
    "luma_of",
    "mean_gain",
    "mean_ratio",
    "of_db",
    "pchip",
    "run_trial",
    "ssim_db",
    "with_chroma",
]
