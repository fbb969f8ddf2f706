"""Users of the tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack, overload

from welkin_async.models.users import ApplicationAccess, User
from welkin_async.paging import META_INFO, Pager
from welkin_async.request import Answer, Operation, Repeat, Shape
from welkin_async.resources._base import (
    CallOptions,
    CreateMixin,
    Key,
    ListMixin,
    PageQuery,
    SortedQuery,
    UpdateMixin,
    pager_of,
    wire_names,
)

__all__ = ["NewUser", "RegionQuery", "UserKeyType", "UserQuery", "Users"]

UserKeyType = Literal["ID", "EMAIL"]
"""What a user is named by where it is not the username: ID is recorded, EMAIL is from the vendor's collection."""

UserState = Literal["ACTIVE", "INACTIVE", "PROVISIONED"] | str

_ONE = "/{tenant}/admin/users/{user_key}"


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
    application_access: ApplicationAccess | Mapping[str, Any]


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


class Users(CreateMixin[User], UpdateMixin[User], ListMixin[User]):
    """Users of the tenant: ``welkin.users``. The api client needs the User Provision flag to write."""

    _record = User
    _create_operation = Operation("users.create", "POST", "/{tenant}/admin/users", repeat=Repeat.UNSAFE)
    _get_operation = Operation("users.get", "GET", _ONE)
    _update_operation = Operation("users.update", "PATCH", _ONE)
    _replace_operation = Operation("users.replace", "PUT", _ONE)
    _delete_operation = Operation("users.delete", "DELETE", _ONE, answer=Shape.NOTHING)
    _list_operation = Operation("users.list", "GET", "/{tenant}/admin/users", answer=Shape.OBJECT)
    _region_operation = Operation("users.list_by_region", "GET", "/{tenant}/{instance}/users", answer=Shape.OBJECT)
    _list_style = META_INFO
    _list_query = wire_names(UserQuery)

    @overload
    async def create(self, record: User | Mapping[str, Any], /, **options: Unpack[CallOptions]) -> User: ...
    @overload
    async def create(self, /, **fields: Unpack[NewUser]) -> User: ...
    async def create(self, record: User | Mapping[str, Any] | None = None, /, **fields: Any) -> User:
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
    async def update(
        self,
        key: Key,
        record: User | Mapping[str, Any],
        /,
        *,
        type: UserKeyType | None = None,
        **options: Unpack[CallOptions],
    ) -> User: ...
    @overload
    async def update(self, key: Key, /, *, type: UserKeyType | None = None, **fields: Unpack[NewUser]) -> User: ...
    async def update(
        self,
        key: Key,
        record: User | Mapping[str, Any] | None = None,
        /,
        *,
        type: UserKeyType | None = None,
        **fields: Any,
    ) -> User:
        """Change a user: ``PATCH /{tenant}/admin/users/{user_key}`` (recorded by username).

        Args:
            key: The username, or the key that ``type`` says.
            record: A record, or a mapping with the documented names; or
            type: What the key is; only the username is recorded for this operation.
            fields: the fields of `NewUser` as keywords. An explicit None is sent as null.

        Returns:
            The user as the server answered.

        Raises:
            NotFoundError: there is no such user.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._update(key, record, fields, {"type": type})

    @overload
    async def replace(self, key: Key, record: User | Mapping[str, Any], /, **options: Unpack[CallOptions]) -> User: ...
    @overload
    async def replace(self, key: Key, /, **fields: Unpack[NewUser]) -> User: ...
    async def replace(self, key: Key, record: User | Mapping[str, Any] | None = None, /, **fields: Any) -> User:
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

    def list(self, **query: Unpack[UserQuery]) -> Pager[User]:
        """List users: ``GET /{tenant}/admin/users`` (recorded).

        Args:
            query: See `UserQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        return self._list(query)

    def list_by_region(self, region: str, /, **query: Unpack[RegionQuery]) -> Pager[User]:
        """List the users of a region: ``GET /{tenant}/{instance}/users`` (from a published client, not recorded).

        Args:
            region: The region's name.
            query: See `RegionQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        names = wire_names(RegionQuery, "region")
        asked = {**query, "region": region}
        return pager_of(self._scope, User, self._region_operation, META_INFO, asked, names)
