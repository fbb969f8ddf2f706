"""Errors of welkin_async as answers: what a caller of the service may do next is in the status and in the body."""

from __future__ import annotations

import math

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from welkin_async import (
    AuthenticationError,
    DecodeError,
    InvalidInputError,
    NoAnswerError,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RejectedError,
    RequestError,
)

RETRY_AFTER = 1.0  # seconds, where nothing says when to come again


def answer_errors(app: FastAPI) -> None:
    """Have an application answer the errors of welkin_async.

    Args:
        app: The application.
    """
    app.add_exception_handler(RequestError, answer_request_error)
    app.add_exception_handler(InvalidInputError, answer_invalid_input)


async def answer_request_error(_: Request, error: Exception) -> JSONResponse:
    """Answer a request that did not bring what was asked.

    Args:
        error: The `RequestError`.
    """
    assert isinstance(error, RequestError)
    if isinstance(error, NotFoundError):
        return _answer(404, "not_found", "There is no such record.", safe_to_repeat=False)
    if isinstance(error, OutcomeUnknownError):
        # A gateway timeout where no answer came, a bad gateway where one came that says nothing.
        return _answer(
            504 if error.status is None else 502,
            "outcome_unknown",
            "It may or may not have been carried out. Look for the record before sending the same again.",
            safe_to_repeat=False,
        )
    if isinstance(error, PermissionDeniedError | AuthenticationError):
        return _answer(502, "refused_upstream", "Welkin does not let this service do that.", safe_to_repeat=False)
    if isinstance(error, RejectedError):
        return _answer(422, "rejected", "Welkin refused it.", safe_to_repeat=False, codes=error.error_codes)
    if isinstance(error, DecodeError):
        return _answer(502, "unreadable_upstream", "Welkin's answer could not be read.", safe_to_repeat=True)
    if isinstance(error, NotSentError | NoAnswerError):
        # Throttled, down, or no token just now: nothing was changed, or the operation may be repeated.
        wait = math.ceil(error.retry_after or RETRY_AFTER)
        return _answer(503, "try_again", "Nothing is lost; try again later.", safe_to_repeat=True, retry_after=wait)
    return _answer(502, "failed_upstream", "Welkin could not be asked.", safe_to_repeat=error.safe_to_repeat)


async def answer_invalid_input(_: Request, error: Exception) -> JSONResponse:
    """Answer what was refused before anything was sent.

    Args:
        error: The `InvalidInputError`, whose text names a place and quotes no value.
    """
    return _answer(422, "invalid", str(error), safe_to_repeat=False)


def _answer(
    status: int,
    code: str,
    detail: str,
    *,
    safe_to_repeat: bool,
    codes: tuple[str, ...] = (),
    retry_after: int | None = None,
) -> JSONResponse:
    body = {"error": code, "detail": detail, "safe_to_repeat": safe_to_repeat, "codes": list(codes)}
    headers = None if retry_after is None else {"Retry-After": str(retry_after)}
    return JSONResponse(body, status, headers)
