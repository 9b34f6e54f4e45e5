"""The colour article's count of bytes."""

from __future__ import annotations

import numpy as np
import pytest

from rankcast.commands.compare.article_count import article_count, article_rank


def test_the_article_counts_6291456_bytes_before_and_1254600_after() -> None:
    k = article_rank(512, 512, 0.1)
    count = article_count(512, 512, 3, k)
    assert k == 51
    assert count.original_bytes == 6_291_456
    assert count.compressed_bytes == 1_254_600
    assert count.ratio == pytest.approx(5.0147, abs=1e-4)


@pytest.mark.parametrize(("m", "n", "channels", "k"), [(6, 4, 1, 2), (5, 9, 3, 5), (1, 1, 4, 1)])
def test_the_count_is_that_of_the_arrays_themselves(m: int, n: int, channels: int, k: int) -> None:
    picture = np.ones((m, n, channels))
    factors = []
    for channel in range(channels):
        u, s, vt = np.linalg.svd(picture[:, :, channel], full_matrices=False)
        factors += [u[:, :k], s[:k], vt[:k]]
    count = article_count(m, n, channels, k)
    assert count.original_bytes == picture.nbytes
    assert count.compressed_bytes == sum(factor.nbytes for factor in factors)


def test_the_article_cuts_the_rank_off_and_a_tiny_picture_keeps_one_value() -> None:
    assert article_rank(768, 519, 0.1) == 51
    assert article_rank(3, 2, 0.1) == 1
