"""How a relay names the cameras that it has from NATS servers, where names are ``SITE.CAMERA``."""

from __future__ import annotations

from typing import Final

_DOT: Final = "."
"""In no name of a sender's camera, and in every one of a server's."""


def is_at_server(arriving: str) -> bool:
    """Return True if a camera, by its name at the subscriber, comes from a NATS server."""
    return _DOT in arriving


def name_here(arriving: str, site: str) -> str:
    """Return the name of a camera at this relay.

    One that does not depend on which cameras there are, nor on which of them came first.

    Parameters
    ----------
    arriving : str
        Its name at the subscriber.
    site : str
        The only site that is relayed, whose cameras keep their names; empty: every site, and
        cameras are named ``SITE-CAMERA``.
    """
    of_site, _, camera = arriving.rpartition(_DOT)
    return f"{of_site}-{camera}" if of_site and not site else camera
