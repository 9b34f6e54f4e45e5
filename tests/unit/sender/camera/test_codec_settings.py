"""CodecSettings: all options change or none, and the encoder takes each change once."""

from __future__ import annotations

import pytest

from rankcast.errors import SettingsError
from rankcast_sender.camera import CodecSettings


@pytest.fixture
def settings() -> CodecSettings:
    return CodecSettings("svd-patch", {"quality": 60})


def test_what_is_set_counts_at_once_and_is_taken_once(settings: CodecSettings) -> None:
    assert settings.take() is None
    assert settings.in_force["quality"] == 60
    settings.set({"gop": 7})
    assert settings.in_force["gop"] == 7
    assert settings.take() == {"quality": 60, "gop": 7}
    assert settings.take() is None


def test_a_wrong_value_changes_nothing(settings: CodecSettings) -> None:
    before = settings.in_force
    for refuse in (settings.check, settings.set):
        with pytest.raises(SettingsError, match="gop"):
            refuse({"quality": 30, "gop": 0})
    assert settings.in_force == before
    assert settings.take() is None


def test_an_option_replaces_those_that_it_excludes(settings: CodecSettings) -> None:
    settings.check({"psnr": 38.0})
    settings.set({"psnr": 38.0})
    assert settings.take() == {"psnr": 38.0}
    assert "quality" not in settings.in_force
