"""Finding: what one check of the station found, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"
    """Something optional is missing, or could be better."""
    STOPS = "stops"
    """A stream would not start, or not go on."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    subject: str
    verdict: Verdict
    found: str
    advice: str = ""
    """What to do; empty if nothing is wrong."""

    def values(self) -> dict[str, str]:
        """Return the finding as JSON values."""
        return asdict(self)


def ok(subject: str, found: str) -> Finding:
    """Return a finding that asks for nothing."""
    return Finding(subject, Verdict.OK, found)


def note(subject: str, found: str, advice: str) -> Finding:
    """Return a finding that stops nothing."""
    return Finding(subject, Verdict.NOTE, found, advice)


def stops(subject: str, found: str, advice: str) -> Finding:
    """Return a finding that stops a stream."""
    return Finding(subject, Verdict.STOPS, found, advice)
