"""Source URIs: taken apart, and their options checked in one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import SettingsError
from rankcast_sender.grabber import CameraOptions
from rankcast_sender.sources import check_query, parse_source
from rankcast_sender.sources.replay import ReplayOptions
from rankcast_sender.sources.synthetic import ConveyorOptions
from rankcast_sender.sources.uri import SCHEMES, SourceOptions


@pytest.mark.parametrize(
    ("text", "scheme", "path", "query"),
    [
        ("camera:0", "camera", "0", {}),
        ("camera:0?width=1920&height=1080", "camera", "0", {"width": "1920", "height": "1080"}),
        ("camera:/dev/video0", "camera", "/dev/video0", {}),
        ("CAMERA:0", "camera", "0", {}),
        ("replay:img_?.png", "replay", "img_?.png", {}),
        ("replay:img_??.png?fps=5", "replay", "img_??.png", {"fps": "5"}),
        ("replay:a?b=c?loop=1", "replay", "a?b=c", {"loop": "1"}),
        ("replay:what?", "replay", "what?", {}),
        ("replay:a b/ü.png", "replay", "a b/ü.png", {}),
        (r"replay:C:\frames\*.png?loop=true", "replay", r"C:\frames\*.png", {"loop": "true"}),
        ("replay:100%25.png", "replay", "100%25.png", {}),
        ("camera:0?fourcc=%4DJPG", "camera", "0", {"fourcc": "MJPG"}),
        ("camera:0?fourcc=Y16%20", "camera", "0", {"fourcc": "Y16 "}),
        ("camera:0?exposure=", "camera", "0", {"exposure": ""}),
        ("rtsp://cam:554/a?channel=1", "rtsp", "//cam:554/a?channel=1", {}),
        ("HTTPS://cam/video", "https", "//cam/video", {}),
        ("python:./my.py:make?a=1", "python", "./my.py:make", {"a": "1"}),
    ],
)
def test_parts_of_a_source(text: str, scheme: str, path: str, query: dict[str, str]) -> None:
    uri = parse_source(text)
    assert (uri.scheme, uri.path, dict(uri.query)) == (scheme, path, query)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "camera:"),
        ("0", "camera:"),
        ("conveyor", "synthetic:"),
        ("ftp://host/a", "camera:..., replay:..., synthetic:..."),
        ("rtsp:cam", "want rtsp://"),
        ("http://", "want http://"),
        ("camera:", "path after the colon"),
        ("camera:?width=3", "path after the colon"),
        ("replay:a\0b", "path after the colon"),
        ("camera:0?width=1&width=2", "'width' twice"),
    ],
)
def test_what_is_no_source_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message.replace("?", r"\?")) as caught:
        parse_source(text)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_a_source_or_a_settings_error(text: str) -> None:
    for candidate in (text, f"replay:{text}", f"camera:0?{text}"):
        try:
            uri = parse_source(candidate)
        except SettingsError as exc:
            message = str(exc)
        else:
            message = ""
            assert uri.scheme in SCHEMES
            assert uri.path
        assert "\n" not in message


def test_text_becomes_typed_options() -> None:
    uri = parse_source("camera:0?width=1920&exposure=-6.5&fourcc=MJPG&fps=30&timeout_s=2")
    options = check_query(CameraOptions, uri)
    assert (options.width, options.exposure, options.fourcc) == (1920, -6.5, "MJPG")
    assert (options.fps, options.timeout_s, options.buffers) == (30.0, 2.0, None)
    assert check_query(ReplayOptions, parse_source("replay:x?loop=true")).loop is True


def test_overrides_win_over_the_query_and_none_is_no_override() -> None:
    uri = parse_source("replay:x?fps=5&loop=0")
    assert check_query(ReplayOptions, uri, fps=7, loop=None).fps == 7.0
    assert check_query(ReplayOptions, uri, fps=None, loop=True).fps == 5.0


@pytest.mark.parametrize(
    ("model", "text", "parts"),
    [
        (CameraOptions, "camera:0?widht=3", ["widht", "width", "height", "timeout_s"]),
        (CameraOptions, "camera:0?width=wide", ["width", "'wide'", "integer"]),
        (CameraOptions, "camera:0?width=0", ["width", "'0'", "at least 1"]),
        (CameraOptions, "camera:0?width=1.5", ["width", "integer"]),
        (CameraOptions, "camera:0?gain=nan", ["gain", "finite"]),
        (CameraOptions, "camera:0?fourcc=MJPEG", ["fourcc", "MJPEG"]),
        (CameraOptions, "camera:0?backend=qt", ["backend", "v4l2"]),
        (CameraOptions, "camera:0?fps=0", ["fps", "more than 0"]),
        (ReplayOptions, "replay:x?loop=maybe", ["loop", "maybe", "boolean"]),
        (ReplayOptions, "replay:x?bits=17", ["bits", "16"]),
        (ConveyorOptions, "synthetic:conveyor?width=10", ["width", "64"]),
        (ConveyorOptions, "synthetic:conveyor?noise=-1", ["noise", "0"]),
        (ConveyorOptions, "synthetic:conveyor?dtype=float32", ["dtype", "uint16"]),
        (ConveyorOptions, "synthetic:conveyor?bits=9", ["bits = 9", "8 or 10 or 12 or 16"]),
        (ConveyorOptions, "synthetic:conveyor?bits=12&dtype=uint8", ["bits = 12", "8 with uint8"]),
        (
            ConveyorOptions,
            "synthetic:conveyor?width=16384&height=16384",
            ["16384x16384", "33554432"],
        ),
        (ConveyorOptions, "synthetic:marble", ["synthetic:marble", "synthetic:conveyor"]),
    ],
)
def test_wrong_options_are_refused_in_one_line(
    model: type[SourceOptions], text: str, parts: list[str]
) -> None:
    with pytest.raises(SettingsError) as caught:
        check_query(model, parse_source(text))
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message, message
