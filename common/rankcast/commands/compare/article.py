"""The count of bytes in the colour article that Rankcast grew out of, to stand beside the true one.

The article keeps three float64 matrices a channel and counts their ``nbytes``. It compares them
with the samples as float64 too, eight times the bytes of an 8-bit picture: so what it reports as
a fifth is larger than the picture itself.
"""

from __future__ import annotations

from dataclasses import dataclass

FLOAT64_BYTES = 8


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
        """How many times smaller the article finds the factors."""
        return self.original_bytes / self.compressed_bytes


def article_rank(m: int, n: int, share: float) -> int:
    """Number of singular values for a share of all of them, cut off as the article does.

    Parameters
    ----------
    m, n : int
        Height and width.
    share : float
        In (0, 1]; the article's run has 0.1.
    """
    return max(1, int(share * min(m, n)))


def article_count(m: int, n: int, channels: int, k: int) -> ArticleCount:
    """Count bytes as the article does.

    Parameters
    ----------
    m, n : int
        Height and width.
    channels : int
        Factorised one by one.
    k : int
        Kept singular values of each channel.
    """
    return ArticleCount(
        rank=k,
        original_bytes=m * n * channels * FLOAT64_BYTES,
        compressed_bytes=channels * FLOAT64_BYTES * (m * k + k + k * n),
    )
