"""Schedules: what users have on, made of their work hours and events."""

from __future__ import annotations

from collections import Counter

import attrs

from .events import Events
from .moments import moment
from .records import require
from .routing import Routes
from .site import format_moment
from .wire import Answer, Call, Record, ok
from .work_hours import WorkHours

__all__ = ["Schedules"]

_SHOWN = (
    "id", "eventId", "eventTitle", "eventType", "eventColor", "allDayEvent", "startDateTime", "localStartDateTime",
    "endDateTime", "localEndDateTime",
)  # fmt: skip


@attrs.define
class Schedules:
    """Schedules and their section of the API.

    Attributes:
        events: The events of the calendar.
        work_hours: The periods of work.
    """

    events: Events
    work_hours: WorkHours

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/calendar"
        routes.add("schedules.list", "GET", base + "/psm-schedules", self.list_busy)
        routes.add("schedules.list_available", "GET", base + "/available-psm-schedules", self.list_available)
        routes.add("schedules.list_full", "GET", base + "/full-psm-schedules", self.list_full)
        routes.add("calendar_events.psm_summary", "GET", base + "/psm-event-summary", self.summary)

    def list_busy(self, call: Call) -> Answer:
        """A bare array of the users that have work hours or events (only empty ones are recorded)."""
        return ok([each for each in self._schedules(call) if each["workHours"] or each["events"]])

    def list_available(self, call: Call) -> Answer:
        """The users that have work hours (documented; how the server picks them is unknown: chosen here)."""
        return ok([each for each in self._schedules(call) if each["workHours"]])

    def list_full(self, call: Call) -> Answer:
        """Every user asked for (known from a published client only)."""
        return ok(self._schedules(call))

    def _schedules(self, call: Call) -> list[Record]:
        cancelled = bool(call.flag("includeCancelled"))
        hours = self.work_hours.held(call.query)
        return [
            {
                "psmId": user,
                "workHours": hours.get(user, []),
                "events": [
                    {name: shown[name] for name in _SHOWN}
                    for shown in ({**self.events.shown(each), "eventId": each["id"]} for each in held)
                ],
            }
            for user, held in self._events(call, cancelled).items()
        ]

    def _events(self, call: Call, cancelled: bool) -> dict[str, list[Record]]:
        """Events from `from` to `to` of each user asked for; 400 when a parameter is missing."""
        query = call.query
        ids = query.get("psmIds") or query.get("psm-ids") or ""
        require({"psmIds": ids}, ("psmIds",), "CALENDAR")
        start, end = (format_moment(moment(query, name, "CALENDAR")) for name in ("from", "to"))
        held = [
            each
            for each in self.events.records.values()
            if each["startDateTime"] < end
            and each["endDateTime"] > start
            and (cancelled or (each["eventStatus"] or "").upper() != "CANCELLED")
        ]
        return {
            user: [each for each in held if any(one["participantId"] == user for one in each["participants"])]
            for user in dict.fromkeys(ids.lower().split(","))
            if user
        }

    def summary(self, call: Call) -> Answer:
        """Counts of each user's events; hours and occupancy are text with units (documented, their form chosen)."""
        now = self.events.site.clock.stamp()
        found = []
        for user, held in self._events(call, cancelled=True).items():
            hours = sum(each["duration"] for each in held) / 3600
            found.append({
                "psmId": user,
                "totalCreatedEvents": len(held),
                "totalOccurredEvents": sum(each["endDateTime"] <= now for each in held),
                "totalFutureEvents": sum(each["startDateTime"] > now for each in held),
                "eventStatusCount": dict(Counter(each["eventStatus"] or "SCHEDULED" for each in held)),
                "totalWorkingHours": "0 h",
                "totalEventHours": f"{hours:g} h",
                "occupancy": "0 %",
            })  # fmt: skip
        start, end = (format_moment(moment(call.query, name, "CALENDAR")) for name in ("from", "to"))
        return ok({"startDateTime": start, "endDateTime": end, "summary": found})
