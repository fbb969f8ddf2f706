"""What the end of an attempt means: never a repeat where the server may have acted, never a wait that cannot be."""

from __future__ import annotations

import errno
import math
import ssl

import aiohttp
import pytest
from aiohttp import client_exceptions
from aiohttp.client_reqrep import ConnectionKey, RequestInfo
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from welkin_async.http.retry import Verdict, backoff, fresh_token_pause, judge_error, judge_status

REJECTED = frozenset(range(300, 500)) - {401, 408, 425, 429}


def expected_verdict(status: int, retry_after: float | None) -> Verdict:
    if status == 503:
        return Verdict.UNKNOWN if retry_after is None else Verdict.THROTTLED
    if status == 429:
        return Verdict.THROTTLED
    if status == 401:
        return Verdict.UNAUTHORIZED
    if 200 <= status < 300:
        return Verdict.DONE
    return Verdict.REJECTED if status in REJECTED else Verdict.UNKNOWN


@pytest.mark.parametrize("retry_after", [None, 0.0, 30.0])
def test_every_status_has_its_verdict(retry_after: float | None) -> None:
    found = {status: judge_status(status, retry_after=retry_after) for status in range(100, 600)}
    assert found == {status: expected_verdict(status, retry_after) for status in range(100, 600)}


HOST = "secret-host.example.org"
WORDS = "/gh/patients/Charlie-Taylor-1970"
KEY = ConnectionKey(HOST, 443, True, True, None, None, None)
INFO = RequestInfo(URL(f"https://{HOST}{WORDS}"), "POST", CIMultiDictProxy(CIMultiDict()), URL(f"https://{HOST}"))
CERTIFICATE = ssl.SSLCertVerificationError(1, f"hostname mismatch for {HOST}")
REFUSED = OSError(errno.ECONNREFUSED, f"refused by {HOST}")

ERRORS: list[tuple[Exception, Verdict]] = [
    (aiohttp.ClientConnectorError(KEY, REFUSED), Verdict.NOT_SENT),
    (aiohttp.ClientConnectorDNSError(KEY, REFUSED), Verdict.NOT_SENT),
    (aiohttp.ClientProxyConnectionError(KEY, REFUSED), Verdict.NOT_SENT),
    (aiohttp.ClientHttpProxyError(INFO, (), status=407, message=WORDS), Verdict.NOT_SENT),
    (aiohttp.ClientSSLError(KEY, REFUSED), Verdict.NOT_SENT),
    (aiohttp.ClientConnectorSSLError(KEY, REFUSED), Verdict.NOT_SENT),
    (aiohttp.ClientConnectorCertificateError(KEY, CERTIFICATE), Verdict.NOT_SENT),
    (client_exceptions.UnixClientConnectorError("/run/" + HOST, KEY, REFUSED), Verdict.NOT_SENT),
    (aiohttp.ServerFingerprintMismatch(b"a", b"b", HOST, 443), Verdict.NOT_SENT),
    (aiohttp.ConnectionTimeoutError(f"Connection timeout to host {HOST}"), Verdict.NOT_SENT),
    (aiohttp.SocketTimeoutError(WORDS), Verdict.UNKNOWN),
    (aiohttp.ServerTimeoutError(WORDS), Verdict.UNKNOWN),
    (aiohttp.ServerConnectionError(WORDS), Verdict.UNKNOWN),
    (aiohttp.ServerDisconnectedError(WORDS), Verdict.UNKNOWN),
    (aiohttp.ClientOSError(errno.ECONNRESET, WORDS), Verdict.UNKNOWN),
    (aiohttp.ClientConnectionError(WORDS), Verdict.UNKNOWN),
    (aiohttp.ClientConnectionResetError(WORDS), Verdict.UNKNOWN),
    (aiohttp.ClientPayloadError(WORDS), Verdict.UNKNOWN),
    (aiohttp.ClientResponseError(INFO, (), status=400, message=WORDS), Verdict.UNKNOWN),
    (aiohttp.ContentTypeError(INFO, (), status=200, message=WORDS), Verdict.UNKNOWN),
    (aiohttp.TooManyRedirects(INFO, (), status=302, message=WORDS), Verdict.UNKNOWN),
    (aiohttp.WSServerHandshakeError(INFO, (), status=101, message=WORDS), Verdict.UNKNOWN),
    (aiohttp.ClientError(WORDS), Verdict.UNKNOWN),
    *((cls(WORDS), Verdict.UNKNOWN) for cls in [getattr(aiohttp, "UploadAbortedError", None)] if cls),  # since 3.14
    (TimeoutError(WORDS), Verdict.UNKNOWN),
    (ConnectionResetError(errno.ECONNRESET, WORDS), Verdict.UNKNOWN),
    (BrokenPipeError(errno.EPIPE, WORDS), Verdict.UNKNOWN),
    (OSError(WORDS), Verdict.UNKNOWN),
    (ssl.SSLError(1, WORDS), Verdict.UNKNOWN),
]


@pytest.mark.parametrize(("error", "verdict"), ERRORS, ids=lambda value: type(value).__name__)
def test_every_exception_has_its_verdict(error: Exception, verdict: Verdict) -> None:
    found, reason = judge_error(error)
    assert found is verdict
    assert reason
    for told in (HOST, "Charlie", "/gh", str(errno.ECONNRESET)):
        assert told not in reason


def test_every_exception_aiohttp_has_is_in_the_table() -> None:
    known = {type(error) for error, _ in ERRORS}
    # About the URL or a web socket's message: aiohttp raises these before anything is sent, never here.
    never_met = (aiohttp.InvalidURL, aiohttp.RedirectClientError, aiohttp.WSMessageTypeError)
    missing = {
        value.__name__
        for value in vars(client_exceptions).values()
        if isinstance(value, type)
        and issubclass(value, aiohttp.ClientError)
        and value not in known
        and not issubclass(value, (*never_met, aiohttp.NonHttpUrlClientError))
    }
    assert missing == set()


@pytest.mark.parametrize("error", [error for error, verdict in ERRORS if verdict is Verdict.NOT_SENT], ids=repr)
def test_what_counts_as_not_sent_says_that_no_connection_was_had(error: Exception) -> None:
    assert any(word in judge_error(error)[1] for word in ("connection", "resolved", "proxy"))


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_back_off_stays_within_its_doubling_bound(failures: int, jitter: float) -> None:
    wait = backoff(failures, jitter=lambda: jitter)
    bound = min(20.0, 0.25 * 2.0 ** min(failures - 1, 60))
    assert 0.0 <= wait <= bound
    assert math.isclose(wait, jitter * bound)


@given(st.integers(1, 100))
def test_a_back_off_without_a_given_jitter_is_random(failures: int) -> None:
    assert 0.0 <= backoff(failures) <= 20.0


@pytest.mark.parametrize(
    ("status", "retry_after", "safe", "verdict"),
    [
        (503, 1.0, True, Verdict.THROTTLED),
        (503, 1.0, False, Verdict.UNKNOWN),  # the work may have been done before the server said that it is overloaded
        (503, None, True, Verdict.UNKNOWN),
        (503, None, False, Verdict.UNKNOWN),
        (429, 1.0, False, Verdict.THROTTLED),
        (429, None, False, Verdict.THROTTLED),
    ],
)
def test_a_503_is_believed_only_where_repeating_does_no_harm(
    status: int, retry_after: float | None, safe: bool, verdict: Verdict
) -> None:
    assert judge_status(status, retry_after=retry_after, safe=safe) is verdict


def test_a_fresh_token_that_was_refused_is_tried_again_after_one_to_two_seconds() -> None:
    assert fresh_token_pause(jitter=lambda: 0.0) == 1.0
    assert fresh_token_pause(jitter=lambda: 0.999) < 2.0
