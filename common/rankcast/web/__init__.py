"""The web address of either end: an HTTP server in a thread, and who may ask it."""

from rankcast.web.access import Access, read_token
from rankcast.web.guard import COOKIE, Guard, session_of
from rankcast.web.http_server import HttpServer
from rankcast.web.listen import Listen, parse_listen

__all__ = [
    "COOKIE",
    "Access",
    "Guard",
    "HttpServer",
    "Listen",
    "parse_listen",
    "read_token",
    "session_of",
]
