"""Routes of a listening test's server, and their handlers."""

# No "from __future__ import annotations": FastAPI reads the types of these nested functions.

import html
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Body, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from pydantic import AfterValidator
from starlette.exceptions import HTTPException

from bench.errors import DataError, UsageError
from bench.listening_test.access import listener_of, listener_token, organizer_token
from bench.listening_test.organizer import links_csv
from bench.listening_test.refusal import Refusal
from bench.storage.listening_answers import Listener

if TYPE_CHECKING:
    from bench.listening_test.server import Server

LISTENER, ORGANIZER = "listener", "organizer"
"""Cookies; their names include the test, since browsers send all cookies of a host to each of its ports."""

_SAME = "Thu, 01 Jan 1970 00:00:00 GMT"
"""Date of all sounds: the time of a file would reveal the order in which models were prepared."""

_STATIC = files("bench.listening_test") / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript"}
_YEAR = 31_536_000
_NOT_KEPT = {"cache-control": "no-store"}
_NAME = re.compile(r"[0-9a-f]{32}")


def _storable(content: dict[str, Any]) -> dict[str, Any]:
    """Return JSON that can be stored; raise ValueError for an unpaired surrogate or a non-finite number."""
    json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    return content


Content = Annotated[dict[str, Any], Body(), AfterValidator(_storable)]


def make_routes(server: "Server") -> FastAPI:
    """Return the application of one listening test."""

    @asynccontextmanager
    async def closing(_: FastAPI) -> AsyncIterator[None]:
        yield
        server.answers.close()  # SQLite then merges its log into the one file

    # A redirect for a trailing slash would use the request's host and lose the proxy's path.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, lifespan=closing)
    _answer_mistakes(app, server)
    _serve_pages(app, server)
    _take_answers(app, server)
    _serve_organizer(app, server)
    return app


def _host(request: Request) -> str:
    return request.client.host if request.client else ""


def _cookie_name(server: "Server", name: str) -> str:
    return f"{name}-{server.design.short_id}"


def _cookie(server: "Server", request: Request, name: str) -> str | None:
    return request.cookies.get(_cookie_name(server, name))


def _listener(server: "Server", request: Request) -> Listener:
    return server.listener(_cookie(server, request, LISTENER), request.headers.get("x-listener"))


def _with_cookie(response: Response, server: "Server", name: str, token: str) -> Response:
    secure, path = server.url.startswith("https:"), server.path or "/"
    name = _cookie_name(server, name)
    response.set_cookie(name, token, max_age=_YEAR, path=path, httponly=True, secure=secure, samesite="lax")
    return response


def _said(server: "Server", text: str) -> str:
    """Return a page with a single message."""
    title, language = server.design.test.wording.title, server.design.texts["code"]
    return (
        f'<!doctype html><html lang="{html.escape(language)}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="stylesheet" href="{html.escape(server.path)}/static/listener.css">'
        f"<title>{html.escape(title)}</title><main><p>{html.escape(text)}</p></main>"
    )


def _answer_mistakes(app: FastAPI, server: "Server") -> None:
    """Add handlers that report refusals, as a page to people and as JSON to programs, and log them."""

    def refused(request: Request, status: int, why: str) -> Response:
        token = _cookie(server, request, LISTENER)
        number = listener_of(server.design, token) if token else None
        if status not in (401, 429):
            server.refuse(number, _host(request), f"{status} {request.method} {request.url.path[:100]}: {why}")
        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(_said(server, why), status, headers=_NOT_KEPT)
        return JSONResponse({"error": why}, status, headers=_NOT_KEPT)

    @app.exception_handler(Refusal)
    def on_refusal(request: Request, error: Refusal) -> Response:
        return refused(request, error.status, str(error))

    @app.exception_handler(DataError)
    def on_wrong(request: Request, error: DataError) -> Response:
        return refused(request, 400, str(error))

    @app.exception_handler(UsageError)
    def on_full(request: Request, error: UsageError) -> Response:
        del request
        logging.getLogger("uvicorn.error").error("%s", error)  # paths are only for the organizer
        return JSONResponse({"error": server.design.texts["not saved"]}, 503, headers=_NOT_KEPT)

    @app.exception_handler(RequestValidationError)
    def on_malformed(request: Request, error: RequestValidationError) -> Response:
        del error
        return refused(request, 400, "the request body is not valid JSON of the expected form")

    @app.exception_handler(HTTPException)
    def on_other(request: Request, error: HTTPException) -> Response:
        return refused(request, error.status_code, str(error.detail))

    @app.middleware("http")
    async def refuse_other_sites(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        if request.method == "POST":
            kind = request.headers.get("content-type", "").partition(";")[0]
            site = request.headers.get("sec-fetch-site", "same-origin")
            if kind != "application/json" or site not in ("same-origin", "none"):
                return JSONResponse({"error": "only this test's own pages may do that"}, 403)
        return await call(request)


def _serve_pages(app: FastAPI, server: "Server") -> None:
    """Add the routes of the listener's page, its files, and the sounds."""

    @app.get("/")
    def page() -> Response:
        return HTMLResponse((_STATIC / "listener.html").read_text("utf-8"), headers=_NOT_KEPT)

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        file = next((one for one in _STATIC.iterdir() if one.name == name), None)
        kind = _TYPES.get(f".{name.rpartition('.')[2]}")
        if file is None or kind is None:
            raise Refusal(404, "there is no such file")
        return Response(file.read_bytes(), media_type=kind, headers={"cache-control": "max-age=300"})

    @app.get("/sounds/{name}.mp3")
    def sound(name: str, request: Request) -> Response:
        organizer = _cookie(server, request, ORGANIZER)
        listener = None if organizer and server.is_organizer(organizer) else _listener(server, request)
        if not _NAME.fullmatch(name):
            raise Refusal(404, "there is no such sound")
        headers = {"cache-control": f"private, max-age={_YEAR}, immutable", "last-modified": _SAME, "etag": f'"{name}"'}
        return FileResponse(server.sound(listener, name), media_type="audio/mpeg", headers=headers)

    @app.get("/join/{token}")
    def join(token: str, request: Request) -> Response:
        number = server.join(token, _host(request))
        found = RedirectResponse(f"{server.path}/", 303, headers=_NOT_KEPT)
        return _with_cookie(found, server, LISTENER, listener_token(server.design, number))


def _take_answers(app: FastAPI, server: "Server") -> None:
    """Add the routes that a listener's page calls."""

    @app.post("/api/enroll")
    def enroll(request: Request, content: Content) -> Response:
        number = server.enroll(content.get("panel"), _host(request), _cookie(server, request, LISTENER))
        return _with_cookie(JSONResponse({}), server, LISTENER, listener_token(server.design, number))

    @app.get("/api/session")
    def session(request: Request) -> Response:
        try:
            content = server.content(_listener(server, request))
        except Refusal as error:
            if error.status != 401:
                raise
            content = server.arrival()
        return JSONResponse(content, headers=_NOT_KEPT)

    @app.post("/api/consent")
    def consent(request: Request) -> dict[str, Any]:
        return server.consent(_listener(server, request))

    @app.post("/api/facts")
    def facts(request: Request, content: Content) -> dict[str, Any]:
        return server.add_facts(_listener(server, request), content)

    @app.post("/api/answer")
    def answer(request: Request, content: Content) -> dict[str, Any]:
        return server.save(_listener(server, request), content)


def _serve_organizer(app: FastAPI, server: "Server") -> None:
    """Add the routes of the organizer's page, which need its token."""

    def check(request: Request) -> None:
        server.check_organizer(_cookie(server, request, ORGANIZER), _host(request))

    @app.get("/organizer/{token}")
    def open_organizer(token: str, request: Request) -> Response:
        server.check_organizer(token, _host(request))
        found = RedirectResponse(f"{server.path}/organizer", 303, headers=_NOT_KEPT)
        return _with_cookie(found, server, ORGANIZER, organizer_token(server.design))

    @app.get("/organizer")
    def organizer(request: Request) -> Response:
        check(request)
        return HTMLResponse(server.progress(), headers=_NOT_KEPT)

    @app.get("/organizer/files/{name}")
    def exported(name: str, request: Request) -> Response:
        check(request)
        if name == "answers.csv":
            table = server.table()
        elif name == "links.csv":
            table = links_csv(server.design, server.url)
        else:
            raise Refusal(404, "there is no such file")
        headers = {**_NOT_KEPT, "content-disposition": f'attachment; filename="{name}"'}
        return Response(table, media_type="text/csv; charset=utf-8", headers=headers)

    @app.post("/organizer/state")
    def state(request: Request, content: Content) -> dict[str, Any]:
        check(request)
        if content.get("state") not in ("open", "paused", "closed"):
            raise DataError("'state' must be open, paused or closed")
        server.answers.set_state(content["state"])
        return {"state": server.answers.state}
