"""MetricsTable: a wrong address is known before anything starts."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from rankcast.settings import MetricsTable


def test_there_is_no_address_by_default() -> None:
    assert MetricsTable().listen == ""


@pytest.mark.parametrize("listen", ["127.0.0.1:9464", "[::1]:9464", "localhost:0", "*:9464"])
def test_an_address_is_taken(listen: str) -> None:
    assert MetricsTable(listen=listen).listen == listen


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"listen": "9464"}, "want HOST:PORT"),
        ({"listen": "station:9464"}, "want an IP address of this machine"),
        ({"token": "t"}, "metrics.token without an address: give --metrics"),
        ({"insecure": True, "hosts": ["a"]}, "metrics.hosts, metrics.insecure without an address"),
        ({"listen": "[::1]:0", "tls_cert": "a.crt"}, "metrics.tls_key belong together"),
    ],
)
def test_what_does_not_fit_is_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        MetricsTable.model_validate(values)
