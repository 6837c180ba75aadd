"""Addresses of a listening test's server, and what each of them calls."""

# No "from __future__ import annotations": FastAPI reads the types of these functions, which stand inside another.

import re
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from fastapi import Body, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from bench.errors import DataError, UsageError
from bench.listening_test.access import listener_of, listener_token, organizer_token
from bench.listening_test.organizer import links_csv
from bench.listening_test.refusal import Refusal

if TYPE_CHECKING:
    from bench.listening_test.server import Server

LISTENER, ORGANIZER = "listener", "organizer"
_SAME = "Thu, 01 Jan 1970 00:00:00 GMT"
"""Date of all sounds: when a file was written would tell in which order the models were prepared."""

_STATIC = files("bench.listening_test") / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript"}
_YEAR = 31_536_000
_NAME = re.compile(r"[0-9a-f]{32}")


def make_routes(server: "Server") -> FastAPI:
    """Return the application of one listening test."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    path = server.path or "/"

    def host(request: Request) -> str:
        return request.client.host if request.client else ""

    def with_cookie(response: Response, name: str, token: str) -> Response:
        secure = server.url.startswith("https:")
        response.set_cookie(name, token, max_age=_YEAR, path=path, httponly=True, secure=secure, samesite="lax")
        return response

    def who(request: Request) -> Any:
        return server.listener(request.cookies.get(LISTENER))

    def refused(request: Request, status: int, why: str) -> Response:
        token = request.cookies.get(LISTENER)
        number = listener_of(server.design, token) if token else None
        if status not in (401, 429):
            server.refuse(number, host(request), f"{status} {request.method} {request.url.path[:100]}: {why}")
        return JSONResponse({"error": why}, status, headers={"cache-control": "no-store"})

    @app.exception_handler(Refusal)
    def on_refusal(request: Request, error: Refusal) -> Response:
        return refused(request, error.status, str(error))

    @app.exception_handler(DataError)
    def on_wrong(request: Request, error: DataError) -> Response:
        return refused(request, 400, str(error))

    @app.exception_handler(UsageError)
    def on_full(request: Request, error: UsageError) -> Response:
        del request
        return JSONResponse({"error": str(error)}, 503)

    @app.exception_handler(RequestValidationError)
    def on_malformed(request: Request, error: RequestValidationError) -> Response:
        del error
        return refused(request, 400, "the request is not the JSON that is wanted")

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

    @app.get("/")
    def page() -> Response:
        return HTMLResponse((_STATIC / "listener.html").read_text("utf-8"), headers={"cache-control": "no-store"})

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        file = next((one for one in _STATIC.iterdir() if one.name == name), None)
        kind = _TYPES.get(f".{name.rpartition('.')[2]}")
        if file is None or kind is None:
            raise Refusal(404, "there is no such file")
        return Response(file.read_bytes(), media_type=kind, headers={"cache-control": "max-age=300"})

    @app.get("/join/{token}")
    def join(token: str, request: Request) -> Response:
        number = server.join(token, host(request))
        found = RedirectResponse(path, 303, headers={"cache-control": "no-store"})
        return with_cookie(found, LISTENER, listener_token(server.design, number))

    @app.post("/api/enroll")
    def enroll(request: Request, content: dict[str, Any] = Body()) -> Response:  # noqa: B008
        number = server.enroll(content.get("panel"), host(request))
        return with_cookie(JSONResponse({}), LISTENER, listener_token(server.design, number))

    @app.get("/api/session")
    def session(request: Request) -> Response:
        known = LISTENER in request.cookies
        content = server.content(who(request)) if known else server.arrival()
        return JSONResponse(content, headers={"cache-control": "no-store"})

    @app.post("/api/consent")
    def consent(request: Request) -> dict[str, Any]:
        return server.consent(who(request))

    @app.post("/api/facts")
    def facts(request: Request, content: dict[str, Any] = Body()) -> dict[str, Any]:  # noqa: B008
        return server.add_facts(who(request), content)

    @app.post("/api/answer")
    def answer(request: Request, content: dict[str, Any] = Body()) -> dict[str, Any]:  # noqa: B008
        return server.save(who(request), content)

    @app.get("/sounds/{name}.mp3")
    def sound(name: str, request: Request) -> Response:
        organizer = request.cookies.get(ORGANIZER)
        listener = None if organizer and server.is_organizer(organizer) else who(request)
        if not _NAME.fullmatch(name):
            raise Refusal(404, "there is no such sound")
        headers = {"cache-control": f"private, max-age={_YEAR}, immutable", "last-modified": _SAME, "etag": f'"{name}"'}
        return FileResponse(server.sound(listener, name), media_type="audio/mpeg", headers=headers)

    @app.get("/organizer/{token}")
    def open_organizer(token: str, request: Request) -> Response:
        server.check_organizer(token, host(request))
        found = RedirectResponse(f"{server.path}/organizer", 303, headers={"cache-control": "no-store"})
        return with_cookie(found, ORGANIZER, organizer_token(server.design))

    @app.get("/organizer")
    def organizer(request: Request) -> Response:
        server.check_organizer(request.cookies.get(ORGANIZER), host(request))
        return HTMLResponse(server.progress(), headers={"cache-control": "no-store"})

    @app.get("/organizer/files/{name}")
    def exported(name: str, request: Request) -> Response:
        server.check_organizer(request.cookies.get(ORGANIZER), host(request))
        if name == "answers.csv":
            table = server.table()
        elif name == "links.csv":
            table = links_csv(server.design, server.url)
        else:
            raise Refusal(404, "there is no such file")
        kept = {"cache-control": "no-store", "content-disposition": f'attachment; filename="{name}"'}
        return Response(table, media_type="text/csv; charset=utf-8", headers=kept)

    @app.post("/organizer/state")
    def state(request: Request, content: dict[str, Any] = Body()) -> dict[str, Any]:  # noqa: B008
        server.check_organizer(request.cookies.get(ORGANIZER), host(request))
        if content.get("state") not in ("open", "paused", "closed"):
            raise DataError("'state' must be open, paused or closed")
        server.answers.set_state(content["state"])
        return {"state": server.answers.state}

    return app
