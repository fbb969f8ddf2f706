"""An asyncio-first Python SDK for the Welkin Health V8 REST API."""

from welkin_async._version import __version__
from welkin_async.errors import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    ConnectError,
    ConnectionLostError,
    DecodeError,
    ErrorItem,
    InvalidInputError,
    NoAnswerError,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
    PagingError,
    PermissionDeniedError,
    RateLimitedError,
    RejectedError,
    RequestError,
    ServerError,
    SessionError,
    TokenUnavailableError,
    UnprocessableError,
    WelkinError,
)
from welkin_async.http.auth.token_store import FileTokenStore, MemoryTokenStore, StoredToken, TokenStore
from welkin_async.http.instrumentation import Attempt
from welkin_async.pagination.pager import Page, Pager
from welkin_async.session import Welkin
from welkin_async.wire.records import answer_of, to_wire
from welkin_async.wire.request import Answer

__all__ = [
    "Answer",
    "Attempt",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "ConflictError",
    "ConnectError",
    "ConnectionLostError",
    "DecodeError",
    "ErrorItem",
    "FileTokenStore",
    "InvalidInputError",
    "MemoryTokenStore",
    "NoAnswerError",
    "NotFoundError",
    "NotSentError",
    "OutcomeUnknownError",
    "Page",
    "Pager",
    "PagingError",
    "PermissionDeniedError",
    "RateLimitedError",
    "RejectedError",
    "RequestError",
    "ServerError",
    "SessionError",
    "StoredToken",
    "TokenStore",
    "TokenUnavailableError",
    "UnprocessableError",
    "Welkin",
    "WelkinError",
    "__version__",
    "answer_of",
    "to_wire",
]
