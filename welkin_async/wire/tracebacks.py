"""Tracebacks: an error leaves without the frames of this package, whose variables hold tokens, bodies and fields.

Reporters that keep local variables (Sentry, rich, structlog) would store a patient's data otherwise. What is public is
wrapped by `without_frames`, and every public function of a resource is so because it stands on one (`PublicFunctions`).
The caller's own frames stay as they are, those of iterables and hooks that were handed in too.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import AsyncGenerator, Callable
from types import FrameType, FunctionType, TracebackType
from typing import Any, TypeVar, cast

from welkin_async.errors import WelkinError

F = TypeVar("F", bound=Callable[..., Any])

_PACKAGE = __name__.partition(".")[0]
_ROOT = __file__.removesuffix("wire/tracebacks.py").removesuffix("wire\\tracebacks.py")
_UNDERNEATH = sys.stdlib_module_names | {
    _PACKAGE, "aiohttp", "aiohappyeyeballs", "aiosignal", "anyio", "attr", "attrs", "cattrs", "filelock", "frozenlist",
    "httptools", "idna", "multidict", "openpyxl", "orjson", "propcache", "pyarrow", "uvloop", "yarl", "zstandard",
}  # fmt: skip
"""The packages whose frames hold what this one handed them."""


def drop_frames(error: BaseException) -> None:
    """Take the frames of this package and of those underneath out of an error's traceback, its causes' and contexts'.

    A frame cannot be emptied instead: one that has only been suspended would end by that. An error that this package's
    code did not foresee gets a note of where it was, without any values. What the caller was handling is the caller's.

    Args:
        error: The error, before it is raised on.
    """
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        trace = each.__traceback__
        if each is not error and trace is not None and not _is_ours(trace.tb_frame):
            continue
        places = _places(trace) if isinstance(each, Exception) and not isinstance(each, WelkinError) else ""
        each.__traceback__ = _without_ours(trace)
        if places:
            each.add_note(f"in {_PACKAGE}: {places}")
        pending += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            pending += each.exceptions


def without_frames(function: F) -> F:
    """Make a public function raise without the package's frames; it stays a coroutine function or async generator."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run(*args: Any, **kwargs: Any) -> Any:
            try:
                return await function(*args, **kwargs)
            except BaseException as error:
                drop_frames(error)  # this one's too
                raise

        return cast("F", run)
    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def iterate(*args: Any, **kwargs: Any) -> AsyncGenerator[Any]:
            async with contextlib.aclosing(function(*args, **kwargs)) as values:
                try:
                    async for value in values:
                        yield value
                except BaseException as error:
                    drop_frames(error)
                    raise

        return cast("F", iterate)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            drop_frames(error)
            raise

    return cast("F", call)


class PublicFunctions:
    """The base of classes whose public functions all raise without the package's frames."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, value in list(vars(cls).items()):
            if isinstance(value, FunctionType) and not name.startswith("_"):
                setattr(cls, name, without_frames(value))


def _is_ours(frame: FrameType) -> bool:
    """Tell whether a frame is this package's or below it; code that attrs and cattrs make has no module's name."""
    name = frame.f_globals.get("__name__")
    return not isinstance(name, str) or name.partition(".")[0] in _UNDERNEATH


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames that are ours."""
    kept: list[TracebackType] = []
    while trace is not None:
        if not _is_ours(trace.tb_frame):
            kept.append(trace)
        trace = trace.tb_next
    following = None
    for each in reversed(kept):
        following = TracebackType(following, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return following


def _places(trace: TracebackType | None) -> str:
    """Return where in this package a traceback has been: files, lines and functions; nothing where it ends outside."""
    places = []
    while trace is not None:
        if trace.tb_next is None and not _is_ours(trace.tb_frame):
            return ""
        code = trace.tb_frame.f_code
        if code.co_filename.startswith(_ROOT) and code.co_filename != __file__:
            places.append(f"{code.co_filename.removeprefix(_ROOT)}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return ", ".join(places)
