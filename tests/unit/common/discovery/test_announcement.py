"""What others announce is checked; what a sender announces is read again."""

from __future__ import annotations

from typing import Any

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from rankcast.discovery import Announcement, parse
from rankcast.errors import WireError

KEY = zmq.curve_public(b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7")
SAID = {b"v": b"1", b"camera": b"line3", b"host": b"station7", b"codec": b"svd-patch",
        b"size": b"1280x720", b"key": KEY}  # fmt: skip
SERVER = "rankcast-0011223344556677.local"


def parsed(addresses: tuple[str, ...] = ("10.0.0.5",), port: int = 5555, **changes: str | bytes
           ) -> Announcement:  # fmt: skip
    texts: dict[bytes, bytes | None] = dict(SAID)
    for name, value in changes.items():
        texts[name.encode()] = value.encode() if isinstance(value, str) else value
    return parse(texts, port, addresses, SERVER)


def test_what_is_announced_is_read_again() -> None:
    said = Announcement(
        "line3", "station7", 5555, ("10.0.0.5",), "svd-patch", (1280, 720), KEY, SERVER
    )
    texts = {name.encode(): value.encode() for name, value in said.texts().items()}
    assert parse(texts, 5555, said.addresses, SERVER) == said == parsed()
    assert (said.name, said.endpoint, said.size_text) == (
        "line3@station7", "tcp://10.0.0.5:5555", "1280x720",
    )  # fmt: skip


def test_every_text_of_the_longest_announcement_fits_a_txt_string() -> None:
    said = Announcement("c" * 32, "h" * 63, 65535, (), "x" * 32, (2**20, 2**20), KEY)
    texts = said.texts()
    assert all(len(name) + 1 + len(value) <= 255 for name, value in texts.items())
    assert sum(len(name) + 2 + len(value) for name, value in texts.items()) < 400


def test_size_codec_and_key_may_be_missing() -> None:
    texts: dict[bytes, bytes | None] = {b"v": b"1", b"camera": b"cam", b"host": b"a", b"key": None}
    said = parse(texts, 1, ["10.0.0.5"], SERVER)
    assert (said.size, said.codec, said.key) == (None, "", b"")


def test_a_key_of_a_later_release_is_ignored() -> None:
    assert parsed(zoom="12") == parsed()


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("v", "2", "version '2'"),
        ("v", "", "version ''"),
        ("camera", "", "camera name"),
        ("camera", "a" * 33, "camera name"),
        ("camera", "\x1b[31mred", "camera name"),
        ("camera", "line3\n", "camera name"),
        ("host", "", "host"),
        ("host", "a" * 64, "host"),
        ("host", "a b", "host"),
        ("host", "station\x00", "host"),
        ("host", "st\N{LATIN SMALL LETTER A WITH DIAERESIS}", "ASCII"),
        ("codec", "SVD", "codec"),
        ("codec", "x" * 33, "codec"),
        ("size", "0x720", "size"),
        ("size", "1280x", "size"),
        ("size", "99999999x1", "size"),
        ("size", "1048577x1", "size"),
        ("size", "\u0661x\u0661", "ASCII"),
        ("key", "x" * 39, "key"),
        ("key", "~" * 40, "key"),
        ("key", '"' * 40, "key"),
        ("key", "#" * 40, "key"),
    ],
)
def test_a_value_that_is_not_of_its_form_is_refused(name: str, value: str, why: str) -> None:
    with pytest.raises(WireError, match=why):
        parsed(**{name: value})


@pytest.mark.parametrize("port", [None, 0, 65536, -1])
def test_a_port_that_is_none_is_refused(port: int | None) -> None:
    with pytest.raises(WireError, match="port"):
        parse(dict(SAID), port, ["10.0.0.5"], SERVER)


def test_too_many_entries_and_too_much_text_are_refused() -> None:
    many: dict[bytes, bytes | None] = dict(SAID) | {b"x%d" % n: b"" for n in range(40)}
    with pytest.raises(WireError, match="entries"):
        parse(many, 5555, ["10.0.0.5"], SERVER)
    with pytest.raises(WireError, match="bytes of text"):
        parsed(filler="x" * 1300)


def test_addresses_that_nobody_can_connect_to_are_left_out() -> None:
    given_ = ("224.0.0.251", "0.0.0.0", "fe80::1", "::", "nonsense", "fd00::2", "10.0.0.5",
              "10.0.0.5", "fe80::1%3")  # fmt: skip
    assert parsed(addresses=given_).addresses == ("10.0.0.5", "fd00::2", "fe80::1%3")
    with pytest.raises(WireError, match="no address"):
        parsed(addresses=("224.0.0.251", "fe80::1"))
    assert len(parsed(addresses=tuple(f"10.0.0.{n}" for n in range(1, 200))).addresses) == 8


def outcome(*arguments: Any) -> Announcement | WireError:
    try:
        return parse(*arguments)
    except WireError as exc:
        return exc


@given(
    texts=st.dictionaries(
        st.sampled_from([*SAID, b"x"]) | st.binary(max_size=20),
        st.none() | st.binary(max_size=300) | st.sampled_from(list(SAID.values())),
        max_size=8,
    ),
    port=st.none() | st.integers(-10, 70_000),
    addresses=st.lists(
        st.sampled_from(["10.0.0.5", "fe80::1", "::1"]) | st.text(max_size=9), max_size=9
    ),
    server=st.just(SERVER) | st.text(max_size=20),
)
def test_whatever_is_announced_is_refused_or_printable(
    texts: dict[bytes, bytes | None], port: int | None, addresses: list[str], server: str
) -> None:
    said = outcome(dict(SAID) | texts, port, addresses, server)
    if isinstance(said, WireError):
        assert len(str(said)) < 300
        assert str(said).isprintable()
        return
    for text in (said.name, said.endpoint, said.codec, said.server, said.key.decode()):
        assert text.isascii()
        assert text.isprintable()
    assert 1 <= said.port <= 65535
    assert 1 <= len(said.addresses) <= 8
