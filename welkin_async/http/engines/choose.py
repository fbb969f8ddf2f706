"""Engine choice: aiohttp, or the direct engine where it was asked for and can run."""

from __future__ import annotations

import logging

from welkin_async.http.engines.aiohttp_engine import AiohttpEngine, chosen_proxy
from welkin_async.http.engines.engine import Engine
from welkin_async.http.settings import Settings

_HTTPTOOLS = (0, 6, 4)  # older ones let pass what the direct engine leaves to httptools to refuse

_log = logging.getLogger("welkin_async")
_logged: set[str] = set()


def make_engine(settings: Settings) -> Engine:
    """Make the engine that the settings ask for, on the running event loop.

    Which one it is, and why where that is not the one asked for, is logged once in a process.

    Args:
        settings: Their ``engine`` is ``aiohttp``, ``direct``, or ``auto``: direct where nothing speaks against it.

    Returns:
        The engine; aiohttp's wherever the direct one cannot run.
    """
    other = AiohttpEngine(settings)
    if settings.engine == "aiohttp":
        return other
    against = _against_direct(settings)
    if against is not None:
        _log_once(logging.WARNING if settings.engine == "direct" else logging.INFO, f"HTTP engine: aiohttp, {against}")
        return other
    from welkin_async.http.engines.direct_engine import DirectEngine

    _log_once(logging.INFO, "HTTP engine: direct")
    return DirectEngine(settings, other)


def _against_direct(settings: Settings) -> str | None:
    """Return why the direct engine cannot run; None where it can."""
    if chosen_proxy(settings) is not None:
        return "because there is a proxy"
    try:
        import aiohappyeyeballs  # noqa: F401
        import httptools
    except ImportError as error:
        return f"because {error.name} is not installed: the extra `speed` brings it"
    version = tuple(int(part) for part in httptools.__version__.split(".")[:3] if part.isdecimal())
    if version < _HTTPTOOLS:
        return f"because httptools {httptools.__version__} is older than {'.'.join(map(str, _HTTPTOOLS))}"
    return None


def _log_once(level: int, text: str) -> None:
    if text not in _logged:
        _logged.add(text)
        _log.log(level, text)
