"""Files that are their owner's alone, from the first byte and when they are opened again."""

from __future__ import annotations

import asyncio
import os
import pickle
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from welkin_async import FileTokenStore, StoredToken
from welkin_async.bulk import Journal, JournalError
from welkin_async.bulk.export.partial_file import ExportFile
from welkin_async.bulk.file_lock import JournalLock
from welkin_async.files.outputs.reject_file import RejectFile
from welkin_async.files.readers.formats import NdjsonFormat, RowResult
from welkin_async.files.readers.row import REJECT_COLUMNS, SourceRow
from welkin_async.http.private_file import (
    UnsafeFileError,
    check_folder,
    make_beside,
    make_private,
    open_private,
    remove_leftovers,
    replacing,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no owners and modes of this kind")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def a_careless_umask() -> Any:
    before = os.umask(0)
    yield
    os.umask(before)


def planted(kind: str, path: Path, victim: Path) -> None:
    if kind == "link":
        path.symlink_to(victim)
    elif kind == "dangling link":
        path.symlink_to(victim.with_name("nothing"))
    elif kind == "hard link":
        os.link(victim, path)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()


PLANTED = ["link", "dangling link", "hard link", "pipe", "folder"]


@pytest.mark.parametrize("kind", PLANTED)
async def test_what_was_planted_is_refused_and_left_alone(kind: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("kept")

    async def journal(path: Path) -> None:
        journal = await Journal.open(path, source="s", target="t")
        await journal.aclose()

    def rejects(path: Path) -> None:
        file = RejectFile(path, NdjsonFormat((), ()))
        file.resume(lambda _: True)
        file.write(SourceRow(1, ["a"]), RowResult("rejected", "why", "", ""))
        file.close()

    users: dict[str, Callable[[Path], Any]] = {
        "private": open_private,
        "lock": lambda path: JournalLock(path).take(),
        "journal": journal,
        "rejects": rejects,
        "export": lambda path: ExportFile(path, "what").open(resume=True),
    }
    suffixes = {"lock": ".lock", "export": ".part"}
    for name, use in users.items():
        path = tmp_path / name
        planted(kind, path.with_name(path.name + suffixes.get(name, "")), victim)
        with pytest.raises((OSError, JournalError, ValueError)):
            found = use(path)
            if asyncio.iscoroutine(found):
                await found
    assert victim.read_text() == "kept"
    assert not (tmp_path / "nothing").exists()


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    for bits in (0o777, 0o1777, 0o703):
        folder = tmp_path / f"{bits:o}"
        folder.mkdir()
        folder.chmod(bits)
        for use in (check_folder, make_private, open_private, lambda path: JournalLock(path).take()):
            with pytest.raises(UnsafeFileError, match="others may write"):
                use(folder / "file")
        assert list(folder.iterdir()) == []
    (tmp_path / "linked").symlink_to(tmp_path / "777")
    with pytest.raises(UnsafeFileError):
        check_folder(tmp_path / "linked" / "file")


async def test_a_journal_and_a_token_store_say_so(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(JournalError, match="others may write to its folder"):
        await Journal.open(folder / "journal", source="s", target="t")
    with pytest.raises(UnsafeFileError):
        await FileTokenStore(folder).save("key", StoredToken("t0ken", life=1.0, wall=1.0, monotonic=1.0))
    assert list(folder.iterdir()) == []


async def test_all_that_is_made_is_its_owners_from_the_first_byte(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "journal", source="s", target="t")
    export = ExportFile(tmp_path / "export", "what")
    export.open(resume=False)
    export.page([{"id": "1"}], "cursor")
    with replacing(tmp_path / "page", "w") as page:
        page.write("text")
        assert {mode(path) for path in tmp_path.iterdir()} == {0o600}
    file = RejectFile(tmp_path / "rejects", NdjsonFormat((), ()))
    file.write(SourceRow(1, {"a": 1}), RowResult("rejected", "why", "", ""))
    await FileTokenStore(tmp_path / "tokens").save("key", StoredToken("t0ken", life=1.0, wall=1.0, monotonic=1.0))
    assert {mode(path) for path in tmp_path.iterdir() if path.is_file()} == {0o600}
    assert {mode(path) for path in (tmp_path / "tokens").iterdir()} == {0o600}
    assert mode(tmp_path / "tokens") == 0o700
    file.close()
    export.close()
    await journal.aclose()


def test_a_file_of_ours_is_opened_again_through_links_of_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.write_text("before")
    folder = tmp_path / "link"
    folder.symlink_to(tmp_path)
    handle = open_private(folder / "mine")
    assert os.read(handle, 10) == b"before"
    os.close(handle)


def test_what_could_not_be_written_whole_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "page"
    path.write_text("before")
    with pytest.raises(RuntimeError), replacing(path, "w") as page:
        page.write("half")
        raise RuntimeError
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("page", "before")]


def test_a_replaced_file_takes_a_links_place_and_not_its_targets(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("kept")
    (tmp_path / "page").symlink_to(tmp_path / "victim")
    with replacing(tmp_path / "page", "w") as page:
        page.write("new")
    assert (tmp_path / "victim").read_text() == "kept"
    assert (tmp_path / "page").read_text() == "new"


def test_nobody_foresees_the_name_under_which_a_file_is_written_anew(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("kept")
    rejects = RejectFile(tmp_path / "rejects", NdjsonFormat((), REJECT_COLUMNS))
    rejects.write(SourceRow(1, {"a": 1}), RowResult("rejected", "why", "", ""))
    export = ExportFile(tmp_path / "export", "what")
    export.open(resume=False)
    for name in ("rejects", "export", "export.resume", "page"):
        (tmp_path / f"{name}.new").symlink_to(victim)
    rejects.close()
    again = RejectFile(tmp_path / "rejects", NdjsonFormat((), REJECT_COLUMNS))
    again.resume(lambda _: True)
    again.close()
    export.page([{"id": "1"}], "cursor")
    export.close()
    with replacing(tmp_path / "page", "w") as page:
        page.write("text")
    assert victim.read_text() == "kept"
    assert all((tmp_path / f"{name}.new").is_symlink() for name in ("rejects", "export", "export.resume", "page"))


def test_what_a_killed_process_had_made_beside_a_file_goes(tmp_path: Path) -> None:
    handle, left = make_beside(tmp_path / "rejects")
    os.close(handle)
    assert mode(left) == 0o600
    others = [tmp_path / name for name in ("rejects.new", ".rejects.new", ".rejects.a.new", ".xrejects.12345678.new")]
    for other in others:
        other.write_text("somebody's")
    remove_leftovers(tmp_path / "rejects")
    assert sorted(tmp_path.iterdir()) == sorted(others)


async def test_those_who_write_alone_remove_them(tmp_path: Path) -> None:
    for name in ("rejects", "export", "export.resume"):
        handle, _ = make_beside(tmp_path / name)
        os.close(handle)
    file = RejectFile(tmp_path / "rejects", NdjsonFormat((), REJECT_COLUMNS))
    file.write(SourceRow(1, {"a": 1}), RowResult("rejected", "why", "", ""))
    file.close()
    again = RejectFile(tmp_path / "rejects", NdjsonFormat((), REJECT_COLUMNS))
    again.resume(lambda _: True)
    again.close()
    export = ExportFile(tmp_path / "export", "what")
    export.open(resume=True)
    export.page([{"id": "1"}], "cursor")
    export.close()
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".new")] == []


def test_the_error_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(UnsafeFileError("it is a link")))
    assert (type(error), error.strerror) == (UnsafeFileError, "it is a link")
