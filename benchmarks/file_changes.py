"""How often a row changes file on its way through the package: a measure of how far apart its steps stand.

Counted are the `call` events of one warm row at concurrency 1, the sandbox excluded, wherever two calls that follow one
another are in different files: of a bulk create with keys and a journal, and of a CSV file that is imported from the
command line, both with the SDK's default engine; each on trust that the row is not there yet, and looked for first. A
row's way begins where it is made ready, and ends where the next one is. Shown is the shortest way of the 21 rows around
row 200: timers of the journal and of the progress line fall into some of them, on a busy machine into most.

    python -m benchmarks.file_changes [--way]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import functools
import io
import itertools
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Literal, get_args

import welkin_async
from welkin_async import Welkin
from welkin_async.bulk import CdtRow, create_cdt_records
from welkin_async.cli import main as run_command
from welkin_async.sandbox import Sandbox

ROW, AROUND, ROWS = 200, 10, 260
PACKAGE = str(Path(welkin_async.__file__).parent)
BEGIN = ("bulk/actions/base.py", "prepare")
CDT = "medication"

Call = tuple[str, str]
"""File and function."""
Existing = Literal["trust", "check"]


class Profile:
    """Notes the calls in the package, in order; in the thread that sets it."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """Note a call."""
        name = frame.f_code.co_filename
        if event == "call" and name.startswith(PACKAGE) and "sandbox" not in name[len(PACKAGE) :]:
            self.calls.append((name[len(PACKAGE) + 1 :], frame.f_code.co_name))

    def way(self) -> list[Call]:
        """Return the calls of a row, from its being made ready to that of the next: the shortest of those around it."""
        begins = [at for at, call in enumerate(self.calls) if call == BEGIN]
        ways = [self.calls[begins[row] : begins[row + 1]] for row in range(ROW - AROUND, ROW + AROUND + 1)]
        return min(ways, key=changes_of)


def changes_of(way: list[Call]) -> int:
    """Return how many calls are in another file than the call before."""
    return sum(one[0] != other[0] for one, other in itertools.pairwise(way))


@contextlib.contextmanager
def serving() -> Iterator[tuple[Sandbox, str]]:
    """Serve a sandbox in a thread of its own; gives it and the id of a patient."""
    server = Sandbox()
    ready, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        async with server:
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait()
    try:
        yield server, server.store.add_patients(1)[0]
    finally:
        stop.set()
        thread.join()


def journaled(server: Sandbox, patient: str, directory: Path, existing: Existing) -> None:
    """Create records in bulk, with keys and a journal."""

    async def create() -> None:
        async with Welkin(
            tenant=server.tenant,
            instance=server.instance,
            api_client=server.api_client,
            secret_key=server.secret_key,
            base_url=server.base_url,
        ) as welkin:
            rows = (CdtRow(patient, {"medication_name": f"M{number}"}, f"row-{number}") for number in range(ROWS))
            journal = directory / "journal"
            report = await create_cdt_records(
                welkin, CDT, rows, key_field="external_id", concurrency=1, journal=journal, existing=existing
            )
            assert report.created == ROWS

    asyncio.run(create())


def command_line(server: Sandbox, patient: str, directory: Path, existing: Existing) -> None:
    """Import a CSV file from the command line."""
    path = directory / "rows.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["PATIENT", "medication_name"])
        writer.writerows([patient, f"M{number}"] for number in range(ROWS))
    os.environ.update(
        WELKIN_TENANT=server.tenant,
        WELKIN_INSTANCE=server.instance,
        WELKIN_API_CLIENT=server.api_client,
        WELKIN_SECRET_KEY=server.secret_key,
        WELKIN_BASE_URL=server.base_url,
        WELKIN_ENGINE="aiohttp",
    )
    arguments = ["import", str(path), "--cdt", CDT, "--patient-column", "PATIENT", "--concurrency", "1"]
    arguments += ["--existing", existing]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert run_command(arguments) == 0


def way_of(work: Callable[[Sandbox, str, Path], None]) -> list[Call]:
    """Do something under the profiler, and return the way of its row."""
    profile = Profile()
    with tempfile.TemporaryDirectory() as directory, serving() as (server, patient):
        sys.setprofile(profile)
        try:
            work(server, patient, Path(directory))
        finally:
            sys.setprofile(None)
    return profile.way()


def main() -> None:
    """Print how often each row changes file, and with ``--way`` every call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", action="store_true", help="print every call")
    shown = parser.parse_args().way
    ways = itertools.product((("journaled", journaled), ("command line", command_line)), get_args(Existing))
    for (name, work), existing in ways:
        way = way_of(functools.partial(work, existing=existing))
        print(f"{name} row, existing={existing}: {changes_of(way)} file changes in {len(way)} calls")
        for file, function in way if shown else ():
            print(f"  {file} {function}")


if __name__ == "__main__":
    main()
