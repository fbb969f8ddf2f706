"""Allotment: divides among sessions what all may send together. Pure: states and the store's clock are handed in.

Each session that sends reports what it wants and gets a share that is its own for a second; the shares that are held at
any moment never add up to more than the total. Shares go by demand: what one does not want the others get, in equal
parts. A share that shrinks counts in full until its holder reports again, because until then it may not know.

A session that has been alone for a while is asked to report less often, and its share is its own for as much longer.
One that comes gets what is left of the total until then, and its part of all once the first one has reported twice: the
second time at once, as does every session whose share shrinks while others lack something.

The total is what the sessions were told (``rate``). Where they were told none, or too much, it is learned from the
answers of all; see `learned_total`.
"""

from __future__ import annotations

import math

from welkin_async.http.sharing import REPORT_INTERVAL, PaceReport, PaceShare
from welkin_async.shared.documents import State
from welkin_async.shared.learned_total import TOLERATED, LearnedTotal

LASTS = 1.0  # seconds for which a share is its holder's own, five reports; longer by their interval where it is SELDOM
SELDOM = 1.0  # seconds between two reports of a session that is alone
AT_ONCE = 0.02  # seconds until a report for which others wait
_LESS = 0.9  # of the share before: one that is less is waited for
_ALONE = 2.0  # seconds without another session until one counts as alone: those that start together meet before
_TOLERATED_OF_TOLD = 0.1  # share refused that is borne where the total was told: a few meet the seconds' edges
_ROOM = 1.25  # of what was sent: what a session may want next
_SOON = 0.2  # seconds within which what waits is to go out
_LEAST = 0.5  # requests per second: a share that is none would never be asked for more


def allot(state: State | None, report: PaceReport, now: float) -> tuple[State, PaceShare]:
    """Take in a report and give its session a share.

    Args:
        state: What is known of all sessions; None for nothing.
        report: What the session has sent.
        now: Seconds of the store's clock.

    Returns:
        The next state, and the session's share.
    """
    state = {"members": {}} if state is None else state
    members: dict[str, State] = state["members"]
    for name in [name for name, each in members.items() if not now < each["until"] <= now + LASTS + SELDOM]:
        del members[name]
    learned = _learned(state, report, now)
    total = _total(state, report, learned)
    own = members.pop(report.member, None)
    if report.leaving:
        return state, PaceShare(0.0 if total is not None else None, LASTS)
    wanted = max(_LEAST, _ROOM * report.sent / max(report.seconds, _SOON) + report.waiting / _SOON)
    if own is not None and report.seconds < REPORT_INTERVAL / 2.0:
        wanted = max(wanted, own["wanted"])  # so little time says nothing about demand
    kept: State = {"wanted": wanted, "until": now + LASTS, "rate": report.rate, "before": 0.0, "share": 0.0}
    if not members:
        kept["alone"] = now if own is None else min(now, own.get("alone", now))
    if total is not None:
        held = math.fsum(max(each["share"], each["before"]) for each in members.values())
        fair = _fair(total, wanted, [each["wanted"] for each in members.values()])
        share = max(0.0, min(fair, total - held))
        kept |= {"share": share, "before": 0.0 if own is None else own["share"]}
    suffices = total is None or not report.waiting or kept["share"] >= total
    seldom = not members and now - kept["alone"] >= _ALONE and suffices and learned.settled(report, now)
    if seldom:
        kept["until"] += SELDOM
    if own is not None:
        kept["until"] = max(kept["until"], own["until"])  # what it was told before it may not know to be over
    members[report.member] = kept
    every = SELDOM if seldom else REPORT_INTERVAL
    lacking = any(each["share"] < each["wanted"] for each in members.values() if each is not kept)
    if own is not None and lacking and kept["share"] < _LESS * own["share"]:
        every = AT_ONCE  # what it gives up is the others' as soon as it has said that it knows
    return state, PaceShare(None if total is None else kept["share"], kept["until"] - now, every)


def _fair(total: float, wanted: float, others: list[float]) -> float:
    """Return how much of a total one gets where nobody gets more than is wanted, and the rest is divided equally."""
    left, open_ = total, sorted([wanted, *others])
    while open_:
        part = left / len(open_)
        if open_[0] > part:
            return min(wanted, part) if wanted > part else wanted
        left -= open_.pop(0)
    # All get what they want. What is left stands by for whoever sends more, so that nobody waits for a report; a part
    # of it for who begins.
    return wanted + left / (len(others) + 2)


def _told(state: State, report: PaceReport) -> list[float]:
    """Return what the sessions were told that all may send together."""
    rates = [each["rate"] for each in state["members"].values()]
    return [rate for rate in [*rates, report.rate] if rate is not None]


def _learned(state: State, report: PaceReport, now: float) -> LearnedTotal:
    """Learn from a report what all may send together."""
    learned = LearnedTotal.of_state(state.get("learned"), now)
    learned.take_in(report, now, _TOLERATED_OF_TOLD if _told(state, report) else TOLERATED)
    state["learned"] = learned.to_state()
    return learned


def _total(state: State, report: PaceReport, learned: LearnedTotal) -> float | None:
    """Return what all may send together, as they were told or as the answers show; None for no bound."""
    return min([*_told(state, report), *([] if learned.rate is None else [learned.rate])], default=None)
