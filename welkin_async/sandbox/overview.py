"""Overview: a page at ``/`` on which a person sees what a sandbox holds: its CDTs, patients and records.

Plain HTML without scripts, made anew for each request; nothing can be changed there.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from welkin_async.sandbox.http.messages import Record
from welkin_async.sandbox.store import Store

_MOST = 200  # rows of a table
_LONGEST = 200  # characters of a cell
_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "Cache-Control": "no-store"}
_STYLE = (
    ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;padding:0 1rem;"
    "max-width:75rem}h1{font-size:1.4rem}h1 a{color:inherit;text-decoration:none}"
    "h2{font-size:1.1rem;margin-top:2rem}.table{overflow-x:auto}"
    "table{border-collapse:collapse}th,td{text-align:left;padding:.25rem .75rem .25rem 0;vertical-align:top;"
    "border-bottom:1px solid #8884}th{white-space:nowrap}td{overflow-wrap:anywhere;min-width:4rem}"
)


class Overview:
    """The page of a server.

    Args:
        title: What it is called.
        store: Returns the server's state.
        allowed: Whether a request may see it.
    """

    def __init__(self, title: str, store: Callable[[], Store], allowed: Callable[[web.BaseRequest], bool]) -> None:
        self._title = title
        self._store = store
        self._allowed = allowed

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request for the page; its query tells which CDT and patient are shown.

        Args:
            request: As it came.
        """
        if not self._allowed(request):
            return web.Response(status=403)
        cdt, patient = request.query.get("cdt"), request.query.get("patient")
        store = self._store()
        if (cdt is not None and cdt not in store.formations) or (patient is not None and patient not in store.patients):
            return web.Response(status=404, text=self._page([_paragraph("There is none.")]), **_ANSWER)
        if cdt is not None:
            parts = self._records(cdt, patient)
        else:
            parts = self._patient(patient) if patient is not None else self._all()
        return web.Response(text=self._page(parts), **_ANSWER)

    def _page(self, parts: Iterable[str]) -> str:
        title = html.escape(self._title)
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head>'
            f'<body><h1><a href="/">{title}</a></h1>{"".join(parts)}</body></html>'
        )

    def _all(self) -> list[str]:
        store = self._store()
        cdts = [
            [_link(name, cdt=name), str(len(shape["fields"])), str(len(store.cdt_records(name)))]
            for name, shape in store.formations.items()
        ]
        patients = [
            [_link(id, patient=id), _cell(record.get("firstName")), _cell(record.get("lastName"))]
            for id, record in _first(store.patients.items())
        ]
        return [
            _paragraph("A local Welkin server; everything is in memory and ends with it."),
            '<p><a href="/openapi">The API that it serves</a></p>',
            _table("Custom data types", ["name", "fields", "records"], cdts, len(cdts)),
            _table("Patients", ["id", "first name", "last name"], patients, len(store.patients)),
        ]

    def _patient(self, id: str) -> list[str]:
        store = self._store()
        fields = [[html.escape(name), _cell(value)] for name, value in store.patients[id].items() if value is not None]
        counts = {name: len(store.cdt_records(name, id)) for name in store.formations}
        records = [[_link(name, cdt=name, patient=id), str(count)] for name, count in counts.items() if count]
        return [
            _table(f"Patient {id}", ["field", "value"], fields, None),
            _table("Records", ["custom data type", "records"], records, len(records)),
        ]

    def _records(self, cdt: str, patient: str | None) -> list[str]:
        records = self._store().cdt_records(cdt, patient)
        shown = list(_first(records))
        columns = _columns(shown, [field["name"] for field in self._store().formations[cdt]["fields"]])
        rows = [
            [
                _link(record["patientId"], patient=record["patientId"]),
                *(_cell(record["jsonBody"].get(name)) for name in columns),
            ]
            for record in shown
        ]
        title = f"Records of {cdt}" if patient is None else f"Records of {cdt} of patient {patient}"
        return [_table(title, ["patient", *columns], rows, len(records))]


_ANSWER: Any = {"content_type": "text/html", "charset": "utf-8", "headers": _HEADERS}


def _first(items: Iterable[Any]) -> Iterable[Any]:
    return (each for _, each in zip(range(_MOST), items, strict=False))


def _columns(records: Iterable[Record], names: Sequence[str]) -> list[str]:
    """Return the fields that any of the records has, in the order of the formation."""
    given = {name for record in records for name, value in record["jsonBody"].items() if value is not None}
    return [name for name in names if name in given]


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return html.escape(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def _link(text: str, **query: str) -> str:
    return f'<a href="/?{html.escape(urlencode(query))}">{html.escape(text)}</a>'


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], total: int | None) -> str:
    """Write a table whose cells are HTML already, and say how many rows there are; not so with a total of None."""
    count = f" ({total})" if total == len(rows) else f" (the first {len(rows)} of {total})"
    heading = f"<h2>{html.escape(title)}{'' if total is None else count}</h2>"
    if not rows:
        return heading
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'{heading}<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
