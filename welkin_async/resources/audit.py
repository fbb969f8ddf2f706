"""Audit: who did what to which data, accounts and rights, and what became of webhooks."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import Unpack

from welkin_async.models.audit import DataAuditEvent, SecurityAuditEvent, WebhookAuditEvent
from welkin_async.paging import META_INFO, Pager
from welkin_async.request import Operation, Shape
from welkin_async.resources._base import Key, ListMixin, Scope, SortedQuery, wire_names

__all__ = [
    "Audit",
    "DataAudit",
    "DataAuditQuery",
    "SecurityAudit",
    "SecurityAuditQuery",
    "WebhookAudit",
    "WebhookAuditQuery",
]


class _Period(SortedQuery, total=False):
    """What every audit takes. The server's own order is not by time: give a ``sort``.

    Attributes:
        date_start: Sent from this moment on, an aware datetime.
        date_end: Sent up to this moment.
    """

    date_start: datetime
    date_end: datetime


class DataAuditQuery(_Period, total=False):
    """The query of an audit of data; see `_Period` for its dates.

    Attributes:
        cdt_name: Of this CDT.
        entity: Such as ``CDT`` or ``PATIENT``; events carry it as ``event_entity``.
        subject_username: By this user.
        subject_full_name: By the user of this name.
        subject_actor: By this kind of actor, such as ``API_CLIENT``.
        instance: In this instance.
        patient_full_name: On the patient of this name.
        patient_id: On this patient.
        operation: ``CREATE``, ``UPDATE`` or ``DELETE``; events carry it in ``event_subtype``.
        include_formation: Whether an event carries the CDT's definition.
    """

    cdt_name: str
    entity: str
    subject_username: str
    subject_full_name: str
    subject_actor: str
    instance: str
    patient_full_name: str
    patient_id: Key
    operation: str
    include_formation: bool


class SecurityAuditQuery(_Period, total=False):
    """The query of an audit of accounts and rights; see `_Period` for its dates.

    Attributes:
        subject_username: By this user.
        subject_full_name: By the user of this name.
        subject_actor: By this kind of actor.
        object_username: On this user.
        object_full_name: On the user of this name.
        object_actor: On this kind of actor.
        event_subtype: Such as ``USER_ACCESS_UPDATED``.
    """

    subject_username: str
    subject_full_name: str
    subject_actor: str
    object_username: str
    object_full_name: str
    object_actor: str
    event_subtype: str


class WebhookAuditQuery(_Period, total=False):
    """The query of an audit of webhooks; see `_Period` for its dates.

    Attributes:
        instance: From this instance.
        event_subtype: Such as ``CDT_UPDATED``.
        entity: ``CDT`` or ``ASSESSMENT``; the vendor's collection calls it eventEntity.
        status: ``SENT``, ``DELIVERED`` or ``FAILED``; from the vendor's collection.
        patient_id: About this patient; from the vendor's collection.
    """

    instance: str
    event_subtype: str
    entity: str
    status: str
    patient_id: Key


class DataAudit(ListMixin[DataAuditEvent]):
    """The audit of data: ``welkin.audit.data``. The api client needs the Data Audit flag."""

    _record = DataAuditEvent
    _list_operation = Operation("audit.list_data", "GET", "/{tenant}/admin/audit-data", answer=Shape.OBJECT)
    _list_style = META_INFO
    _list_query = wire_names(DataAuditQuery)

    def list(self, **query: Unpack[DataAuditQuery]) -> Pager[DataAuditEvent]:
        """List actions on data: ``GET /{tenant}/admin/audit-data`` (recorded).

        Args:
            query: See `DataAuditQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        return self._list(query)


class SecurityAudit(ListMixin[SecurityAuditEvent]):
    """The audit of accounts and rights: ``welkin.audit.security``."""

    _record = SecurityAuditEvent
    _list_operation = Operation("audit.list_security", "GET", "/{tenant}/admin/audit-security", answer=Shape.OBJECT)
    _list_style = META_INFO
    _list_query = wire_names(SecurityAuditQuery)

    def list(self, **query: Unpack[SecurityAuditQuery]) -> Pager[SecurityAuditEvent]:
        """List actions on accounts and rights: ``GET /{tenant}/admin/audit-security`` (documented).

        Args:
            query: See `SecurityAuditQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        return self._list(query)


class WebhookAudit(ListMixin[WebhookAuditEvent]):
    """The audit of webhooks: ``welkin.audit.webhooks``. The api client needs the Data Audit flag."""

    _record = WebhookAuditEvent
    _list_operation = Operation("audit.list_webhook", "GET", "/{tenant}/admin/audit-webhook", answer=Shape.OBJECT)
    _list_style = META_INFO
    _list_query = wire_names(WebhookAuditQuery)

    def list(self, **query: Unpack[WebhookAuditQuery]) -> Pager[WebhookAuditEvent]:
        """List deliveries of webhooks: ``GET /{tenant}/admin/audit-webhook`` (recorded, with nearly a million).

        Args:
            query: See `WebhookAuditQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        return self._list(query)


class Audit:
    """The audits of the tenant: ``welkin.audit``.

    Args:
        scope: Where they are.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    @cached_property
    def data(self) -> DataAudit:
        """Actions on data."""
        return DataAudit(self._scope)

    @cached_property
    def security(self) -> SecurityAudit:
        """Actions on accounts and rights."""
        return SecurityAudit(self._scope)

    @cached_property
    def webhooks(self) -> WebhookAudit:
        """Deliveries of webhooks."""
        return WebhookAudit(self._scope)
