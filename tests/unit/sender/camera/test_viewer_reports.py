"""Reports of viewers: the newest of each counts, old ones go, strangers cannot fill memory."""

from __future__ import annotations

from rankcast_sender.camera import ViewerReport, ViewerReports
from rankcast_sender.camera.viewer_reports import FORGOTTEN_S, MAX_VIEWERS


def test_losses_add_up_the_worst_latency_counts_and_silent_viewers_are_forgotten() -> None:
    reports = ViewerReports()
    reports.put(b"a", ViewerReport(10, 1, 20.0), 0.0)
    reports.put(b"a", ViewerReport(20, 3, 30.0), 1.0)
    reports.put(b"b", ViewerReport(5, 2), 4.0)
    total = reports.total(4.0)
    assert (total.viewers, total.lost, total.latency_p99_ms) == (2, 5, 30.0)
    total = reports.total(1.0 + FORGOTTEN_S + 0.1)
    assert (total.viewers, total.lost, total.latency_p99_ms) == (1, 2, None)


def test_the_number_of_viewers_is_bounded() -> None:
    reports = ViewerReports()
    for number in range(MAX_VIEWERS):
        assert reports.put(b"%d" % number, ViewerReport(1, 0), 0.0)
    assert not reports.put(b"one more", ViewerReport(1, 0), 1.0)
    assert reports.put(b"0", ViewerReport(2, 0), 1.0)
    assert reports.put(b"one more", ViewerReport(1, 0), FORGOTTEN_S + 0.5)
    assert reports.total(FORGOTTEN_S + 0.5).viewers == 2
