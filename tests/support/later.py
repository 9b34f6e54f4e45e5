"""Later: variants of a test that run with `make test-all`, while others of their kind are quick."""

from __future__ import annotations

import pytest


def later(*values: object) -> object:
    """Parameters of one more variant."""
    return pytest.param(*values, marks=pytest.mark.slow)
