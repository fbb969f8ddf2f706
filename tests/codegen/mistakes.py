# type: ignore
"""Mistakes that both checkers must find, one a line, each marked; `test_checkers.py` takes the line above away."""

from __future__ import annotations

import datetime as dt

from every_type_cdts import EveryType, Other

from welkin_async import Welkin, bulk


def use(*_: object) -> None: ...


async def mistakes(welkin: Welkin, record: EveryType) -> None:
    records = welkin.patient("p").cdts(EveryType)
    await records.create(titel="T")  # expect-error: no such field
    await records.create(title=5)  # expect-error: another type
    await records.create(count=3)  # expect-error: a required field is missing
    await records.create(title="T", computed=4)  # expect-error: read-only
    await records.create(title="T", created_by="me")  # expect-error: a system field
    await records.create(title="T", status="activ")  # expect-error: no option
    await records.create(title="T", priority="1")  # expect-error: options are integers
    await records.create(title="T", tags="a")  # expect-error: one value for several
    await records.create(title="T", date="2024-05-01")  # expect-error: text for a date
    await records.create(title="T", confirmed="yes")  # expect-error: text for a boolean
    await records.create({"title": "T"})  # expect-error: a mapping
    await records.create(Other.New(title="T"))  # expect-error: fields of another CDT
    await records.create(EveryType.New(title="T"), count=4)  # expect-error: both
    await records.update("r", Other.Changes(title="T"))  # expect-error: changes of another CDT
    await records.update("r", titel="T")  # expect-error: no such field
    await records.update("r", computed=4)  # expect-error: read-only
    await records.update("r", status="activ")  # expect-error: no option
    await records.update(status="active")  # expect-error: of which record
    use(EveryType.New())  # expect-error: a required field is missing
    use(EveryType.New(title="T", **{"icd-10": 4}, measured_at=dt.date(2024, 1, 1)))  # expect-error: a date for a moment
    use(record.titel)  # expect-error: no such field
    use(record.icd10)  # expect-error: no such field
    record.title = "T"  # expect-error: records are not changed
    count: str = record.count  # expect-error: another type
    use(count, record.date.year)  # expect-error: it may be None
    welkin.patient("p").cdts(EveryType.New)  # expect-error: no CDT
    records.list(filter={"status": "active"})  # expect-error: no such parameter
    await bulk.create_cdt_records(welkin, EveryType.New, [])  # expect-error: no CDT
