"""Users of the tenant, and what each has access to: applications, permissions, territories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack, overload

from welkin_async.models.users import (
    ApplicationAccess,
    InstanceAccess,
    Permission,
    User,
    UserPermissions,
    UserTerritories,
    UserTerritory,
)
from welkin_async.pagination.pager import META_INFO, Pager
from welkin_async.resources._base.arguments import UNSET, Body, given
from welkin_async.resources._base.mixins import Resource, SingleMixin
from welkin_async.resources._base.paths import Path
from welkin_async.resources._base.scope import CallOptions, Key, PageQuery, SortedQuery
from welkin_async.wire.request import Answer, Shape

_ADMIN = Path("users", "/{tenant}/admin")
_USERS = _ADMIN / "users"
_ONE = _USERS / "{user_key}"
_APP_ACCESS = _ADMIN / "application-accesses/{user_id}"
_PERMISSIONS = _ADMIN / "user-permissions/{user_id}"
_TERRITORIES = _ADMIN / "user-territories/{user_id}"
UserKeyType = Literal["ID", "EMAIL"]
"""What a user is named by where it is not the username: ID is recorded, EMAIL is from the vendor's collection."""

UserState = Literal["ACTIVE", "INACTIVE", "PROVISIONED"] | str


class NewUser(CallOptions, total=False):
    """The fields of a user that can be written; each is named in `User`. Username and email are required."""

    username: str
    email: str
    phone: str
    timezone: str
    first_name: str
    last_name: str
    credentials: str
    mfa_enabled: bool
    sso_access: bool
    password_access: bool
    custom_user_attributes: Mapping[str, str | Sequence[str]]
    application_access: Body[ApplicationAccess]


class UserLookup(CallOptions, total=False):
    """How a user is named.

    Attributes:
        type: What the key is; the server takes it for a username where this is not given.
    """

    type: UserKeyType | None


class UserChange(NewUser, UserLookup, total=False):
    """What can be changed of a user, and how the user is named."""


class RegionQuery(PageQuery, total=False):
    """The query of a list of users by region.

    Attributes:
        search: Free text.
        seat_assigned: Whether they have a seat.
        user_state: ``ACTIVE``, ``INACTIVE`` or ``PROVISIONED``.
    """

    search: str
    seat_assigned: bool
    user_state: UserState


class _InRegion(RegionQuery, total=False):
    region: str


class UserQuery(RegionQuery, SortedQuery, total=False):
    """The query of a list of users. Page and size are recorded; the filters come from other clients.

    Attributes:
        email: This email.
        ids: These ids.
        first_name: This first name.
        last_name: This last name.
        region: This region.
        territories: These territories; works only together with ``region``.
        role_name: This role.
        include_deleted: Whether deleted users are listed too.
    """

    email: str
    ids: Sequence[Key]
    first_name: str
    last_name: str
    region: str
    territories: Sequence[str]
    role_name: str
    include_deleted: bool


class Users(Resource[User]):
    """Users of the tenant: ``welkin.users``. The api client needs the User Provision flag to write."""

    _create_operation = _USERS.post("create")
    _get_operation = _ONE.get("get")
    _update_operation = _ONE.patch("update")
    _replace_operation = _ONE.put("replace")
    _delete_operation = _ONE.delete("delete")
    _listing = _USERS.pages("list", META_INFO, UserQuery)
    _in_region = Path("users", "/{tenant}/{instance}/users").pages("list_by_region", META_INFO, _InRegion)

    @overload
    async def create(self, record: Body[User], /, **options: Unpack[CallOptions]) -> User: ...
    @overload
    async def create(self, /, **fields: Unpack[NewUser]) -> User: ...
    async def create(self, record: Body[User] | None = None, /, **fields: Any) -> User:
        """Create a user: ``POST /{tenant}/admin/users`` (recorded, 201; the first documentation's GET is wrong).

        A user made so is PROVISIONED and disabled until activated by hand.

        Args:
            record: A record, or a mapping with the documented names; or
            fields: the fields of `NewUser` as keywords. An explicit None is sent as null.

        Returns:
            The user as the server answered; unset fields are absent.

        Raises:
            OutcomeUnknownError: it may have been created; look it up by username before repeating.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._create(record, fields)

    async def get(self, key: Key, /, *, type: UserKeyType | None = None, **options: Unpack[CallOptions]) -> User:
        """Read a user: ``GET /{tenant}/admin/users/{user_key}`` (recorded). There is no "me".

        Args:
            key: The username, or the key that ``type`` says.
            type: What the key is; the server takes it for a username where this is not given.
            options: See `CallOptions`.

        Raises:
            NotFoundError: there is no such user (USER_NOT_FOUND).
            RequestError: see `errors`.
        """
        return await self._one(self._get_operation, user_key=key, query={"type": type}, options=options)

    @overload
    async def update(self, key: Key, record: Body[User], /, **options: Unpack[UserLookup]) -> User: ...
    @overload
    async def update(self, key: Key, /, **fields: Unpack[UserChange]) -> User: ...
    async def update(self, key: Key, record: Body[User] | None = None, /, **fields: Any) -> User:
        """Change a user: ``PATCH /{tenant}/admin/users/{user_key}`` (recorded by username).

        Args:
            key: The username, or the key that ``type`` says.
            record: A record, or a mapping with the documented names; or
            fields: the fields of `UserChange` as keywords, ``type`` among them, of which only the username is recorded
                for this operation. An explicit None is sent as null.

        Returns:
            The user as the server answered.

        Raises:
            NotFoundError: there is no such user.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._update(key, record, fields, {"type": fields.pop("type", None)})

    @overload
    async def replace(self, key: Key, record: Body[User], /, **options: Unpack[CallOptions]) -> User: ...
    @overload
    async def replace(self, key: Key, /, **fields: Unpack[NewUser]) -> User: ...
    async def replace(self, key: Key, record: Body[User] | None = None, /, **fields: Any) -> User:
        """Replace a user as a whole: ``PUT /{tenant}/admin/users/{user_key}`` (documented, not recorded).

        Args:
            key: The username.
            record: A record, or a mapping with the documented names; or
            fields: the fields of `NewUser` as keywords.

        Returns:
            The user as the server answered.

        Raises:
            NotFoundError: there is no such user.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._update(key, record, fields, operation=self._replace_operation)

    async def delete(self, key: Key, /, *, type: UserKeyType | None = None, **options: Unpack[CallOptions]) -> Answer:
        """Delete a user: ``DELETE /{tenant}/admin/users/{user_key}``.

        Documented, yet an api client got 403 ACCESS_FOR_API_CLIENT_RESTRICTED in a recording of 2022.

        Args:
            key: The username, or the key that ``type`` says.
            type: What the key is.
            options: See `CallOptions`.

        Returns:
            The answer.

        Raises:
            PermissionDeniedError: the api client may not delete users.
            NotFoundError: there is no such user.
            RequestError: see `errors`.
        """
        return await self._scope.send(self._delete_operation, user_key=key, query={"type": type}, options=options)

    def list(  # keywords of UserQuery
        self,
        *,
        email: str = UNSET,
        ids: Sequence[Key] = UNSET,
        first_name: str = UNSET,
        last_name: str = UNSET,
        region: str = UNSET,
        territories: Sequence[str] = UNSET,
        role_name: str = UNSET,
        include_deleted: bool = UNSET,
        search: str = UNSET,
        seat_assigned: bool = UNSET,
        user_state: UserState = UNSET,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
        sort: str = UNSET,
    ) -> Pager[User]:
        """List users: ``GET /{tenant}/admin/users`` (recorded).

        The keywords are those of `UserQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        keywords = given(UserQuery, locals())
        return self._list(keywords)

    def list_by_region(  # keywords of RegionQuery  # noqa: D417
        self,
        region: str,
        /,
        *,
        search: str = UNSET,
        seat_assigned: bool = UNSET,
        user_state: UserState = UNSET,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> Pager[User]:
        """List the users of a region: ``GET /{tenant}/{instance}/users`` (from a published client, not recorded).

        The keywords are those of `RegionQuery`.

        Args:
            region: The region's name.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        keywords = given(RegionQuery, locals())
        return self._pager(User, self._in_region, {**keywords, "region": region})


class NewAppAccess(CallOptions, total=False):
    """The fields of a user's access that can be written; each is named in `ApplicationAccess`."""

    admin_access_enabled: bool
    audit_security_access_enabled: bool
    instance_accesses: Sequence[Body[InstanceAccess]]


class AppAccess(SingleMixin[ApplicationAccess]):
    """A user's access to applications: ``welkin.user(id).app_access``.

    At ``/{tenant}/admin/application-accesses/{user_id}`` (documented). A user carries the same object as
    ``application_access`` (recorded).
    """

    _get_operation = _APP_ACCESS.get("get_app_access")
    _put_operation = _APP_ACCESS.put("put_app_access")

    @overload
    async def put(self, record: Body[ApplicationAccess], /, **options: Unpack[CallOptions]) -> ApplicationAccess: ...
    @overload
    async def put(self, /, **fields: Unpack[NewAppAccess]) -> ApplicationAccess: ...
    async def put(self, record: Body[ApplicationAccess] | None = None, /, **fields: Any) -> ApplicationAccess:
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
        return await self._given(ApplicationAccess, self._put_operation, record, fields)


class Permissions(SingleMixin[UserPermissions]):
    """A user's roles and policies: ``welkin.user(id).permissions``.

    At ``/{tenant}/admin/user-permissions/{user_id}`` (documented).
    """

    _get_operation = _PERMISSIONS.get("get_permissions", Shape.OBJECT)
    _put_operation = _PERMISSIONS.put("put_permissions", Shape.OBJECT)

    async def put(self, permissions: Sequence[Body[Permission]], /, **options: Unpack[CallOptions]) -> UserPermissions:
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

    _get_operation = _TERRITORIES.get("get_territories", Shape.OBJECT)
    _put_operation = _TERRITORIES.put("put_territories", Shape.OBJECT)

    async def put(
        self, territories: Sequence[Body[UserTerritory]], /, **options: Unpack[CallOptions]
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
