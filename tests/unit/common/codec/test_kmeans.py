"""`kmeans`: what the clusters are worth, what the options do, what is refused."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankcast
from rankcast.codec.kmeans import encoder as kmeans_encoder
from rankcast.codec.kmeans import read_palette
from rankcast.codec.kmeans.clusters import Sample, find_nearest, fit, improve, start_spread
from rankcast.codec.kmeans.distinct import counted_colours, distinct_colours
from rankcast.codec.kmeans.encoder import draw_sample
from rankcast.codec.kmeans.indices import pack_palette, pack_plane, unpack_palette, unpack_plane
from rankcast.codec.kmeans.tree import build_tree
from rankcast.errors import SettingsError, UnsupportedImageError
from rankcast.frame import Pixels
from rankcast.numerics import squared_error
from rankcast.opencv import cv2
from rankcast.wire import Header, unpack


def scene(shape: tuple[int, ...] = (120, 160, 3), seed: int = 1) -> Pixels:
    """Smooth areas, edges and a little noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 8, *shape[2:])).astype(np.uint8)
    large = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    large = large.reshape(shape).astype(np.float64) + rng.normal(0, 4, shape)
    return np.clip(large, 0, 255).astype(np.uint8)


def coded(pixels: Pixels, **options: Any) -> tuple[Header, Pixels]:
    packet = rankcast.Encoder("kmeans", **options).encode(pixels)
    return unpack(packet).header, rankcast.Decoder().decode(packet)


def nearest_by_hand(points: Any, centroids: Any) -> Any:
    squares = ((points[:, None, :].astype(float) - centroids[None].astype(float)) ** 2).sum(axis=2)
    return squares.min(axis=1)


@pytest.mark.parametrize("k", [1, 2, 3, 20, 128, 129, 300])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_the_search_finds_the_nearest_of_few_and_of_many(k: int, channels: int) -> None:
    rng = np.random.default_rng(k)
    points = rng.integers(0, 256, (777, channels)).astype(np.uint8)
    centroids = rng.uniform(0, 255, (k, channels)).astype(np.float32)
    nearest, distances = find_nearest(points, centroids)
    want = nearest_by_hand(points, centroids)
    assert np.allclose(distances, want, rtol=1e-4, atol=1e-2)
    chosen = centroids[nearest]
    assert np.allclose(((points - chosen) ** 2).sum(axis=1), want, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("k", [2, 9, 128])
def test_of_equally_near_centroids_the_first_of_few_is_taken(k: int) -> None:
    rng = np.random.default_rng(k)
    points = rng.integers(0, 5, (500, 3)).astype(np.uint8)
    centroids = rng.integers(0, 5, (k, 3)).astype(np.float32)
    squares = ((points[:, None].astype(int) - centroids[None].astype(int)) ** 2).sum(axis=2)
    assert np.array_equal(find_nearest(points, centroids)[0], squares.argmin(axis=1))


@pytest.mark.parametrize("count", [2, 3, 7, 64, 300, 5000])
@pytest.mark.parametrize("levels", [2, 9, 60_000])
def test_a_tree_cuts_each_part_across_its_widest_axis(count: int, levels: int) -> None:
    rng = np.random.default_rng(count)
    centroids = rng.integers(0, levels, (count, 3)).astype(np.float32)
    tree = build_tree(centroids)
    assert np.array_equal(np.sort(tree.order), np.arange(count))
    parts = [(0, count)]
    while parts:
        low, high = parts.pop()
        if high - low < 2:
            continue
        middle = low + (1 << (high - low - 1).bit_length() - 1)
        part = centroids[tree.order[low:high]]
        axis, cut = tree.axes[middle], tree.cuts[middle]
        assert axis == np.ptp(part, axis=0).argmax()
        assert (part[: middle - low, axis] <= cut).all()
        assert cut == part[middle - low :, axis].min()
        parts += [(low, middle), (middle, high)]


def test_equal_keys_keep_their_order_in_a_tree() -> None:
    assert np.array_equal(build_tree(np.zeros((300, 2), np.float32)).order, np.arange(300))
    signed = np.array([[0.0], [-0.0], [0.0], [-1.0]], np.float32)
    assert build_tree(signed).order.tolist() == [3, 0, 1, 2]


@pytest.mark.parametrize("factor", [1, 257])
def test_the_error_in_the_header_is_the_within_cluster_sum_of_squares(factor: int) -> None:
    pixels = scene().astype(np.uint8 if factor == 1 else np.uint16) * factor
    header, rebuilt = coded(pixels, k=12)
    assert header.squared_error == squared_error(pixels, rebuilt)
    colours = np.unique(rebuilt.reshape(-1, 3), axis=0)
    assert header.squared_error == pytest.approx(
        nearest_by_hand(pixels.reshape(-1, 3), colours).sum(), rel=1e-6
    )


def test_every_pixel_has_a_colour_of_the_palette_and_no_more_than_k_are_used() -> None:
    pixels = scene()
    packet = unpack(rankcast.Encoder("kmeans", k=17).encode(pixels))
    palette = read_palette(packet.header, packet.body)
    rebuilt = rankcast.Decoder().decode_packet(packet)
    assert packet.header.params == (len(palette),)
    assert len(palette) <= 17
    used = {tuple(colour) for colour in rebuilt.reshape(-1, 3).tolist()}
    assert used <= {tuple(colour) for colour in palette.tolist()}


def test_more_colours_and_more_iterations_leave_less() -> None:
    pixels = scene()
    errors = [coded(pixels, k=k)[0].squared_error for k in (2, 8, 32, 128)]
    assert all(a > b for a, b in itertools.pairwise(errors))
    sample = draw_sample(pixels.reshape(-1, 3), 20, 512)
    start = start_spread(sample, 20, np.random.default_rng(0))
    fits = [fit(sample, start, count).inertia for count in (1, 2, 5, 20)]
    assert all(a > b for a, b in itertools.pairwise(fits))


def test_the_inertia_of_a_fit_is_that_of_its_centroids() -> None:
    sample = draw_sample(scene().reshape(-1, 3), 20, 512)
    start = start_spread(sample, 20, np.random.default_rng(0))
    for count in (0, 1, 3, 1000):
        found = fit(sample, start, count)
        want = float((nearest_by_hand(sample.points, found.centroids) * sample.weights).sum())
        assert found.inertia == pytest.approx(want, rel=1e-5)


def test_more_max_iter_leaves_less_and_one_is_one_iteration() -> None:
    pixels = scene()
    errors = [coded(pixels, k=20, max_iter=count)[0].squared_error for count in (1, 2, 4)]
    assert all(a > 1.01 * b for a, b in itertools.pairwise(errors))
    # One start at random, one move to the means, and rounding: nothing else happens.
    header, rebuilt = coded(pixels[:1], k=3, max_iter=1, start="random")
    palette = np.unique(rebuilt.reshape(-1, 3), axis=0).astype(np.float64)
    points = pixels[:1].reshape(-1, 3).astype(np.float64)
    ends = coded(pixels[:1], k=3, max_iter=1000, start="random")[0].squared_error
    assert ends < header.squared_error
    labels = ((points[:, None] - palette[None]) ** 2).sum(axis=2).argmin(axis=1)
    means = np.stack([points[labels == k].mean(axis=0) for k in range(len(palette))])
    assert np.abs(means - palette).max() > 1, "it went on until the means stayed"


def test_whole_numbers_are_no_worse_than_rounded_ones() -> None:
    pixels = scene((60, 80, 3)) // 8
    sample = draw_sample(pixels.reshape(-1, 3), 60, 512)
    found = fit(sample, start_spread(sample, 60, np.random.default_rng(0)), 20)
    found_whole = fit(sample, found.centroids, 3, whole=True)
    rounded, moved, swapped = (
        each.centroids
        for each in (
            fit(sample, found.centroids, 0, whole=True),
            fit(sample, found.centroids, 3, whole=True),
            improve(sample, found_whole, np.random.default_rng(0), 8, 10, whole=True),
        )
    )
    assert np.array_equal(moved, np.rint(moved))
    assert np.array_equal(swapped, np.rint(swapped))
    left = [nearest_by_hand(sample.points, each).sum() for each in (rounded, moved, swapped)]
    assert left[2] < left[1] < left[0]


def test_iterations_end_when_the_centroids_stay() -> None:
    sample = draw_sample(scene().reshape(-1, 3), 5, 512)
    start = start_spread(sample, 5, np.random.default_rng(0))
    ended = fit(sample, start, 1000)
    again = fit(sample, ended.centroids, 1)
    assert np.allclose(again.centroids, ended.centroids, atol=1e-3)


def test_swaps_lead_out_of_a_bad_start() -> None:
    # Ten tight groups: two centroids share the first, the last two groups share one.
    centres = np.arange(10, dtype=np.float32)[:, None] * 20
    points = (centres + np.linspace(-1, 1, 8, dtype=np.float32)).reshape(-1, 1)
    sample = Sample(points, np.ones(80, np.float32))
    start = np.concatenate([[[-1.0], [1.0]], centres[1:8], [[170.0]]]).astype(np.float32)
    stuck = fit(sample, start, 50)
    better = improve(sample, stuck, np.random.default_rng(0), 24, 10)
    assert better.inertia < 0.1 * stuck.inertia
    assert np.allclose(np.sort(better.centroids[:, 0]), centres[:, 0], atol=1e-3)


def test_empty_clusters_move_to_the_points_served_worst() -> None:
    points = np.array([[0], [1], [100], [101], [200]], np.float32)
    sample = Sample(points, np.ones(5, np.float32))
    # Two centroids at one place: the second serves nobody.
    found = fit(sample, np.array([[0], [0], [1]], np.float32), 20)
    assert sorted(found.centroids[:, 0].round(1).tolist()) == [0.5, 100.5, 200.0]


def test_a_first_frame_is_the_same_every_time_and_the_seed_changes_it() -> None:
    pixels = scene()

    def body(**options: Any) -> bytes:
        return bytes(unpack(rankcast.Encoder("kmeans", k=30, **options).encode(pixels)).body)

    assert body(seed=3) == body(seed=3)
    assert body(seed=3) != body(seed=4)
    assert body(start="random") != body(start="kmeans++")


def test_a_stream_goes_on_from_the_last_centroids_and_starts_anew_at_a_cut() -> None:
    # Darker and with less contrast: a palette that is of little use for what follows.
    first, second = scene(seed=1) // 16, scene(seed=2)
    encoder = rankcast.Encoder("kmeans", k=20, max_iter=3)
    errors = [encoder.encode_packet(pixels).header.squared_error for pixels in [first] * 4]
    assert errors[-1] is not None
    assert errors[0] is not None
    assert errors[-1] <= 1.001 * errors[0]
    cut = encoder.encode_packet(second).header.squared_error
    fresh = coded(second, k=20, max_iter=3)[0].squared_error
    assert cut is not None
    assert fresh is not None
    assert cut <= 1.1 * fresh


@pytest.mark.parametrize("seeds", [(2, 1), (3, 4)])
def test_a_stream_starts_anew_at_a_cut_to_a_plainer_and_darker_scene(
    seeds: tuple[int, int],
) -> None:
    # The error falls, whatever the palette of the scene before is worth for this one.
    bright, dim = scene(seed=seeds[0]), scene(seed=seeds[1]) // 4
    encoder = rankcast.Encoder("kmeans", k=40)
    for _ in range(2):
        encoder.encode(bright)
    cut = encoder.encode_packet(dim).header.squared_error
    fresh = coded(dim, k=40)[0].squared_error
    assert cut is not None
    assert fresh is not None
    assert cut <= 1.05 * fresh


def test_a_poor_palette_is_left_within_some_frames_though_no_cut_was_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kmeans_encoder, "CUT", np.inf)
    monkeypatch.setattr(kmeans_encoder, "improve", lambda _, found, *__, **___: found)
    noise = np.random.default_rng(0).integers(-1, 2, (50, 60, 3))

    def groups(*levels: int) -> Pixels:
        return (np.resize(levels, (50, 60))[:, :, None] + noise).clip(0, 255).astype(np.uint8)

    encoder = rankcast.Encoder("kmeans", k=10)
    encoder.encode(groups(1, 9, 40, 60, 80, 100, 120, 140, 160, 200))
    # Two centroids share the first level now, the last two levels share one.
    pixels = groups(5, 40, 60, 80, 100, 120, 140, 160, 185, 225)
    errors = [
        encoder.encode_packet(pixels).header.squared_error or 0
        for _ in range(kmeans_encoder.GLANCE_EVERY)
    ]
    assert min(errors[:-1]) > 10 * errors[-1]


def test_grey_pictures_get_levels_from_their_whole_histogram() -> None:
    pixels = scene((90, 110))
    sample = draw_sample(pixels.reshape(-1, 1), 20, 512)
    assert float(sample.weights.sum()) == pixels.size
    header, rebuilt = coded(pixels, k=9)
    assert len(np.unique(rebuilt)) <= 9
    assert header.squared_error == squared_error(pixels, rebuilt)


def test_a_k_above_the_distinct_colours_is_refused_in_one_line() -> None:
    pixels = np.zeros((8, 9, 3), np.uint8)
    pixels[2:] = (1, 2, 3)
    with pytest.raises(
        UnsupportedImageError, match=r"got k 3, want at most 2, the distinct colours"
    ) as error:
        rankcast.Encoder("kmeans", k=3).encode(pixels)
    assert "\n" not in str(error.value)
    assert np.array_equal(coded(pixels, k=2)[1], pixels)


def test_without_a_k_a_picture_of_few_colours_is_coded_exactly() -> None:
    for pixels in (np.full((5, 6), 9, np.uint8), np.zeros((1, 1, 3), np.uint16)):
        header, rebuilt = coded(pixels)
        assert np.array_equal(rebuilt, pixels)
        assert header.squared_error == 0
        assert header.params == (1,)
    header, rebuilt = coded(np.full((5, 6), 9, np.uint8), k=50, fewer_colours="code")
    assert header.params == (1,)


def test_a_camera_station_codes_dark_frames_unless_told_otherwise() -> None:
    from rankcast_sender.settings import SenderSettings

    codec = SenderSettings.model_validate({"codec": {"name": "kmeans", "kmeans": {"k": 50}}}).codec
    assert codec.chosen == {"k": 50, "fewer_colours": "code"}


@pytest.mark.parametrize(
    "options",
    [{"k": 0}, {"k": 65_537}, {"k": 2.5}, {"max_iter": 0}, {"seed": -1}, {"start": "best"},
     {"nope": 1}],
)  # fmt: skip
def test_wrong_options_are_refused_at_construction(options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(options))):
        rankcast.Encoder("kmeans", **options)


@given(st.data())
@settings(max_examples=60)
def test_palettes_and_planes_come_back(data: st.DataObject) -> None:
    colours = data.draw(st.one_of(st.integers(1, 40), st.integers(1, 65_536)))
    height, width = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 12))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    plane = rng.integers(0, colours, (height, width)).astype(np.uint16)
    if data.draw(st.booleans()):
        plane = np.sort(plane, axis=1)
    rebuilt = np.zeros_like(plane)
    assert unpack_plane(memoryview(pack_plane(plane, colours)), colours, rebuilt)
    assert np.array_equal(plane, rebuilt)
    channels = data.draw(st.integers(1, 4))
    palette = rng.integers(0, 65_536, (min(colours, 300), channels))
    body = memoryview(pack_palette(palette))
    assert np.array_equal(unpack_palette(body, len(palette), channels, 65_535), palette)


@given(st.data())
@settings(max_examples=40)
def test_distinct_colours_are_counted_right(data: st.DataObject) -> None:
    channels = data.draw(st.integers(1, 5))
    most = data.draw(st.integers(1, 60))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    colours = rng.integers(0, data.draw(st.integers(1, 6)), (50, channels)).astype(np.uint16)
    found = distinct_colours(colours, most)
    want = np.unique(colours, axis=0)
    assert len(np.unique(found, axis=0)) == len(found) == min(most, len(want))
    every, counts = counted_colours(colours, 51)
    order = np.lexsort(every.T[::-1])
    assert np.array_equal(every[order], want)
    assert np.array_equal(counts[order], np.unique(colours, axis=0, return_counts=True)[1])


@given(st.data())
@settings(max_examples=60)
def test_random_bytes_give_indices_below_the_colours_or_nothing(data: st.DataObject) -> None:
    colours = data.draw(st.sampled_from([1, 2, 3, 20, 65, 65_535, 65_536]))
    room = np.full((17, 11), 7, np.uint16)
    plane = room[5:12]
    plane[:] = 0
    body = memoryview(data.draw(st.binary(max_size=200)))
    if unpack_plane(body, colours, plane):
        assert plane.max() < colours
    assert (room[:5] == 7).all()
    assert (room[12:] == 7).all()


def test_smooth_planes_cost_less_than_their_png() -> None:
    pixels = scene((240, 320, 3))
    packet = rankcast.Encoder("kmeans", k=20).encode(pixels)
    rebuilt = rankcast.Decoder().decode(packet)
    assert len(packet) < 0.6 * len(cv2.imencode(".png", rebuilt)[1])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "k"), [("kodim03", 20), ("kodim05", 20), ("kodim02", 64), ("kodim02", 256)]
)
def test_the_distortion_is_within_four_per_cent_of_scikit_learn(
    data: Any, name: str, k: int
) -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    pixels = cv2.imread(str(data / "kodak" / f"{name}.png"))
    points = pixels.reshape(-1, 3).astype(np.float32)
    best = cluster.KMeans(k, n_init=3, random_state=0).fit(points).inertia_
    error = coded(pixels, k=k)[0].squared_error
    assert error is not None
    assert error <= 1.04 * best


@pytest.mark.slow
def test_small_pictures_are_within_four_per_cent_of_scikit_learn_too() -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    pixels = scene()
    points = pixels.reshape(-1, 3).astype(np.float32)
    best = cluster.KMeans(20, n_init=3, random_state=0).fit(points).inertia_
    error = coded(pixels, k=20)[0].squared_error
    assert error is not None
    assert error <= 1.04 * best


def drawing() -> Pixels:
    """Some 100 colours, nearly all of whose pixels are of a few: a sample misses the others."""
    rng = np.random.default_rng(2)
    colours = rng.integers(0, 60, (100, 3)).astype(np.uint8)
    shares = 0.8 ** np.arange(100)
    return colours[rng.choice(100, (400, 600), p=shares / shares.sum())]


@pytest.mark.slow
def test_pictures_of_few_colours_are_within_four_per_cent_of_scikit_learn() -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    pixels = drawing()
    colours, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    for k in (20, 40):
        theirs = cluster.KMeans(k, n_init=10, random_state=0).fit(colours, None, counts)
        best = nearest_by_hand(colours, np.rint(theirs.cluster_centers_)) @ counts
        encoder = rankcast.Encoder("kmeans", k=k)
        first, second = (encoder.encode_packet(pixels).header.squared_error for _ in range(2))
        assert first is not None
        assert second is not None
        assert first <= 1.04 * best
        assert second <= first, "the stream went on from a worse palette"


def test_many_colours_are_within_four_per_cent_of_scikit_learn() -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    pixels = scene((60, 90, 3))
    points = pixels.reshape(-1, 3).astype(np.float32)
    theirs = cluster.KMeans(500, n_init=2, random_state=0).fit(points)
    # A palette is of whole numbers, and so is theirs that it is compared with.
    best = nearest_by_hand(points, np.rint(theirs.cluster_centers_)).sum()
    error = coded(pixels, k=500)[0].squared_error
    assert error is not None
    assert error <= 1.04 * best
