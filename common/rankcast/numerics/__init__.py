"""Linear algebra, colour planes and quality measures, on plain arrays."""

from rankcast.numerics.buckets import Buckets
from rankcast.numerics.denoiser import Denoiser
from rankcast.numerics.fidelity import Fidelity
from rankcast.numerics.histogram import Histogram
from rankcast.numerics.linalg import (
    EXACT_SHARE,
    OVERSAMPLING,
    POWER_ITERATIONS,
    Factors,
    Real,
    Subspace,
    bands,
    exact_svd,
    one_blas_thread,
    oversampled,
    row_products,
)
from rankcast.numerics.metrics import psnr_db, squared_error, ssim
from rankcast.numerics.motion import block_means, moving_blocks
from rankcast.numerics.planes import (
    Memory420,
    chroma_shape,
    merge_bayer,
    merge_ycc420,
    merge_ycc444,
    split_bayer,
    split_ycc420,
    split_ycc444,
)
from rankcast.numerics.similarity import ms_ssim, ssim_map

__all__ = [
    "EXACT_SHARE",
    "OVERSAMPLING",
    "POWER_ITERATIONS",
    "Buckets",
    "Denoiser",
    "Factors",
    "Fidelity",
    "Histogram",
    "Memory420",
    "Real",
    "Subspace",
    "bands",
    "block_means",
    "chroma_shape",
    "exact_svd",
    "merge_bayer",
    "merge_ycc420",
    "merge_ycc444",
    "moving_blocks",
    "ms_ssim",
    "one_blas_thread",
    "oversampled",
    "psnr_db",
    "row_products",
    "split_bayer",
    "split_ycc420",
    "split_ycc444",
    "squared_error",
    "ssim",
    "ssim_map",
]
