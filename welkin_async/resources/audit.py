"""Audit: who did what to which data, accounts and rights, and what became of webhooks."""

from __future__ import annotations

from datetime import datetime

from welkin_async.models.audit import DataAuditEvent, SecurityAuditEvent, WebhookAuditEvent
from welkin_async.pagination.pager import META_INFO, Pager
from welkin_async.resources._base.arguments import UNSET, given
from welkin_async.resources._base.children import Child, Scoped
from welkin_async.resources._base.mixins import Resource
from welkin_async.resources._base.paths import Path
from welkin_async.resources._base.scope import Key, SortedQuery


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


class DataAudit(Resource[DataAuditEvent]):
    """The audit of data: ``welkin.audit.data``. The api client needs the Data Audit flag."""

    _listing = Path("audit", "/{tenant}/admin/audit-data").pages("list_data", META_INFO, DataAuditQuery)

    def list(  # keywords of DataAuditQuery
        self,
        *,
        cdt_name: str = UNSET,
        entity: str = UNSET,
        subject_username: str = UNSET,
        subject_full_name: str = UNSET,
        subject_actor: str = UNSET,
        instance: str = UNSET,
        patient_full_name: str = UNSET,
        patient_id: Key = UNSET,
        operation: str = UNSET,
        include_formation: bool = UNSET,
        date_start: datetime = UNSET,
        date_end: datetime = UNSET,
        sort: str = UNSET,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> Pager[DataAuditEvent]:
        """List actions on data: ``GET /{tenant}/admin/audit-data`` (recorded).

        The keywords are those of `DataAuditQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        keywords = given(DataAuditQuery, locals())
        return self._list(keywords)


class SecurityAudit(Resource[SecurityAuditEvent]):
    """The audit of accounts and rights: ``welkin.audit.security``."""

    _listing = Path("audit", "/{tenant}/admin/audit-security").pages("list_security", META_INFO, SecurityAuditQuery)

    def list(  # keywords of SecurityAuditQuery
        self,
        *,
        subject_username: str = UNSET,
        subject_full_name: str = UNSET,
        subject_actor: str = UNSET,
        object_username: str = UNSET,
        object_full_name: str = UNSET,
        object_actor: str = UNSET,
        event_subtype: str = UNSET,
        date_start: datetime = UNSET,
        date_end: datetime = UNSET,
        sort: str = UNSET,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> Pager[SecurityAuditEvent]:
        """List actions on accounts and rights: ``GET /{tenant}/admin/audit-security`` (documented).

        The keywords are those of `SecurityAuditQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        keywords = given(SecurityAuditQuery, locals())
        return self._list(keywords)


class WebhookAudit(Resource[WebhookAuditEvent]):
    """The audit of webhooks: ``welkin.audit.webhooks``. The api client needs the Data Audit flag."""

    _listing = Path("audit", "/{tenant}/admin/audit-webhook").pages("list_webhook", META_INFO, WebhookAuditQuery)

    def list(  # keywords of WebhookAuditQuery
        self,
        *,
        instance: str = UNSET,
        event_subtype: str = UNSET,
        entity: str = UNSET,
        status: str = UNSET,
        patient_id: Key = UNSET,
        date_start: datetime = UNSET,
        date_end: datetime = UNSET,
        sort: str = UNSET,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> Pager[WebhookAuditEvent]:
        """List deliveries of webhooks: ``GET /{tenant}/admin/audit-webhook`` (recorded, with nearly a million).

        The keywords are those of `WebhookAuditQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        keywords = given(WebhookAuditQuery, locals())
        return self._list(keywords)


class Audit(Scoped):
    """The audits of the tenant: ``welkin.audit``."""

    data: Child[DataAudit] = Child(DataAudit)
    """Actions on data."""

    security: Child[SecurityAudit] = Child(SecurityAudit)
    """Actions on accounts and rights."""

    webhooks: Child[WebhookAudit] = Child(WebhookAudit)
    """Deliveries of webhooks."""
