"""What the end of an attempt means: never a repeat where the server may have acted, never a wait that cannot be."""

from __future__ import annotations

import errno
import math
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import pytest
from aiohttp import client_exceptions
from aiohttp.client_reqrep import ConnectionKey, RequestInfo
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from welkin_async.retries import Verdict, backoff, judge_error, judge_status, parse_retry_after

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


NOW = "Wed, 21 Oct 2015 07:28:00 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("30", 30.0),
        (" 30 ", 30.0),
        ("1.5", 1.5),
        ("-5", 0.0),
        ("-inf", 0.0),
        ("Wed, 21 Oct 2015 07:29:30 GMT", 90.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 06:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 09:28:10 +0200", 10.0),
        ("nan", None),
        ("", None),
        ("soon", None),
        ("12 parsecs", None),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
        ("Wed, 21 Oct 99999 07:28:00 GMT", None),
        ("0x10", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_read_against_the_answers_own(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


def test_no_header_is_no_wish() -> None:
    assert parse_retry_after(None, NOW) is None


@pytest.mark.parametrize("date", [None, "garbage"])
def test_a_date_without_a_readable_date_of_the_answer_is_read_against_this_machines_clock(date: str | None) -> None:
    found = parse_retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True), date)
    assert found is not None
    assert 55.0 < found < 61.0


@given(st.text(), st.none() | st.text())
def test_no_header_makes_it_raise(value: str, date: str | None) -> None:
    found = parse_retry_after(value, date)
    assert found is None or found >= 0.0


@given(st.integers(0, 10**9))
def test_whole_seconds_are_read_as_they_are(seconds: int) -> None:
    assert parse_retry_after(str(seconds), NOW) == seconds
