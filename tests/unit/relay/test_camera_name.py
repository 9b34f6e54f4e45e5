"""Names of cameras at a relay."""

from __future__ import annotations

import pytest

from rankcast_relay.camera_name import name_here


@pytest.mark.parametrize(
    ("arriving", "site", "here"),
    [
        ("line3", "", "line3"),
        ("line3-2", "berlin", "line3-2"),
        ("berlin.line3", "berlin", "line3"),
        ("berlin.line3-2", "berlin", "line3-2"),
        ("berlin.line3", "", "berlin-line3"),
    ],
)
def test_cameras_of_one_site_keep_their_names_and_others_have_that_of_their_site(
    arriving: str, site: str, here: str
) -> None:
    assert name_here(arriving, site) == here
