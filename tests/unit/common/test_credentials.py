"""Credentials in an address appear in no message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.credentials import shown_address, shown_value, without_credentials


def test_every_url_in_a_text_loses_its_credentials() -> None:
    text = "cannot open rtsp://anna:s3cret@cam/a, then 'http://bob:hunter2@cam/b': refused"
    assert without_credentials(text) == (
        "cannot open rtsp://***@cam/a, then 'http://***@cam/b': refused"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nats://anna:s3cret@host:4222", "nats://***@host:4222"),
        ("nats://token@host", "nats://***@host"),
        ("NATS://anna:s3 'cret\"@host", "NATS://***@host"),
        ("nats:anna:s3cret@host", "nats:***@host"),
        ("anna:s3cret@host:4222", "***@host:4222"),
        ("nats://anna:s3cret@one,bob:hunter2@two", "nats://***@two"),
        ("nats://host:4222", "nats://host:4222"),
        ("line3@station", "line3@station"),
        ("tcp://*:5555", "tcp://*:5555"),
    ],
)
def test_an_address_is_shown_without_credentials(text: str, shown: str) -> None:
    assert shown_address(text) == shown
    assert shown_value([text, 3]) == [shown, 3]


PASSWORD = st.text(st.characters(codec="utf-8"), min_size=5)


@given(PASSWORD, st.sampled_from(["nats://", "nats:", "tls://", "tcp://", "x", ""]))
def test_no_password_survives(password: str, scheme: str) -> None:
    shown = shown_address(f"{scheme}anna:{password}@station")
    assert password not in shown.replace("***@station", "").replace(scheme, "")
