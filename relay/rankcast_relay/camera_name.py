"""How a relay names the cameras that it has from NATS servers, where names are ``SITE.CAMERA``."""

from __future__ import annotations


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
    of_site, _, camera = arriving.rpartition(".")
    return f"{of_site}-{camera}" if of_site and not site else camera
