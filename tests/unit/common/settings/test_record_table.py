"""The table [record]: what may be combined, and what a wrong value says."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from rankcast.settings import RecordTable


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"file": "a.mkv"}, "ends in .mcap"),
        ({"file": ".mcap"}, "ends in .mcap"),
        ({"file": "folder/.mcap"}, "ends in .mcap"),
        ({"pre_s": 5.0}, "give --record FILE.mcap too"),
        ({"sync_frames": 1}, r"--sync \(record.sync_frames\) without a recording: give --record"),
        (
            {"max_age_s": 9.0, "ring_bytes": 70_000},
            r"--record-max-age \(record.max_age_s\), record.ring_bytes without a recording",
        ),
        ({"min_free_bytes": 1, "trigger_meta": "x"}, "--record-min-free"),
        ({"file": "a.mcap", "trigger_meta": "line1"}, "give --pre-trigger or --post-trigger"),
        ({"file": "a.mcap", "max_bytes": 10**6}, "--record-segment-bytes 250000"),
        ({"file": "a.mcap", "pre_s": -1.0}, "greater than or equal to 0"),
    ],
)
def test_a_wrong_table_says_what_to_give(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says.replace(".", r"\.")):
        RecordTable(**values)


def test_events_are_recorded_with_a_span_before_or_after_a_trigger() -> None:
    assert not RecordTable(file="a.mcap").events
    assert RecordTable(file="a.mcap", pre_s=1.0).events
    assert RecordTable(file="a.mcap", post_s=1.0, trigger_meta="line1").events
    assert RecordTable(file="a.mcap", max_bytes=10**6, segment_bytes=250_000)
