"""Listen: addresses of HTTP, their exposure, and certificates that cannot be used."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import SettingsError
from rankcast.web import Listen, parse_listen
from support.certificates import make_certificate


@given(st.ip_addresses(), st.integers(0, 65535))
def test_an_ip_address_and_a_port_are_read_as_they_are(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int
) -> None:
    host = f"[{address}]" if address.version == 6 else str(address)
    listen = parse_listen(f"{host}:{port}")
    assert (listen.host, listen.port) == (str(address), port)
    assert listen.is_loopback == address.is_loopback


@given(st.text())
def test_any_other_text_is_one_clear_line(text: str) -> None:
    try:
        listen = parse_listen(text)
    except SettingsError as exc:
        refusal = str(exc)
    else:
        refusal = ""
        assert listen.host == "localhost" or ipaddress.ip_address(listen.host)
        assert 0 <= listen.port <= 65535
    assert len(refusal.splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "want HOST:PORT"),
        ("8080", "want HOST:PORT"),
        ("127.0.0.1", "want HOST:PORT"),
        (":8080", "want HOST:PORT"),
        ("127.0.0.1:", "want HOST:PORT"),
        ("127.0.0.1:٣", "want HOST:PORT"),
        ("127.0.0.1:-1", "want HOST:PORT"),
        ("::1:8080", "in brackets"),
        ("127.0.0.1:65536", "the largest is 65535"),
        ("camera.example:80", "want an IP address of this machine"),
        ("127.0.0.1:1" + 5000 * "0", "the largest is 65535"),
    ],
)
def test_a_malformed_address_is_refused_with_what_is_wanted(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as refused:
        parse_listen(text)
    assert len(str(refused.value)) < 200


def test_a_star_is_every_interface() -> None:
    listen = parse_listen("*:80")
    assert (listen.host, listen.is_loopback) == ("0.0.0.0", False)


def test_a_certificate_without_a_key_is_refused() -> None:
    with pytest.raises(SettingsError, match="give both or neither"):
        parse_listen("127.0.0.1:80", "a.crt")


@pytest.mark.parametrize(
    ("listen", "token", "missing"),
    [
        (Listen("0.0.0.0", 80), False, "a certificate .* and a token"),
        (Listen("0.0.0.0", 80), True, "a certificate"),
        (Listen("0.0.0.0", 80, Path("c"), Path("k")), False, "a token"),
        (Listen("::", 80), False, r"\[::\]:80"),
    ],
)
def test_an_address_that_others_reach_names_what_it_lacks(
    listen: Listen, token: bool, missing: str
) -> None:
    with pytest.raises(SettingsError, match=missing):
        listen.check_exposure("--web", token=token, insecure=False)
    listen.check_exposure("--web", token=token, insecure=True)


def test_the_message_names_the_settings_of_its_address() -> None:
    with pytest.raises(SettingsError, match=r"a token \(metrics.token\).* or metrics.insecure"):
        Listen("0.0.0.0", 80, Path("c"), Path("k")).check_exposure(
            "--metrics", token=False, insecure=False,
            names=("metrics.tls_cert", "metrics.token", "metrics.insecure"),
        )  # fmt: skip


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_needs_neither_certificate_nor_token(host: str) -> None:
    Listen(host, 80).check_exposure("--web", token=False, insecure=False)


def test_a_certificate_and_its_key_are_loaded(tmp_path: Path) -> None:
    pair = make_certificate(tmp_path)
    assert Listen("127.0.0.1", 0, pair.certificate, pair.key).tls_context() is not None
    assert Listen("127.0.0.1", 0).tls_context() is None


def test_a_key_of_another_certificate_is_named_as_such(tmp_path: Path) -> None:
    one, other = make_certificate(tmp_path, "one"), make_certificate(tmp_path, "other")
    with pytest.raises(SettingsError, match="the key is of another certificate"):
        Listen("127.0.0.1", 0, one.certificate, other.key).tls_context()


def test_a_key_with_a_passphrase_is_refused_without_asking_for_it(tmp_path: Path) -> None:
    pair = make_certificate(tmp_path, passphrase="secret")
    with pytest.raises(SettingsError, match="without a passphrase"):
        Listen("127.0.0.1", 0, pair.certificate, pair.key).tls_context()


@pytest.mark.parametrize("content", [b"", b"nonsense\n", b"\xff\xfe\x00"])
def test_a_file_that_is_no_pem_is_refused(tmp_path: Path, content: bytes) -> None:
    pair = make_certificate(tmp_path)
    broken = tmp_path / "broken.pem"
    broken.write_bytes(content)
    for certificate, key in ((broken, pair.key), (pair.certificate, broken)):
        with pytest.raises(SettingsError, match="PEM format"):
            Listen("127.0.0.1", 0, certificate, key).tls_context()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    pair = make_certificate(tmp_path)
    missing = tmp_path / "missing.key"
    with pytest.raises(SettingsError, match=r"missing\.key: there is no such file"):
        Listen("127.0.0.1", 0, pair.certificate, missing).tls_context()
