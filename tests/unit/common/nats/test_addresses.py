"""Addresses, subjects and settings of NATS."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import SettingsError, WireError
from rankcast.nats import (
    NatsAddress,
    NatsOptions,
    Subject,
    control_subject,
    parse_subject,
    split_name,
    split_stream_name,
    subject_of,
)
from rankcast.nats import options as options_module
from rankcast.settings import NatsTable


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nats://host", ("host:4222",)),
        ("nats://10.0.0.1:4300", ("10.0.0.1:4300",)),
        ("tls://a:1,b,[::1]:7", ("a:1", "b:4222", "[::1]:7")),
    ],
)
def test_an_address_names_one_server_or_several(text: str, servers: tuple[str, ...]) -> None:
    address = NatsAddress.of(text)
    assert address.servers == servers
    assert address.tls == text.startswith("tls")
    assert NatsAddress.of(str(address)) == address


@pytest.mark.parametrize(
    "text",
    ["nats:host", "nats://", "nats://:4222", "nats://a,,b", "nats://a:0", "nats://a:99999",
     "nats://a b", "nats://a/x", "http://a", "nats://a,a", "nats://[::1", "nats://*:4222"],
)  # fmt: skip
def test_a_wrong_address_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"NATS|address"):
        NatsAddress.of(text)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(SettingsError, match=r"nats\.password_file") as refused:
        NatsAddress.of("nats://me:geheim@host:4222")
    assert "geheim" not in str(refused.value)


@given(st.text("ab.*>-_ A", max_size=40))
def test_a_subject_is_ours_or_refused(text: str) -> None:
    for subject in (
        text, f"rankcast.{text}", f"rankcast.a.{text}.frames", f"rankcast.a.b.status.{text}",
    ):  # fmt: skip
        try:
            parsed = parse_subject(subject)
        except WireError:
            continue
        found = subject_of(parsed.site, parsed.camera, parsed.channel, parsed.stream)
        assert found == subject


def test_substreams_have_subjects_of_their_own_for_frames_and_status_alone() -> None:
    for channel in ("frames", "status"):
        parsed = parse_subject(f"rankcast.s.c.{channel}.sub")
        assert parsed == Subject("s", "c", channel, "sub")
        assert (parsed.name, parsed.stream_name) == ("s.c", "s.c.sub")
        assert split_stream_name(parsed.stream_name) == ("s.c", "sub")
        assert subject_of("s", "c", channel, "sub") == f"rankcast.s.c.{channel}.sub"
    for foreign in ("control.sub", "frames.main", "frames.auto", "frames.a.b", "frames."):
        with pytest.raises(WireError):
            parse_subject(f"rankcast.s.c.{foreign}")
    assert split_stream_name("s.c") == ("s.c", "main")


def test_requests_that_change_a_sender_have_a_subject_of_their_own() -> None:
    assert control_subject("s", "c", "keyframe") == "rankcast.s.c.control"
    assert control_subject("s", "c", "set") == "rankcast.s.c.control.operator"
    assert parse_subject("rankcast.s.c.control.operator") == Subject("s", "c", "control.operator")
    assert split_name(Subject("s", "c", "frames").name) == ("s", "c")


def given_files(folder: Path) -> dict[str, str]:
    files = {"password_file": "secret", "nkey_seed": "SU" + "A" * 56,
             "credentials": "BEGIN NATS USER JWT x BEGIN USER NKEY SEED y"}  # fmt: skip
    for name, text in files.items():
        (folder / name).write_text(text + "\n")
    return {name: str(folder / name) for name in files}


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"user": "a"}, "belong together"),
        ({"password_file": "password_file"}, "belong together"),
        ({"user": "a", "password_file": "password_file", "nkey_seed": "nkey_seed"}, "want one way"),
        ({"nkey_seed": "password_file"}, "is not an NKEY seed"),
        ({"credentials": "password_file"}, "is not a .creds file"),
        ({"user": "a", "password_file": "missing"}, "cannot read"),
        ({"tls_cert": "password_file"}, "belong together"),
        ({"tls_ca": "password_file"}, "cannot use the certificates"),
    ],
)
def test_a_wrong_setting_is_one_line_without_the_secret(
    tmp_path: Path, chosen: dict[str, str], said: str
) -> None:
    files = given_files(tmp_path)
    values = {
        name: value if name == "user" else files.get(value, str(tmp_path / value))
        for name, value in chosen.items()
    }
    options = NatsOptions.of(NatsTable.model_validate(values))
    with pytest.raises(SettingsError, match=said) as refused:
        options.check(NatsAddress.of("nats://127.0.0.1"))
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options_module, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"pip install 'rankcast\[nats\]'"):
        NatsOptions().check(NatsAddress.of("nats://127.0.0.1"))
