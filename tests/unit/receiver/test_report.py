"""The receiver's report says of every frame how near it is."""

from __future__ import annotations

import math

from rankcast.frame import Coding
from rankcast.rank_cut import CutCounts
from rankcast_receiver.report import Outcome, Tally, build_report
from rankcast_receiver.sinks import SinkRunner
from support.fakes import FakeSink


def test_a_receiver_that_cuts_packets_reports_what_it_saved_and_others_nothing() -> None:
    runners, tally = [SinkRunner("count", FakeSink, live=True)], Tally()
    outcome = Outcome(cut_counts=CutCounts(7, 2, 900, 400))
    cut = build_report(runners, tally, outcome, 1.0, rank=20)["rank_cut"]
    assert cut == {"rank": 20, "cut": 7, "uncut": 2, "bytes_before": 900, "bytes_after": 400}
    assert build_report(runners, tally, Outcome(), 1.0)["rank_cut"] is None


def test_rank_energy_and_error_of_all_frames_are_in_the_report() -> None:
    tally = Tally()
    for coding in (
        Coding("svd", 1000, rank=(12, 6, 6), energy=0.99, psnr_db=40.0),
        Coding("svd", 500, rank=(2, 6, 6), energy=0.95, psnr_db=30.0),
        Coding("svd", 3000, rank=(72, 36, 36), energy=1.0, psnr_db=math.inf),
    ):
        tally.add(coding)
    report = build_report([SinkRunner("count", FakeSink, live=True)], tally, Outcome(), 1.0)
    assert report["bytes_per_frame"] == 1500
    assert (report["psnr_db"], report["psnr_min_db"], report["exact_frames"]) == (35.0, 30.0, 1)
    assert (report["energy"], report["energy_min"]) == (0.98, 0.95)
    assert (report["rank"], report["rank_min"], report["rank_max"]) == (182 / 9, 2, 72)
