"""Times in the past, as options give them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import SettingsError
from rankcast.nats import Since, parse_since

NOW_NS = 1_800_000_000 * 10**9


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400), ("1d", 86_400), ("0s", 0)]
)
def test_how_long_ago_counts_from_the_clock_of_the_server(text: str, seconds: float) -> None:
    assert parse_since(text).at_ns(NOW_NS) == NOW_NS - int(seconds * 1e9)


def test_a_time_with_a_zone_is_that_time() -> None:
    wanted = Since(t_utc_ns=1_796_000_400_000_000_000)
    assert parse_since("2026-11-30T01:00:00Z") == wanted
    assert parse_since("2026-11-30T02:00:00+01:00") == wanted
    assert wanted.at_ns(NOW_NS) == wanted.t_utc_ns


@pytest.mark.parametrize(
    "text", ["", "10", "m", "-5m", "5 m", "10y", "2026-11-30T01:00:00", "1900-01-01T00:00:00Z", "x"]
)
def test_anything_else_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(SettingsError, match="such as 90s, 10m, 2h or 1d"):
        parse_since(text)


@given(st.text(max_size=30))
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    with suppress(SettingsError):
        assert parse_since(text).at_ns(NOW_NS) >= 0
