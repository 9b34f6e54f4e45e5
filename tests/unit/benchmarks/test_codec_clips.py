"""The comparison of streams, from clips to rows, on clips of a few small frames."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from support.comparing import picture

Benchmark = Callable[[str], ModuleType]


def test_clips_of_every_kind_end_in_rows_beside_all_peers(
    benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec, clips, pictures, rate = map(
        benchmark, ("codec", "codec_clips", "codec_pictures", "codec_rate")
    )
    texture = picture((65, 128, 3))
    clip = [np.roll(texture, 2 * number, axis=1) for number in range(5)]
    for kind in ("video_clips", "sequences", "moving_clips", "synthetic_clips", "noisy_clips"):
        monkeypatch.setattr(pictures, kind, lambda *_, name=kind: {name: clip})
    found = clips.clips(rate.Tested("svd-patch"), None, 5, 250, quick=True)
    assert {one["kind"] for one in found["clips"].values()} == set(clips.KINDS)
    for one in found["clips"].values():
        assert one["shape"] == [64, 128, 3], "an odd row is left out for every coder"
        assert set(one["ratio"]) == {"fast", "default", "best"}
    rows = codec.rows({"clips": found})
    # Every figure has a row but those of the peers that the installation lacks.
    expected = [figure for figure in codec.FIGURES if figure.path.startswith("clips/")]
    lacked = {codec.PEER_NAMES[name] for name in found["left_out"]}
    assert len(rows) == sum(figure.peer not in lacked for figure in expected)
    for row in rows:
        value = row.ratio if row.value is None else row.value
        assert value is not None
        assert -20 < value < 20
    assert "## Clips" in benchmark("codec_detail").markdown({"run": {"codec": "x"}, "clips": found})


@pytest.mark.slow
def test_a_camera_that_pans_moves_the_picture_and_stays_within_it(benchmark: Benchmark) -> None:
    pictures = benchmark("codec_pictures")
    made = pictures.moving_clips(None, 3, 1)
    assert [name.split("-")[0] for name in made] == ["pan", "shaken"]
    for frames in made.values():
        assert len(frames) == 3
        assert len({frame.shape for frame in frames}) == 1
        assert not np.array_equal(frames[0], frames[1])
    assert [pictures._bounced(place, 4) for place in range(10)] == [0, 1, 2, 3, 4, 3, 2, 1, 0, 1]
