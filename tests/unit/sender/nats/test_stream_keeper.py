"""What is published is compared with what the stream of a server has taken."""

from __future__ import annotations

from rankcast.nats.jetstream import StreamFacts
from rankcast_sender.camera import Camera, StreamOptions
from rankcast_sender.nats.stream_keeper import _KeptStream


def facts(last: int) -> StreamFacts:
    return StreamFacts("rankcast=default=cam", {}, last, 100 * last, 1, last, 0)


def opened(last: int = 0, *, own: bool = True) -> _KeptStream:
    stream = _KeptStream(Camera(StreamOptions()))
    stream.begin(facts(last), own=own)
    assert stream.camera.watched
    return stream


def published(stream: _KeptStream, count: int, last: int) -> int | None:
    """Publish messages, let two checks pass, and return what is counted as not kept."""
    stream.published += count
    stream.look(facts(last))
    stream.settle()
    stream.look(facts(last))
    return stream.camera.not_kept


def test_messages_that_the_stream_has_are_kept() -> None:
    stream = opened(last=70)
    assert published(stream, 10, 80) == 0
    assert published(stream, 5, 85) == 0


def test_messages_that_it_lacks_are_counted_once() -> None:
    stream = opened()
    assert published(stream, 10, 7) == 3
    assert published(stream, 10, 17) == 3
    assert published(stream, 10, 20) == 10


def test_messages_on_their_way_are_not_missing_yet() -> None:
    stream = opened()
    stream.published += 10
    stream.look(facts(4))
    assert stream.camera.not_kept == 0


def test_all_that_comes_while_a_stream_is_gone_is_missing() -> None:
    stream = opened()
    published(stream, 10, 10)
    stream.published += 4
    stream.stop()
    assert not stream.camera.kept
    assert stream.camera.not_kept == 4
    stream.published += 2
    stream.begin(facts(0), own=True)
    assert stream.camera.not_kept == 4


def test_a_stream_that_was_made_anew_begins_a_new_count() -> None:
    stream = opened(last=500)
    published(stream, 10, 510)
    assert published(stream, 5, 3) == 0


def test_a_stream_of_an_administrator_may_hold_other_messages_and_is_not_compared() -> None:
    stream = opened(own=False)
    assert published(stream, 10, 2) == 0
