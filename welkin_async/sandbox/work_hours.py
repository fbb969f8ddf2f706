"""Work hours of the calendar: periods with their days, kept per user."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from .errors import not_found, validation_error
from .moments import local, moment
from .routing import Routes
from .site import Site
from .wire import Answer, Call, Record, ok

__all__ = ["WorkHours"]

_REQUIRED = ("psmId", "startDateTime", "endDateTime", "daysInfo")


@attrs.define
class WorkHours:
    """Work hours and their section of the API.

    Attributes:
        site: Clock, ids and author.
        periods: Periods by `workHoursId`.
        owners: User id (`psmId`) by `workHoursId`.
    """

    site: Site
    periods: dict[str, Record] = attrs.field(factory=dict, repr=False)
    owners: dict[str, str] = attrs.field(factory=dict, repr=False)

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/calendar/work-hours"
        routes.add("work_hours.list", "GET", base, self.list_all)
        routes.add("work_hours.create", "POST", base, self.create)
        routes.add("work_hours.update", "PUT", base + "/{work_hours_id}", self.update)

    def list_all(self, call: Call) -> Answer:
        """A bare array of `{psmId, details}` (recorded), users without hours left out.

        Takes `from`, `to` and `psmIds` (recorded) or `psm-ids` (documented). That the ids filter is documented but
        unproven; without any, everybody is listed.

        Raises:
            ApiError: 400, `from` or `to` is missing or malformed.
        """
        return ok([{"psmId": owner, "details": details} for owner, details in self.held(call.query).items()])

    def held(self, query: Mapping[str, str]) -> dict[str, list[Record]]:
        """Periods that overlap the time from `from` to `to`, by user id; users without any left out.

        Args:
            query: Decoded query parameters.

        Raises:
            ApiError: 400, `from` or `to` is missing or malformed.
        """
        start, end = moment(query, "from", "CALENDAR"), moment(query, "to", "CALENDAR")
        wanted = {each for each in (query.get("psmIds") or query.get("psm-ids") or "").lower().split(",") if each}
        found: dict[str, list[Record]] = {}
        for period_id, period in self.periods.items():
            owner = self.owners[period_id]
            overlaps = moment(period, "startDateTime", "CALENDAR") < end and (
                period["endDateTime"] is None or moment(period, "endDateTime", "CALENDAR") > start
            )
            if overlaps and (not wanted or owner in wanted):
                found.setdefault(owner, []).append(period)
        return found

    def create(self, call: Call) -> Answer:
        """Add a period: flat request, answer `{psmId, details}` (documented; 201 is chosen here, the text says 2xx)."""
        sent = _checked(call.object())
        period_id, now = self.site.new_id(), self.site.clock.stamp()
        period = {"createdAt": now, "createdBy": self.site.client_id, "name": None, "workHoursId": period_id}
        return ok(self._write(period, sent), 201)

    def update(self, call: Call, work_hours_id: str) -> Answer:
        """Replace a period (documented; the answer's shape is uncertain, that of create is chosen here).

        Raises:
            ApiError: 400, a required key is missing; 404 (its code is unknown: chosen here).
        """
        period = self.periods.get(work_hours_id.lower())
        if period is None:
            raise not_found("WORK_HOURS_NOT_FOUND", "CALENDAR", "Work hours not found", id=work_hours_id)
        return ok(self._write(period, _checked(call.object())))

    def _write(self, period: Record, sent: Record) -> Record:
        period |= {
            "updatedAt": self.site.clock.stamp(),
            "updatedBy": self.site.client_id,
            "type": "WORKING_HOURS",
            "ruleType": "DEFAULT",
            "startDateTime": sent["startDateTime"],
            "endDateTime": sent["endDateTime"],
            "localStartDateTime": local(sent["startDateTime"]),
            "localEndDateTime": local(sent["endDateTime"]),
            "daysInfo": [
                {
                    "startTime": day.get("startTime"),
                    "endTime": day.get("endTime"),
                    "day": day["day"],
                    "daysInfoId": self.site.new_id(),
                }
                for day in sent["daysInfo"]
            ],
        }
        owner = self.owners[period["workHoursId"]] = sent["psmId"].lower()
        self.periods[period["workHoursId"]] = period
        return {"psmId": owner, "details": [period]}


def _checked(sent: Record) -> Record:
    for name in _REQUIRED:
        # An end may be null, for hours without end (recorded), but must be there (documented).
        if name not in sent or (sent[name] is None and name != "endDateTime"):
            raise validation_error(f"{name} is required", "CALENDAR", field=name)
    moment(sent, "startDateTime", "CALENDAR")
    if sent["endDateTime"] is not None:
        moment(sent, "endDateTime", "CALENDAR")
    days = sent["daysInfo"]
    if not isinstance(sent["psmId"], str) or not isinstance(days, list):
        raise validation_error("psmId must be text and daysInfo a list", "CALENDAR")
    if not all(isinstance(day, dict) and day.get("day") in range(1, 8) for day in days):
        raise validation_error("each day of daysInfo is 1 (Monday) to 7 (Sunday)", "CALENDAR", field="daysInfo")
    return sent
