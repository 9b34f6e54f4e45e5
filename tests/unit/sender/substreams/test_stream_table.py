"""Settings of substreams: one camera or several, in files and with --set."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from rankcast.errors import SettingsError
from rankcast.settings import Layer, set_layers
from rankcast_sender.camera_tables import camera_settings, cameras_to_toml

ONE = """
[camera]
name = "line3"
[codec]
bitrate = "8 Mbit/s"
[[camera.stream]]
name = "sub"
scale = "1/2"
bitrate = "500 kbit/s"
[camera.stream.codec]
gop = 50
[[camera.stream]]
name = "door"
roi = [0, 0, 100, 80]
fps = 5.0
"""
SEVERAL = """
[[camera]]
name = "left"
[[camera.stream]]
name = "sub"
scale = "1/4"
[camera.stream.codec]
name = "jpeg"
[camera.codec]
name = "svd"
[[camera]]
name = "right"
"""


def settings(text: str, *sets: str) -> list[Any]:
    return camera_settings([Layer("sender.toml", tomllib.loads(text)), *set_layers(sets)])


def test_a_stream_has_the_codec_of_its_camera_with_its_own_changes() -> None:
    (camera,) = settings(ONE)
    sub, door = camera.camera.stream
    codec = sub.codec_beside(camera.codec)
    assert (codec.name, codec.chosen["bitrate"], codec.chosen["gop"]) == (
        "svd-patch",
        "500 kbit/s",
        50,
    )
    assert door.codec_beside(camera.codec).chosen["bitrate"] == "8 Mbit/s"
    assert (sub.divisor, sub.roi, door.divisor, door.roi) == (2, [], 1, [0, 0, 100, 80])


def test_quality_replaces_the_bit_rate_of_the_camera() -> None:
    (camera,) = settings(ONE, 'camera.stream=[{name="sub", quality=40}]')
    chosen = camera.camera.stream[0].codec_beside(camera.codec).chosen
    assert chosen["quality"] == 40
    assert "bitrate" not in chosen


def test_a_substream_takes_less_processor_time_unless_it_is_told_otherwise() -> None:
    best = 'camera.stream=[{name="sub", codec={effort="best"}}]'
    table = 'camera.stream=[{name="sub", codec={svd-patch={effort="default"}}}]'
    for sets, effort in (((), "fast"), ((best,), "best"), ((table,), "default")):
        (camera,) = settings(ONE, "codec.effort=best", *sets)
        codec = camera.camera.stream[0].codec_beside(camera.codec)
        assert codec.effective["effort"] == effort


def test_each_camera_has_its_own_streams() -> None:
    left, right = settings(SEVERAL)
    assert [stream.name for stream in left.camera.stream] == ["sub"]
    assert left.camera.stream[0].codec_beside(left.codec).name == "jpeg"
    assert left.codec.name == "svd"
    assert right.camera.stream == []


@pytest.mark.parametrize("text", [ONE, SEVERAL])
def test_what_check_prints_can_be_read_again(text: str) -> None:
    before = settings(text)
    printed = cameras_to_toml(before)
    again = settings(printed)
    assert [each.camera for each in again] == [each.camera for each in before]
    for one, two in zip(before, again, strict=True):
        for stream in one.camera.stream:
            codec = stream.codec_beside(one.codec)
            assert stream.codec_beside(two.codec).effective == codec.effective


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ('[{scale="1/2"}]', "name is missing"),
        ('[{name="main"}]', "want 1 to 16 of"),
        ('[{name="sub", scale="1/3"}]', "scale = '1/3': want '1', '1/2' or '1/4'"),
        ('[{name="sub", roi=[1, 2, 3]}]', r"want \[x, y, width, height\]"),
        ('[{name="sub", roi=[1, 2, 3, 0]}]', r"want \[x, y, width, height\]"),
        ('[{name="sub", rio=[1]}]', "rio is unknown; known here: name, scale"),
        ('[{name="sub"}, {name="sub"}]', "two streams are named sub"),
        ('[{name="sub", bitrate="soon"}]', "stream sub of camera cam: got bit rate 'soon'"),
        ('[{name="sub", codec={name="svd"}, quality=3}]', "svd has no option 'quality'"),
        ('[{name="sub", codec={name="tiff"}}]', "tiff"),
        ("sub", "want a valid list"),
        ("[" + ",".join(f'{{name="s{n}"}}' for n in range(9)) + "]", "at most 8"),
    ],
)  # fmt: skip
def test_a_wrong_stream_is_refused_in_one_line(sets: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        settings("", f"camera.stream={sets}")
    assert "\n" not in str(caught.value)
    assert "--set camera.stream" in str(caught.value) or "camera cam" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("camera.realtime=false", "needs realtime = true"),
        ("camera.fps=2.0", "fps = 5 is more than"),
    ],
)
def test_streams_that_do_not_fit_the_camera_are_refused(change: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        settings(ONE, change)
