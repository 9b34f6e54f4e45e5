"""Which sender the name of a camera means."""

from __future__ import annotations

import pytest

from rankcast.discovery import AnnouncedName, Announcement, choose
from rankcast.errors import NoStreamError, SettingsError

HERE = Announcement("line3", "station7", 5555, ("10.0.0.7",), server="a.local")
THERE = Announcement("line3", "station8", 5555, ("10.0.0.8", "fd00::8"), server="b.local")
OTHER = Announcement("line4", "station8", 5555, ("10.0.0.8",), server="b.local")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("line4", OTHER),
        ("line3@station7", HERE),
        ("line3@Station8", THERE),
        ("line3@station8.local", THERE),
        ("line3@10.0.0.7", HERE),
        ("line3@fd00::8", THERE),
        ("line4@station7", None),
        ("line5", None),
    ],
)
def test_a_name_means_the_camera_on_that_machine(text: str, found: Announcement | None) -> None:
    name = AnnouncedName.of(text)
    assert str(name) == text
    assert choose(name, [HERE, THERE, OTHER]) == found


def test_a_name_that_several_senders_announce_is_an_error_that_lists_them() -> None:
    with pytest.raises(NoStreamError, match="2 senders") as caught:
        choose(AnnouncedName.of("line3"), [HERE, THERE, OTHER])
    for text in ("line3@station7 at tcp://10.0.0.7:5555", "line3@station8 at tcp://10.0.0.8:5555"):
        assert text in str(caught.value)


def test_a_hundred_senders_of_one_name_are_an_error_of_bounded_length() -> None:
    many = [
        Announcement("line3", f"s{n}", 5555, ("10.0.0.7",), server=f"{n}.local") for n in range(100)
    ]
    with pytest.raises(NoStreamError, match="and 92 more") as caught:
        choose(AnnouncedName.of("line3"), many)
    assert len(str(caught.value)) < 600


def test_one_sender_that_was_heard_of_twice_is_one_sender() -> None:
    assert choose(AnnouncedName.of("line3"), [HERE, HERE]) == HERE


@pytest.mark.parametrize(
    "text", ["", "Line3", "line 3", "line3@", "@station7", "a" * 33, "line3@a b", "line3\n", "a/b"]
)
def test_what_is_neither_name_nor_address_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="want tcp://ADDRESS:PORT, CAMERA or CAMERA@HOST"):
        AnnouncedName.of(text)
