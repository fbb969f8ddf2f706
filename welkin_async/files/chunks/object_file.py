"""Object files: a file in an object storage, copied to where it can be read more than once (extra ``parquet``)."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import attrs

from welkin_async.files.errors import FileError
from welkin_async.files.options import FileSettings, StrPath
from welkin_async.files.readers.spool import copy_of

# What pyarrow opens; one slash is left of two where a URL was a path meanwhile.
_URL = re.compile(r"(s3|gs|gcs|abfss?|hdfs|viewfs|file):/+").match


def object_url(source: StrPath) -> str | None:
    """Return the URL of a source in an object storage, or of a file (``file://``); None for a path.

    Args:
        source: What was named.
    """
    text = os.fspath(source)
    found = _URL(text)
    if found is None:
        return None
    slashes = "///" if found[1] == "file" else "//"
    return f"{found[1]}:{slashes}{text[found.end() :]}"


def object_name(url: str) -> str:
    """Return the name of the file that a URL names, by which its format is known.

    Args:
        url: See `object_url`.

    Raises:
        FileError: it names none.
    """
    name = PurePosixPath(urlsplit(url).path).name
    if not name:
        raise FileError("the URL names no object: it ends in the name of a file")
    return name


@contextlib.contextmanager
def local_copy(settings: FileSettings) -> Iterator[FileSettings]:
    """Have settings whose file is on this machine, while the context lasts; blocks while it is fetched.

    Args:
        settings: Of a run; those without a URL are handed back.

    Raises:
        FileError: the object cannot be read, or the extra is missing.
    """
    if settings.url is None:
        yield settings
        return
    with tempfile.TemporaryDirectory(prefix="welkin-", ignore_cleanup_errors=True) as folder:
        path = Path(folder, object_name(settings.url))
        _fetch(settings.url, path)
        yield attrs.evolve(settings, file=path)


def _fetch(url: str, path: Path) -> None:
    try:
        arrow: Any = importlib.import_module("pyarrow")
        systems: Any = importlib.import_module("pyarrow.fs")
    except ImportError:
        raise FileError("an object storage needs an extra: pip install 'welkin-async[parquet]'") from None
    try:
        system, key = systems.FileSystem.from_uri(url)
        stream = system.open_input_stream(key, compression=None)  # else it would be unpacked by its name
    except (OSError, ValueError, arrow.ArrowException) as error:
        # What Arrow says quotes the URL, which may have credentials in it.
        raise FileError(f"the object cannot be opened ({type(error).__name__}): check its URL and the rights") from None
    with stream:
        copy_of(stream.read, path)
