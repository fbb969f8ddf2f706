"""What belongs to one user: access to applications, permissions, territories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack, overload

from welkin_async.models.users import (
    ApplicationAccess,
    InstanceAccess,
    Permission,
    UserPermissions,
    UserTerritories,
    UserTerritory,
)
from welkin_async.request import Operation, Shape
from welkin_async.resources._base import CallOptions, SingleMixin, split_body

__all__ = ["AppAccess", "NewAppAccess", "Permissions", "Territories"]


class NewAppAccess(CallOptions, total=False):
    """The fields of a user's access that can be written; each is named in `ApplicationAccess`."""

    admin_access_enabled: bool
    audit_security_access_enabled: bool
    instance_accesses: Sequence[InstanceAccess | Mapping[str, Any]]


class AppAccess(SingleMixin[ApplicationAccess]):
    """A user's access to applications: ``welkin.user(id).app_access``.

    At ``/{tenant}/admin/application-accesses/{user_id}`` (documented). A user carries the same object as
    ``application_access`` (recorded).
    """

    _record = ApplicationAccess
    _get_operation = Operation("users.get_app_access", "GET", "/{tenant}/admin/application-accesses/{user_id}")
    _put_operation = Operation("users.put_app_access", "PUT", "/{tenant}/admin/application-accesses/{user_id}")

    @overload
    async def put(
        self, record: ApplicationAccess | Mapping[str, Any], /, **options: Unpack[CallOptions]
    ) -> ApplicationAccess: ...
    @overload
    async def put(self, /, **fields: Unpack[NewAppAccess]) -> ApplicationAccess: ...
    async def put(
        self, record: ApplicationAccess | Mapping[str, Any] | None = None, /, **fields: Any
    ) -> ApplicationAccess:
        """Create or change it: ``PUT /{tenant}/admin/application-accesses/{user_id}`` (documented).

        Args:
            record: A record, or a mapping with the documented names; or
            fields: the fields of `NewAppAccess` as keywords.

        Returns:
            The access as the server answered.

        Raises:
            NotFoundError: there is no such user.
            RequestError: see `errors`.
        """
        body, options = split_body(ApplicationAccess, record, fields)
        return await self._one(self._put_operation, body=body, options=options)


class Permissions(SingleMixin[UserPermissions]):
    """A user's roles and policies: ``welkin.user(id).permissions``.

    At ``/{tenant}/admin/user-permissions/{user_id}`` (documented).
    """

    _record = UserPermissions
    _get_operation = Operation(
        "users.get_permissions", "GET", "/{tenant}/admin/user-permissions/{user_id}", answer=Shape.OBJECT
    )
    _put_operation = Operation(
        "users.put_permissions", "PUT", "/{tenant}/admin/user-permissions/{user_id}", answer=Shape.OBJECT
    )

    async def put(
        self, permissions: Sequence[Permission | Mapping[str, Any]], /, **options: Unpack[CallOptions]
    ) -> UserPermissions:
        """Create or change them: ``PUT /{tenant}/admin/user-permissions/{user_id}`` (documented).

        Args:
            permissions: Each with permissionName, instanceName, type, and perhaps primaryRole or effectiveDate, which
                on a policy is its expiry, despite the name.
            options: See `CallOptions`.

        Returns:
            The permissions as the server answered.

        Raises:
            NotFoundError: there is no such user.
            RequestError: see `errors`.
        """
        return await self._one(self._put_operation, body={"permissions": permissions}, options=options)


class Territories(SingleMixin[UserTerritories]):
    """A user's territories: ``welkin.user(id).territories``.

    At ``/{tenant}/admin/user-territories/{user_id}`` (documented).
    """

    _record = UserTerritories
    _get_operation = Operation(
        "users.get_territories", "GET", "/{tenant}/admin/user-territories/{user_id}", answer=Shape.OBJECT
    )
    _put_operation = Operation(
        "users.put_territories", "PUT", "/{tenant}/admin/user-territories/{user_id}", answer=Shape.OBJECT
    )

    async def put(
        self, territories: Sequence[UserTerritory | Mapping[str, Any]], /, **options: Unpack[CallOptions]
    ) -> UserTerritories:
        """Create or change them: ``PUT /{tenant}/admin/user-territories/{user_id}`` (documented).

        Args:
            territories: Each a region with its territories, which must exist in the Designer: name, territories,
                instanceName.
            options: See `CallOptions`.

        Returns:
            The territories as the server answered.

        Raises:
            NotFoundError: there is no such user.
            RequestError: see `errors`.
        """
        return await self._one(self._put_operation, body={"territories": territories}, options=options)
