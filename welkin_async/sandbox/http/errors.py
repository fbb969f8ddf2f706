"""Error answers: an array with one object, as every recorded error of the API.

Recorded codes are used where a recording exists. The codes and statuses marked "unknown: chosen here" have no
evidence behind them; a client must not depend on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import attrs

from welkin_async.sandbox.site import Site


@attrs.define(eq=False)
class ApiError(Exception):
    """A refusal, raised by routes and turned into an answer by the dispatcher.

    Attributes:
        status: HTTP status.
        code: `errorCode`.
        component: `componentType`.
        message: Text for people.
        details: Ids and names of what was looked for.
        dated: Whether the object carries `date`; the recorded 403 does not.
        headers: Extra headers of the answer.
    """

    status: int
    code: str
    component: str
    message: str
    details: Mapping[str, Any] = attrs.field(factory=dict)
    dated: bool = attrs.field(default=True, kw_only=True)
    headers: Mapping[str, str] = attrs.field(factory=dict, kw_only=True)

    def body(self, stamp: str) -> list[dict[str, Any]]:
        """The array of one error object.

        Args:
            stamp: The server's time, for `date`.
        """
        item: dict[str, Any] = {
            "errorCode": self.code,
            "componentType": self.component,
            "message": self.message,
            "details": self.details,
        }
        if self.dated:
            item["date"] = stamp
        return [item]

    @classmethod
    def of_status(cls, status: int, message: str | None = None, headers: Mapping[str, str] | None = None) -> ApiError:
        """An error known by its status alone (code unknown: chosen here, the status' own name).

        Args:
            status: HTTP status.
            message: Text for people; the status' phrase when left out.
            headers: Extra headers of the answer.
        """
        try:
            known = HTTPStatus(status)
            code, phrase = known.name, known.phrase
        except ValueError:
            code, phrase = f"STATUS_{status}", f"Status {status}"
        return cls(status, code, "COMMON", message or phrase, headers=headers or {})


def validation_error(message: str, component: str = "COMMON", **details: Any) -> ApiError:
    """400; the status is in the documented table, body and code are unknown: chosen here."""
    return ApiError(400, "VALIDATION_ERROR", component, message, details)


def unauthorized(code: str, message: str) -> ApiError:
    """401; the codes come from a published client's source, the rest is unknown: chosen here."""
    return ApiError(401, code, "AUTH", message)


def not_found(code: str, component: str, message: str, **details: Any) -> ApiError:
    """404 with the code of its section."""
    return ApiError(404, code, component, message, details)


def record_not_found(patient_id: str, cdt_name: str, record_id: str | None = None) -> ApiError:
    """404 of a CDT record, with the recorded code and detail keys."""
    details = {"patientId": patient_id, "cdtRecordId": record_id, "cdtName": cdt_name}
    return ApiError(404, "DT_RECORD_NOT_FOUND", "CDT", "Data type record not found", details)


def restricted(site: Site, uri: str) -> ApiError:
    """403 of an operation that API clients may not use (recorded: these detail keys and no `date`).

    Args:
        site: The API client and its organization.
        uri: Path of the refused request.
    """
    details = {
        "clientId": site.client_id,
        "clientName": site.api_client,
        "clientType": "API_CLIENT",
        "organizationName": site.tenant,
        "requestURI": uri,
    }
    message = "Access for API client is restricted"
    return ApiError(403, "ACCESS_FOR_API_CLIENT_RESTRICTED", "AUTH", message, details, dated=False)
