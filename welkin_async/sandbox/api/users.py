"""Users of the tenant: found by name, id or email, listed by region; and what each has access to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from welkin_async.sandbox.http.errors import not_found, validation_error
from welkin_async.sandbox.http.messages import Answer, Call, Record, ok
from welkin_async.sandbox.http.routing import Routes
from welkin_async.sandbox.records.collection import Collection
from welkin_async.sandbox.records.dates import timestamp
from welkin_async.sandbox.records.records import known_fields, require, touch
from welkin_async.sandbox.records.values import Kind, among, list_of, object_of
from welkin_async.sandbox.site import Site

_OPTIONAL = ("firstName", "lastName", "credentials", "phone", "timezone")
_FLAGS = ("mfaEnabled", "ssoAccess", "passwordAccess", "seatAssignAllowed", "allowedToReceiveCalls")
_INSTANCE = object_of(
    {"instanceName": str, "workshopAccessEnabled": bool, "auditDataAccessEnabled": bool}, "instanceName"
)
_APPLICATIONS: dict[str, Kind] = {
    "adminAccessEnabled": bool, "auditSecurityAccessEnabled": bool, "instanceAccesses": list_of(_INSTANCE),
}  # fmt: skip
_FIELDS: dict[str, Kind] = {
    **dict.fromkeys(("username", "email", "locale", *_OPTIONAL), str),
    **dict.fromkeys(_FLAGS, bool),
    "customUserAttributes": dict,
    "applicationAccess": object_of(_APPLICATIONS),
}
_NAMES = ("username", "email")
_SORTABLE = frozenset(("id", "createdAt", "updatedAt", "userState", "enabled", *_FIELDS))
_STATES = frozenset(("ACTIVE", "INACTIVE", "PROVISIONED"))


@attrs.define
class Users(Collection):
    """Users and their section of the API; there is no `me` (recorded).

    Creating one, 201, and changing one are recorded. Deleting one is 403 for API clients (recorded); when it is
    allowed, 200 without a body (the status is unknown). Lists take the filters of a published client and the vendor's
    collection (only paging is recorded).

    Attributes:
        records: Users by id, in order of creation.
    """

    component = "USER"
    restricted = True
    sortable = _SORTABLE

    records: dict[str, Record] = attrs.field(factory=dict, repr=False)

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        usual = "list create get update replace delete"
        routes.collection("users", "/{tenant}/admin/users/{user_key}", self, usual)
        routes.add("users.list_by_region", "GET", "/{tenant}/{instance}/users", self.list_by_region)

    def rows(self) -> dict[str, Record]:
        """Users by id."""
        return self.records

    def add(self, fields: Mapping[str, Any]) -> Record:
        """Create a user, PROVISIONED and not enabled (recorded).

        Args:
            fields: By wire name; unknown ones are dropped, `userAttributes` among them (documented).

        Raises:
            ApiError: 400, username or email is missing, a value does not fit, or the username is taken (that a taken
                name is refused with 400 is unknown: chosen here).
        """
        clean = self._clean(fields)
        require(clean, _NAMES, "USER")
        record = self._blank(self.site.new_id())
        _merge(self.site, record, clean)
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

    def asked(self, call: Call, user_key: str) -> Record:
        """The user whose name is the key, or what `type` says."""
        return self.find(user_key, call.query.get("type"))

    def made(self, sent: Record) -> Record:
        """A new user."""
        return self.add(sent)

    def write(self, record: Record, sent: Record) -> None:
        """Change the keys sent; null removes a key that may be absent."""
        clean = self._clean(sent, record["id"])
        require(clean, [name for name in _NAMES if name in clean], "USER")
        _merge(self.site, record, clean)

    def replace(self, call: Call, user_key: str) -> Answer:
        """Replace a user (documented); keys that are not sent fall back to those of a new user (unknown: chosen)."""
        record = self.asked(call, user_key)
        clean = self._clean(call.object(), record["id"])
        require(clean, _NAMES, "USER")
        kept = {name: record[name] for name in ("createdAt", "createdByName", "userState", "enabled")}
        kept |= {name: record[name] for name in ("territories", "roles", "policies", "applicationAccess")}
        fresh = {**self._blank(record["id"]), **kept}
        _merge(self.site, fresh, clean)
        record.clear()
        record.update(fresh)
        touch(self.site, record)
        return ok(record)

    def list_by_region(self, call: Call) -> Answer:
        """One page of a region's users (known from a published client only).

        Raises:
            ApiError: 400, no region.
        """
        if not call.query.get("region"):
            raise validation_error("region is required", "USER", parameter="region")
        return self.list_records(call)

    def chosen(self, call: Call, records: Iterable[Record]) -> Iterable[Record]:
        """Those that meet every filter."""
        return [each for each in records if _matches(each, call)]

    def _clean(self, fields: Mapping[str, Any], own_id: str | None = None) -> Record:
        clean = known_fields(fields, _FIELDS, "USER")
        taken = clean.get("username")
        if taken and any(each["username"] == taken and each["id"] != own_id for each in self.records.values()):
            raise validation_error("The username is taken", "USER", field="username")
        return clean


def _merge(site: Site, record: Record, clean: Record) -> None:
    for name, value in clean.items():
        if name == "applicationAccess":
            record[name] = _with_access(site, record[name], value or {})
        elif value is not None:
            record[name] = value
        elif name in _OPTIONAL:
            # Unset keys of a user are absent, not null (recorded).
            record.pop(name, None)


def _with_access(site: Site, access: Record, sent: Mapping[str, Any]) -> Record:
    """Access to the applications, changed; instances that are not named stay as they are."""
    known = known_fields(sent, _APPLICATIONS, "USER")
    held = {each["instanceName"]: each for each in access["instanceAccesses"]}
    for each in known.pop("instanceAccesses", None) or ():
        name = each["instanceName"]
        blank = {
            "instanceId": site.new_id(),
            "instanceName": name,
            "instanceDescription": name,
            "userEmailWithInstanceDomain": None,
            "workshopAccessEnabled": False,
            "auditDataAccessEnabled": False,
        }
        flags = {key: each.get(key) for key in ("workshopAccessEnabled", "auditDataAccessEnabled")}
        held[name] = {**held.get(name, blank), **{key: flag for key, flag in flags.items() if flag is not None}}
    changed = {key: value for key, value in known.items() if value is not None}
    return {**access, **changed, "instanceAccesses": list(held.values()), "updatedAt": site.clock.stamp()}


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


_TYPES = {"SECURITY_ROLE": "roles", "SECURITY_POLICY": "policies"}
_PERMISSION = object_of(
    {
        "permissionName": str,
        "instanceName": str,
        "type": among(*_TYPES),
        "primaryRole": bool,
        "effectiveDate": str,
    },
    *("permissionName", "instanceName", "type"),
)
_REGION = object_of({"name": str, "instanceName": str, "territories": list_of(str)}, "name", "instanceName")


@attrs.define
class UserAccess:
    """Access of users and its section of the API; every PUT is an upsert (documented).

    Attributes:
        users: Whose access it is; `User` shows the same objects.
        on_write: Called with a user whose access was changed.
    """

    users: Users
    on_write: list[Callable[[Record], None]] = attrs.field(factory=list, repr=False)

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/admin"
        access, permissions = base + "/application-accesses/{user_id}", base + "/user-permissions/{user_id}"
        routes.collection("users", access, self, "get_app_access put_app_access")
        routes.collection("users", permissions, self, "get_permissions put_permissions")
        routes.collection("users", base + "/user-territories/{user_id}", self, "get_territories put_territories")

    def _changed(self, user: Record, shown: Callable[[Record], Record]) -> Answer:
        touch(self.users.site, user)
        for notify in self.on_write:
            notify(user)
        return ok(shown(user))

    def get_app_access(self, call: Call, user_id: str) -> Answer:
        """The object that `User` embeds as applicationAccess (documented)."""
        return ok(_applications(self.users.find(user_id, "ID")))

    def put_app_access(self, call: Call, user_id: str) -> Answer:
        """Change access to the applications; instances that are not named stay as they are."""
        user = self.users.find(user_id, "ID")
        user["applicationAccess"] = _with_access(self.users.site, user["applicationAccess"], call.object())
        return self._changed(user, _applications)

    def get_permissions(self, call: Call, user_id: str) -> Answer:
        """Roles and policies in one list (documented)."""
        return ok(self._permissions(self.users.find(user_id, "ID")))

    def _permissions(self, user: Record) -> Record:
        return {**_head(user), "permissions": [*user["roles"], *user["policies"]]}

    def put_permissions(self, call: Call, user_id: str) -> Answer:
        """Add permissions, or change those of the same type, name and instance."""
        user, now = self.users.find(user_id, "ID"), self.users.site.clock.stamp()
        sent = known_fields(call.object(), {"permissions": list_of(_PERMISSION)}, "USER").get("permissions") or ()
        until = [timestamp(each, "effectiveDate", "USER") for each in sent]
        for each, date in zip(sent, until, strict=True):
            extra: Record = {"primaryRole": bool(each.get("primaryRole"))} if each["type"] == "SECURITY_ROLE" else {}
            extra |= {} if date is None else {"effectiveDate": date}
            names = {key: each[key] for key in ("permissionName", "instanceName", "type")}
            _upsert(user[_TYPES[each["type"]]], {"createdAt": now, "updatedAt": now, **names, **extra}, names)
        return self._changed(user, self._permissions)

    def get_territories(self, call: Call, user_id: str) -> Answer:
        """Regions and territories per instance (documented)."""
        return ok(self._territories(self.users.find(user_id, "ID")))

    def _territories(self, user: Record) -> Record:
        author = self.users.site.client_id
        return {**_head(user), "createdBy": author, "updatedBy": author, "territories": user["territories"]}

    def put_territories(self, call: Call, user_id: str) -> Answer:
        """Add regions, or change those of the same name and instance; none is checked against the Designer here."""
        user, site = self.users.find(user_id, "ID"), self.users.site
        now = site.clock.stamp()
        for each in known_fields(call.object(), {"territories": list_of(_REGION)}, "USER").get("territories") or ():
            names = {"name": each["name"], "instanceName": each["instanceName"]}
            head = {"createdAt": now, "updatedAt": now, "createdBy": site.client_id, "updatedBy": site.client_id}
            _upsert(user["territories"], {**head, **names, "territories": each.get("territories") or []}, names)
        return self._changed(user, self._territories)


def _applications(user: Record) -> Record:
    access: Record = user["applicationAccess"]
    return access


def _head(user: Record) -> Record:
    return {"id": user["id"], "createdAt": user["createdAt"], "updatedAt": user["updatedAt"], "userId": user["id"]}


def _upsert(held: list[Record], item: Record, names: Mapping[str, Any]) -> None:
    for position, each in enumerate(held):
        if all(each[key] == value for key, value in names.items()):
            held[position] = {**item, "createdAt": each["createdAt"]}
            return
    held.append(item)
