from __future__ import annotations

import asyncio
import os
import pickle
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from welkin_async.bulk import file_lock
from welkin_async.bulk.errors import JournalError, JournalLockedError, JournalMismatchError
from welkin_async.bulk.file_lock import JournalLock
from welkin_async.bulk.journal.journal import Journal, PositionState, UnknownKey
from welkin_async.bulk.journal.row_positions import NOWHERE
from welkin_async.errors import InvalidInputError, WelkinError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "import.journal"


async def opened(path: Path, **more: Any) -> Journal:
    return await Journal.open(path, **{"source": "s", "target": "t", **more})


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[Journal]:
    opened_journal = await opened(path, block=10)
    yield opened_journal
    await opened_journal.aclose()


async def left(journal: Journal, path: Path) -> Path:
    """Commit all, and return a copy of the file as a kill would leave it."""
    await journal.flush()
    return copied(path)


def copied(path: Path) -> Path:
    """Return a copy of the file as a kill would leave it."""
    copy = path.with_name("copy.journal")
    for suffix in ("", "-wal"):
        copy.with_name(copy.name + suffix).write_bytes(path.with_name(path.name + suffix).read_bytes())
    return copy


async def test_a_new_journal_knows_nothing(journal: Journal, path: Path) -> None:
    assert journal.state(0) == PositionState("new")
    assert journal.earlier == {"created": 0}
    assert not journal.covers(0)
    await journal.reserve(0)
    assert journal.covers(0)
    for name in ("", "-wal", "-shm", ".lock"):
        assert stat.S_IMODE(os.stat(f"{path}{name}").st_mode) == 0o600


async def test_the_next_block_is_reserved_ahead(journal: Journal) -> None:
    await journal.reserve(0)
    waits = 0
    for position in range(200):
        if not journal.covers(position):
            waits += 1
            await journal.reserve(position)
        await asyncio.sleep(0.001)
    assert waits <= 20  # of 200: a block of 10 lasts 10 ms here; most are there in time


async def test_many_wait_for_one_reservation(journal: Journal) -> None:
    await asyncio.gather(*(journal.reserve(position) for position in range(35)))
    assert journal.covers(34)
    waiting = asyncio.create_task(journal.reserve(500))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await journal.reserve(500)


async def test_blocks_can_be_widened(path: Path) -> None:
    journal = await opened(path, block=1)
    await journal.reserve(0)
    journal.widen(100)
    await journal.reserve(50)
    assert journal.covers(120)
    copy = await left(journal, path)
    await journal.aclose()
    again = await opened(copy)
    assert [again.state(position).state for position in (149, 500)] == ["unknown-since", "new"]
    await again.aclose()


async def test_what_became_of_rows_is_there_again(journal: Journal, path: Path) -> None:
    statuses = ["created", "adopted", "altered", "doubled", "rejected", "failed", "unsent", "unknown", "conflict"]
    before = time.time()
    for position, status in enumerate(statuses):
        await journal.reserve(position)
        journal.record(position, status, key=f"k{position}", record_id="r", error_code="CODE")
    await journal.reserve(len(statuses))  # sent, and killed before it was answered
    copy = await left(journal, path)
    for mode, conflict in (("resume", "failed"), ("retry", "unknown-since")):
        again = await opened(copy, mode=mode)
        states = [again.state(position) for position in range(25)]
        assert [each.state for each in states[:8]] == ["done"] * 4 + ["failed"] * 2 + ["new", "unknown-since"]
        assert [each.state for each in states[8:11]] == [conflict, "unknown-since", "unknown-since"]
        was = ["created", "created", "altered", "doubled", "rejected", "failed", "unsent", None]
        assert [each.status for each in states[:9]] == [*was, "conflict" if mode == "resume" else None]
        assert before <= (states[9].since or 0) <= time.time()
        assert states[24] == PositionState("new")
        assert again.earlier["created"] == 2
        assert again.earlier["conflict"] == 1
        await again.aclose()


async def test_a_good_end_leaves_nothing_to_look_for(journal: Journal, path: Path) -> None:
    for position in range(3):
        await journal.reserve(position)
        journal.record(position, "created")
    await journal.aclose()
    again = await opened(path)
    assert [again.state(position).state for position in (2, 3, 9)] == ["done", "new", "new"]
    assert not again.covers(3)
    await again.aclose()


async def test_a_retry_that_dies_leaves_what_it_took_up_unknown(journal: Journal, path: Path) -> None:
    for position in range(40):
        await journal.reserve(position)
        journal.record(position, "rejected" if position % 2 else "created")
    await journal.aclose()
    retry = await opened(path, mode="retry", block=4)
    assert retry.covers(0)  # created, nothing to take up before the first refused one
    assert not retry.covers(1)
    await retry.reserve(1)
    await retry.reserve(3)
    retry.record(1, "created")
    copy = await left(retry, path)
    again = await opened(copy, mode="retry")
    states = [again.state(position).state for position in range(40)]
    assert states[1] == "done"
    assert states[3] == "unknown-since"
    assert states[39] == "failed"
    await again.aclose()
    await retry.aclose()
    again = await opened(path, mode="retry")
    assert [again.state(position).state for position in (1, 3, 5, 39)] == ["done", "unknown-since", "failed", "failed"]
    await again.aclose()


async def test_what_was_not_sent_is_new_until_it_is_taken_up(journal: Journal, path: Path) -> None:
    await journal.reserve(0)
    journal.record(0, "unsent")
    await journal.aclose()
    second = await opened(path)
    assert second.state(0).state == "new"
    assert not second.covers(0)
    await second.reserve(0)
    copy = await left(second, path)
    await second.aclose()
    third = await opened(copy)
    assert third.state(0).state == "unknown-since"
    await third.aclose()


async def test_what_a_dead_retry_took_up_stays_unknown(journal: Journal, path: Path) -> None:
    """A later run that ends well gives back what it took up itself, and nothing else."""
    await journal.reserve(5)
    journal.record(5, "rejected")
    await journal.aclose()
    retry = await opened(path, mode="retry")
    await retry.reserve(5)
    copy = await left(retry, path)
    await retry.aclose()
    resumed = await opened(copy)
    await resumed.reserve(0)
    await resumed.aclose()
    again = await opened(copy, mode="retry")
    assert again.state(5).state == "unknown-since"
    await again.aclose()


async def test_a_reservation_that_begins_below_the_mark_and_ends_above(journal: Journal, path: Path) -> None:
    for position in range(5):
        await journal.reserve(position)
        journal.record(position, "rejected" if position == 4 else "created")
    await journal.aclose()
    retry = await opened(path, mode="retry", block=10)
    await retry.reserve(4)
    assert retry.covers(8)
    copy = await left(retry, path)
    await retry.aclose()
    again = await opened(copy)
    assert again.state(8).state == "unknown-since"
    await again.aclose()


async def test_a_row_refused_unsent_stays_refused(path: Path) -> None:
    """A row that the check refused is recorded before its position is reserved."""
    journal = await opened(path, mode="retry")
    journal.record(3, "failed")
    await journal.flush()
    await journal.reserve(5)
    copy = await left(journal, path)
    await journal.aclose()
    again = await opened(copy, mode="retry")
    assert again.state(3).state == "failed"
    await again.aclose()


async def test_created_ranges_are_kept_merged(journal: Journal, path: Path) -> None:
    for position in [*range(0, 2500, 2), *range(1, 2500, 2)]:
        journal.record(position, "created")
    copy = await left(journal, path)
    connection = sqlite3.connect(copy)
    assert connection.execute("SELECT start, stop FROM created").fetchall() == [(0, 2500)]
    connection.close()


async def test_created_replaces_refused_but_not_a_flag(journal: Journal, path: Path) -> None:
    journal.record(0, "rejected")
    journal.record(1, "doubled")
    await journal.flush()
    journal.record(0, "created")
    journal.record(1, "created")
    await journal.aclose()
    again = await opened(path, mode="retry")
    assert again.earlier == {"created": 2, "doubled": 1}
    assert again.state(0) == PositionState("done", status="created")
    assert again.state(1) == PositionState("done", status="doubled")
    await again.aclose()


async def test_unknown_keys_outlive_runs_until_they_are_swept(journal: Journal, path: Path) -> None:
    for number in range(1203):
        journal.unknown(number, f"key {number}", f"patient {number % 2}", 100.0 + number)
    journal.unknown(5, "key 5", "patient 1", 900.0)
    await journal.flush()
    journal.unknown(5, "key 5", "patient 1", 50.0)
    await journal.aclose()
    again = await opened(path)
    rows = [row async for row in again.ever_unknown()]
    assert len(rows) == 1203
    assert [row.patient for row in rows] == sorted(row.patient for row in rows)
    assert UnknownKey(5, "key 5", "patient 1", 50.0) in rows
    for patient in ("patient 0", "patient 1"):
        again.scanned(patient, [f"key {number}" for number in range(1202)])
    again.unknown(7, "key 7", "patient 1", 1.0)
    assert [row.key async for row in again.ever_unknown()] == ["key 1202", "key 7"]
    await again.aclose()


async def test_rows_that_landed_are_forgotten_once_they_are_scanned(journal: Journal, path: Path) -> None:
    await journal.reserve(0)
    for number in range(20):
        journal.landed(number, f"key {number}", f"patient {number % 4}", f"r{number}")
    assert await journal.count_unscanned() == 20
    groups = [each async for each in journal.ever_landed()]
    assert [each.patient for each in groups] == [f"patient {number}" for number in range(4)]
    for patient, group in enumerate(groups):
        numbers = range(patient, 20, 4)
        assert group.record_ids == {f"key {number}": f"r{number}" for number in numbers}
        assert group.positions == {f"key {number}": number for number in numbers}
    journal.scanned("patient 0", (), groups[0])
    journal.scanned("patient 1", (), groups[1])
    journal.scanned("patient 2", ())  # a row of it was not shown
    journal.landed(20, "key 20", "patient 0", "r20")  # what lands after the scan was not scanned
    assert await journal.count_unscanned() == 11
    await journal.aclose()
    again = await opened(path)
    assert [each.patient async for each in again.ever_landed()] == [f"patient {number}" for number in (0, 2, 3)]
    assert (await again.landed_of("patient 0")).record_ids == {"key 20": "r20"}
    await again.aclose()


async def test_a_journal_that_ends_with_the_run_does_not_write_what_it_could_forget() -> None:
    journal = await Journal.open_private()
    await journal.reserve(0)
    journal.landed(0, "key", "patient", "r")
    (group,) = [each async for each in journal.ever_landed()]
    journal.scanned("patient", (), group)
    assert await journal.count_unscanned() == 1
    await journal.aclose()


async def test_what_landed_of_a_patient_is_given_together_however_it_was_written(journal: Journal) -> None:
    await journal.reserve(0)
    for number in range(2_400):  # more than is read at once, written at several times and in any order
        journal.landed(number, f"key {number}", f"patient {number % 3}", f"r{number}")
        if number % 100 == 99:
            await journal.flush()
    journal.landed(3, "key 3", "patient 0", "r3 again")  # made again, say: the last record is looked for
    journal.unknown(7, "key 7", "patient 1", 1.0)  # patients with such are looked at when all has landed
    assert await journal.count_unscanned() == 2_402
    first, last = [each async for each in journal.ever_landed()]
    assert (first.patient, len(first.record_ids), first.amount) == ("patient 0", 800, 801)
    assert (first.record_ids["key 3"], first.of("key 3").record_id) == ("r3 again", "r3 again")
    assert (last.patient, len(last.record_ids), last.amount) == ("patient 2", 800, 800)
    assert len((await journal.landed_of("patient 1")).record_ids) == 800


async def test_scanned_rows_are_forgotten_while_a_long_scan_goes_on(journal: Journal, path: Path) -> None:
    await journal.reserve(0)
    for number in range(9_000):
        journal.landed(number, f"key {number}", f"patient {number:04}", f"r{number}")
    seen = 0
    async for group in journal.ever_landed():
        journal.scanned(group.patient, (), group)
        seen += len(group.record_ids)
    assert seen == 9_000
    assert await unscanned(copied(path)) < 9_000 - 4_000 + 1
    await journal.flush()
    assert await unscanned(copied(path)) == 0


async def unscanned(path: Path) -> int:
    journal = await opened(path)
    try:
        return await journal.count_unscanned()
    finally:
        await journal.aclose()


async def test_a_key_belongs_to_one_row(journal: Journal, path: Path) -> None:
    for round in range(2):
        assert journal.claim("a", b"content1", 0) == "new"
        assert journal.claim("b", b"content2", 1) == "new"
        assert journal.claim("a", b"content1", 2) == "same"
        assert journal.claim("a", b"content2", 3) == "other"
        assert journal.claim(f"c{round}", b"content3") == "new"
        assert journal.claim(f"c{round}", b"content3") == "same"
        await journal.flush()
    assert journal.claim("a", b"content1") == "same"
    await journal.aclose()
    again = await opened(path)
    assert again.claim("a", b"content1 and more", 0) == "new"  # the row it was
    assert again.claim("a", b"content2", 0) == "new"  # it still is: whether it has changed is told otherwise
    assert again.claim("a", b"content2", 4) == "other"
    assert again.claim("b", b"content2", 5) == "same"
    await again.aclose()


async def test_no_row_is_given_a_position_that_is_another_ones(journal: Journal, path: Path) -> None:
    """Where the source has changed, a row with a new key, or without one, may stand where another row has stood."""
    for position, key in enumerate(["p\0a", "p\0b", None]):
        assert journal.enter(position, key, b"digest of it", moves=True)[2] == position
    journal.record(0, "created")
    await journal.reserve(2)  # b was sent, or about to be, when the run was killed; so was the row without a key
    copy = await left(journal, path)

    async def positions(*rows: tuple[int, str | None]) -> list[tuple[int, str]]:
        again = await opened(copy)
        found: list[tuple[int, str]] = []
        for index, key in rows:
            _, known, position, _ = again.enter(index, key, b"digest of it", moves=True)
            found.append((position, known.state))
            await again.reserve(position)
            again.record(position, "created")
        await again.aclose()
        return found

    # A new row before b, b itself, and a row without a key where a has stood.
    new = await positions((1, "p\0new"), (2, "p\0b"), (0, None))
    assert len({position for position, _ in new} | {0, 2}) == 5
    assert [state for _, state in new] == ["unknown-since", "unknown-since", "new"]
    assert new[1][0] == 1
    # The run after it finds each of them where it was put, and the row without a key that had stood at 2 there.
    assert await positions((0, None), (1, "p\0b"), (2, "p\0new")) == [
        (new[2][0], "done"),
        (1, "done"),
        (new[0][0], "done"),
    ]
    # Rows that the source has gained stand at positions that are taken: they are new.
    gained = await positions(*((position, None) for position, _ in new if position > 2))
    assert {state for _, state in gained} == {"new"}
    assert not {position for position, _ in gained} & {position for position, _ in new}
    assert await positions((2, None)) == [(2, "unknown-since")]


async def test_a_repeated_row_is_no_sign_that_the_source_has_changed(journal: Journal, path: Path) -> None:
    rows = ["p\0a", "p\0b", "p\0a", "p\0c"]
    for position, key in enumerate(rows[:2]):
        journal.enter(position, key, b"digest of it", moves=True)
        journal.record(position, "created")
    await journal.reserve(3)  # and killed
    copy = await left(journal, path)
    again = await opened(copy)
    found = [again.enter(index, key, b"digest of it", moves=True) for index, key in enumerate(rows)]
    assert [(claim, position) for claim, _, position, _ in found] == [("new", 0), ("new", 1), ("same", 2), ("new", 3)]
    again.record(2, "rejected")
    again.record(3, "created")
    await again.aclose()
    again = await opened(copy)
    for index, key in enumerate(rows[:2]):
        assert again.enter(index, key, b"digest of it", moves=True)[1].state == "done"
    assert again.enter(3, "p\0a", b"digest of it", moves=True)[::2] == ("same", NOWHERE)  # where c has its outcome
    assert again.enter(40, "p\0d", b"digest of it", moves=True)[1] == PositionState("new")
    await again.aclose()


async def test_a_row_that_may_have_been_sent_from_elsewhere_is_in_doubt_until_it_has_an_outcome(
    journal: Journal, path: Path
) -> None:
    journal.enter(0, "p\0a", b"digest of it", moves=True)
    journal.record(0, "created")
    await journal.reserve(3)  # and killed; of what was sent behind it not even the claims were written
    copy = await left(journal, path)
    for status in (None, "unsent", "unknown"):
        again = await opened(copy)
        assert again.enter(5, "p\0a", b"digest of it", moves=True)[1].state == "done"
        _, known, position, covered = again.enter(6, "p\0b", b"digest of it", moves=True)
        assert (known.state, covered) == ("unknown-since", False)
        assert known.since == again.since(0)
        if status is not None:
            again.record(position, status)
        await again.aclose()
    again = await opened(copy)
    await again.reserve(position)
    again.record(position, "created")
    await again.aclose()
    again = await opened(copy)
    assert again.enter(6, "p\0b", b"digest of it", moves=True)[1].state == "done"
    # What stood behind it may be any row that is new.
    assert again.enter(1, "p\0c", b"digest of it", moves=True)[1].state == "unknown-since"
    await again.aclose()


async def test_keys_that_are_all_new_are_placed_one_behind_the_other(journal: Journal, path: Path) -> None:
    count = 3000
    for position in range(count):
        journal.enter(position, f"p\0{position}", b"digest of it", moves=True)
        journal.record(position, "created")
        await journal.reserve(position)
    copy = await left(journal, path)
    again = await opened(copy)
    placed = [again.enter(index, f"p\0new {index}", b"digest of it", moves=True)[2] for index in range(count)]
    assert len(set(placed)) == count
    assert min(placed) >= count
    await again.aclose()


async def test_claims_on_their_way_to_the_file_count(journal: Journal) -> None:
    for number in range(5000):
        assert journal.claim(f"key {number}", b"x", number) == "new"
    for number in range(5000):
        assert journal.claim(f"key {number}", b"y", 5000 + number) == "other"
    assert not journal.behind


async def test_a_caller_can_tell_that_much_is_waiting(journal: Journal) -> None:
    for number in range(40_000):
        journal.claim(f"key {number}", b"x", number)
    assert journal.behind
    await journal.flush()
    assert not journal.behind


async def test_a_changed_source_is_refused_at_the_row(journal: Journal, path: Path) -> None:
    digests = [number.to_bytes(4, "big") for number in range(3000)]
    for position, digest in enumerate(digests):
        journal.verify(position, digest)
    await journal.aclose()
    again = await opened(path)
    for position in range(2000):
        again.verify(position, digests[position] + b"more")
    with pytest.raises(JournalMismatchError) as caught:
        again.verify(2000, digests[2001])
    assert caught.value.what == "source"
    again.verify(2001, digests[2001])
    for position in range(2002, 3500):
        again.verify(position, digests[position] if position < 3000 else b"new!")
    with pytest.raises(ValueError, match="in order"):
        again.verify(5, digests[5])
    await again.aclose()


async def test_it_belongs_to_one_source_and_one_target(journal: Journal, path: Path) -> None:
    await journal.reserve(0)
    await journal.aclose()
    for more, what in (({"source": "other"}, "source"), ({"target": "other"}, "target")):
        for _ in range(2):  # a refusal gives the lock back
            with pytest.raises(JournalMismatchError) as caught:
                await opened(path, **more)
            assert caught.value.what == what
    again = await opened(path, source="other", mode="restart")
    assert again.state(0).state == "new"
    await again.aclose()


async def test_one_import_holds_it(journal: Journal, path: Path) -> None:
    with pytest.raises(JournalLockedError, match=f"process {os.getpid()}") as caught:
        await opened(path, mode="restart")
    assert caught.value.pid == os.getpid()
    code = (
        "import asyncio, sys\n"
        "from welkin_async.bulk import Journal, JournalLockedError\n"
        "try: asyncio.run(Journal.open(sys.argv[1], source='s', target='t'))\n"
        "except JournalLockedError as error: print(error.pid)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(path)]
    done = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True)
    assert done.stdout == f"{os.getpid()}\n", done.stderr
    await journal.aclose()
    again = await opened(path)
    await again.aclose()


async def test_a_lock_whose_file_was_removed_while_it_was_waited_for_is_taken_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, other = JournalLock(path), JournalLock(path)
    side = path.with_name(f"{path.name}.lock")

    def removed(handle: int) -> bool:
        monkeypatch.undo()
        side.unlink()
        return try_lock(handle)

    try_lock = file_lock._try_lock
    monkeypatch.setattr(file_lock, "_try_lock", removed)
    lock.take()
    assert int(side.read_text()) == os.getpid()
    with pytest.raises(JournalLockedError):
        other.take()
    lock.release()
    other.take()
    other.release()


@pytest.mark.parametrize("mode", ["resume", "restart"])
async def test_a_file_that_is_no_journal_is_left_alone(path: Path, mode: str) -> None:
    for content in (b"START,PATIENT\n1,2\n", b"x" * 5000):
        path.write_bytes(content)
        path.chmod(0o644)
        with pytest.raises(JournalMismatchError, match="not a journal"):
            await opened(path, mode=mode)
        assert path.read_bytes() == content
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE somebodys (data)")
    connection.close()
    content = path.read_bytes()
    with pytest.raises(JournalMismatchError, match="not a journal"):
        await opened(path, mode=mode)
    assert path.read_bytes() == content


async def test_a_journal_of_another_version(journal: Journal, path: Path) -> None:
    await journal.aclose()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(JournalMismatchError, match="another version"):
        await opened(path)
    again = await opened(path, mode="restart")
    await again.aclose()


async def test_places_where_it_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="No such file") as caught:
        await opened(tmp_path / "nowhere" / "j")
    assert str(tmp_path) not in str(caught.value)
    with pytest.raises(JournalError):
        await opened(tmp_path)
    for more in ({"mode": "again"}, {"block": 0}):
        with pytest.raises(InvalidInputError):
            await opened(tmp_path / "j", **more)


async def full(journal: Journal) -> None:
    """Let the disk be full from now on."""
    await journal.flush()

    def limit() -> None:
        (pages,) = journal._files.writer.execute("PRAGMA page_count").fetchone()
        journal._files.writer.execute(f"PRAGMA max_page_count={pages}")

    await journal._store.call(limit)


async def until_full(journal: Journal) -> None:
    for position in range(100_000, 102_000):
        journal.record(position, "rejected", error_code="A_CODE_OF_SOME_LENGTH")
    await journal.flush()


async def test_a_full_disk_is_told_at_the_next_call(path: Path) -> None:
    journal = await opened(path)
    await journal.reserve(0)
    await full(journal)
    with pytest.raises(JournalError, match=r"disk is full \(SQLITE_FULL\)"):
        await until_full(journal)
    for call in (
        lambda: journal.covers(0),
        lambda: journal.record(0, "created"),
        lambda: journal.unknown(0, "k", "p", 1.0),
        lambda: journal.scanned("p", ["k"]),
        lambda: journal.claim("k", b"x"),
        lambda: journal.verify(0, b"x"),
    ):
        with pytest.raises(JournalError, match="disk is full"):
            call()
    for wait in (journal.reserve(0), journal.flush(), anext(journal.ever_unknown())):
        with pytest.raises(JournalError, match="disk is full"):
            await wait
    await journal.aclose()  # it has been said
    again = await opened(path)
    assert again.state(0).state == "unknown-since"
    await again.aclose()


async def test_a_full_disk_is_told_at_closing_at_the_latest(path: Path) -> None:
    journal = await opened(path)
    await full(journal)
    for position in range(900):
        journal.record(position, "rejected", error_code="A_CODE_OF_SOME_LENGTH" * 10)
    with pytest.raises(JournalError, match="disk is full"):
        await journal.aclose()
    await journal.aclose()
    with pytest.raises(JournalError, match="disk is full"):
        journal.record(0, "created")


async def test_waiting_for_a_reservation_that_fails(path: Path) -> None:
    journal = await opened(path)
    await full(journal)
    for position in range(999):
        journal.record(position, "rejected", error_code="A_CODE_OF_SOME_LENGTH" * 10)
    journal.record(999, "rejected")  # sent off, and fails before the reservation's turn
    with pytest.raises(JournalError, match="disk is full"):
        await asyncio.gather(journal.reserve(5), journal.reserve(6))
    await journal.aclose()


async def test_a_bug_in_the_thread_does_not_hang_the_loop(path: Path) -> None:
    journal = await opened(path)
    with pytest.raises(JournalError, match=r"broke \(ZeroDivisionError\)"):
        await journal._store.call(lambda: 1 / 0)
    with pytest.raises(JournalError, match="broke"):
        await journal.flush()
    await journal.aclose()


async def test_a_closed_journal_says_so(journal: Journal) -> None:
    await journal.aclose()
    await journal.aclose()
    with pytest.raises(JournalError, match="closed"):
        journal.record(0, "created")
    with pytest.raises(JournalError, match="closed"):
        await journal.reserve(0)
    with pytest.raises(JournalError, match="closed"):
        await journal.flush()


async def test_closing_while_somebody_waits(path: Path) -> None:
    journal = await opened(path)
    waiting = asyncio.create_task(journal.reserve(0))
    await asyncio.sleep(0)
    await journal.aclose()
    with pytest.raises(JournalError, match="closed"):
        await waiting
    again = await opened(path)
    assert again.state(0).state == "new"
    await again.aclose()


async def test_a_cancelled_opening_gives_the_lock_back(path: Path) -> None:
    for delay in (0, 0, 0.0005, 0.002, 0.003, 0.004):
        opening = asyncio.create_task(opened(path))
        await asyncio.sleep(delay)
        if opening.cancel():
            with pytest.raises(asyncio.CancelledError):
                await opening
        else:
            await (await opening).aclose()


async def test_what_is_recorded_is_written_soon_by_itself(journal: Journal, path: Path) -> None:
    journal.record(0, "created")
    connection = sqlite3.connect(path)
    for _ in range(100):
        if connection.execute("SELECT count(*) FROM created").fetchone() == (1,):
            break
        await asyncio.sleep(0.02)
    else:
        raise AssertionError("it was not written")
    connection.close()


@pytest.mark.parametrize(
    "error",
    [JournalError("why"), JournalLockedError(5), JournalLockedError(None), JournalMismatchError("source")],
)
def test_errors_can_be_pickled(error: JournalError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
    assert isinstance(again, WelkinError)
