"""Users: tenant-scoped, found by name, id or email, and listed by region in the instance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .errors import not_found, restricted, validation_error
from .pages import meta_page, sorted_by
from .routing import Routes
from .site import Site
from .wire import Answer, Call, Record, no_content, ok

__all__ = ["Users"]

_OPTIONAL = ("firstName", "lastName", "credentials", "phone", "timezone")
_FLAGS = ("mfaEnabled", "ssoAccess", "passwordAccess", "seatAssignAllowed", "allowedToReceiveCalls")
_WRITABLE = frozenset(("username", "email", "locale", "customUserAttributes", "applicationAccess", *_OPTIONAL, *_FLAGS))
_SORTABLE = frozenset(("id", "createdAt", "updatedAt", "userState", "enabled")) | _WRITABLE
_STATES = frozenset(("ACTIVE", "INACTIVE", "PROVISIONED"))


@attrs.define
class Users:
    """Users and their section of the API.

    Attributes:
        site: Clock, ids, author, and whether deleting is allowed.
        records: Users by id, in order of creation.
    """

    site: Site
    records: dict[str, Record] = attrs.field(factory=dict, repr=False)

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/admin/users"
        routes.add("users.list", "GET", base, self.list_page)
        routes.add("users.create", "POST", base, self.create)
        routes.add("users.get", "GET", base + "/{user_key}", self.get)
        routes.add("users.update", "PATCH", base + "/{user_key}", self.update)
        routes.add("users.replace", "PUT", base + "/{user_key}", self.replace)
        routes.add("users.delete", "DELETE", base + "/{user_key}", self.delete)
        routes.add("users.list_by_region", "GET", "/{tenant}/{instance}/users", self.list_by_region)

    def add(self, fields: Mapping[str, Any]) -> Record:
        """Create a user, PROVISIONED and not enabled (recorded).

        Args:
            fields: By wire name; unknown ones are dropped, `userAttributes` among them (documented).

        Raises:
            ApiError: 400, username or email is missing, a value does not fit, or the username is taken (that a taken
                name is refused with 400 is unknown: chosen here).
        """
        clean = self._clean(fields)
        self._require(clean)
        record = self._blank(self.site.new_id())
        _merge(record, clean)
        self.records[record["id"]] = record
        return record

    def _blank(self, user_id: str) -> Record:
        site, now = self.site, self.site.clock.stamp()
        return {
            "territories": [],
            "fullTerritoriesAccessInstances": [],
            "roles": [],
            "policies": [],
            "seats": ["GENERAL"],
            "seatAssignAllowed": True,
            "applicationAccess": {
                "id": site.new_id(),
                "createdAt": now,
                "updatedAt": now,
                "userId": user_id,
                "adminAccessEnabled": False,
                "auditSecurityAccessEnabled": False,
                "instanceAccesses": [],
            },
            "createdByName": site.author,
            "updatedByName": site.author,
            "id": user_id,
            "locale": "en-US",
            "enabled": False,
            "mfaEnabled": False,
            "statusType": None,
            "createdAt": now,
            "updatedAt": now,
            "ssoAccess": False,
            "passwordAccess": True,
            "terminologyName": "english",
            "userState": "PROVISIONED",
            "customUserAttributes": {},
            "allowedToReceiveCalls": False,
            "_root_user": False,
        }

    def find(self, key: str, kind: str | None = None) -> Record:
        """A user by username, or by the key that `type` names.

        Args:
            key: Username, id or email.
            kind: None for the username, ID or EMAIL.

        Raises:
            ApiError: 400, unknown kind; 404 USER_NOT_FOUND (recorded).
        """
        found: Record | None
        if kind == "ID":
            found = self.records.get(key.lower())
        elif kind in (None, "EMAIL"):
            name = "email" if kind else "username"
            found = next((each for each in self.records.values() if each[name] == key), None)
        else:
            raise validation_error("type must be ID or EMAIL", "USER", parameter="type")
        if found is None:
            raise not_found("USER_NOT_FOUND", "USER", "User not found")
        return found

    def create(self, call: Call) -> Answer:
        """Create a user: 201 (recorded)."""
        return ok(self.add(call.object()), 201)

    def get(self, call: Call, user_key: str) -> Answer:
        """One user; there is no `me` (recorded)."""
        return ok(self.find(user_key, call.query.get("type")))

    def update(self, call: Call, user_key: str) -> Answer:
        """Change the keys sent; null removes a key that may be absent (recorded by username)."""
        record = self.find(user_key, call.query.get("type"))
        clean = self._clean(call.object(), record["id"])
        for name in ("username", "email"):
            if name in clean and not clean[name]:
                raise validation_error(f"{name} is required", "USER", field=name)
        _merge(record, clean)
        self.touch(record)
        return ok(record)

    def replace(self, call: Call, user_key: str) -> Answer:
        """Replace a user (documented); keys that are not sent fall back to those of a new user (unknown: chosen)."""
        record = self.find(user_key, call.query.get("type"))
        clean = self._clean(call.object(), record["id"])
        self._require(clean)
        kept = {name: record[name] for name in ("createdAt", "createdByName", "userState", "enabled")}
        kept |= {name: record[name] for name in ("territories", "roles", "policies", "applicationAccess")}
        fresh = {**self._blank(record["id"]), **kept}
        _merge(fresh, clean)
        record.clear()
        record.update(fresh)
        self.touch(record)
        return ok(record)

    def touch(self, record: Record) -> None:
        """Note that a user was changed now.

        Args:
            record: The user.
        """
        record["updatedAt"], record["updatedByName"] = self.site.clock.stamp(), self.site.author

    def delete(self, call: Call, user_key: str) -> Answer:
        """403 for API clients (recorded); when deleting is allowed, 200 without a body (the status is unknown)."""
        site = self.site
        if not site.allow_delete:
            raise restricted(site.client_id, site.api_client, site.tenant, call.path)
        del self.records[self.find(user_key, call.query.get("type"))["id"]]
        return no_content()

    def list_page(self, call: Call) -> Answer:
        """One page by the filters of a published client and the vendor's collection (only paging is recorded)."""
        return self._page(call)

    def list_by_region(self, call: Call) -> Answer:
        """One page of a region's users (known from a published client only).

        Raises:
            ApiError: 400, no region.
        """
        if not call.query.get("region"):
            raise validation_error("region is required", "USER", parameter="region")
        return self._page(call)

    def _page(self, call: Call) -> Answer:
        found = [each for each in self.records.values() if _matches(each, call)]
        return ok(meta_page(sorted_by(found, call.query, _SORTABLE), call.query))

    def _clean(self, fields: Mapping[str, Any], own_id: str | None = None) -> Record:
        clean = {name: value for name, value in fields.items() if name in _WRITABLE}
        for name, value in clean.items():
            kind = bool if name in _FLAGS else dict if name in ("customUserAttributes", "applicationAccess") else str
            if value is not None and not isinstance(value, kind):
                raise validation_error(f"{name} does not fit", "USER", field=name)
        taken = clean.get("username")
        if taken and any(each["username"] == taken and each["id"] != own_id for each in self.records.values()):
            raise validation_error("The username is taken", "USER", field="username")
        return clean

    @staticmethod
    def _require(clean: Record) -> None:
        for name in ("username", "email"):
            if not clean.get(name):
                raise validation_error(f"{name} is required", "USER", field=name)


def _merge(record: Record, clean: Record) -> None:
    for name, value in clean.items():
        if name == "applicationAccess":
            record[name] = {**record[name], **(value or {})}
        elif value is not None:
            record[name] = value
        elif name in _OPTIONAL:
            # Unset keys of a user are absent, not null (recorded).
            record.pop(name, None)


def _matches(user: Record, call: Call) -> bool:
    query = call.query
    text = query.get("search", "").lower()
    if text and not any(text in user.get(name, "").lower() for name in ("username", "email", "firstName", "lastName")):
        return False
    if any(query.get(name) and user.get(name) != query[name] for name in ("email", "firstName", "lastName")):
        return False
    if query.get("ids") and user["id"] not in query["ids"].lower().split(","):
        return False
    state = query.get("userState")
    if state and state not in _STATES:
        raise validation_error("userState must be ACTIVE, INACTIVE or PROVISIONED", "USER", parameter="userState")
    if state and user["userState"] != state:
        return False
    if query.get("roleName") and all(role.get("permissionName") != query["roleName"] for role in user["roles"]):
        return False
    seated = call.flag("seatAssigned")
    if seated is not None and seated != bool(user["seats"]):
        return False
    if not query.get("region"):
        return True
    regions = [region for region in user["territories"] if region["name"] == query["region"]]
    # `territories` works only together with `region` (documented).
    wanted = {name for name in query.get("territories", "").split(",") if name}
    return bool(regions) and (not wanted or any(wanted & set(region["territories"]) for region in regions))
