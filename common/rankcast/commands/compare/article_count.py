"""The byte count of the colour article on which Rankcast is based, to compare with the true one.

The article stores three float64 matrices per channel and counts their ``nbytes``. It compares this
with the samples as float64, which take eight times the bytes of an 8-bit picture, so what it
reports as a fifth is larger than the picture itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FLOAT64_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class ArticleCount:
    """Bytes before and after, as the article counts them."""

    rank: int
    original_bytes: int
    """Every sample as float64."""
    compressed_bytes: int
    """U (m x k), s (k) and Vt (k x n) of every channel as float64."""

    @property
    def ratio(self) -> float:
        """Compression ratio as the article reports it."""
        return self.original_bytes / self.compressed_bytes


def article_rank(m: int, n: int, share: float) -> int:
    """Return the number of singular values for a share of them, rounded down as in the article.

    Parameters
    ----------
    m, n : int
        Height and width.
    share : float
        In (0, 1]; the article uses 0.1.
    """
    return max(1, int(share * min(m, n)))


def article_count(m: int, n: int, channels: int, k: int) -> ArticleCount:
    """Count bytes as the article does.

    Parameters
    ----------
    m, n : int
        Height and width.
    channels : int
        Number of channels, each factorised separately.
    k : int
        Singular values kept of each channel.
    """
    return ArticleCount(
        rank=k,
        original_bytes=m * n * channels * FLOAT64_BYTES,
        compressed_bytes=channels * FLOAT64_BYTES * (m * k + k + k * n),
    )
