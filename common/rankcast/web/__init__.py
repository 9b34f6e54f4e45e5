"""The web address of either end: an HTTP server in a thread, and who may ask it."""

from rankcast.web.access import Access, read_token
from rankcast.web.guard import Guard, cookie_of, session_of
from rankcast.web.http_server import HttpServer
from rankcast.web.listen import Listen, parse_listen

__all__ = [
    "Access",
    "Guard",
    "HttpServer",
    "Listen",
    "cookie_of",
    "parse_listen",
    "read_token",
    "session_of",
]
