"""Settings of a relay that contradict each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from rankcast_relay.settings import RelaySettings

SERVER = "nats://127.0.0.1:4222"


@pytest.mark.parametrize(
    ("tables", "why"),
    [
        ({"uplink": {"connect": SERVER}, "network": {"bind": SERVER}}, "at one side only"),
        (
            {"uplink": {"connect": SERVER}, "network": {"realtime": False}},
            "cannot hold a NATS server up",
        ),
        ({"network": {"bind": SERVER, "realtime": False}}, "cannot hold a NATS server up"),
        (
            {"network": {"bind": SERVER}, "security": {"key": "a.key", "authorized": "keys"}},
            "has users of its own",
        ),
        ({"network": {"bind": "nats://"}}, "want nats://HOST:PORT"),
    ],
)
def test_what_a_server_does_not_go_with_is_refused(tables: Mapping[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        RelaySettings(**tables)


@pytest.mark.parametrize(
    "tables",
    [
        {"uplink": {"connect": ["tcp://127.0.0.1:5555", SERVER]}},
        {"network": {"bind": SERVER}},
        {"uplink": {"connect": "ipc:///run/line3"}, "network": {"bind": "ipc:///run/site"}},
    ],
)
def test_a_server_may_be_at_either_side(tables: Mapping[str, Any]) -> None:
    RelaySettings(**tables)
