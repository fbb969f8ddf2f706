"""The one way out: token, gate, pace and slot, attempt, verdict, then repeat or raise.

Everything that waits (for a token, the gate, the pace, a slot, a back-off) does so outside the attempt, holding no
connection, so an attempt's timeout measures the server alone. Gate, pace and slot are had in one step; nothing is taken
before the token is there, so nothing has to be asked for twice.
"""

from __future__ import annotations

import asyncio
import math
from typing import NoReturn

import aiohttp
from multidict import CIMultiDict, istr
from yarl import URL

from welkin_async.admission import Admission, Held
from welkin_async.attempts import Attempt, Ending, Observer, UnreadableError, error_of, understand
from welkin_async.auth import CREATE_TOKEN, Token, TokenCache, token_life
from welkin_async.codec import JSON, Codec
from welkin_async.errors import (
    AuthenticationError,
    RateLimitedError,
    RequestError,
    SessionError,
    TokenUnavailableError,
)
from welkin_async.limits import LONGEST_PAUSE, Limiter
from welkin_async.pool import Pool, Reply, socket_allowance
from welkin_async.request import Answer, Repeat, Request, encode_segment
from welkin_async.retries import Verdict, backoff, judge_error, judge_status, parse_retry_after
from welkin_async.settings import Settings

__all__ = ["Attempt", "Transport"]

_AUTHORIZATION, _CONTENT_TYPE = istr("Authorization"), istr("Content-Type")
_TOKEN_TIMEOUT = 30.0


class Transport:
    """Sends requests for every resource of a session. Opened on one event loop and bound to it.

    Args:
        settings: The session's settings.
        codec: Reads answers.

    Attributes:
        limiter: Gate, pace and slots, shared by all.
        tokens: The token cache.
    """

    def __init__(self, settings: Settings, codec: Codec) -> None:
        self.settings = settings
        self.codec = codec
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._pool = Pool(settings)
        self.limiter = Limiter(rate=settings.rate, concurrency=settings.concurrency or socket_allowance())
        self._admission = Admission(self.limiter, self._clock)
        token_path = CREATE_TOKEN.path(
            {
                "tenant": encode_segment(settings.tenant, "tenant"),
                "api_client": encode_segment(settings.api_client, "api_client"),
            }
        )
        self._token_url = URL(settings.base_url + token_path, encoded=True)
        self.tokens = TokenCache(str(self._token_url), self._fetch_token, settings.token_store, clock=self._clock)
        self._headers_of: Token | None = None
        self._bare_headers: CIMultiDict[str] = CIMultiDict()
        self._body_headers: CIMultiDict[str] = CIMultiDict()
        self._observer = Observer(settings.on_attempt, self._clock)
        self._closed = False

    async def aclose(self) -> None:
        """Cancel the token flight and close every connection; requests that are out end as lost."""
        self._closed = True
        self._admission.end(lambda: SessionError("the session was closed while a request waited for its turn"))
        await self.tokens.aclose()
        await self._pool.aclose()

    async def send(self, request: Request) -> Answer:
        """Send a request until it is answered for good.

        Args:
            request: What to send; its progress is kept in it.

        Returns:
            The answer, 2xx; or, for a DELETE repeated after an unknown outcome, the 404 that says it is gone.

        Raises:
            RequestError: see `errors` for which means what.
            SessionError: the session is closed, or belongs to another event loop.
        """
        operation = request.operation
        timeout = request.timeout or self.settings.timeout
        while True:
            if self._closed or asyncio.get_running_loop() is not self._loop:  # also after a back-off
                self._refuse()
            started = self._clock()
            token = self.tokens.current(started)
            ticket = 0 if token is None else self._admission.try_enter(started)
            if token is None or not ticket:
                token, ticket = await self._admitted(request)
                started = self._clock()
            headers = self._headers(token, request.body)
            request.attempts += 1
            request.on_wire = True
            outcome: Answer | Ending
            reply: Reply | None = None
            try:
                try:
                    if request.stream is None:
                        reply = await self._pool.exchange(
                            operation.method, request.url, request.body, headers, timeout, started
                        )
                    else:
                        reply = await self._pool.transfer(
                            operation.method, request.url, request.stream, headers, timeout
                        )
                    if 200 <= reply.status < 300:
                        outcome = _answer(request, reply, understand(self.codec, operation.answer, reply.body))
                        self.limiter.passed(ticket, started)
                        if not token.proved:
                            self.tokens.prove(token)
                    else:
                        outcome = _refusal(reply)
                except UnreadableError as error:
                    outcome = Ending(Verdict.UNKNOWN, str(error), reply)
                except (aiohttp.ClientError, OSError, RuntimeError) as error:
                    outcome = self._failure(error)
                if not isinstance(outcome, Answer):
                    outcome.token = token
                    self._report(request, token, ticket, outcome)
            except BaseException:
                request.unknown = True  # a caller's cancellation says nothing about what the server did
                cut_off = Ending(Verdict.UNKNOWN, "the call was cancelled")
                self._observer.tell(operation.line, request.attempts, cut_off, started, _size(request))
                raise
            finally:
                request.on_wire = False
                self._admission.leave(ticket)
            if self._observer.listens():
                ending = outcome if isinstance(outcome, Ending) else Ending(Verdict.DONE, "", reply)
                self._observer.tell(operation.line, request.attempts, ending, started, _size(request))
            if isinstance(outcome, Answer):
                return outcome
            if reply is not None and self._gone(request, reply):
                return _answer(request, reply, None)
            pause = self._pause(request, outcome)
            if pause:
                await asyncio.sleep(pause)

    def _refuse(self) -> NoReturn:
        if self._closed:
            raise SessionError("the session is closed; open a new one")
        raise SessionError("the session belongs to another event loop; open one on the loop that uses it")

    def _patience(self, request: Request) -> float:
        """Return for how many seconds the server's throttling may still hold a request back."""
        return math.inf if request.max_wait is None else request.max_wait - request.held

    async def _enter(self, request: Request) -> int:
        """Wait at the gate."""
        began = self._clock()
        throttled = self.limiter.throttled(began)
        try:
            return await self._admission.enter(began + self._patience(request))
        except Held as held:
            retry_after = held.retry_after
        finally:
            if throttled:
                request.held += self._clock() - began
        raise RateLimitedError(
            "the server asked for a longer wait than this call allows",
            request=request.operation.line,
            attempts=request.attempts,
            retry_after=retry_after,
        )

    def _last(self, request: Request) -> bool:
        """Tell whether no further attempt may be made after so many failures."""
        return request.last or request.failures >= (request.max_attempts or self.settings.max_attempts)

    def _repeatable(self, request: Request, verdict: Verdict) -> bool:
        """Decide whether another attempt is allowed after a failure."""
        if self._last(request) or self._closed:
            return False
        if verdict is Verdict.NOT_SENT:
            return True
        return verdict is Verdict.UNKNOWN and request.operation.repeat is Repeat.SAFE

    def _renew(self, request: Request, outcome: Ending) -> bool:
        """Drop a refused token so that the next attempt fetches another; once, and never one that was not yet good."""
        token = outcome.token
        if request.renewed or request.last or token is None or not token.proved:
            return False
        self.tokens.invalidate(token)
        return True

    @staticmethod
    def _gone(request: Request, reply: Reply) -> bool:
        """Tell whether a repeated DELETE met the 404 that its lost first attempt brought about."""
        return request.unknown and reply.status == 404 and request.operation.method == "DELETE"

    async def _admitted(self, request: Request) -> tuple[Token, int]:
        """Wait for a token, then at the gate; return token and ticket."""
        while True:
            try:
                await self.tokens.get()
            except TokenUnavailableError as error:
                request.failures += 1
                asked = min(error.retry_after or 0.0, LONGEST_PAUSE)
                if self._last(request) or asked > self._patience(request):
                    raise
                request.held += asked
            else:
                ticket = self._admission.try_enter(self._clock()) or await self._enter(request)
                token = self.tokens.current()
                if token is not None:
                    return token, ticket
                self._admission.leave(ticket)  # it ended while the request waited at the gate
                continue
            await asyncio.sleep(asked + backoff(request.failures))
            if self._closed:
                self._refuse()

    def _pause(self, request: Request, outcome: Ending) -> float:
        """Return how many seconds to wait before the next attempt.

        Raises:
            RequestError: there is none.
        """
        verdict = outcome.verdict
        if verdict is Verdict.THROTTLED and not request.last:
            request.renewed = False
            return 0.0  # the gate is closed; the queue in front of it is where to wait
        if verdict is Verdict.UNAUTHORIZED and self._renew(request, outcome):
            request.renewed = True
            return 0.0
        request.failures += 1
        if not self._repeatable(request, verdict):
            raise self._error(request, outcome)
        request.renewed = False
        return backoff(request.failures)

    def _headers(self, token: Token, body: bytes | None) -> CIMultiDict[str]:
        """Return the headers that go with a token, made once for each."""
        if self._headers_of is not token:
            bearer = f"Bearer {token.value}"
            self._bare_headers = CIMultiDict({_AUTHORIZATION: bearer})
            self._body_headers = CIMultiDict({_AUTHORIZATION: bearer, _CONTENT_TYPE: "application/json"})
            self._headers_of = token
        return self._bare_headers if body is None else self._body_headers

    def _failure(self, error: Exception) -> Ending:
        """Judge an exchange that brought no whole answer."""
        if self._closed:
            return Ending(Verdict.UNKNOWN, "the session was closed while the request was out")
        if isinstance(error, RuntimeError):
            raise error
        verdict, reason = judge_error(error)
        return Ending(verdict, reason)

    def _report(self, request: Request, token: Token, ticket: int, outcome: Ending) -> None:
        """Tell the limiter and the token how it went."""
        verdict = outcome.verdict
        now = self._clock()
        if verdict is Verdict.THROTTLED:
            self.limiter.throttle(ticket, now, outcome.retry_after, overloaded=outcome.status == 503)
            return
        if outcome.reply is not None:
            self.limiter.passed(ticket, now)
        if verdict is Verdict.UNKNOWN:
            request.unknown = True
        elif not token.proved and (outcome.status or 0) >= 400 and outcome.status != 401:
            self.tokens.prove(token)  # whoever is told that a record is not there has been let in

    def _error(self, request: Request, outcome: Ending) -> RequestError | SessionError:
        """Build the error for an attempt that was the last, and see that a token that was refused is not kept."""
        if self._closed and outcome.status is None and request.operation.repeat is Repeat.SAFE:
            return SessionError(f"{outcome.reason}; it is safe to repeat")
        if outcome.verdict is Verdict.THROTTLED:
            outcome.retry_after = self.limiter.closed_for(self._clock())
        error = error_of(self.codec, request, outcome)
        token = outcome.token
        if outcome.verdict is Verdict.UNAUTHORIZED and token is not None and not token.proved:
            self.tokens.refuse(token, error)
        return error

    async def _fetch_token(self) -> Token:
        """Ask for a token, once: without slot or rate, and without a retry, which is the callers'."""
        line = CREATE_TOKEN.line
        body = self.codec.encode({"secret": self.settings.secret_key})
        started = self._clock()
        timeout = min(self.settings.timeout, _TOKEN_TIMEOUT)
        reply: Reply | None = None
        value = None
        try:
            headers: CIMultiDict[str] = CIMultiDict({_CONTENT_TYPE: "application/json"})
            reply = await self._pool.exchange(CREATE_TOKEN.method, self._token_url, body, headers, timeout, started)
            if 200 <= reply.status < 300:
                outcome = Ending(Verdict.DONE, "the answer holds no token", reply)
                value = understand(self.codec, CREATE_TOKEN.answer, reply.body).get("token")
            else:
                outcome = _refusal(reply)
        except UnreadableError as error:
            outcome = Ending(Verdict.UNKNOWN, str(error), reply)
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            outcome = self._failure(error)
        self._observer.tell(line, 1, outcome, started, len(body))
        if reply is not None and isinstance(value, str) and value.isascii() and value.isprintable() and value:
            life = token_life(value, reply.headers.get("Date"))
            return Token(value, received_at=self._clock(), life=life)
        status = outcome.status
        # The body of a token call is not kept: whatever it is, it is about credentials.
        if status in (400, 401, 403, 404):
            raise AuthenticationError(f"the server refused the credentials ({status})", request=line, status=status)
        raise TokenUnavailableError(
            f"no token could be fetched: {outcome.reason}",
            request=line,
            status=status,
            attempts=1,
            retry_after=outcome.retry_after,
        )


def _answer(request: Request, reply: Reply, data: JSON) -> Answer:
    return Answer(reply.status, reply.headers, data, request.attempts, request.operation.line)


def _refusal(reply: Reply) -> Ending:
    """Judge an answer other than 2xx by its status."""
    retry_after = parse_retry_after(reply.headers.get("Retry-After"), reply.headers.get("Date"))
    verdict = judge_status(reply.status, retry_after=retry_after)
    return Ending(verdict, f"the server answered {reply.status}", reply, retry_after)


def _size(request: Request) -> int:
    """Return how many bytes of a request's body went out."""
    return len(request.body or b"") if request.stream is None else request.stream.sent
