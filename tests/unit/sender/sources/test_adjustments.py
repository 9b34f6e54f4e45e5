"""Adjustments: changes are made in the thread that owns the source, and always answered."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from rankcast.errors import SettingsError
from rankcast.runtime import Worker
from rankcast_sender.sources import Adjustments
from rankcast_sender.sources.adjustments import MAX_WAITING


class Answers:
    """Collects what was answered, and in which thread."""

    def __init__(self) -> None:
        self.got: list[tuple[Mapping[str, Any], str]] = []
        self.threads: set[str] = set()

    def __call__(self, values: Mapping[str, Any], why: str) -> None:
        self.got.append((values, why))
        self.threads.add(threading.current_thread().name)


def test_what_was_accepted_and_lasts_is_remembered() -> None:
    adjustments = Adjustments({})

    def apply(wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        if wanted.get("gain", 0) > 16:
            raise SettingsError("got gain 99, want 0 to 16")
        return {"gain": 3, "trigger": "on", "fps": 6, "reset": ""}

    for values in (
        {"gain": 3.4, "fps": 5},
        {"gain": 99},
        {"reset": 1},
        {"trigger": "once", "fps": 6},
    ):
        adjustments.ask(values, lambda *_: None)
    adjustments.serve(apply)
    assert adjustments.requested == {"gain": 3.4, "fps": 6}


def test_a_change_is_made_by_the_owner_and_answered_with_what_was_read_back() -> None:
    adjustments, answers = Adjustments({"gain": 1.0}), Answers()

    def own() -> None:
        while not answers.got:
            adjustments.wait(1.0)
            adjustments.serve(lambda wanted: {"gain": round(float(wanted["gain"]))})

    owner = Worker("owner", own)
    owner.start()
    assert adjustments.ask({"gain": 3.4}, answers)
    owner.join(5)
    assert answers.got == [({"gain": 3}, "")]
    assert answers.threads == {"owner"}
    assert adjustments.values == {"gain": 3}


def test_a_refused_change_leaves_the_values_and_says_why() -> None:
    adjustments, answers = Adjustments({"gain": 1.0}), Answers()

    def refuse(_wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        raise SettingsError("gain is 99, want 0 to 9")

    adjustments.ask({"gain": 99}, answers)
    adjustments.serve(refuse)
    assert answers.got == [({"gain": 1.0}, "gain is 99, want 0 to 9")]


def test_what_waits_is_bounded_and_answered_when_the_source_closes() -> None:
    adjustments, answers = Adjustments({"gain": 1.0}), Answers()
    assert all(adjustments.ask({"gain": 2}, answers) for _ in range(MAX_WAITING))
    assert not adjustments.ask({"gain": 2}, answers)
    adjustments.close()
    assert len(answers.got) == MAX_WAITING
    why = "the camera was closed before the change was applied"
    assert {reason for _, reason in answers.got} == {why}
    assert not adjustments.ask({"gain": 2}, answers)
