"""OpenPolicy: everybody may connect, but for an address that floods."""

from __future__ import annotations

import pytest

from rankcast.net import CONTROL_ZAP_DOMAIN, ZAP_DOMAIN
from rankcast_sender.sockets.open_policy import OpenPolicy


def request(domain: bytes = ZAP_DOMAIN, mechanism: bytes = b"NULL") -> list[bytes]:
    return [b"1.0", b"7", domain, b"10.0.0.9", b"", mechanism]


def refuses_nine(address: str, *, control: bool) -> bool:
    return control or address not in ("10.0.0.9", "fe80::9")


@pytest.mark.parametrize("domain", [ZAP_DOMAIN, CONTROL_ZAP_DOMAIN])
def test_everybody_may_connect(domain: bytes) -> None:
    assert OpenPolicy().judge(request(domain))[:3] == [b"1.0", b"7", b"200"]


def test_an_address_that_is_not_admitted_for_frames_is_told_to_come_again_there() -> None:
    policy = OpenPolicy(refuses_nine)
    assert policy.judge(request())[2] == b"300"
    assert policy.judge(request(CONTROL_ZAP_DOMAIN))[2] == b"200"
    other = request()
    other[3] = b"fe80::9%eth0"
    assert policy.judge(other)[2] == b"300"
    other[3] = b"10.0.0.8"
    assert policy.judge(other)[2] == b"200"


@pytest.mark.parametrize(
    "wrong", [request(b"another"), request(mechanism=b"PLAIN"), request()[:5], [b"1.0"], []]
)
def test_other_requests_are_refused_for_good(wrong: list[bytes]) -> None:
    assert OpenPolicy().judge(wrong)[2] == b"400"


def test_connections_are_numbered_only_where_cameras_are_withheld() -> None:
    policy = OpenPolicy()
    assert policy.judge(request())[4] == policy.judge(request())[4]
    policy.enforces_cameras = True
    assert policy.judge(request())[4] != policy.judge(request())[4]
