"""Users of a tenant, what they may access, and the territories they serve."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from welkin_async.record import Record, record, wire

__all__ = [
    "ApplicationAccess",
    "InstanceAccess",
    "Permission",
    "User",
    "UserPermissions",
    "UserTerritories",
    "UserTerritory",
]


@record
class InstanceAccess(Record):
    """A user's access to one instance.

    Attributes:
        instance_id: ``instanceId``.
        instance_name: ``instanceName``.
        instance_description: ``instanceDescription``.
        user_email_with_instance_domain: ``userEmailWithInstanceDomain``.
        workshop_access_enabled: ``workshopAccessEnabled``.
        audit_data_access_enabled: ``auditDataAccessEnabled``.
        enabled_taken_personally: ``enabledTakenPersonally``.
    """

    instance_id: str | None = wire("instanceId")
    instance_name: str | None = wire("instanceName")
    instance_description: str | None = wire("instanceDescription")
    user_email_with_instance_domain: str | None = wire("userEmailWithInstanceDomain")
    workshop_access_enabled: bool | None = wire("workshopAccessEnabled")
    audit_data_access_enabled: bool | None = wire("auditDataAccessEnabled")
    enabled_taken_personally: bool | None = wire("enabledTakenPersonally")


@record
class ApplicationAccess(Record):
    """A user's access to the applications of a tenant.

    Attributes:
        id: ``id``.
        created_at: ``createdAt``.
        updated_at: ``updatedAt``.
        user_id: ``userId``.
        admin_access_enabled: ``adminAccessEnabled``.
        audit_security_access_enabled: ``auditSecurityAccessEnabled``.
        instance_accesses: ``instanceAccesses``.
    """

    id: str = wire("id", required=True)
    created_at: datetime | None = wire("createdAt")
    updated_at: datetime | None = wire("updatedAt")
    user_id: str | None = wire("userId")
    admin_access_enabled: bool | None = wire("adminAccessEnabled")
    audit_security_access_enabled: bool | None = wire("auditSecurityAccessEnabled")
    instance_accesses: tuple[InstanceAccess, ...] | None = wire("instanceAccesses")


@record
class Permission(Record):
    """A security role or policy of a user.

    primaryRole only on roles, effectiveDate only on policies.

    Values seen, none of them closed sets:

    - type: SECURITY_ROLE, SECURITY_POLICY.

    Attributes:
        created_at: ``createdAt``.
        updated_at: ``updatedAt``.
        permission_name: ``permissionName``.
        instance_name: ``instanceName``.
        type: ``type``.
        primary_role: ``primaryRole``.
        effective_date: ``effectiveDate``; expiry of a temporary policy according to the 2021 documentation.
    """

    created_at: datetime | None = wire("createdAt")
    updated_at: datetime | None = wire("updatedAt")
    permission_name: str | None = wire("permissionName")
    instance_name: str | None = wire("instanceName")
    type: str | None = wire("type")
    primary_role: bool | None = wire("primaryRole")
    effective_date: datetime | None = wire("effectiveDate")


@record
class UserPermissions(Record):
    """All roles and policies of a user.

    Attributes:
        id: ``id``.
        created_at: ``createdAt``.
        updated_at: ``updatedAt``.
        user_id: ``userId``.
        permissions: ``permissions``.
    """

    id: str | None = wire("id")
    created_at: datetime | None = wire("createdAt")
    updated_at: datetime | None = wire("updatedAt")
    user_id: str | None = wire("userId")
    permissions: tuple[Permission, ...] | None = wire("permissions")


@record
class UserTerritory(Record):
    """A region with the territories a user serves.

    Attributes:
        created_at: ``createdAt``.
        updated_at: ``updatedAt``.
        created_by: ``createdBy``.
        updated_by: ``updatedBy``.
        name: ``name``.
        territories: ``territories``.
        instance_name: ``instanceName``.
    """

    created_at: datetime | None = wire("createdAt")
    updated_at: datetime | None = wire("updatedAt")
    created_by: str | None = wire("createdBy")
    updated_by: str | None = wire("updatedBy")
    name: str | None = wire("name")
    territories: tuple[str, ...] | None = wire("territories")
    instance_name: str | None = wire("instanceName")


@record
class UserTerritories(Record):
    """All territories of a user.

    Attributes:
        id: ``id``.
        created_at: ``createdAt``.
        updated_at: ``updatedAt``.
        created_by: ``createdBy``.
        updated_by: ``updatedBy``.
        user_id: ``userId``.
        territories: ``territories``.
    """

    id: str | None = wire("id")
    created_at: datetime | None = wire("createdAt")
    updated_at: datetime | None = wire("updatedAt")
    created_by: str | None = wire("createdBy")
    updated_by: str | None = wire("updatedBy")
    user_id: str | None = wire("userId")
    territories: tuple[UserTerritory, ...] | None = wire("territories")


@record
class User(Record):
    """A user of the tenant.

    Unset fields are ABSENT, not null (firstName, lastName, phone, timezone, credentials, createdByName,
    updatedByName). userAttributes was present in 2022 and gone in 2026.

    Values seen, none of them closed sets:

    - userState: ACTIVE, INACTIVE, PROVISIONED.
    - seats (recorded): GENERAL.
    - locale (recorded): en-US.
    - terminologyName (recorded): english.

    Attributes:
        territories: ``territories``.
        full_territories_access_instances: ``fullTerritoriesAccessInstances``; array of string (instance names).
        roles: ``roles``; array of Permission (SECURITY_ROLE).
        policies: ``policies``; array of Permission (SECURITY_POLICY).
        seats: ``seats``.
        seat_assign_allowed: ``seatAssignAllowed``.
        application_access: ``applicationAccess``.
        created_by_name: ``createdByName``.
        updated_by_name: ``updatedByName``.
        id: ``id``.
        username: ``username``.
        email: ``email``.
        timezone: ``timezone``.
        locale: ``locale``.
        first_name: ``firstName``.
        last_name: ``lastName``.
        credentials: ``credentials``.
        enabled: ``enabled``; false for users created by API until activated by hand.
        mfa_enabled: ``mfaEnabled``.
        status_type: ``statusType``; of unknown type; only null was seen.
        created_at: ``createdAt``.
        updated_at: ``updatedAt``.
        sso_access: ``ssoAccess``.
        password_access: ``passwordAccess``.
        terminology_name: ``terminologyName``.
        user_state: ``userState``.
        custom_user_attributes: ``customUserAttributes``; object (free keys; string or array values).
        allowed_to_receive_calls: ``allowedToReceiveCalls``.
        root_user: ``_root_user``; leading underscore.
        phone: ``phone``.
        user_attributes: ``userAttributes``; object (deprecated).
    """

    territories: tuple[UserTerritory, ...] | None = wire("territories")
    full_territories_access_instances: tuple[str, ...] | None = wire("fullTerritoriesAccessInstances")
    roles: tuple[Permission, ...] | None = wire("roles")
    policies: tuple[Permission, ...] | None = wire("policies")
    seats: tuple[str, ...] | None = wire("seats")
    seat_assign_allowed: bool | None = wire("seatAssignAllowed")
    application_access: ApplicationAccess | None = wire("applicationAccess")
    created_by_name: str | None = wire("createdByName")
    updated_by_name: str | None = wire("updatedByName")
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
    created_at: datetime | None = wire("createdAt")
    updated_at: datetime | None = wire("updatedAt")
    sso_access: bool | None = wire("ssoAccess")
    password_access: bool | None = wire("passwordAccess")
    terminology_name: str | None = wire("terminologyName")
    user_state: str | None = wire("userState")
    custom_user_attributes: Mapping[str, Any] | None = wire("customUserAttributes")
    allowed_to_receive_calls: bool | None = wire("allowedToReceiveCalls")
    root_user: bool | None = wire("_root_user")
    phone: str | None = wire("phone")
    user_attributes: Mapping[str, Any] | None = wire("userAttributes")
