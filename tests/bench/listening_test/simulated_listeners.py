"""Listeners who answer a listening test over the network, all at once, and remember what the server acknowledged."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

from bench.listening_test.access import listener_token
from bench.listening_test.answers import questions
from bench.listening_test.design import ListeningDesign


@dataclass
class Told:
    """What clients saw.

    Attributes:
        acknowledged: the answer of each listener and page that the server took.
        saves: seconds that saving took, each time.
        first_audio: seconds from asking for a sound to its first bytes, each time.
        errors: what went wrong.
    """

    acknowledged: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    saves: list[float] = field(default_factory=list)
    first_audio: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def slowest(self, times: list[float], share: float = 0.95) -> float:
        """The quantile of some times."""
        return sorted(times)[min(len(times) - 1, int(share * len(times)))]


class _Connection:
    """One kept-alive connection of HTTP/1.1."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie = ""
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, content: Any = None) -> tuple[int, bytes, float]:
        """Return the status, the body, and the seconds until its head was there.

        A server closes connections that were idle for long; as browsers do, a request that meets one is sent anew.
        """
        kept = self.streams is not None
        try:
            return await self._ask(method, path, content)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.close()
            if not kept:
                raise
            return await self._ask(method, path, content)

    async def _ask(self, method: str, path: str, content: Any) -> tuple[int, bytes, float]:
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        body = b"" if content is None else json.dumps(content).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
        lines += [f"Cookie: {self.cookie}"] if self.cookie else []
        lines += ["Content-Type: application/json"] if content is not None else []
        started = time.perf_counter()
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        waited = time.perf_counter() - started
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        if "set-cookie" in headers:
            start = head.lower().index("set-cookie: ") + len("set-cookie: ")
            self.cookie = head[start:].partition(";")[0]
        length = int(headers.get("content-length", "0"))
        return int(head.split()[1]), await reader.readexactly(length) if length else b"", waited

    def close(self) -> None:
        if self.streams:
            self.streams[1].close()
            self.streams = None


async def listen(design: ListeningDesign, port: int, listener: int, pause: float, until: float, told: Told) -> None:
    """Answer page after page, each with two drafts before the final answer, as long as there is time."""
    one = _Connection(port)
    try:
        await one.ask("GET", f"/join/{listener_token(design, listener)}")
        await one.ask("POST", "/api/consent", {})
        for page, trial in enumerate(design.sessions[listener]):
            if time.monotonic() > until:
                return
            for key in design.keys_on(trial):
                status, _, waited = await one.ask("GET", f"/sounds/{design.sound(key)}.mp3")
                told.first_audio.append(waited)
                if status != 200:
                    told.errors.append(f"listener {listener}: a sound answers {status}")
            asked = questions(design, trial)
            answer = {
                q.key: q.choices[0] if q.choices else (listener + page + place) % 5 + 1 for place, q in enumerate(asked)
            }
            heard = [design.files[key].seconds for key in design.keys_on(trial)]
            message = {"page": page, "answer": answer, "heard": heard, "seconds": 2.0}
            for number, final in enumerate((False, False, True)):
                await asyncio.sleep(pause * (0.5 + ((listener * 7919 + page * 31 + number) % 100) / 100))
                status, body, waited = await one.ask(
                    "POST", "/api/answer", {**message, "number": number, "final": final}
                )
                told.saves.append(waited)
                if status != 200:
                    told.errors.append(f"listener {listener}, page {page}: {status} {body[:200]!r}")
                    return
            told.acknowledged[listener, page] = answer
    except (OSError, asyncio.IncompleteReadError, ValueError) as error:
        told.errors.append(f"listener {listener}: {error!r}")
    finally:
        one.close()


def all_at_once(design: ListeningDesign, port: int, listeners: int, pause: float, seconds: float) -> Told:
    """Have so many listeners answer for so long, with a pause before each answer, in seconds."""
    told = Told()

    async def together() -> None:
        until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for listener in range(listeners):
                await asyncio.sleep(0.005)
                group.create_task(listen(design, port, listener, pause, until, told))

    asyncio.run(together())
    return told
