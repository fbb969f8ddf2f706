"""Transport: sends a request until it is answered for good, or raises.

Each attempt needs a token and admission by the rate controller (pause, pace and slot in one step, and only once the
token is there); then it is judged (`retry`), its answer is held against its request (`identity`), and it is repeated
or not. Everything that waits (for a token, admission, a back-off) does so outside the attempt, holding no connection,
so an attempt's timeout measures the server alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import math
import time
from collections.abc import Callable
from threading import get_ident

import aiohttp
from multidict import CIMultiDict, istr
from yarl import URL

from welkin_async.errors import (
    AuthenticationError,
    NotFoundError,
    NotSentError,
    RateLimitedError,
    RequestError,
    RequestLine,
    SessionError,
    TokenUnavailableError,
    request_id_of,
)
from welkin_async.http.attempt import AttemptResult, Reply, UnreadableError, error_body, parse_body, to_error
from welkin_async.http.auth.token_store import Token
from welkin_async.http.auth.tokens import CREATE_TOKEN, TokenCache, shared_state, token_life
from welkin_async.http.engines.aiohttp_engine import socket_allowance
from welkin_async.http.engines.choose import make_engine
from welkin_async.http.engines.engine import SMALL_ANSWER, NotPermittedError
from welkin_async.http.identities import IDENTITIES, error_differences
from welkin_async.http.identity import Differences, KnownChanges
from welkin_async.http.instrumentation import Instrumentation, ObservedCall, Observer, ServerAddress
from welkin_async.http.rate_limit.controller import RateController
from welkin_async.http.rate_limit.queue import AdmissionQueue, AdmissionTimeout
from welkin_async.http.rate_limit.retry_after import read_retry_after, usable_wait
from welkin_async.http.retry import AnswerTooLargeError, Verdict, backoff, fresh_token_pause, judge_error, judge_status
from welkin_async.http.settings import Settings
from welkin_async.http.share_pacer import SharePacer
from welkin_async.http.sharing import Sharing
from welkin_async.http.stats import SessionStats
from welkin_async.wire.codec import JSON, Codec
from welkin_async.wire.request import Answer, Operation, Repeat, Request, Shape, encode_segment

_AUTHORIZATION, _CONTENT_TYPE = istr("Authorization"), istr("Content-Type")
_TOKEN_TIMEOUT = 30.0
_RECORD, _NOTHING = Shape.RECORD, Shape.NOTHING  # a member is found far more slowly on its class

_log = logging.getLogger("welkin_async")


class Transport:
    """Sends requests for every resource of a session. Opened on one event loop and bound to it.

    Args:
        settings: The session's settings.
        codec: Reads answers.
        sharing: What is shared with other processes; None for nothing.

    Attributes:
        limiter: The rate controller, shared by all.
        tokens: The token cache.
        observer: Hands attempts to hooks.
    """

    def __init__(self, settings: Settings, codec: Codec, sharing: Sharing | None = None) -> None:
        self.settings = settings
        self.codec = codec
        self._loop = asyncio.get_running_loop()
        self._thread = get_ident()
        self._clock = self._loop.time
        self._engine = make_engine(settings)
        self.limiter = RateController(
            rate=settings.rate,
            concurrency=settings.concurrency or socket_allowance(),
            clock=self._clock,
            learns=sharing is None,
        )
        self._admission = AdmissionQueue(self.limiter, self._clock)
        token_path = CREATE_TOKEN.path(
            {
                "tenant": encode_segment(settings.tenant, "tenant"),
                "api_client": encode_segment(settings.api_client, "api_client"),
            }
        )
        self._token_url = URL(settings.base_url + token_path, encoded=True)
        name = str(self._token_url)
        state = shared_state(name, settings.secret_key)
        store = settings.token_store if sharing is None else sharing.tokens
        self.tokens = TokenCache(
            name, self._fetch_token, store, state=state, reserve=None if sharing is None else sharing.tokens.reserve
        )
        self._pacer = None
        if sharing is not None:
            shared_key = hashlib.sha256(name.encode()).hexdigest()
            self._pacer = SharePacer(sharing.pace, shared_key, self._admission, rate=settings.rate, clock=self._clock)
        self._headers_of: Token | None = None
        self._bare_headers: CIMultiDict[str] = CIMultiDict()
        self._body_headers: CIMultiDict[str] = CIMultiDict()
        base = URL(settings.base_url)
        address = ServerAddress(base.scheme, base.host or "", base.port or 0)
        self._instrumentation = settings.instrumentation
        self.observer = self._observer = Observer(settings.on_attempt, self._clock, self._instrumentation, address)
        self._known_changes = KnownChanges()
        self._token_asked = False
        self._warned: set[tuple[str, str]] = set()
        self._closed = False
        self._closing = asyncio.Event()

    @property
    def engine_name(self) -> str:
        """The HTTP engine that runs: ``aiohttp`` or ``direct``."""
        return self._engine.name

    @property
    def client_name(self) -> str | None:
        """The name of the api client, as the token answer gave it; None where it did not, or the token was stored."""
        token = self.tokens.current()
        return None if token is None else token.client

    @property
    def stats(self) -> SessionStats:
        """A snapshot of what the session is doing."""
        now = self.limiter.snapshot(self._clock())
        return SessionStats(
            engine=self.engine_name,
            pace=now.pace,
            slots=now.slots,
            in_flight=now.in_flight,
            share_refused=now.share_refused,
            paused_for=now.paused_for,
            accepted=now.accepted,
            refused=now.refused,
            tokens_requested=self.tokens.requests,
        )

    async def aclose(self) -> None:
        """Cancel the token flight and close every connection; requests that are out end as lost."""
        self._closed = True
        self._closing.set()
        self._admission.end(lambda: SessionError("the session was closed while a request waited for its turn"))
        await self.tokens.aclose()
        if self._pacer is not None:
            await self._pacer.aclose()
        await self._engine.aclose()

    def row_hook(self, line: RequestLine) -> Callable[[str], None] | None:
        """Return what is told the outcome of each row of a bulk operation; None where nobody listens.

        Args:
            line: What is sent for such a row.
        """
        return self._observer.row_hook(line)

    async def _send_observed(self, request: Request, instrumentation: Instrumentation) -> Answer:
        """Send a request while its call is followed; see `send`."""
        with self._observer.call(instrumentation, request.operation.line) as call:
            return await self.send(request, call)

    async def send(self, request: Request, call: ObservedCall | None = None) -> Answer:
        """Send a request until it is answered for good.

        Args:
            request: What to send; its progress is kept in it.
            call: The call it is, where one is followed already; else it begins here.

        Returns:
            The answer, 2xx; or, for a DELETE repeated after an unknown outcome, the 404 that says it is gone.

        Raises:
            RequestError: see `errors` for which means what.
            SessionError: the session is closed, or belongs to another event loop.
        """
        if call is None and self._instrumentation is not None:
            return await self._send_observed(request, self._instrumentation)
        operation = request.operation
        timeout = request.timeout or self.settings.timeout
        while True:
            # Also after a back-off; asking for the running loop would ask the system for the process each time.
            if self._closed or get_ident() != self._thread or not self._loop.is_running():
                self._check_usable()
            started = self._clock()
            token = self.tokens.current(started)
            ticket = 0 if token is None else self._admission.try_enter(started)
            if token is None or not ticket:
                token, ticket = await self._admitted(request, call)
                started = self._clock()
            if request.exchange is not None and operation.repeat is not Repeat.SAFE and not request.exchange.in_order:
                self._admission.leave(ticket)
                request.unknown = True
                raise self._error(request, AttemptResult(Verdict.UNKNOWN, "an answer too many came after a refusal"))
            if token is not self._headers_of:
                self._make_headers(token)
            headers = self._bare_headers if request.body is None else self._body_headers
            request.attempts += 1
            request.on_wire = True
            request.exchange = None
            if call is not None:
                call.attempt_began(request.attempts)
            outcome: Answer | AttemptResult
            reply: Reply | None = None
            try:
                try:
                    if request.stream is None:
                        reply = await self._engine.exchange(
                            operation.method,
                            request.url,
                            request.body,
                            headers,
                            timeout,
                            started,
                            request.fresh,
                            request.via,
                            None,
                            request.permit,
                        )
                    else:
                        reply = await self._engine.transfer(
                            operation.method, request.url, request.stream, headers, timeout, fresh=request.fresh
                        )
                    request.exchange = reply.exchange
                    if 200 <= reply.status < 300:
                        outcome = self._read(request, reply)
                        self.limiter.accepted(ticket, started)
                        if not token.proved:
                            self.tokens.prove(token)
                    else:
                        outcome = self._refused(request, reply)
                except NotPermittedError:
                    request.attempts -= 1
                    refused = "it was not sent: who sends it may no longer do so"
                    raise NotSentError(refused, request=operation.line, attempts=request.attempts) from None
                except UnreadableError as error:
                    outcome = AttemptResult(Verdict.UNKNOWN, str(error), reply)
                except (aiohttp.ClientError, OSError, RuntimeError) as error:
                    outcome = self._failure(error)
                    request.last |= isinstance(error, AnswerTooLargeError)  # it would be again
                if not isinstance(outcome, Answer):
                    outcome.token = token
                    self._note_result(request, token, ticket, started, outcome)
            except NotSentError:
                raise
            except BaseException:
                request.unknown = True  # a caller's cancellation says nothing about what the server did
                cut_off = AttemptResult(Verdict.UNKNOWN, "the call was cancelled")
                self._observer.report(
                    operation.line, request.attempts, cut_off, started, request.body, request.stream, call
                )
                raise
            finally:
                request.on_wire = False
                self._admission.leave(ticket)
            if call is not None or self._observer.hooks or _log.isEnabledFor(logging.DEBUG):
                ending = outcome if isinstance(outcome, AttemptResult) else AttemptResult(Verdict.DONE, "", reply)
                self._observer.report(
                    operation.line, request.attempts, ending, started, request.body, request.stream, call
                )
            if isinstance(outcome, Answer):
                return outcome
            if reply is not None and request.unknown and reply.status == 404 and operation.method == "DELETE":
                if await self._gone(request, reply):
                    return _answer(request, reply, None)
                outcome.verdict, outcome.reason = Verdict.UNKNOWN, "the server answered 404, but not about the record"
            pause = self._pause(request, outcome)
            if call is not None:
                call.waited("retry", pause, outcome.verdict.value)
            if pause:
                await self._sleep(pause)

    def _read(self, request: Request, reply: Reply) -> Answer | AttemptResult:
        """Parse a 2xx, and hold it against its request.

        Raises:
            UnreadableError: it cannot be parsed.
        """
        operation = request.operation
        data = parse_body(self.codec, operation.answer, reply.body)
        try:
            identity = IDENTITIES[operation.name]
        except KeyError:
            pass
        else:
            named = data
            if operation.answer is _NOTHING and reply.body:
                named = _parsed(self.codec, reply.body)  # recorded as empty, so a body is worth a look
            differences = identity.differences(request, named)
            if differences == ():
                if reply.exchange is not None:
                    reply.exchange.confirm()
            elif differences is not None and not self._accepted(request, reply, differences):
                return self._misplaced(request, reply, differences)
        if reply.status == 202 and operation.repeat is not Repeat.SAFE and operation.answer is _RECORD:
            return AttemptResult(Verdict.UNKNOWN, "the server took it in and has not carried it out yet (202)", reply)
        return Answer(reply.status, reply.headers, data, request.attempts, operation.line, request.verbatim)

    def _refused(self, request: Request, reply: Reply) -> AttemptResult:
        """Judge an answer other than 2xx by its status, and hold the record it names against the request."""
        outcome = _refusal(reply, safe=request.operation.repeat is Repeat.SAFE)
        if outcome.verdict is Verdict.REJECTED:
            differences = error_differences(request, error_body(self.codec, reply.body))
            if differences == ():
                if reply.exchange is not None:
                    reply.exchange.confirm()
            elif differences is not None and not self._accepted(request, reply, differences):
                return self._misplaced(request, reply, differences)
        return outcome

    def _accepted(self, request: Request, reply: Reply, differences: Differences) -> bool:
        """Return whether an answer is taken although it is not what was asked for: it is the server's own way.

        That is where it is the same again on a new connection, on which nothing else had been asked.
        """
        if self._known_changes.accepts(request, differences, reply.exchange):
            return True
        if not request.fresh or request.differences != differences:
            return False
        line = request.operation.line
        for field, _ in differences:
            place = (line.operation, field)
            if place not in self._warned:
                self._warned.add(place)
                _log.warning(
                    "%s %s: %s is not what was asked for, on a new connection too; taken as the server's own way",
                    line.method,
                    line.template,
                    field,
                )
        return True

    @staticmethod
    def _misplaced(request: Request, reply: Reply, differences: Differences) -> AttemptResult:
        """Give up a connection whose order of answers is lost: what came is the answer to another request.

        Nothing of the answer is kept, as it may be another patient's.
        """
        if reply.exchange is not None:
            reply.exchange.connection.disordered = True
            reply.exchange.connection.close()
        at_once = not request.differences
        request.differences, request.fresh, request.exchange = differences, True, None
        return AttemptResult(Verdict.UNKNOWN, "the answer was that of another request", at_once=at_once)

    def _check_usable(self) -> None:
        """Refuse a session that is closed, or whose event loop is not the one that runs here."""
        if self._closed:
            raise SessionError("the session is closed; open a new one")
        if asyncio.get_running_loop() is not self._loop:
            raise SessionError("the session belongs to another event loop; open one on the loop that uses it")
        self._thread = get_ident()  # the loop goes on in another thread

    def _throttle_budget(self, request: Request) -> float:
        """Return for how many seconds the server's throttling may still hold a request back."""
        return math.inf if request.max_wait is None else request.max_wait - request.held

    async def _enter(self, request: Request, call: ObservedCall | None) -> int:
        """Wait for admission by the rate limiter; return the ticket."""
        began = self._clock()
        limited = self.limiter.limited
        try:
            return await self._admission.enter(began + self._throttle_budget(request), ahead=request.ahead)
        except AdmissionTimeout as held:
            retry_after = held.retry_after
        finally:
            waited = self._clock() - began
            if limited:
                request.held += waited
            if call is not None:
                call.waited("throttling" if limited else "turn", waited)
        raise RateLimitedError(
            "the server asked for a longer wait than this call allows",
            request=request.operation.line,
            attempts=request.attempts,
            retry_after=retry_after,
        )

    def _is_last(self, request: Request) -> bool:
        """Return whether no further attempt may be made after so many failures."""
        return request.last or request.failures >= (request.max_attempts or self.settings.max_attempts)

    def _repeatable(self, request: Request, verdict: Verdict) -> bool:
        """Decide whether another attempt is allowed after a failure."""
        if self._is_last(request) or self._closed:
            return False
        if verdict is Verdict.NOT_SENT:
            return True
        return verdict is Verdict.UNKNOWN and request.operation.repeat is Repeat.SAFE

    def _after_401(self, request: Request, outcome: AttemptResult) -> float | None:
        """Return how many seconds to wait before a refused request is sent again; None where it is not.

        A token that was good once, has expired by the server's or the wall clock (machines sleep), is renewed, once. A
        fresh one is tried once more, as the server may be slow to spread it; then the credentials are to blame.
        """
        token = outcome.token
        if token is None or request.last or self._closed:
            return None
        if not request.renewed:
            body = None if outcome.reply is None else outcome.reply.body
            expired = any(item.error_code == "TOKEN_EXPIRED" for item in error_body(self.codec, body))
            if token.proved or expired or self.tokens.outlived(token):
                request.renewed = True
                self.tokens.invalidate(token)
                return 0.0
        if request.doubted:
            return None
        request.doubted = True
        return fresh_token_pause()

    async def _gone(self, request: Request, reply: Reply) -> bool:
        """Return whether the 404 of a repeated DELETE means that a lost attempt deleted the record.

        The record's own error code says so; else a read on a new connection does, where the record can be read.
        """
        identity = IDENTITIES.get(request.operation.name)
        if identity is None:
            return False
        if identity.says_gone(error_body(self.codec, reply.body)):
            return True
        if not identity.readable or request.last:
            return False
        operation = request.operation
        reading = Operation(operation.name, "GET", operation.template, answer=Shape.ANY)
        read = Request(
            reading, request.url, None, request.timeout, 1, request.max_wait, asked=request.asked, fresh=True
        )
        try:
            await self.send(read)
        except NotFoundError as error:
            return identity.says_gone(error.errors)
        except RequestError:
            pass
        return False

    async def _sleep(self, seconds: float) -> None:
        """Wait before another attempt, but no longer than the session is open."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    async def _admitted(self, request: Request, call: ObservedCall | None) -> tuple[Token, int]:
        """Wait for a token, then for admission; return token and ticket."""
        while True:
            try:
                if call is None:
                    await self.tokens.get()
                else:
                    await self._observed_token(call)
            except TokenUnavailableError as error:
                request.failures += 1
                asked = usable_wait(error.retry_after) or 0.0
                if self._is_last(request) or asked > self._throttle_budget(request):
                    raise
                request.held += asked
            else:
                ticket = self._admission.try_enter(self._clock()) or await self._enter(request, call)
                token = self.tokens.current()
                if token is not None:
                    return token, ticket
                self._admission.leave(ticket)  # it ended while the request waited for admission
                continue
            self.tokens.waiting += 1
            try:
                await self._sleep(asked + backoff(request.failures))
            finally:
                self.tokens.waiting -= 1
            self._check_usable()

    async def _observed_token(self, call: ObservedCall) -> None:
        """Wait for a token, and have it told where that took a wait."""
        began = None if self.tokens.current() is not None else self._clock()
        try:
            await self.tokens.get()
        finally:
            if began is not None:
                call.waited("token", self._clock() - began)

    def _pause(self, request: Request, outcome: AttemptResult) -> float:
        """Return how many seconds to wait before the next attempt.

        Raises:
            RequestError: there is none.
        """
        verdict = outcome.verdict
        if verdict is Verdict.UNAUTHORIZED:
            pause = self._after_401(request, outcome)
            if pause is not None:
                return pause
        if verdict is Verdict.THROTTLED and not request.last:
            if request.hand_back:
                raise self._error(request, outcome)
            request.renewed = request.doubted = False
            return self._wait_out(request, outcome)
        if outcome.at_once and request.operation.repeat is Repeat.SAFE and not (request.last or self._closed):
            return 0.0
        if verdict is Verdict.REJECTED and request.sure and self._in_doubt(request):
            request.fresh = True
            return 0.0
        request.failures += 1
        if not self._repeatable(request, verdict):
            raise self._error(request, outcome)
        request.renewed = request.doubted = False
        return backoff(request.failures)

    def _in_doubt(self, request: Request) -> bool:
        """Return whether a read was refused by what may be another request's answer, and may be asked once more."""
        if request.fresh or request.last or self._closed or request.operation.repeat is not Repeat.SAFE:
            return False
        return request.exchange is not None and not request.exchange.confirmed

    def _wait_out(self, request: Request, outcome: AttemptResult) -> float:
        """Return how many seconds a refused request waits on its own; a pause of everybody's is the queue's.

        Raises:
            RateLimitedError: that is longer than it may wait.
        """
        request.refusals += 1
        wait = backoff(request.refusals) if outcome.retry_after is None else outcome.retry_after
        if wait > self._throttle_budget(request) or request.waited_alone >= request.patience:
            raise self._error(request, outcome)
        request.waited_alone += wait
        request.held += wait
        return wait

    def _make_headers(self, token: Token) -> None:
        """Make the headers that go with a token, without a body and with one."""
        bearer = f"Bearer {token.value}"
        self._bare_headers = CIMultiDict({_AUTHORIZATION: bearer})
        self._body_headers = CIMultiDict({_AUTHORIZATION: bearer, _CONTENT_TYPE: "application/json"})
        self._headers_of = token

    def _failure(self, error: Exception) -> AttemptResult:
        """Judge an exchange that brought no whole answer."""
        if self._closed:
            return AttemptResult(Verdict.UNKNOWN, "the session was closed while the request was out")
        if isinstance(error, RuntimeError):
            raise error
        verdict, reason = judge_error(error)
        return AttemptResult(verdict, reason)

    def _note_result(self, request: Request, token: Token, ticket: int, started: float, outcome: AttemptResult) -> None:
        """Report an attempt that brought no answer to the rate controller, the token cache and the connection."""
        verdict = outcome.verdict
        if verdict is Verdict.UNKNOWN:
            request.unknown = True
            if outcome.reply is not None and outcome.reply.exchange is not None:
                outcome.reply.exchange.connection.retire()
        overloaded = outcome.status == 503
        if verdict is Verdict.THROTTLED or overloaded:
            if not request.trial:
                self.limiter.refused(ticket, self._clock(), outcome.retry_after, overloaded=overloaded)
            return
        if outcome.reply is not None:
            self.limiter.accepted(ticket, started)
        if verdict is Verdict.UNKNOWN:
            return
        if not token.proved and (outcome.status or 0) >= 400 and outcome.status != 401:
            self.tokens.prove(token)  # whoever is told that a record is not there has been let in

    def _error(self, request: Request, outcome: AttemptResult) -> RequestError | SessionError:
        """Build the error for an attempt that was the last, and see that a token that was refused is not kept."""
        if self._closed and outcome.status is None and request.operation.repeat is Repeat.SAFE:
            return SessionError(f"{outcome.reason}; it is safe to repeat")
        if outcome.verdict is Verdict.THROTTLED:
            paused = self.limiter.paused_for(self._clock())
            outcome.retry_after = max(paused, outcome.retry_after or 0.0) or None
        error = to_error(self.codec, request, outcome)
        token = outcome.token
        if outcome.verdict is Verdict.UNAUTHORIZED and token is not None and not token.proved:
            self.tokens.refuse(token, error)
        return error

    async def _fetch_token(self) -> Token:
        """Ask for a token, once; a call of its own where calls are followed."""
        if self._instrumentation is None:
            return await self._ask_for_token(None)
        with self._observer.call(self._instrumentation, CREATE_TOKEN.line) as call:
            return await self._ask_for_token(call)

    async def _ask_for_token(self, call: ObservedCall | None) -> Token:
        """Ask for a token, once: without slot or rate, and without a retry, which is the callers'.

        Where anything was asked before it goes over a new connection: a refusal names nobody, and one that is another
        request's answer would blame the credentials.
        """
        now = self.limiter.snapshot(self._clock())
        fresh = bool(now.accepted or now.refused) or self._token_asked
        self._token_asked = True
        line = CREATE_TOKEN.line
        body = self.codec.encode({"secret": self.settings.secret_key})
        started = self._clock()
        timeout = min(self.settings.timeout, _TOKEN_TIMEOUT)
        reply: Reply | None = None
        value = name = None
        if call is not None:
            call.attempt_began(1)
        try:
            headers: CIMultiDict[str] = CIMultiDict({_CONTENT_TYPE: "application/json"})
            reply = await self._engine.exchange(
                CREATE_TOKEN.method, self._token_url, body, headers, timeout, started, fresh, max_answer=SMALL_ANSWER
            )
            if 200 <= reply.status < 300:
                outcome = AttemptResult(Verdict.DONE, "the answer holds no token", reply)
                told = parse_body(self.codec, CREATE_TOKEN.answer, reply.body)
                value, name = told.get("token"), told.get("clientName")
            else:
                outcome = _refusal(reply, safe=True)
        except UnreadableError as error:
            outcome = AttemptResult(Verdict.UNKNOWN, str(error), reply)
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            outcome = self._failure(error)
        self._observer.report(line, 1, outcome, started, body, call=call)
        if reply is not None and isinstance(value, str) and value.isascii() and value.isprintable() and value:
            life = token_life(value, reply.headers.get("Date"))
            client = name if isinstance(name, str) and name else None
            return Token(value, received_at=time.monotonic(), life=life, client=client)
        status, id = outcome.status, None if reply is None else request_id_of(reply.headers)
        # The body of a token call is not kept: whatever it is, it is about credentials.
        if status in (400, 401, 403, 404):
            refused = f"the server refused the credentials ({status})"
            raise AuthenticationError(refused, request=line, status=status, attempts=1, request_id=id)
        raise TokenUnavailableError(
            f"no token could be fetched: {outcome.reason}",
            request=line,
            status=status,
            attempts=1,
            retry_after=outcome.retry_after,
            request_id=id,
        )


def _answer(request: Request, reply: Reply, data: JSON) -> Answer:
    return Answer(reply.status, reply.headers, data, request.attempts, request.operation.line)


def _parsed(codec: Codec, body: bytes) -> JSON:
    """Parse a body of which nothing is expected; None where it is not JSON."""
    try:
        return codec.loads(body)
    except ValueError:
        return None


def _refusal(reply: Reply, *, safe: bool) -> AttemptResult:
    """Judge an answer other than 2xx by its status."""
    retry_after = read_retry_after(reply.headers.get("Retry-After"), reply.headers.get("Date"))
    verdict = judge_status(reply.status, retry_after=retry_after, safe=safe)
    return AttemptResult(verdict, f"the server answered {reply.status}", reply, usable_wait(retry_after))
