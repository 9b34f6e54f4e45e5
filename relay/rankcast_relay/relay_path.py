"""RelayPath: the relays between a camera and this one, so that none relays to itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rankcast.frame import Scalar

MAX_HOPS: Final = 8
"""Most relays between a camera and a viewer."""
ID_BYTES: Final = 8


def new_id() -> str:
    """Return a random id for a relay."""
    return os.urandom(ID_BYTES).hex()


@dataclass(frozen=True, slots=True)
class RelayPath:
    """The relays that a camera has come through, from the first one on."""

    ids: tuple[str, ...] = ()

    @staticmethod
    def of(relay: Mapping[str, Scalar]) -> RelayPath:
        """Return the path that a status states; that of a sender is empty."""
        text = relay.get("path", "")
        return RelayPath(tuple(text.split(",")) if isinstance(text, str) and text else ())

    def through(self, own_id: str) -> RelayPath:
        """Return the path with the relay of this id at its end."""
        return RelayPath((*self.ids, own_id))

    def refusal(self, own_id: str) -> str:
        """Return why the relay with this id must not relay the camera; empty if it may."""
        if own_id in self.ids:
            return "it comes from this relay itself"
        if len(self.ids) >= MAX_HOPS:
            return f"it has come through {len(self.ids)} relays, the limit is {MAX_HOPS}"
        return ""

    def as_map(self) -> dict[str, Scalar]:
        """Return the path as a status states it."""
        return {"hops": len(self.ids), "path": ",".join(self.ids)}
