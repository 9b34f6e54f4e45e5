"""The description of the HTTP interface lists exactly the routes that there are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from starlette.routing import BaseRoute, Route

from rankcast.wire import Limits
from rankcast_receiver.net import ControlRequest
from rankcast_receiver.web.application import Application
from rankcast_receiver.web.live import Inbox
from rankcast_receiver.web.openapi import PATHS, description
from rankcast_receiver.web.pictures import NewestPictures
from rankcast_receiver.web.receiver_view import ReceiverView

REPOSITORY = Path(__file__).resolve().parents[4]


def application(*routes: BaseRoute) -> Application:
    from rankcast.web import Access

    view = ReceiverView(tuple, dict, lambda *_: None, lambda _: None, ControlRequest, Limits())
    return Application(
        view, Inbox(), NewestPictures(lambda _: None), Access(), control=False, recordings=None,
        models=None, routes=routes, stopping=lambda: False,
    )  # fmt: skip


def routes_of(made: Application) -> Iterator[Route]:
    for route in made.starlette.routes:
        if isinstance(route, Route):
            yield route


def test_every_route_of_the_interface_is_described() -> None:
    paths = {route.path for route in routes_of(application()) if route.path.startswith("/api/")}
    assert paths == set(PATHS)


def test_every_route_answers_get_alone_but_for_logging_in_and_out() -> None:
    for route in routes_of(application()):
        if route.path not in ("/login", "/logout"):
            assert route.methods == {"GET", "HEAD"}


def test_every_reference_of_the_description_leads_somewhere() -> None:
    schemas = description()["components"]["schemas"]
    text = str(description()["paths"])
    named = {part.split("'")[0] for part in text.split("#/components/schemas/")[1:]}
    assert named == set(schemas)


def test_the_document_names_every_path_and_every_key_of_a_camera() -> None:
    text = (REPOSITORY / "docs" / "web.md").read_text(encoding="utf-8")
    for path in PATHS:
        assert path.replace("{name}", "NAME") in text
    for key in description()["components"]["schemas"]["Camera"]["properties"]:
        assert f"`{key}`" in text


def test_further_routes_are_served_beside_the_own_ones() -> None:
    route = Route("/metrics", lambda _: None)
    assert route in application(route).starlette.routes
