"""The server of a listening test: permissions, and storage of answers."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.errors import DataError
from bench.listening_test.access import is_organizer, listener_of, listener_token
from bench.listening_test.answers import check_answer, check_heard, check_seconds, is_whole
from bench.listening_test.design import ListeningDesign
from bench.listening_test.facts import check_facts
from bench.listening_test.folder import SOUNDS
from bench.listening_test.listener_session import common_content, completion, session_content, sounds_of_session
from bench.listening_test.organizer import answers_csv, progress_page
from bench.listening_test.rate_limit import RateLimit
from bench.listening_test.refusal import Refusal
from bench.storage.listening_answers import AlreadyAnswered, Answers, Listener, PageAnswer


class Server:
    """One listening test.

    Args:
        folder: of the test.
        design: its design.
        answers: their store.
        url: its address without a trailing slash, or "".
    """

    def __init__(self, folder: Path, design: ListeningDesign, answers: Answers, url: str) -> None:
        self.folder, self.design, self.answers, self.url = folder, design, answers, url
        self.common = common_content(design)
        self.session = cache(lambda listener: session_content(design, listener))
        self.sounds = cache(lambda listener: sounds_of_session(design, listener))
        self.all_sounds = frozenset(map(design.sound, design.files))
        self.guesses = RateLimit(20, 0.2)
        self.requests = RateLimit(120, 10)
        self.arrivals = RateLimit(400, 5)
        self.reports = RateLimit(200, 1)

    @property
    def path(self) -> str:
        """The path of its address, without a trailing slash."""
        return urlsplit(self.url).path

    def is_organizer(self, token: str) -> bool:
        """Return whether a token is the organizer's."""
        return is_organizer(self.design, token)

    # Authentication.

    def listener(self, token: str | None, expected: str | None = None) -> Listener:
        """Return the listener of a cookie.

        Args:
            token: the cookie's token.
            expected: the number, counted from 1, of the session shown by the page; None if it shows none yet.

        Raises:
            Refusal: no such listener, too many requests, or another session was opened in this browser.
        """
        number = listener_of(self.design, token) if token else None
        found = self.answers.listener(number) if number is not None else None
        if found is None:
            raise Refusal(401, self.design.texts["invalid"])
        if not self.requests.allows(str(number)):
            raise Refusal(429, "too many requests; wait a little")
        if expected is not None and expected != str(found.listener + 1):
            raise Refusal(409, "another session was opened in this browser; load the page again")
        return found

    def join(self, token: str, host: str) -> int:
        """Return the listener of a link, counted from 0, and mark the session as started.

        Args:
            token: of the link.
            host: the client's host, whose wrong attempts are limited.

        Raises:
            Refusal: no such link, too many attempts, or the test is not open.
        """
        number = listener_of(self.design, token)
        if number is None:
            self._count_guess(host, "an unknown listener link")
            raise Refusal(404, self.design.texts["invalid"])
        if self.answers.listener(number) is None:
            if self.design.test.enrollment == "open":  # sessions are assigned on arrival
                raise Refusal(404, self.design.texts["invalid"])
            self._refuse_unless_open()
            self.answers.enroll(number)
        return number

    def enroll(self, panel: str | None, host: str, token: str | None = None) -> int:
        """Assign a session to a person who arrived without a link.

        Args:
            panel: the panel's id of the person, or None.
            host: the client's host.
            token: token of an existing cookie, or None; participants keep their session.

        Returns:
            The number of the session.

        Raises:
            Refusal: enrollment is not open, the test is full, or the panel id already takes part.
        """
        if self.design.test.enrollment != "open":
            raise Refusal(403, self.design.texts["invalid"])
        if not self.arrivals.allows(host):
            raise Refusal(429, "too many requests; wait a little")
        self._refuse_unless_open()
        known = listener_of(self.design, token) if token else None
        if known is not None and (found := self.answers.listener(known)) and found.panel == panel:
            return known
        if panel is not None and not (isinstance(panel, str) and 0 < len(panel) <= 100 and panel.isprintable()):
            raise Refusal(400, "the id from the panel is invalid")
        try:
            number = self.answers.enroll_next(len(self.design.sessions), panel)
        except AlreadyAnswered:
            raise Refusal(409, self.design.texts["invalid"]) from None
        if number is None:
            raise Refusal(403, self.design.texts["full"])
        return number

    def check_organizer(self, token: str | None, host: str) -> None:
        """Check that a link or a cookie is the organizer's.

        Args:
            token: of the link or cookie, or None.
            host: the client's host, whose wrong attempts are limited.

        Raises:
            Refusal: it is not, or too many attempts.
        """
        if not token or not is_organizer(self.design, token):
            if token:
                self._count_guess(host, "the organizer's page, with a wrong token")
            raise Refusal(404, "there is no such page")

    # Requests of listeners.

    def content(self, who: Listener) -> dict[str, Any]:
        """Return the state that a listener's browser needs to continue."""
        kept = self.answers.answers(who.listener)
        answered = {
            one.page: {"answer": one.answer, "final": one.final, "number": one.number, "heard": list(one.heard)}
            for one in kept
        }
        return {
            **self.common,
            **self.session(who.listener),
            "listener": who.listener + 1,
            "answers": answered,
            "consented": who.consented_at is not None,
            "facts": dict.fromkeys(who.facts, True),
            "state": self.answers.state,
            "resume": f"{self.url}/join/{listener_token(self.design, who.listener)}" if self.url else "",
            **self.finished(who),
        }

    def finished(self, who: Listener) -> dict[str, Any]:
        """Return whether a listener is done, and if so, the panel's completion data."""
        if who.finished_at is None:
            return {"finished": False}
        return {"finished": True, "completion": completion(self.design, who.listener, who.panel or "")}

    def arrival(self) -> dict[str, Any]:
        """Return the page data for somebody who arrived without a link.

        Raises:
            Refusal: enrollment is not open.
        """
        if self.design.test.enrollment != "open":
            raise Refusal(401, self.design.texts["invalid"])
        shown = ("texts", "wording", "parameter")
        return {"state": "enroll", "finished": False, **{name: self.common[name] for name in shown}}

    def save(self, who: Listener, content: dict[str, Any]) -> dict[str, Any]:
        """Store an answer.

        Args:
            who: the listener.
            content: ``page``, ``answer``, ``final``, ``number``, ``heard`` and ``seconds``, as in
                `bench.storage.listening_answers.PageAnswer`.

        Returns:
            ``saved``: whether it was stored; and the content of `finished`.

        Raises:
            Refusal: the test is not open, consent is missing, or the page was answered or is not the next one.
            DataError: the answer does not fit the page.
        """
        self._refuse_unless_agreed(who)
        session = self.design.sessions[who.listener]
        page, final, number = content.get("page"), content.get("final"), content.get("number")
        if not isinstance(final, bool) or not is_whole(page, 0, len(session) - 1) or not is_whole(number, 0, 999_999):
            raise DataError("an answer needs 'page', 'number' and 'final'")
        trial = session[page]
        answer = check_answer(self.design, trial, content.get("answer"), final)
        lengths = [self.design.files[key].seconds for key in self.design.keys_on(trial)]
        heard = check_heard(content.get("heard"), lengths, final)
        seconds = content.get("seconds")
        done = self.answers.pages_done(who.listener)
        if page > done:
            raise Refusal(409, f"page {page + 1} is not the next one")
        stored = PageAnswer(
            who.listener, page, answer, final, number, heard, None if seconds is None else check_seconds(seconds)
        )
        last = final and max(done, page + 1) == len(session)
        try:
            saved = self.answers.save(stored, last)
        except AlreadyAnswered:
            raise Refusal(409, f"page {page + 1} was already answered") from None
        if last:
            who = self.answers.listener(who.listener) or who
        return {"saved": saved, **self.finished(who)}

    def add_facts(self, who: Listener, content: dict[str, Any]) -> dict[str, Any]:
        """Store a listener's facts: about themselves, and the headphone check.

        Args:
            who: the listener.
            content: as for `bench.listening_test.facts.check_facts`.

        Returns:
            An empty object.

        Raises:
            Refusal: the test is not open, or they have not agreed to take part.
            DataError: it was not asked, or the answer is invalid.
        """
        self._refuse_unless_agreed(who)
        self.answers.add_facts(who.listener, check_facts(self.design, content))
        return {}

    def consent(self, who: Listener) -> dict[str, Any]:
        """Record that a listener agrees to take part; return an empty object.

        Raises:
            Refusal: the test is not open.
        """
        self._refuse_unless_open()
        self.answers.consent(who.listener)
        return {}

    def sound(self, who: Listener | None, name: str) -> Path:
        """Return the file of a sound that a listener may hear; the organizer hears all.

        Args:
            who: the listener; None for the organizer.
            name: of the sound's file, without extension.

        Raises:
            Refusal: the sound is not in their session.
        """
        if name not in (self.sounds(who.listener) if who else self.all_sounds):
            raise Refusal(404, "there is no such sound")
        return self.folder / SOUNDS / f"{name}.mp3"

    # Requests of the organizer.

    def progress(self) -> str:
        """Return the organizer's page."""
        return progress_page(self.design, self.answers)

    def table(self) -> str:
        """Return the answers so far as CSV."""
        return answers_csv(self.design, self.answers.answers())

    def refuse(self, who: int | None, host: str, why: str) -> None:
        """Log a refused request, unless there are too many.

        Args:
            who: the listener, counted from 0, or None if unknown.
            host: the client's host.
            why: the reason in one line.
        """
        if self.reports.allows(host):
            self.answers.refuse(who, why)

    def _refuse_unless_open(self) -> None:
        if (state := self.answers.state) != "open":
            raise Refusal(403, self.design.texts[state])

    def _refuse_unless_agreed(self, who: Listener) -> None:
        self._refuse_unless_open()
        if who.consented_at is None:
            raise Refusal(403, "consent is missing")

    def _count_guess(self, host: str, what: str) -> None:
        if not self.guesses.allows(host):
            raise Refusal(429, "too many requests; wait a little")
        self.refuse(None, host, what)
