"""Settings and triggers of a device in a process of its own."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from rankcast.errors import SourceError
from rankcast_sender.grabber import DeviceSource, grabber_process
from support.grabbing import grabbing, take


def test_while_a_trigger_is_awaited_silence_is_no_failure_and_a_read_may_take_any_time(
    tmp_path: Path,
) -> None:
    gate = tmp_path / "gate"
    with grabbing("wait frame", trigger="on", timeout_s=0.1, gate=str(gate)) as source:
        source.adjustments.ask({"trigger": "once"}, lambda *_: None)
        opener = threading.Timer(2.0, gate.touch)  # longer than any deadline without a trigger
        opener.start()
        assert source.frame_interval_s is None
        assert next(iter(source)).frame == 0
        opener.join()


def test_a_stopped_process_is_found_while_a_trigger_is_awaited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grabber_process, "TRIGGER_HANG_S", 0.5)
    monkeypatch.setattr(grabber_process, "PING_S", 0.1)
    with grabbing("frame", trigger="on", timeout_s=0.1) as source:
        os.kill(source.pid, signal.SIGSTOP)
        with pytest.raises(SourceError, match="nothing has answered for"):
            next(iter(source))


def test_a_read_that_hangs_while_a_trigger_is_awaited_is_found_if_reads_return_by_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grabber_process, "PING_S", 0.1)
    with grabbing("hang", trigger="on", polls=True) as source:
        before_s = time.monotonic()
        with pytest.raises(SourceError, match="a read has not returned"):
            next(iter(source))
        assert time.monotonic() - before_s < 2


@pytest.mark.slow
def test_reads_that_return_without_a_frame_are_no_failure_while_a_trigger_is_awaited() -> None:
    with grabbing("frame", trigger="on", polls=True, timeout_s=0.1) as source:
        trigger = threading.Timer(
            2.0, source.adjustments.ask, ({"trigger": "once"}, lambda *_: None)
        )
        trigger.start()
        assert next(iter(source)).frame == 0
        trigger.join()


def changed(source: DeviceSource, **values: Any) -> tuple[dict[str, Any], str]:
    """Return the values in force after a change, and why it was refused."""
    answers: list[tuple[dict[str, Any], str]] = []
    assert source.adjustments.ask(values, lambda now, why: answers.append((dict(now), why)))
    for _ in source:
        if answers:
            return answers[0]
    raise AssertionError("the source ended")


def test_settings_are_changed_while_it_runs_and_read_back() -> None:
    with grabbing("frame") as source:
        values, why = changed(source, gain=4.0, exposure=250)
        assert (values["gain"], values["exposure"], why) == (4.0, 250, "")
        assert source.adjustments.values["gain"] == 4.0
        values, why = changed(source, gain=99)
        assert "got gain 99, want 0 to 16" in why
        assert values["gain"] == 4.0
        values, why = changed(source, width=64, height=48)
        assert (values["width"], source.description, why) == (64, "scripted 64x48", "")
        shapes = [frame.pixels.shape for frame in take(source, 5)]
        assert shapes[-1] == (48, 64)
        assert changed(source, width=99)[1].endswith("the sensor has 64 columns")


@pytest.mark.slow
def test_a_trigger_that_is_switched_off_leaves_the_device_its_time_for_a_frame() -> None:
    with grabbing("frame", trigger="on", interval_s=0.4, timeout_s=1.0) as source:
        off = threading.Timer(1.3, source.adjustments.ask, ({"trigger": "off"}, lambda *_: None))
        off.start()
        assert next(iter(source)).frame == 0
        off.join()


@pytest.mark.slow
def test_a_slow_change_of_settings_is_no_silence() -> None:
    with grabbing("frame", interval_s=0.4, timeout_s=1.0, apply_s=1.3) as source:
        assert changed(source, gain=2.0)[1] == ""
        take(source, 2)


def test_requests_do_not_hide_a_silent_device() -> None:
    with grabbing("frame none", timeout_s=0.5) as source:
        frames = iter(source)
        next(frames)
        ended = threading.Event()

        def ask_for_ever() -> None:
            while not ended.wait(0.1):
                source.adjustments.ask({"gain": 2.0}, lambda *_: None)

        client = threading.Thread(target=ask_for_ever)
        client.start()
        try:
            with pytest.raises(SourceError, match="delivered no frame"):
                next(frames)
        finally:
            ended.set()
            client.join()


def test_a_change_that_never_returns_ends_its_process_however_many_are_queued(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grabber_process, "APPLY_S", 1.5)
    with grabbing("frame", apply_s=600) as source:
        frames = iter(source)
        next(frames)
        answers: list[str] = []
        for _ in range(8):
            source.adjustments.ask({"gain": 2.0}, lambda _, why: answers.append(why))
        before_s = time.monotonic()
        with pytest.raises(SourceError, match=r"not returned for 1\.5 s: .* was killed") as caught:
            list(frames)
        assert time.monotonic() - before_s < 3
        assert answers == [str(caught.value)] * 8


def test_a_change_after_the_end_of_the_process_is_refused_with_the_reason() -> None:
    with grabbing("frame crash") as source:
        frames = iter(source)
        next(frames)
        threading.Event().wait(0.5)
        answers: list[str] = []
        source.adjustments.ask({"gain": 2.0}, lambda _, why: answers.append(why))
        with pytest.raises(SourceError, match="ended by SIGSEGV"):
            list(frames)
        assert len(answers) == 1
        assert "ended by SIGSEGV" in answers[0]


def test_an_interrupt_ends_the_wait_for_a_change() -> None:
    with grabbing("frame", apply_s=600) as source:
        frames = iter(source)
        next(frames)
        answers: list[str] = []
        for _ in range(2):
            source.adjustments.ask({"gain": 2.0}, lambda _, why: answers.append(why))
        interrupter = threading.Timer(0.2, source.interrupt)
        interrupter.start()
        before_s = time.monotonic()
        list(frames)
        assert time.monotonic() - before_s < 1
        interrupter.join()
        assert ["is being closed" in why for why in answers] == [True, True]


def test_an_answer_that_comes_late_is_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grabber_process, "APPLY_S", 0.3)
    gate = tmp_path / "gate"
    with grabbing("wait same", trigger="on", gate=str(gate)) as source:
        answers: list[str] = []
        frames = iter(source)
        while not (tmp_path / "gate.waits").exists():
            time.sleep(0.01)  # the read of another process: a change before it is made at once
        source.adjustments.ask({"width": 16}, lambda _, why: answers.append(why))
        opener = threading.Timer(0.8, gate.touch)
        opener.start()
        next(frames)
        opener.join()
        assert len(answers) == 1
        assert "read the values back" in answers[0]
        take(source, 3)
        assert source.adjustments.values["width"] == 16
        assert source.description == "scripted 16x6"


def test_a_software_trigger_is_one_frame() -> None:
    with grabbing("frame", trigger="on") as source:
        frames = iter(source)
        answers: list[str] = []
        for number in range(3):
            source.adjustments.ask({"trigger": "once"}, lambda _, why: answers.append(why))
            assert next(frames).frame == number
        assert answers == [""] * 3
