"""LogTable: defaults and bounds of ``[log]``."""

from __future__ import annotations

import pytest

from rankcast.errors import SettingsError
from rankcast.settings import LogTable, Table, set_layers, validate


class Settings(Table):
    log: LogTable = LogTable()


def test_status_is_logged_once_a_minute_as_text_by_default() -> None:
    table = validate(Settings, []).log
    assert (table.status_interval_s, table.format) == (60.0, "text")


def test_values_within_the_bounds_are_taken() -> None:
    table = validate(Settings, set_layers(["log.status_interval_s=1", "log.format=json"])).log
    assert (table.status_interval_s, table.format) == (1.0, "json")


@pytest.mark.parametrize(
    "text",
    ["log.status_interval_s=0", "log.status_interval_s=86401", "log.status_interval_s=nan",
     "log.format=xml", "log.level=1"],
)  # fmt: skip
def test_anything_else_names_the_key(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^--set .*: \[log\] (status_interval_s|format|level)"):
        validate(Settings, set_layers([text]))
