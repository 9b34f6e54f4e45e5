"""NewestPictures: an old picture is never taken for a new one."""

from __future__ import annotations

from rankcast.frame import Frame
from rankcast_receiver.web.pictures import NewestPictures
from support.fakes import picture


def test_a_picture_after_which_others_were_not_decoded_is_none() -> None:
    newest_sequence, told = 4, []
    newest = NewestPictures(told.append, lambda frame: frame.sequence >= newest_sequence)
    assert newest.get("cam") is None
    newest.put(Frame(picture(), camera="cam", sequence=3))
    assert newest.get("cam") is None
    newest.put(Frame(picture(), camera="cam", sequence=4))
    frame = newest.get("cam")
    assert frame is not None
    assert frame.sequence == 4
    newest_sequence = 5
    assert newest.get("cam") is None
    assert told == ["cam", "cam"]
