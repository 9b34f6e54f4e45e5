"""What stands still becomes its mean over time; what moves, and what is clean, stays as it is."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from rankcast.numerics import Denoiser
from support.noisy_view import FINE, turning, view, with_noise

SIGMA = 3.0


def denoised(
    frames: Iterable[NDArray[np.uint16]],
    step: float = FINE,
    threads: int | None = None,
    full_range: float = 256,
) -> list[NDArray[np.uint16]]:
    """Return frames of one plane, of whole blocks, as a denoiser leaves them."""
    made = [frame.copy() for frame in frames]
    denoiser = Denoiser([made[0].shape], full_range)
    for frame in made:
        denoiser.apply([frame], step, threads)
    return made


def deviation(plane: NDArray[np.uint16], clean: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean((plane - clean) ** 2)))


def still(count: int, sigma: float = SIGMA) -> list[NDArray[np.uint16]]:
    return [with_noise(view(), sigma, seed) for seed in range(count)]


def test_a_still_view_keeps_a_third_of_its_noise() -> None:
    last = denoised(still(24))[-1]
    assert deviation(last, view()) < 0.4 * SIGMA


@pytest.mark.parametrize("bits", [12, 16])
def test_deep_frames_lose_their_noise_too(bits: int) -> None:
    scale = 2 ** (bits - 8)
    frames = [with_noise(view() * scale, SIGMA * scale, seed, bits) for seed in range(24)]
    last = denoised(frames, step=scale, full_range=2**bits)[-1]
    assert deviation(last, view() * scale) < 0.4 * SIGMA * scale


@pytest.mark.parametrize(("deviations", "is_denoised"), [(1.4, True), (1.8, False)])
def test_a_step_that_hides_the_noise_leaves_frames_as_they_are(
    deviations: float, is_denoised: bool
) -> None:
    frames = still(6)
    same = all(map(np.array_equal, denoised(frames, step=deviations * SIGMA), frames))
    assert same != is_denoised


def test_light_parts_are_averaged_by_their_noise_and_dark_ones_by_theirs() -> None:
    clean = np.full((192, 192), 30.0)
    clean[:, 96:] = 200
    sigmas = np.where(clean > 100, 4.0, 1.0)
    last = denoised([with_noise(clean, sigmas, seed) for seed in range(24)])[-1]
    assert deviation(last[:, :96], clean[:, :96]) < 0.6
    assert deviation(last[:, 96:], clean[:, 96:]) < 1.6


def test_a_clean_view_stays_as_it_is() -> None:
    frames = still(6, sigma=0)
    assert all(map(np.array_equal, denoised(frames), frames))


def test_a_view_that_turns_stays_as_it_is() -> None:
    frames = turning(10, SIGMA)
    assert all(map(np.array_equal, denoised(frames), frames))


def test_what_moves_through_a_still_view_leaves_no_trail() -> None:
    cleans = []
    for number in range(24):
        clean = view()
        clean[70:90, 5 + 5 * number : 25 + 5 * number] += 25
        cleans.append(clean)
    frames = [with_noise(clean, SIGMA, seed) for seed, clean in enumerate(cleans)]
    last, clean = denoised(frames)[-1], cleans[-1]
    behind = slice(70, 90), slice(20, 120)
    assert deviation(last[behind], clean[behind]) < SIGMA
    assert abs(float((last[behind] - clean[behind]).mean())) < 0.1 * SIGMA
    assert deviation(last, clean) < 0.5 * SIGMA


def test_a_spot_of_one_sample_appears_at_once_in_a_block_that_stays_averaged() -> None:
    frames = still(20)
    clean = view()
    clean[100, 100] += 5 * SIGMA
    frames.append(clean.round().astype(np.uint16))
    around = np.ones((8, 8), bool)
    around[100 % 8, 100 % 8] = False
    block = slice(96, 104), slice(96, 104)
    frames[-1][block][around] = frames[-2][block][around]
    last = denoised(frames)[-1]
    assert last[100, 100] == frames[-1][100, 100]
    assert deviation(last[block][around], view()[block][around]) < 0.5 * SIGMA


def test_a_scene_that_changes_shows_the_new_frame() -> None:
    frames = still(12)
    other = with_noise(view() + 4 * SIGMA, SIGMA, 99)
    assert np.array_equal(denoised([*frames, other])[-1], other)


def test_a_light_that_fades_is_followed() -> None:
    frames = [with_noise(view() - 0.3 * n, SIGMA, n) for n in range(60)]
    last = denoised(frames)[-1]
    # A mean of 16 frames would lag by 15 of 0.3.
    assert abs(float((last - (view() - 17.7)).mean())) < 1.5


def is_anew(change: NDArray[np.float64]) -> float:
    """Share of the samples of a still view that are those of the frame in which `change` came."""
    changed = with_noise(view() + change, SIGMA, 97)
    return float((denoised([*still(20), changed])[-1] == changed).mean())


def test_blocks_that_brighten_by_less_than_the_noise_begin_anew() -> None:
    assert is_anew(np.full(view().shape, 0.8 * SIGMA)) > 0.9


def test_blocks_in_which_texture_appears_begin_anew() -> None:
    rows, columns = np.indices(view().shape)
    assert is_anew(1.5 * SIGMA * (-1.0) ** (rows + columns)) > 0.9


def test_blocks_that_do_not_change_go_on() -> None:
    assert is_anew(np.zeros(view().shape)) < 0.3


def test_one_flash_ends_the_mean_for_three_frames() -> None:
    flash = with_noise(view() + 60, SIGMA, 98)
    made = denoised([*still(12), flash, *still(8)])
    assert np.array_equal(made[12], flash)
    assert deviation(made[17], view()) < 0.8 * SIGMA


def test_each_channel_is_judged_by_itself() -> None:
    denoiser = Denoiser([(128, 192), (128, 192)], 256)
    for number, turning_one in enumerate(turning(12, SIGMA)):
        still_one = with_noise(view(128, 192), SIGMA, number)
        before = turning_one.copy()
        denoiser.apply([turning_one, still_one], FINE)
        assert np.array_equal(turning_one, before)
    assert deviation(still_one, view(128, 192)) < 0.6 * SIGMA


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_threads_change_nothing(threads: int) -> None:
    tall = [with_noise(view(640, 96), SIGMA, seed) for seed in range(5)]
    assert all(map(np.array_equal, denoised(tall, threads=threads), denoised(tall, threads=1)))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (67, 130), (90, 160), (129, 250)])
def test_the_padding_of_a_plane_says_nothing_of_its_noise(height: int, width: int) -> None:
    padding = (0, -height % 8), (0, -width % 8)
    frames = [
        np.pad(with_noise(view(height, width), SIGMA, seed), padding, mode="edge")
        for seed in range(8)
    ]
    denoiser = Denoiser([(height, width)], 256)
    for frame in frames:
        denoiser.apply([frame], FINE)
    noise = denoiser._planes[0].noise
    assert noise.is_known == (height > 64)
    if noise.is_known:
        assert noise.variances**0.5 == pytest.approx(SIGMA, rel=0.2)


def test_chroma_follows_luma_where_only_luma_shows_that_the_view_moves() -> None:
    denoiser = Denoiser([(128, 192), (128, 192)], 256, has_chroma=True)
    for number, luma in enumerate(turning(10, SIGMA)):
        chroma = with_noise(np.full((128, 192), 128.0), SIGMA, number)
        before = luma.copy(), chroma.copy()
        denoiser.apply([luma, chroma], FINE)
        assert np.array_equal(luma, before[0])
        assert np.array_equal(chroma, before[1])
