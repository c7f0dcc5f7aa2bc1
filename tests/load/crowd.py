"""Clients that behave: one that calls all the time; and crowds that do not, many connections that each do the same."""

import asyncio
import http.client
import multiprocessing
import threading
import time

from daemon import TARGET


class Steady(threading.Thread):
    """An agent that calls ten times a second, in turn by a connection that it keeps and by a new one. Every call must be
    answered with 200."""

    PAUSE = 0.1
    # An answer that takes longer is none. A new connection may wait behind a thousand of a crowd.
    PATIENCE = 30

    def __init__(self, port, token):
        super().__init__(daemon=True)
        self.port, self.headers = port, {"Authorization": f"Bearer {token}"}
        self.kept = self.new()
        self.times, self.failures, self.ended = [], [], threading.Event()

    def new(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.PATIENCE)

    def call(self, connection):
        connection.request("GET", TARGET, headers=self.headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def run(self):
        number = 0
        while not self.ended.is_set():
            number += 1
            how, connection = ("kept", self.kept) if number % 2 else ("new", self.new())
            began = time.monotonic()
            try:
                status, body = self.call(connection)
                if status != 200:
                    self.failures.append(f"{how} connection: {status} {body[:300]}")
            except OSError as error:
                self.failures.append(f"{how} connection: {error!r}")
            except http.client.HTTPException as error:
                self.failures.append(f"{how} connection: {error!r}")
            self.times.append(time.monotonic() - began)
            if how == "new":
                connection.close()
            elif self.failures:
                self.kept.close()
            self.ended.wait(self.PAUSE)

    def take(self):
        """What happened since the last time: the calls' times, and the failures."""
        times, self.times = self.times, []
        failures, self.failures = self.failures, []
        return sorted(times), failures


def head(port, token=None, method="GET", fields="", end="\r\n"):
    token = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"{method} {TARGET} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{token}{fields}{end}".encode()


def crowd(port, count, sent, seconds, then=b"", rest=None):
    """Opens so many connections, sends on each what it is given, and then `then` again and again, each byte of it after a pause;
    reads what comes if there is a `rest`. Returns how many were answered, and with which statuses."""
    return _elsewhere.apply(_run, (port, count, sent, seconds, then, rest))


def _run(*crowd):
    return asyncio.run(_crowd(*crowd))


async def _crowd(port, count, sent, seconds, then, rest):
    until = time.monotonic() + seconds
    statuses = {}
    tasks = [_one(port, sent, until, then, rest, statuses) for _ in range(count)]
    await asyncio.gather(*tasks)
    return statuses


async def _one(port, sent, until, then, rest, statuses):
    def note(what):
        statuses[what] = statuses.get(what, 0) + 1

    writer = None
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        await asyncio.wait_for(writer.drain(), max(0.1, until - time.monotonic()))
        if rest is not None:
            line = await asyncio.wait_for(reader.readline(), max(0.1, until - time.monotonic()))
            note(line.split()[1].decode() if line else "closed")
        while time.monotonic() < until:
            await asyncio.sleep(min(1, max(0, until - time.monotonic())))
            writer.write(then)
            await asyncio.wait_for(writer.drain(), 5)
    except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
        note(type(error).__name__)
    finally:
        if writer is not None:
            writer.transport.abort()


# A process of its own: threads of one share Python's lock, and the steady agent would wait for the crowd.
_elsewhere = multiprocessing.get_context("fork").Pool(1)
