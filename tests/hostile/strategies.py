"""Random trials, as hypothesis draws them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from welkin_async.sandbox import Alteration, Fault, FaultKind

from .hostile_server import Hostility
from .trial import SETTLE, TIMEOUT, End, Trial

__all__ = ["hostilities", "trials"]

_CREATE, _LIST = "cdts.create", "cdts.list"
_LANDS = SETTLE - TIMEOUT  # seconds; what lands so late lands before its row has settled
_PAGE = b"<html><h1>404 Not Found</h1></html>"

_Options = st.SearchStrategy[dict[str, Any]]

_often = st.sampled_from([0.02, 0.05, 0.15, 0.4])
_soon = st.sampled_from([0.0, 0.001, 0.003])


@st.composite
def _faults(draw: st.DrawFn, /, operation: str | None, kinds: tuple[FaultKind, ...], **more: Any) -> Fault:
    probability = draw(_often)
    return Fault(draw(st.sampled_from(kinds)), operation, times=None, probability=probability, **more)


@st.composite
def _refusals(draw: st.DrawFn) -> Fault:
    """A status in place of the work, or after it."""
    status, work_done = draw(
        st.sampled_from(
            [
                *((status, False) for status in (400, 404, 409, 422)),
                *((status, True) for status in (408, 425, 500, 502, 503, 504)),
                *((status, False) for status in (401, 408, 500, 502, 503, 504)),
            ]
        )
    )
    retry_after = draw(st.sampled_from([None, 0])) if status == 503 else None
    return Fault(
        FaultKind.STATUS,
        _CREATE,
        times=3 if status == 401 else None,
        probability=draw(_often),
        status=status,
        work_done=work_done,
        retry_after=retry_after,
    )


@st.composite
def _strays(draw: st.DrawFn) -> Fault:
    return Fault(
        FaultKind.STRAY,
        draw(st.sampled_from([_CREATE, _CREATE, _LIST, "cdts.get", None])),
        times=None,
        probability=draw(_often),
        status=draw(st.sampled_from([200, 201, 400, 404, 409, 422, 500, 503])),
        delay=draw(_soon),
    )


_CUT = (FaultKind.RESET_BEFORE, FaultKind.RESET_AFTER, FaultKind.TRUNCATED, FaultKind.GARBAGE, FaultKind.EMPTY)

_create_faults = st.one_of(
    _faults(_CREATE, _CUT),
    _faults(_CREATE, (FaultKind.RESET_LATE,), delay=_LANDS),
    _faults(_CREATE, (FaultKind.STALL_BEFORE, FaultKind.STALL_AFTER), delay=TIMEOUT + _LANDS / 2),
    _faults(_CREATE, (FaultKind.QUEUED,), delay=_LANDS),
    _faults(_CREATE, (FaultKind.QUEUED,), delay=_LANDS, work_done=True),
    st.builds(Fault, st.just(FaultKind.GATEWAY), st.just(_CREATE), times=st.just(5), after=st.integers(0, 30)),
    _refusals(),
    _strays(),
)
_list_faults = st.one_of(
    _faults(_LIST, (FaultKind.RESET_BEFORE, FaultKind.TRUNCATED, FaultKind.GARBAGE, FaultKind.EMPTY)),
    _faults(_LIST, (FaultKind.STATUS,), status=500),
    _faults(_LIST, (FaultKind.STATUS,), status=404, body=_PAGE),
    _strays(),
)


@st.composite
def hostilities(draw: st.DrawFn) -> Hostility:
    """Servers of every kind of hostility, most of them of a few kinds."""
    faults = (*draw(st.lists(_create_faults, min_size=1, max_size=3)), *draw(st.lists(_list_faults, max_size=1)))
    given: dict[str, Any] = {"faults": faults}
    kind = draw(st.sampled_from(["plain", "plain", "clocks", "lag", "growing", "keys", "unique", "fields", "outage"]))
    if kind == "clocks" or draw(st.integers(0, 4)) == 0:
        given["skew"] = draw(st.sampled_from([-1200.0, -480.0, -3.0, 3.0, 600.0, 7200.0]))
        given["skew_every"] = draw(st.sampled_from([1, 2, 4]))
    if kind == "lag":
        given["delay"] = draw(st.sampled_from([0.05, 0.3]))
        given["lag"] = draw(st.sampled_from([0.0, 0.2]))
    elif kind == "growing":
        given["delay"] = draw(st.sampled_from([0.0, 0.1]))
        given["growth"] = draw(st.sampled_from([0.2, 1.0, 5.0]))
    elif kind == "keys":
        change = st.builds(
            Alteration,
            max_length=st.sampled_from([None, 5, 36]),
            lower_case=st.booleans(),
            after=st.sampled_from([0, 1, 10]),
        )
        given |= draw(
            st.one_of(
                st.fixed_dictionaries({"alteration": change}),
                st.just({"drops_key": True}),
                st.just({"echoes_key": True}),
            )
        )
    elif kind == "unique":
        given["unique"] = True
    elif kind == "fields":
        given["drops"] = ("medication_dose",)
    elif kind == "outage":
        given["outage"] = 0.5
    return Hostility(**given)


def trials() -> st.SearchStrategy[Trial]:
    """Trials: hostile servers, with keys or not, with a journal or not, and ends of every kind in between."""
    journalled: _Options = st.builds(
        dict,
        journal=st.just(True),
        ends=st.lists(st.sampled_from([end for end in End if end is not End.NONE]), max_size=2).map(tuple),
        source=st.booleans(),
        retries=st.booleans(),
        hurried=st.booleans(),
    )
    unjournalled: _Options = st.builds(
        dict,
        journal=st.just(False),
        ends=st.sampled_from([(), (), (End.LEAVE,), (End.CANCEL,), (End.SOURCE,), (End.SCOPE,), (End.CLOSE,)]),
    )
    keyed: _Options = st.builds(dict, keyed=st.just(True), keys=st.sampled_from(["short", "long", "mixed"]))
    return st.builds(
        lambda hostility, keeping, keys, reorders, rest: Trial(
            hostility=hostility,
            **keeping,
            **keys,
            reorders=reorders and keys["keyed"] and keeping.get("source", False),
            **rest,
        ),
        hostilities(),
        st.one_of(journalled, unjournalled),
        st.one_of(keyed, keyed, keyed, st.just({"keyed": False})),
        st.booleans(),
        st.builds(
            dict,
            seed=st.integers(0, 2**32 - 1),
            rows=st.sampled_from([20, 40, 80]),
            patients=st.sampled_from([1, 3, 80]),
            concurrency=st.sampled_from([1, 2, 8]),
            ordered=st.booleans(),
            moment=st.sampled_from([0.0, 0.2, 0.6, 0.95]),
        ),
    )
