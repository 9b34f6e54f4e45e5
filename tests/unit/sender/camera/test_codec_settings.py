"""CodecSettings: all options change or none, and what the encode thread cannot use is undone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from rankcast.errors import SettingsError
from rankcast_sender.camera import CodecSettings


@pytest.fixture
def settings() -> CodecSettings:
    return CodecSettings("svd-patch", {"quality": 60})


def taken(settings: CodecSettings) -> Mapping[str, Any] | None:
    """The options that the encode thread gets, and can use."""
    change = settings.take()
    if change is None:
        return None
    settings.settle(change)
    return change.trial.options


def test_what_is_set_counts_at_once_and_is_taken_once(settings: CodecSettings) -> None:
    assert taken(settings) is None
    assert settings.in_force["quality"] == 60
    settings.set({"gop": 7})
    assert settings.in_force["gop"] == 7
    assert taken(settings) == {"quality": 60, "gop": 7}
    assert taken(settings) is None


def test_a_wrong_value_changes_nothing(settings: CodecSettings) -> None:
    before = settings.in_force
    for refuse in (settings.check, settings.set):
        with pytest.raises(SettingsError, match="gop"):
            refuse({"quality": 30, "gop": 0})
    assert settings.in_force == before
    assert taken(settings) is None


def test_an_option_replaces_those_that_it_excludes(settings: CodecSettings) -> None:
    settings.check({"psnr": 38.0})
    settings.set({"psnr": 38.0})
    assert taken(settings) == {"psnr": 38.0}
    assert "quality" not in settings.in_force


def test_options_that_no_frame_can_be_coded_with_are_undone_and_the_reason_is_kept(
    settings: CodecSettings,
) -> None:
    settings.set({"gop": 7})
    assert taken(settings) is not None
    settings.set({"gop": 8})
    change = settings.take()
    assert change is not None
    settings.settle(change, "not on a Sunday")
    assert settings.in_force["gop"] == 7
    assert change.confirm() == settings.refusal == "not on a Sunday"
    settings.set({"quality": 5})
    assert settings.refusal == ""
    assert taken(settings) == {"quality": 5, "gop": 7}


def test_a_change_that_waits_is_not_undone_with_the_one_before(settings: CodecSettings) -> None:
    settings.set({"gop": 7})
    change = settings.take()
    assert change is not None
    settings.set({"quality": 5})
    settings.settle(change, "not on a Sunday")
    assert settings.in_force["quality"] == 5
    assert taken(settings) == {"quality": 5, "gop": 7}


def test_two_changes_between_two_frames_are_taken_together(settings: CodecSettings) -> None:
    settings.set({"gop": 7})
    settings.set({"quality": 5})
    assert taken(settings) == {"quality": 5, "gop": 7}


def test_a_change_tried_before_another_was_made_is_not_applied(settings: CodecSettings) -> None:
    late = settings.prepare({"gop": 7})
    settings.set({"quality": 5})
    assert not late.apply()
    assert settings.in_force["quality"] == 5


def test_options_that_fail_later_give_way_to_those_of_the_start(settings: CodecSettings) -> None:
    settings.set({"gop": 7})
    assert taken(settings) is not None
    settings.reset("out of memory")
    assert settings.in_force == CodecSettings("svd-patch", {"quality": 60}).in_force
    assert settings.refusal == "out of memory"
