"""Credentials of a camera's URL appear nowhere."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rankcast.errors import SettingsError
from rankcast_sender.grabber import CameraOptions, StreamOptions
from rankcast_sender.grabber.driver_log import DriverLog
from rankcast_sender.sources import (
    check_query,
    parse_source,
    secrets_of,
    shown_url,
)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://anna:s3cret@cam:554/stream", "rtsp://cam:554/stream"),
        ("rtsp://cam/stream?channel=1", "rtsp://cam/stream"),
        ("http://cam/video?user=anna&pwd=s3cret", "http://cam/video"),
        ("http://cam/video?mail=a@b", "http://cam/video"),
        ("rtsp://anna:p%40ss%2Fw%3Frd@cam/stream", "rtsp://cam/stream"),
        ("http://anna:s3cret@cam/video?token=a@b", "http://cam/video"),
        ("rtsp://anna@cam/stream#part", "rtsp://cam/stream"),
        ("http://[::1]:80/video", "http://[::1]:80/video"),
        ("rtsp://cam/user=anna_password=s3cret_channel=1_stream=0.sdp?real", "rtsp://cam/***"),
        ("rtsp://cam:554/user=anna&password=s3/cret&channel=1.sdp", "rtsp://cam:554/***"),
        ("rtsp://cam/live/password=s3cret/1", "rtsp://cam/live/***"),
        ("rtsp://cam/live/channel=1/user_2", "rtsp://cam/live/channel=1/user_2"),
    ],
)
def test_a_url_is_shown_without_credentials_and_query(url: str, shown: str) -> None:
    assert shown_url(url) == shown
    assert str(parse_source(url)) == shown


PASSWORD = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=5, max_size=12)


@given(PASSWORD)
@example("@00?=")
def test_no_password_survives_in_what_is_shown_or_what_a_driver_prints(password: str) -> None:
    url = f"rtsp://anna:{password}@station-7/stream?token={password}"
    try:
        shown = str(parse_source(url))
    except SettingsError as exc:
        shown = str(exc)
    else:
        log = DriverLog("cam", secrets_of(url))
        printed = log.redact(f"open {url} failed, password {password} is wrong")
        assert password not in printed.replace("***", "")
    assert password not in shown


@pytest.mark.parametrize("password", ["s3cret", "s3_cret", "s3_c=ret", "s3/cret", "s3%40cret"])
@pytest.mark.parametrize("between", ["_", "&"])
def test_what_a_driver_prints_has_no_password_of_a_path(password: str, between: str) -> None:
    path = between.join(["user=anna", f"password={password}", "channel=1", "stream=0.sdp"])
    url = f"rtsp://cam/{path}?real_stream"
    log = DriverLog("cam", secrets_of(url))
    for text in (url, path, password, password.replace("%40", "@")):
        printed = log.redact(f"open {text} failed: 401")
        assert "cret" not in printed
        assert printed.endswith(" failed: 401")


def checked(source: str) -> StreamOptions:
    uri = parse_source(source)
    return check_query(StreamOptions, uri.with_options(StreamOptions.model_fields))


@pytest.mark.parametrize(
    "source",
    [
        "ftp://anna:s3cret@cam/a",
        "rtsp:anna:s3cret",
        "rtsp://anna:s3cret@",
        "rtsp://anna:s3cret@cam/a b",
        "rtsp://anna:s3cret/@cam/a",
        "rtsp://anna:s3cret@x@cam/a",
        "rtsp://anna:s3cret@cam/a?freeze_s=s",
        "rtsp://anna:s3cret@cam/a?transport=udp&transport=tcp",
    ],
)
def test_no_error_about_a_source_shows_them(source: str) -> None:
    with pytest.raises(SettingsError) as caught:
        checked(source)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "camera:rtsp://anna:s3cret@cam/a",
        "camera:rtsp://anna:s3cret@cam/a?fps=fast",
        "camera:rtsp://anna:s3cret@cam/a?fps=1&fps=2",
        "camera:0?backend=rtsp://anna:s3cret@cam/a",
        "camera:0?rtsp://anna:s3cret@cam/a",
    ],
)
def test_a_url_behind_another_scheme_is_refused_without_them(source: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_query(CameraOptions, parse_source(source))
    assert "s3cret" not in str(caught.value)


def test_a_source_shows_no_credentials_whatever_its_scheme() -> None:
    assert str(parse_source("replay:rtsp://anna:s3cret@cam/a?fps=5")) == (
        "replay:rtsp://***@cam/a?fps=5"
    )
    assert str(parse_source("replay:anna:s3cret@cam/a")) == "replay:***@cam/a"
    assert str(parse_source("camera:anna:s3cret@cam")) == "camera:***@cam"
    assert str(parse_source("replay:/data/line@2/*.png")) == "replay:/data/line@2/*.png"


def test_the_error_about_a_url_behind_camera_says_what_to_write() -> None:
    with pytest.raises(SettingsError, match=r"write the URL itself as the source: rtsp://\.\.\."):
        check_query(CameraOptions, parse_source("camera:rtsp://anna:s3cret@cam/a"))


def test_options_of_ours_are_taken_from_the_query_and_the_rest_is_the_cameras() -> None:
    uri = parse_source("rtsp://cam/live?channel=1&timeout_s=3&subtype=0&transport=udp")
    uri = uri.with_options(StreamOptions.model_fields)
    assert uri.path == "//cam/live?channel=1&subtype=0"
    options = check_query(StreamOptions, uri)
    assert (options.timeout_s, options.transport) == (3.0, "udp")
