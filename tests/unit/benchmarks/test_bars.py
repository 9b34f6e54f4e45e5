"""Every bar of a benchmark can be missed, each on its own."""

from __future__ import annotations

import signal
from collections.abc import Callable
from copy import deepcopy
from types import ModuleType
from typing import Any

import pytest

Benchmark = Callable[[str], ModuleType]


def missed(rows: list[Any]) -> list[str]:
    return [row.what for row in rows if row.missed]


def changed(result: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """Copy `result` with one figure replaced."""
    copy = deepcopy(result)
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copy


def test_one_descriptor_more_at_the_end_of_a_soak_is_growth(benchmark: Benchmark) -> None:
    soak = benchmark("soak")
    samples = [
        # A reconnection opens some descriptors for a moment, which is not growth.
        soak.Sample(at, 80.0 + at / 600, 9, 20 + 3 * (at % 10 == 0) + (at > 1500))
        for at in range(1800)
    ]
    found = {what: soak.growth(samples, what) for what in soak.MAX_GROWTH}
    assert found == {"memory_mb": pytest.approx(1.5, abs=0.01), "threads": 0, "descriptors": 1}
    assert [what for what, most in soak.MAX_GROWTH.items() if found[what] > most] == ["descriptors"]


def quiet_soak(soak: ModuleType) -> dict[str, Any]:
    """Return the result of a flawless run."""
    return {
        "minutes": 30.0,
        "exit_codes": (0, 0),
        "events": {"calm": 60, **dict.fromkeys(soak.FAULTS, 10)},
        "growth": {end: dict.fromkeys(soak.MAX_GROWTH, 0.0) for end in soak.JUDGED},
        **{end: {"published": 54_000, "balanced": True} for end in ("sent", "received", "viewer")},
    }


def test_a_soak_fails_for_each_of_its_reasons_alone(benchmark: Benchmark) -> None:
    soak = benchmark("soak")
    quiet = quiet_soak(soak)
    assert missed(soak.rows(quiet)) == []
    for path, value, what in (
        (("received", "published"), 53_999, "difference between the counts"),
        (("viewer", "balanced"), False, "ledgers that do not balance"),
        (("growth", "sender", "memory_mb"), 4.1, "growth of the sender: memory"),
        (("growth", "receiver", "descriptors"), 1.0, "growth of the receiver: descriptors"),
        (("events", "reset"), 0, "kinds of faults that never occurred"),
        (("exit_codes",), (0, -9), "processes that ended with an error"),
    ):
        (name,) = missed(soak.rows(changed(quiet, path, value)))
        assert name.startswith(what)
    short = changed(quiet | {"minutes": 2.0}, ("events", "reset"), 0)
    assert missed(soak.rows(short)) == [], "a short run need not have every kind"


def test_each_bar_of_a_flood_can_be_missed_and_an_attack_that_did_too_little_fails(
    benchmark: Benchmark,
) -> None:
    flood = benchmark("flood")
    row = {"lasts_s": 10.0, "rss_growth_mb": 16.0, "frames_kept": 0.95, "sender_cores": 0.5}
    good = {name: row | {"done": 10 * attack.least_s} for name, attack in flood.ATTACKS.items()}
    assert missed(flood.rows(good)) == []
    for name, attack in flood.ATTACKS.items():
        title = name.replace("_", " ")
        for key, value, what in (
            ("done", 10 * attack.least_s - 1, "connections, messages or bytes a second"),
            ("rss_growth_mb", 200.1 if attack.admitted else 16.1, "growth of the sender"),
            ("frames_kept", 0.949, "share of frames that the viewers kept"),
        ):
            broken = good | {name: good[name] | {key: value}}
            assert missed(flood.rows(broken)) == [f"{title}: {what}"]


def test_a_peer_that_may_connect_may_cost_more_memory_than_a_stranger(benchmark: Benchmark) -> None:
    flood = benchmark("flood")
    row = {"lasts_s": 1.0, "done": 1e9, "rss_growth_mb": 200.0, "frames_kept": 0.95,
           "sender_cores": 0.5}  # fmt: skip
    strangers = [name for name, attack in flood.ATTACKS.items() if not attack.admitted]
    for name in flood.ATTACKS:
        assert bool(missed(flood.rows({name: row}))) is (name in strangers)
    assert [name for name in flood.ATTACKS if name not in strangers] == [
        "admitted_peer", "polite_peer", "leavers", "open_peer", "crowd",
    ]  # fmt: skip


def test_each_bar_of_many_cameras_can_be_missed(benchmark: Benchmark) -> None:
    cameras = benchmark("cameras")
    good = {"cameras": 8, "published": 240, "network": 0, "other": 3, "known_s": 2.0,
            "live_s": 2.0, "age_p99_ms": 500.0}  # fmt: skip
    assert missed(cameras.rows([good])) == []
    for key, value, what in (
        ("network", 1, "8 cameras: lost by the network"),
        ("known_s", 2.1, "8 cameras: until all states are known, idle"),
        ("live_s", 2.1, "8 cameras: until all states are live"),
    ):
        assert missed(cameras.rows([good, good | {"cameras": 8, key: value}])) == [what]


def good_stream() -> dict[str, Any]:
    """Return measurements that are just within every bar."""
    received = {
        "delivered": 600,
        "lost": {},
        "latency_ms": {"p50": 40.0, "p99": 90.0},
        "bytes_per_frame": 120e3,
        "balanced": True,
    }
    run = {"frames": 600, "sent": {"lost": {}, "balanced": True}, "received": received}
    return {
        "short": run,
        "long": run | {"frames": 2000, "rss_growth_mb": {"sender": 20.0, "receiver": 20.0}},
        "slow": {"age_max_ms": 250.0, "balanced": True},
        "plain": {"age_max_ms": 8000.0},
        "first_frame_s": [1.0, 2.0, 3.0],
    }


def test_each_bar_of_the_stream_can_be_missed(benchmark: Benchmark) -> None:
    stream = benchmark("stream")
    good = good_stream()
    assert missed(stream.rows(good)) == []
    for path, value, what in (
        (("short", "received", "delivered"), 599, "frames delivered of 600"),
        (("short", "received", "lost"), {"network_gap": 1}, "of these lost"),
        (("short", "sent", "lost"), {"mailbox": 1}, "of these lost"),
        (("long", "rss_growth_mb", "sender"), 20.1, "growth of the sender's memory"),
        (("long", "rss_growth_mb", "receiver"), 20.1, "growth of the receiver's memory"),
        (("slow", "age_max_ms"), 250.1, "oldest frame shown"),
        (("first_frame_s",), [1.0, 2.1, 3.0], "first frame after the start"),
        (("slow", "balanced"), False, "ledgers that do not balance"),
        (("long", "received", "balanced"), False, "ledgers that do not balance"),
    ):
        (name,) = missed(stream.rows(changed(good, path, value)))
        assert name.startswith(what)


def test_each_bar_of_isolation_can_be_missed(benchmark: Benchmark) -> None:
    isolation = benchmark("isolation")

    def rows(before_ms: float, after_ms: float, lost: int = 0, grown_mb: float = 12.0) -> list[Any]:
        run = {"balanced": True, "lost_by_others": lost, "sender_growth_mb": grown_mb}
        return isolation.rows(
            [
                run | {"stopped": False, "p99_ms": [before_ms], "lost_by_others": 0},
                run | {"stopped": True, "p99_ms": [after_ms]},
            ]
        )

    assert missed(rows(10.0, 15.0)) == [], "5 ms may be more than 20 %"
    assert missed(rows(100.0, 119.0)) == [], "20 % may be more than 5 ms"
    assert missed(rows(10.0, 16.0)) == ["its growth while one is stopped"]
    assert missed(rows(100.0, 121.0)) == ["its growth while one is stopped"]
    (lost,) = missed(rows(10.0, 10.0, lost=1))
    assert lost.startswith("frames lost by the other seven")
    (memory,) = missed(rows(10.0, 10.0, grown_mb=12.1))
    assert memory.startswith("growth of the sender's memory")


def test_each_bar_of_the_hostile_viewer_can_be_missed(benchmark: Benchmark) -> None:
    hostile = benchmark("hostile_viewer")
    run = {"frame_bytes": 1e5, "age_p99_ms": [40.0], "lost": 0, "balanced": True}
    runs = {kind: run | {"kind": kind} for kind in hostile.KINDS}
    assert missed(hostile.rows(list(runs.values()))) == []
    for key, kept, broken, what in (
        ("frame_bytes", 1.3e5, 1.31e5, "bytes of each of the seven"),
        ("age_p99_ms", [48.0], [48.2], "growth of their p99 age"),
        ("lost", 0, 1, "frames that the seven lost"),
        ("balanced", True, False, "runs whose ledgers do not balance"),
    ):
        for kind in hostile.ATTACKS:
            for value, said in ((kept, []), (broken, [what])):
                found = hostile.rows(list((runs | {kind: runs[kind] | {key: value}}).values()))
                assert [row[: len(what)] for row in missed(found)] == said


def test_each_bar_of_stopping_can_be_missed(benchmark: Benchmark) -> None:
    stopping = benchmark("stopping")

    def rows(clean_s: float = 1.9, hung_s: float = 2.9, right: bool = True) -> list[Any]:
        ends = [
            stopping.End("streaming", signal.SIGTERM, clean_s, 0.1, stuck=False, right=right),
            stopping.End("disk hung", signal.SIGHUP, hung_s, 0.0, stuck=True, right=True),
        ]
        return stopping.rows(1, ends)

    assert missed(rows()) == []
    assert missed(rows(clean_s=2.1)) == ["nothing stuck, slowest"]
    assert missed(rows(hung_s=3.1)) == [
        "of these not ended within 3 s",
        "source, sink or disk hung, slowest",
    ]
    (wrong,) = missed(rows(right=False))
    assert wrong.startswith("with a wrong exit code")


def test_each_bar_of_the_latency_can_be_missed(benchmark: Benchmark) -> None:
    latency = benchmark("latency")
    run = {"median_ms": 25.0, "p99_ms": 60.0, "frame_bytes": 1e4, "lost": 0, "balanced": True}
    runs = [run | {"codec": codec} for codec in latency.CODECS]
    assert missed(latency.rows(runs)) == []
    for key, value, what in (
        ("median_ms", 25.1, "svd-patch, median"),
        ("p99_ms", 60.1, "svd-patch, 99th percentile"),
        ("balanced", False, "runs whose ledgers do not balance"),
    ):
        assert missed(latency.rows([runs[0] | {key: value}, *runs[1:]])) == [what]


def test_each_bar_of_the_start_can_be_missed(benchmark: Benchmark) -> None:
    startup = benchmark("startup")
    measured = {
        "numpy": startup.Run(0.1, 0.1),
        "colour": startup.Run(0.2, 0.2),
        "grey": startup.Run(0.15, 0.15),
        "receive": startup.Run(1.0, 0.4),
        "memory_mb": {"resident": 200.0, "own": 130.0, "libraries": 70.0},
    }
    assert missed(startup.rows(measured)) == []
    for path, value, what in (
        (("colour",), startup.Run(0.21, 0.2), "`import rankcast` and the first decode"),
        (("receive",), startup.Run(1.1, 0.4), "`rankcast receive` from its start"),
        (("memory_mb", "resident"), 201.0, "resident memory of a sender"),
    ):
        (name,) = missed(startup.rows(changed(measured, path, value)))
        assert name.startswith(what)


def good_clips(codec: ModuleType) -> dict[str, Any]:
    """Return results of clips that are just within every bar."""
    measures = ("psnr", "ssim", "ms_ssim", "moving_psnr", "moving_ssim")
    ratios = {
        "fast": {"h264": 0.95},
        "default": {"mjpeg": 0.09, "h264-ultrafast": 0.45, "h264": 0.80},
        "best": {"h264": 0.68, "av1": 0.90, "av1-aom": 1.10},
    }
    mean = {
        "ratio": {
            effort: {
                peer: dict.fromkeys(measures, ratios[effort].get(peer, 0.5))
                for peer in codec.PEER_NAMES
            }
            for effort in ratios
        },
        "moving_gap": {
            peer: {"moving_ssim": 0.010, "moving_psnr": 0.3} for peer in codec.PEER_NAMES
        },
    }
    kinds = ("fixed", "all", "video", "sequence", "moving", "synthetic", "noisy")
    return {"clips": {"mean": {kind: deepcopy(mean) for kind in kinds}, "left_out": {}}}


def test_each_bar_of_the_clips_can_be_missed(benchmark: Benchmark) -> None:
    codec = benchmark("codec")
    good = good_clips(codec)
    assert missed(codec.rows(good)) == []
    fixed = ("clips", "mean", "fixed", "ratio")
    for path, value, what in (
        ((*fixed, "fast", "h264", "psnr"), 0.951, "effort=fast, of x264 veryfast"),
        ((*fixed, "default", "h264", "psnr"), 0.801, "effort=default, of x264 veryfast"),
        ((*fixed, "best", "h264", "psnr"), 0.681, "effort=best, of x264 veryfast"),
        ((*fixed, "default", "h264-ultrafast", "psnr"), 0.451, "of x264 ultrafast"),
        ((*fixed, "default", "mjpeg", "psnr"), 0.091, "fixed cameras, 36 to 46 dB"),
        (("clips", "mean", "video", "ratio", "default", "mjpeg", "psnr"), 0.091, "video clips"),
        ((*fixed, "best", "av1", "psnr"), 0.901, "of SVT-AV1 preset 10, low delay"),
        ((*fixed, "best", "av1-aom", "psnr"), 1.11, "of libaom real time"),
        (("clips", "mean", "moving", "ratio", "default", "h264", "psnr"), 1.01, "moving cameras"),
        (("clips", "mean", "all", "moving_gap", "h264", "moving_ssim"), 0.0101, "SSIM of moving"),
    ):
        (name,) = missed(codec.rows(changed(good, path, value)))
        assert what in name


def test_a_peer_that_is_not_installed_has_no_row(benchmark: Benchmark) -> None:
    codec = benchmark("codec")
    good = good_clips(codec)
    for kind in good["clips"]["mean"].values():
        for effort in kind["ratio"].values():
            del effort["av1-aom"]
    found = [row.what for row in codec.rows(good)]
    assert not any("libaom" in what for what in found)
    assert any("SVT-AV1" in what for what in found)


def test_each_bar_of_the_lossless_codec_can_be_missed(benchmark: Benchmark) -> None:
    codec = benchmark("codec")
    kinds = ("colour", "grey", "deep", "drawings")
    good = {
        "lossless": {
            "geometric_mean": {"all": 0.9},
            "jpegls": dict.fromkeys(kinds, 1.0),
            "jpegls_time": dict.fromkeys(kinds, 1.5) | {"drawings": 9.0},
            "sensor_ms": {"sensor-8bit": 80.0, "sensor-12bit": 120.0},
        }
    }
    assert missed(codec.rows(good)) == []
    for path, value, what in (
        (("geometric_mean", "all"), 0.901, "all pictures, of PNG"),
        (("jpegls", "colour"), 1.001, "lossless, colour pictures, of JPEG-LS"),
        (("jpegls", "grey"), 1.001, "lossless, grey pictures of 8 bits, of JPEG-LS"),
        (("jpegls", "deep"), 1.001, "lossless, grey pictures of 12 and 16 bits, of JPEG-LS"),
        (("jpegls", "drawings"), 1.001, "lossless, drawings, of JPEG-LS"),
        (("jpegls_time", "colour"), 1.501, "time of encoding colour"),
        (("jpegls_time", "grey"), 1.501, "time of encoding grey pictures of 8"),
        (("jpegls_time", "deep"), 1.501, "time of encoding grey pictures of 12"),
        (("sensor_ms", "sensor-8bit"), 80.1, "2448 x 2048 of 8 bits"),
        (("sensor_ms", "sensor-12bit"), 120.1, "2448 x 2048 of 12 bits"),
    ):
        (name,) = missed(codec.rows(changed(good, ("lossless", *path), value)))
        assert what in name


def test_each_bar_of_processor_time_can_be_missed(benchmark: Benchmark) -> None:
    speed = benchmark("codec_speed")

    def rows(fast: float, default: float, best: float, kind: str = "moving") -> list[str]:
        clocks = {
            stage: {"p50_ms": 1.0, "cpu_p50_ms": cpu}
            for stage, cpu in (
                ("encode predicted, effort=fast", fast), ("encode predicted", default),
                ("encode predicted, effort=best", best), ("h264 encode", 10.0),
                ("h264-ultrafast encode", 5.0), ("jpeg encode", 5.0),
            )
        }  # fmt: skip
        scenes = {f"1920x1080 {kind}": {"threads": {"2": clocks}}}
        return missed(speed.rows({"scenes": scenes}, 100.0))

    assert rows(10.0, 15.0, 50.0) == []
    for cpu, effort in (((10.1, 1, 1), "fast"), ((1, 15.1, 1), "default"), ((1, 1, 50.1), "best")):
        assert rows(*cpu) == [
            f"1920 x 1080, moving, 2 threads: processor time at effort={effort}, of x264 veryfast"
        ]
    assert rows(90.0, 90.0, 90.0, "noisy") == []


def test_each_bar_of_recording_can_be_missed(benchmark: Benchmark) -> None:
    recorder = benchmark("recorder")
    cost = {"mean_ms": 0.1, "p99_ms": 0.3, "ring_ms": 0.01, "packet_bytes": 30_000.0}
    quiet = {"recorded": 0, "cpu_ms": 4.0, "other_cpu_ms": 4.0, "lost": 0, "lost_live": 0}
    measured = {"cost": cost, "runs": [quiet, {**quiet, "recorded": 300, "cpu_ms": 4.2}]}

    def missed_of(result: dict[str, Any]) -> list[str]:
        return missed(recorder.rows(result["cost"], result["runs"]))

    assert missed_of(measured) == []
    for path, value, what in (
        (("cost", "mean_ms"), 1.6, "processor time to record"),
        (("cost", "ring_ms"), 1.6, "processor time to keep"),
        (("runs", 1, "cpu_ms"), 5.6, "processor time of a receiver"),
        (("runs", 1, "lost"), 1, "not recorded"),
        (("runs", 1, "lost_live"), 1, "the live view beside it"),
    ):
        (name,) = missed_of(changed(measured, path, value))
        assert what in name
