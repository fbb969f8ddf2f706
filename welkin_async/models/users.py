"""Users of a tenant, what they may access, and the territories they serve."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from welkin_async.models.metadata import Authored, Dated
from welkin_async.wire.records import Record, record, wire


@record
class InstanceAccess(Record):
    """A user's access to one instance."""

    instance_id: str | None = wire("instanceId")
    instance_name: str | None = wire("instanceName")
    instance_description: str | None = wire("instanceDescription")
    user_email_with_instance_domain: str | None = wire("userEmailWithInstanceDomain")
    workshop_access_enabled: bool | None = wire("workshopAccessEnabled")
    audit_data_access_enabled: bool | None = wire("auditDataAccessEnabled")
    enabled_taken_personally: bool | None = wire("enabledTakenPersonally")


@record
class ApplicationAccess(Dated):
    """A user's access to the applications of a tenant."""

    id: str = wire("id", required=True)
    user_id: str | None = wire("userId")
    admin_access_enabled: bool | None = wire("adminAccessEnabled")
    audit_security_access_enabled: bool | None = wire("auditSecurityAccessEnabled")
    instance_accesses: tuple[InstanceAccess, ...] | None = wire("instanceAccesses")


@record
class Permission(Dated):
    """A security role or policy of a user.

    primaryRole only on roles, effectiveDate only on policies.

    Values seen, none of them closed sets:

    - type: SECURITY_ROLE, SECURITY_POLICY.

    Attributes:
        effective_date: Expiry of a temporary policy according to the 2021 documentation.
    """

    permission_name: str | None = wire("permissionName")
    instance_name: str | None = wire("instanceName")
    type: str | None = wire("type")
    primary_role: bool | None = wire("primaryRole")
    effective_date: datetime | None = wire("effectiveDate")


@record
class UserPermissions(Dated):
    """All roles and policies of a user."""

    id: str | None = wire("id")
    user_id: str | None = wire("userId")
    permissions: tuple[Permission, ...] | None = wire("permissions")


@record
class UserTerritory(Dated):
    """A region with the territories a user serves."""

    created_by: str | None = wire("createdBy")
    updated_by: str | None = wire("updatedBy")
    name: str | None = wire("name")
    territories: tuple[str, ...] | None = wire("territories")
    instance_name: str | None = wire("instanceName")


@record
class UserTerritories(Dated):
    """All territories of a user."""

    id: str | None = wire("id")
    created_by: str | None = wire("createdBy")
    updated_by: str | None = wire("updatedBy")
    user_id: str | None = wire("userId")
    territories: tuple[UserTerritory, ...] | None = wire("territories")


@record
class User(Authored):
    """A user of the tenant.

    Unset fields are ABSENT, not null (firstName, lastName, phone, timezone, credentials, createdByName,
    updatedByName). userAttributes was present in 2022 and gone in 2026.

    Values seen, none of them closed sets:

    - userState: ACTIVE, INACTIVE, PROVISIONED.
    - seats (recorded): GENERAL.
    - locale (recorded): en-US.
    - terminologyName (recorded): english.

    Attributes:
        full_territories_access_instances: Array of string (instance names).
        roles: Array of Permission (SECURITY_ROLE).
        policies: Array of Permission (SECURITY_POLICY).
        enabled: False for users created by API until activated by hand.
        status_type: Of unknown type; only null was seen.
        custom_user_attributes: Object (free keys; string or array values).
        root_user: ``_root_user``; leading underscore.
        user_attributes: Object (deprecated).
    """

    territories: tuple[UserTerritory, ...] | None = wire("territories")
    full_territories_access_instances: tuple[str, ...] | None = wire("fullTerritoriesAccessInstances")
    roles: tuple[Permission, ...] | None = wire("roles")
    policies: tuple[Permission, ...] | None = wire("policies")
    seats: tuple[str, ...] | None = wire("seats")
    seat_assign_allowed: bool | None = wire("seatAssignAllowed")
    application_access: ApplicationAccess | None = wire("applicationAccess")
    id: str = wire("id", required=True)
    username: str | None = wire("username")
    email: str | None = wire("email")
    timezone: str | None = wire("timezone")
    locale: str | None = wire("locale")
    first_name: str | None = wire("firstName")
    last_name: str | None = wire("lastName")
    credentials: str | None = wire("credentials")
    enabled: bool | None = wire("enabled")
    mfa_enabled: bool | None = wire("mfaEnabled")
    status_type: Any = wire("statusType")
    sso_access: bool | None = wire("ssoAccess")
    password_access: bool | None = wire("passwordAccess")
    terminology_name: str | None = wire("terminologyName")
    user_state: str | None = wire("userState")
    custom_user_attributes: Mapping[str, Any] | None = wire("customUserAttributes")
    allowed_to_receive_calls: bool | None = wire("allowedToReceiveCalls")
    root_user: bool | None = wire("_root_user")
    phone: str | None = wire("phone")
    user_attributes: Mapping[str, Any] | None = wire("userAttributes")
