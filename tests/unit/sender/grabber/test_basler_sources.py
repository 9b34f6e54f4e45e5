"""Options of ``basler:``, and a station without pypylon; nothing here needs it."""

from __future__ import annotations

import importlib.util

import pytest

from rankcast.errors import SettingsError
from rankcast_sender.grabber import BaslerOptions, basler_spec
from rankcast_sender.settings import CameraTable
from rankcast_sender.source_opener import source_opener
from rankcast_sender.sources import check_query, parse_source, supported_names


def options(query: str) -> BaslerOptions:
    return check_query(BaslerOptions, parse_source(f"basler:40012345?{query}"))


def test_without_pypylon_the_sender_ends_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SettingsError) as refusal:
        source_opener(CameraTable(source="basler:40012345"))
    assert str(refusal.value) == "source basler: needs pypylon: pip install 'rankcast[basler]'"
    assert refusal.value.exit_code == 2


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("pixel_format=mono12", r"got pixel format 'mono12', want one of Mono8, .* \(options: "),
        ("exposure=nan", "exposure = 'nan'"),
        ("width=0", "width = '0'"),
        ("offset_x=-1", "offset_x = '-1'"),
        ("trigger=maybe", "trigger = 'maybe'"),
        ("trigger_source=Line 1", "trigger_source = 'Line 1'"),
        ("line=Line 1", "line = 'Line 1'"),
        ("colour=red", "has no option 'colour'; its options: .*pixel_format"),
    ],
)
def test_a_wrong_option_is_one_line_before_a_camera_is_looked_for(query: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as refusal:
        options(query)
    assert "\n" not in str(refusal.value)


def test_the_process_learns_the_camera_its_settings_and_the_formats_that_are_unpacked() -> None:
    spec = basler_spec("40012345", options("pixel_format=RGB8Packed&exposure=250"))
    assert spec.name == "basler:40012345"
    assert spec.options["path"] == "40012345"
    assert spec.options["pixel_format"] == "RGB8Packed"
    assert spec.options["exposure"] == 250
    assert spec.options["gain"] is None
    assert str(spec.options["formats"]).split() == list(supported_names())
