"""The server of a listening test, asked by real clients: what it keeps, what it refuses, and what it never tells."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from bench.errors import DataError, UsageError
from bench.listening_test.access import listener_of, listener_token, organizer_token
from bench.listening_test.answers import questions
from bench.listening_test.application import make_app
from bench.listening_test.design import ListeningDesign, read_design
from bench.listening_test.rate_limit import RateLimit
from bench.listening_test.read_test import read_listening_test
from bench.listening_test.static_pages import write_listening_pages
from bench.storage.listening_answers import Answers, PageAnswer, read_answers
from tests.bench.listening_test.conftest import Client, Served

MakeTest = Callable[..., Path]
Serve = Callable[[Path], Served]


def joined(served: Served, listener: int = 0) -> Client:
    """A client that came by its link and agreed."""
    client = served.client()
    status, _, headers = client.ask("GET", f"/join/{listener_token(served.design, listener)}")
    assert status == 303 and headers["location"] == "/"
    assert client.post("/api/consent") == (200, {})
    return client


def listener_cookie(design: ListeningDesign) -> str:
    return f"listener-{design.short_id}"


def whole_answer(design: ListeningDesign, listener: int, page: int, value: int = 3) -> dict[str, Any]:
    """An answer that is taken."""
    trial = design.sessions[listener][page]
    answer: dict[str, Any] = {}
    for question in questions(design, trial):
        answer[question.key] = question.choices[0] if question.choices else value
    heard = [design.files[key].seconds for key in design.keys_on(trial)]
    return {"page": page, "final": True, "number": 1, "answer": answer, "heard": heard, "seconds": 1.0}


def final_pages(folder: Path, design: ListeningDesign) -> list[tuple[int, int]]:
    answers = Answers(folder, design.id)
    try:
        return [(one.listener, one.page) for one in answers.answers() if one.final]
    finally:
        answers.close()


def refusals(folder: Path, design: ListeningDesign) -> list[str]:
    answers = Answers(folder, design.id)
    try:
        return [what for *_, what in answers.refused()]
    finally:
        answers.close()


def test_a_listener_answers_from_the_first_page_to_the_last(make_test: MakeTest, serve: Serve) -> None:
    served = serve(
        make_test(fresh=True, completion={"code": "C0DE", "address": "https://panel.example/?cc={code}&who={listener}"})
    )
    client, design = joined(served), served.design
    session = client.get("/api/session")[1]
    assert session["consented"] and not session["finished"] and len(session["pages"]) == len(design.sessions[0])
    assert client.post("/api/facts", {"volume": True}) == (200, {})
    assert client.post("/api/facts", {"headphones": list(design.tones)}) == (200, {})
    for page in range(len(design.sessions[0])):
        status, found = client.post("/api/answer", whole_answer(design, 0, page))
        assert status == 200 and found["saved"]
    assert found["finished"] and found["completion"]["code"] == "C0DE"
    assert found["completion"]["address"] == "https://panel.example/?cc=C0DE&who=listener-001"
    assert client.get("/api/session")[1]["finished"]
    assert len(final_pages(served.folder, design)) == len(design.sessions[0])


def test_what_is_half_answered_is_there_on_another_device(make_test: MakeTest, serve: Serve) -> None:
    served = serve(make_test(fresh=True))
    first = joined(served)
    draft = {**whole_answer(served.design, 0, 0), "final": False, "answer": {"s0": 4}, "heard": [0.5], "number": 3}
    assert first.post("/api/answer", draft)[1]["saved"]
    late = {**draft, "answer": {"s0": 1}, "number": 2}
    assert not first.post("/api/answer", late)[1]["saved"]  # overtaken on the way
    second = served.client()
    second.ask("GET", f"/join/{listener_token(served.design, 0)}")
    kept = second.get("/api/session")[1]
    assert (
        kept["answers"] == {"0": {"answer": {"s0": 4}, "final": False, "number": 3, "heard": [0.5]}}
        and kept["consented"]
    )


def test_the_same_answer_again_changes_nothing_and_another_is_refused(make_test: MakeTest, serve: Serve) -> None:
    served = serve(make_test(fresh=True))
    client, answer = joined(served), whole_answer(served.design, 0, 0)
    for _ in range(3):
        assert client.post("/api/answer", answer)[0] == 200
    assert client.post("/api/answer", {**answer, "answer": dict.fromkeys(answer["answer"], 5), "number": 9})[0] == 409
    assert client.post("/api/answer", {**answer, "final": False, "number": 10})[1]["saved"] is False
    (kept,) = client.get("/api/session")[1]["answers"].values()
    assert kept["answer"] == answer["answer"] and kept["final"]


def wrong_answers(design: ListeningDesign) -> list[tuple[str, Any]]:
    right = whole_answer(design, 0, 0)
    rated = next(iter(right["answer"]))
    return [
        ("off the scale", {**right, "answer": {rated: 99}}),
        ("not asked", {**right, "answer": {**right["answer"], "x": 1}}),
        ("unheard", {**right, "heard": [0.0]}),
        ("negative time", {**right, "heard": [-5.0]}),
        ("clock back", {**right, "seconds": -3600.0}),
        ("clock far ahead", {**right, "seconds": 1e12}),
        ("not a number", {**right, "seconds": "soon"}),
        ("too early", whole_answer(design, 0, 5)),
        ("no such page", {**right, "page": 999}),
        ("negative page", {**right, "page": -1}),
        ("boolean page", {**right, "page": True}),
        ("no number", {name: value for name, value in right.items() if name != "number"}),
        ("final is text", {**right, "final": "true"}),
        ("half of it", {**right, "answer": {}}),
        ("deep", {**right, "answer": {rated: [[[[1]]]]}}),
        ("a list", [1, 2]),
        ("a text", "answer"),
    ]


def test_wrong_answers_are_refused_logged_and_change_nothing(make_test: MakeTest, serve: Serve) -> None:
    served = serve(make_test(fresh=True))
    client = joined(served)
    for name, content in wrong_answers(served.design):
        status, found = client.post("/api/answer", content)
        assert status in (400, 409), name
        assert "Traceback" not in json.dumps(found), name
    assert client.get("/api/session")[1]["answers"] == {}
    assert len(refusals(served.folder, served.design)) == len(wrong_answers(served.design))


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 30_000, "application/json", 400),
        (b"x" * 70_000, "application/json", 413),
        (b"{}", "text/plain", 403),
        (b"page=0&final=true", "application/x-www-form-urlencoded", 403),
        (b'{"page": NaN}', "application/json", 400),
    ],
)
def test_malformed_and_oversized_bodies_are_refused(
    body: bytes, kind: str, status: int, make_test: MakeTest, serve: Serve
) -> None:
    served = serve(make_test())
    client = joined(served)
    assert client.ask("POST", "/api/answer", body=body, content_type=kind)[0] == status


def test_a_body_without_its_length_is_cut_off(make_test: MakeTest, serve: Serve) -> None:
    served = serve(make_test())
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        lines = "POST /api/answer HTTP/1.1", "Host: x", "Content-Type: application/json", "Transfer-Encoding: chunked"
        head = "\r\n".join(lines) + "\r\n\r\n"
        connection.sendall(head.encode())
        for _ in range(10):
            try:
                connection.sendall(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
            except OSError:
                break
        assert b" 413 " in connection.recv(100)


def test_other_sites_cannot_answer_for_a_listener(make_test: MakeTest, serve: Serve) -> None:
    served = serve(make_test(fresh=True))
    client = joined(served)
    answer = whole_answer(served.design, 0, 0)
    assert client.ask("POST", "/api/answer", answer, sec_fetch_site="cross-site")[0] == 403
    assert final_pages(served.folder, served.design) == []


def test_strangers_see_nothing(make_test: MakeTest, serve: Serve) -> None:
    served = serve(make_test())
    design = served.design
    token = listener_token(design, 1)
    joined(served)
    sound = design.sound(next(iter(design.files)))
    for wrong in (
        "",
        "1",
        "1-",
        token[:-1],
        token[:-1] + ("a" if token[-1] != "a" else "b"),
        "3" + token[1:],
        "0" + token,
        "9" * 30,
        "²-x",
        "-1-x",
    ):
        client = served.client()
        assert client.ask("GET", f"/join/{wrong or '%00'}".replace("²", "%C2%B2"))[0] in (404, 429), wrong
        client.cookies = {listener_cookie(design): wrong.replace("²", "")}
        assert client.get("/api/session")[0] == 401
        assert client.get(f"/sounds/{sound}.mp3")[0] == 401
        assert client.post("/api/answer", whole_answer(design, 0, 0))[0] == 401
    # A session that nobody has joined yet is none, whatever proves it.
    client = served.client()
    client.cookies = {listener_cookie(design): listener_token(design, 3)}
    assert client.get("/api/session")[0] == 401


def test_the_organizers_page_needs_its_token(make_test: MakeTest, serve: Serve) -> None:
    served = serve(make_test(fresh=True))
    listener = joined(served)
    own = listener_cookie(served.design)
    listener.cookies[own.replace("listener", "organizer")] = listener.cookies[own]
    for client in (served.client(), listener):
        assert client.get("/organizer")[0] == 404
        assert client.get("/organizer/files/answers.csv")[0] == 404
        assert client.get("/organizer/files/links.csv")[0] == 404
        assert client.post("/organizer/state", {"state": "closed"})[0] == 404
    assert joined(served, 1).get("/api/session")[1]["state"] == "open"
    for guess in range(25):
        status = served.client().get(f"/organizer/{guess:026d}")[0]
    assert status == 429  # guesses are slowed down


def test_the_organizer_pauses_closes_exports_and_sends_links(make_test: MakeTest, serve: Serve) -> None:
    served = serve(make_test(fresh=True))
    design, organizer, listener = served.design, served.client(), joined(served)
    assert organizer.ask("GET", f"/organizer/{organizer_token(design)}")[0] == 303
    answer = whole_answer(design, 0, 0)
    for state in ("paused", "closed"):
        assert organizer.post("/organizer/state", {"state": state}) == (200, {"state": state})
        assert listener.post("/api/answer", answer) == (403, {"error": design.texts[state]})
        assert served.client().get(f"/join/{listener_token(design, 1)}")[0] == 403
    assert organizer.post("/organizer/state", {"state": "gone"})[0] == 400
    assert organizer.post("/organizer/state", {"state": "open"})[0] == 200
    for page in range(len(design.sessions[0])):
        assert listener.post("/api/answer", whole_answer(design, 0, page))[0] == 200
    status, table = organizer.get("/organizer/files/answers.csv")
    assert status == 200 and table.decode().count("listener-001") == 2 * 18 + 2
    links = organizer.get("/organizer/files/links.csv")[1].decode().splitlines()
    assert len(links) == 5 and links[1].endswith(listener_token(design, 0))
    page = organizer.get("/organizer")[1].decode()
    assert "interim" in page.lower() and f"{len(design.sessions[0])} of {len(design.sessions[0])}" in page
    assert organizer.get("/organizer/files/design.json")[0] == 404


def test_listeners_hear_only_their_own_sounds(make_test: MakeTest, serve: Serve) -> None:
    served = serve(make_test(fresh=True, minutes=2.5, listeners=8))
    design = served.design
    clients = [joined(served, listener) for listener in range(2)]
    own = [
        {sound["name"] for page in client.get("/api/session")[1]["pages"] for sound in page["sounds"]}
        for client in clients
    ]
    assert own[0] - own[1] and own[1] - own[0]
    assert clients[0].get(f"/sounds/{next(iter(own[0]))}.mp3")[0] == 200
    assert clients[0].get(f"/sounds/{next(iter(own[1] - own[0]))}.mp3")[0] == 404
    for path in ("../design.json", "..%2Fdesign.json", "%2e%2e/answers.db", "x", "/etc/passwd", "a" * 32, "%00"):
        assert clients[0].get(f"/sounds/{path}")[0] in (404, 405), path
        assert clients[0].get(f"/sounds/{path}.mp3")[0] == 404, path
        assert clients[0].get(f"/static/{path}")[0] == 404, path
    assert design.secret


def test_sounds_come_in_ranges_and_their_headers_differ_in_nothing(make_test: MakeTest, serve: Serve) -> None:
    served = serve(make_test())
    client, design = joined(served), served.design
    headers = []
    for model in design.models:
        name = design.sound(f"0 {model}")
        status, whole, got = client.ask("GET", f"/sounds/{name}.mp3")
        assert status == 200
        status, part, ranged = client.ask("GET", f"/sounds/{name}.mp3", range="bytes=100-199")
        assert status == 206 and part == whole[100:200] and ranged["content-range"] == f"bytes 100-199/{len(whole)}"
        got.pop("date")
        assert got.pop("etag") == f'"{name}"'
        headers.append(got)
    assert headers[0] == headers[1] == headers[2]


def test_every_answer_has_the_security_headers(make_test: MakeTest, serve: Serve) -> None:
    served = serve(make_test())
    client = joined(served)
    for path in ("/", "/api/session", "/static/listener.js", "/nowhere", "/sounds/x.mp3"):
        headers = client.ask("GET", path)[2]
        assert (
            "default-src 'none'" in headers["content-security-policy"]
            and "unsafe" not in headers["content-security-policy"]
        )
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY" and "server" not in headers
    assert client.ask("GET", "/api/session")[2]["cache-control"] == "no-store"


def test_the_page_asks_no_third_party(make_test: MakeTest, serve: Serve) -> None:
    client = serve(make_test()).client()
    page = client.get("/")[1].decode()
    for name in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert name.startswith(("static/", "data:,")), name
        if name.startswith("static/"):
            text = client.get(f"/{name}")[1].decode()
            assert not re.search(r"https?://", text)
    assert client.get("/docs")[0] == client.get("/openapi.json")[0] == 404


def test_scripts_in_texts_stay_text(make_test: MakeTest, serve: Serve) -> None:
    wording = {"title": "<script>alert(1)</script>", "consent": "<img src=x onerror=alert(1)>"}
    about = [{"name": "Who", "question": "<b>who</b>?"}]
    served = serve(make_test(fresh=True, wording=wording, about=about))
    client, organizer = joined(served), served.client()
    assert client.post("/api/facts", {"about": {"Who": "<script>alert(2)</script>"}})[0] == 200
    client.get("/<script>alert(3)</script>")
    organizer.get(f"/organizer/{organizer_token(served.design)}")
    page = organizer.get("/organizer")[1].decode()
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page


def test_open_enrollment_has_a_cap_and_knows_panelists(make_test: MakeTest, serve: Serve) -> None:
    served = serve(make_test(fresh=True, enrollment="open", completion={"parameter": "PROLIFIC_PID"}))
    clients = [served.client() for _ in range(4)]
    assert clients[0].get("/api/session")[1]["state"] == "enroll"
    for place, client in enumerate(clients):
        assert client.post("/api/enroll", {"panel": f"p{place}"})[0] == 200
        assert client.get("/api/session")[1]["state"] == "open"
    assert len({client.cookies[listener_cookie(served.design)] for client in clients}) == 4
    late = served.client()
    assert late.post("/api/enroll", {"panel": "p0"})[0] == 409
    assert late.post("/api/enroll", {"panel": "p9"}) == (403, {"error": served.design.texts["full"]})
    assert late.post("/api/enroll", {"panel": "x" * 200})[0] == 400
    # Its link works for who has enrolled, and for nobody else.
    assert served.client().ask("GET", f"/join/{listener_token(served.design, 2)}")[0] == 303


def test_a_test_with_links_takes_nobody_else(make_test: MakeTest, serve: Serve) -> None:
    served = serve(make_test())
    assert served.client().post("/api/enroll", {})[0] == 403 and served.client().get("/api/session")[0] == 401


def test_tests_on_one_host_leave_each_others_sessions_alone(make_test: MakeTest, serve: Serve) -> None:
    first, second, open_to_all = (
        serve(make_test(fresh=True, **settings)) for settings in ({}, {"seed": 1}, {"enrollment": "open"})
    )
    client = joined(first)
    client.port = open_to_all.port  # browsers send the cookies of a host to all of its ports
    assert client.get("/api/session")[1]["state"] == "enroll" and client.post("/api/enroll")[0] == 200
    client.port = second.port
    assert client.get("/api/session")[0] == 401
    client.ask("GET", f"/join/{listener_token(second.design, 2)}")
    for served, number in ((first, 1), (second, 3), (open_to_all, 1)):
        client.port = served.port
        assert client.get("/api/session")[1]["listener"] == number


def test_a_page_answers_for_no_session_but_its_own(make_test: MakeTest, serve: Serve) -> None:
    served = serve(make_test(fresh=True))
    client = joined(served)
    client.ask("GET", f"/join/{listener_token(served.design, 1)}")  # in another tab
    assert client.post("/api/consent")[0] == 200
    for path, content in (
        ("/api/answer", whole_answer(served.design, 0, 0)),
        ("/api/facts", {"volume": True}),
        ("/api/consent", {}),
    ):
        assert client.ask("POST", path, content, x_listener="1")[0] == 409
    assert final_pages(served.folder, served.design) == []
    assert client.ask("POST", "/api/answer", whole_answer(served.design, 1, 0), x_listener="2")[0] == 200
    assert final_pages(served.folder, served.design) == [(1, 0)]


def test_who_enrolls_in_two_tabs_has_one_session(make_test: MakeTest, serve: Serve) -> None:
    served = serve(make_test(fresh=True, enrollment="open"))
    client = served.client()
    for _ in range(3):
        assert client.post("/api/enroll", {"panel": "p"})[0] == 200
    assert client.get("/api/session")[1]["listener"] == 1
    assert client.post("/api/enroll", {"panel": "q"})[0] == 200  # another person
    assert client.get("/api/session")[1]["listener"] == 2


def test_a_session_that_was_forgotten_can_be_begun_again_where_anybody_may(make_test: MakeTest, serve: Serve) -> None:
    served = serve(make_test(fresh=True, enrollment="open"))
    client = served.client()
    client.cookies = {listener_cookie(served.design): listener_token(served.design, 2)}
    assert client.get("/api/session")[1]["state"] == "enroll"
    assert client.post("/api/enroll")[0] == 200 and client.get("/api/session")[1]["listener"] == 1


def test_nothing_is_kept_of_who_has_not_agreed(make_test: MakeTest, serve: Serve) -> None:
    served = serve(make_test(fresh=True))
    client = served.client()
    client.ask("GET", f"/join/{listener_token(served.design, 0)}")
    assert client.post("/api/facts", {"volume": True})[0] == 403
    assert client.get("/api/session")[1]["facts"] == {}


def test_half_characters_are_refused(make_test: MakeTest, serve: Serve) -> None:
    served = serve(make_test(fresh=True, about=[{"name": "Who", "question": "?"}]))
    client = joined(served)
    for content in ({"about": {"Who": "\ud800"}}, {"\udfff": 1}):
        assert client.post("/api/facts", content)[0] == 400
    assert client.post("/api/facts", {"about": {"Who": "👩‍🎤"}})[0] == 200


def test_people_read_why_their_link_is_refused(make_test: MakeTest, serve: Serve) -> None:
    served = serve(make_test(fresh=True))
    client = served.client()
    status, page, headers = client.ask("GET", "/join/1-<b>", accept="text/html,*/*")
    assert status == 404 and headers["content-type"].startswith("text/html")
    assert served.design.texts["invalid"] in page.decode() and "<b>" not in page.decode()


def test_a_full_disk_stops_nothing_for_good(make_test: MakeTest) -> None:
    folder = make_test(fresh=True)
    answers = Answers(folder, "x")
    answers.enroll(0)
    (pages,) = answers._db.execute("PRAGMA page_count").fetchone()
    answers._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(UsageError, match="full"):
        for number in range(1000):
            answers.save(PageAnswer(0, number, {"s0": "x" * 500}, False))
    answers._db.execute(f"PRAGMA max_page_count = {pages + 100}")
    assert answers.save(PageAnswer(0, 2000, {}, True), last=True)
    person = answers.listener(0)
    assert person is not None and person.finished_at is not None
    answers.close()


def test_answers_are_read_where_nothing_can_be_written(make_test: MakeTest, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_test(fresh=True)
    answers = Answers(folder, "x")
    answers.enroll(2)
    answers.save(PageAnswer(2, 0, {"s0": 1}, True))
    monkeypatch.setattr(os, "access", lambda *_: False)  # an administrator may write everywhere
    for way in ("served", "ended"):
        (kept,), (person,) = read_answers(folder, "x")
        assert (kept.answer, person.listener) == ({"s0": 1}, 2), way
        with pytest.raises(DataError, match="another design"):
            read_answers(folder, "y")
        answers.close()
    assert [path.name for path in folder.glob("answers*")] == ["answers.db"]


def test_listeners_are_not_told_where_a_full_disk_is(make_test: MakeTest, caplog: pytest.LogCaptureFixture) -> None:
    from fastapi.testclient import TestClient

    from bench.listening_test.routes import make_routes
    from bench.listening_test.server import Server

    folder = make_test(fresh=True)
    design = read_design(folder)
    answers = Answers(folder, design.id)
    with TestClient(make_routes(Server(folder, design, answers, ""))) as client:
        client.get(f"/join/{listener_token(design, 0)}", follow_redirects=False)
        answers._db.execute("PRAGMA query_only = ON")
        found = client.post("/api/consent", json={})
        assert found.status_code == 503 and found.json() == {"error": design.texts["not saved"]}
        assert str(folder) in caplog.text


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"another")])
def test_sounds_that_were_changed_are_not_served(damage: Callable[[Path], Any], make_test: MakeTest) -> None:
    folder = make_test(fresh=True)
    damage(min((folder / "sounds").iterdir()))
    with pytest.raises(DataError, match="sounds"):
        make_app(folder, read_design(folder))
    with pytest.raises(DataError, match="sounds"):
        write_listening_pages(folder, folder / "pages")


@pytest.mark.parametrize(
    "address", ["example.org", "ftp://x", "http://[", "https://", "https://x/?a=1", "http://x:99999"]
)
def test_addresses_that_are_none_are_refused(address: str, make_test: MakeTest) -> None:
    with pytest.raises(UsageError, match="public-url"):
        make_app(make_test(), read_design(make_test()), address)


def test_answers_to_another_design_are_left_alone(make_test: MakeTest) -> None:
    folder = make_test(fresh=True)
    Answers(folder, "another").close()
    with pytest.raises(DataError, match="another design"):
        make_app(folder, read_design(folder))


def test_what_was_acknowledged_survives_a_kill(make_test: MakeTest) -> None:
    folder = make_test(fresh=True)
    design = read_design(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-P", "-m", "bench", "survey", "serve", str(folder), "--port", str(port)]
    acknowledged = 0
    for start in (0, 8):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None and "/organizer/" in process.stdout.readline()
            _wait_for(port)
            client = Client(port)
            client.ask("GET", f"/join/{listener_token(design, 0)}")
            client.post("/api/consent")
            session = client.get("/api/session")[1]
            assert len(session["answers"]) == acknowledged == start
            for page in range(start, start + 8):
                assert client.post("/api/answer", whole_answer(design, 0, page))[0] == 200
                acknowledged += 1
            os.kill(process.pid, signal.SIGKILL)
    assert final_pages(folder, design) == [(0, page) for page in range(16)]
    assert len(read_listening_test(folder, screened=False).table) > 0


def _wait_for(port: int) -> None:
    for _ in range(400):
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.05)
    raise AssertionError("the server does not answer")


def test_a_server_that_is_ended_leaves_one_file_of_answers(make_test: MakeTest) -> None:
    folder = make_test(fresh=True)
    command = [
        sys.executable,
        "-P",
        "-m",
        "bench",
        "survey",
        "serve",
        str(folder),
        "--port",
        "0",
        "--host",
        "127.0.0.1",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        port = urlsplit(process.stdout.readline()).port
        assert port is not None
        _wait_for(port)
        client = Client(port)
        client.ask("GET", f"/join/{listener_token(read_design(folder), 0)}")
        assert client.post("/api/consent")[0] == 200
        process.send_signal(signal.SIGTERM)
    assert [path.name for path in folder.glob("answers*")] == ["answers.db"]


@pytest.mark.parametrize("path", ["/organizer/", "/join/1-x/", "/static/"])
def test_no_answer_names_the_host_that_was_asked_for(path: str, make_test: MakeTest, serve: Serve) -> None:
    status, _, headers = serve(make_test()).client().ask("GET", path, host="evil.example")
    assert status == 404 and "location" not in headers


def test_tokens_prove_their_listener(make_test: MakeTest) -> None:
    first, second = read_design(make_test()), read_design(make_test(seed=1))
    for listener in range(4):
        token = listener_token(first, listener)
        assert listener_of(first, token) == listener and listener_of(second, token) is None
    assert listener_of(first, listener_token(first, 4)) is None  # there are four sessions
    assert organizer_token(first) != organizer_token(second)


def test_a_limit_lets_a_burst_through_and_then_so_many_a_second() -> None:
    now = [0.0]
    limit = RateLimit(3, 2.0, lambda: now[0])
    assert [limit.allows("a") for _ in range(5)] == [True, True, True, False, False]
    assert limit.allows("b")
    now[0] = 0.5
    assert [limit.allows("a") for _ in range(2)] == [True, False]
    now[0] = 100.0
    assert [limit.allows("a") for _ in range(4)] == [True, True, True, False]
