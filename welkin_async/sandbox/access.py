"""What users may do: access to applications, permissions and territories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from .errors import validation_error
from .records import picked
from .routing import Routes
from .users import Users
from .wire import Answer, Call, Record, ok

__all__ = ["Access"]

_APPLICATIONS: dict[str, Any] = {
    "adminAccessEnabled": bool, "auditSecurityAccessEnabled": bool, "instanceAccesses": list,
}  # fmt: skip
_TYPES = {"SECURITY_ROLE": "roles", "SECURITY_POLICY": "policies"}


@attrs.define
class Access:
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
        routes.add("users.get_app_access", "GET", base + "/application-accesses/{user_id}", self.get_app_access)
        routes.add("users.put_app_access", "PUT", base + "/application-accesses/{user_id}", self.put_app_access)
        routes.add("users.get_permissions", "GET", base + "/user-permissions/{user_id}", self.get_permissions)
        routes.add("users.put_permissions", "PUT", base + "/user-permissions/{user_id}", self.put_permissions)
        routes.add("users.get_territories", "GET", base + "/user-territories/{user_id}", self.get_territories)
        routes.add("users.put_territories", "PUT", base + "/user-territories/{user_id}", self.put_territories)

    def _changed(self, user: Record, shown: Callable[[Record], Record]) -> Answer:
        self.users.touch(user)
        for notify in self.on_write:
            notify(user)
        return ok(shown(user))

    def get_app_access(self, call: Call, user_id: str) -> Answer:
        """The object that `User` embeds as applicationAccess (documented)."""
        return ok(_applications(self.users.find(user_id, "ID")))

    def put_app_access(self, call: Call, user_id: str) -> Answer:
        """Change access to the applications; instances that are not named stay as they are."""
        user, sent = self.users.find(user_id, "ID"), picked(call.object(), _APPLICATIONS, "USER")
        access = user["applicationAccess"]
        held = {each["instanceName"]: each for each in access["instanceAccesses"]}
        for each in _objects(sent.pop("instanceAccesses", None), "instanceAccesses", "instanceName"):
            name = each["instanceName"]
            blank = {
                "instanceId": self.users.site.new_id(),
                "instanceName": name,
                "instanceDescription": name,
                "userEmailWithInstanceDomain": None,
                "workshopAccessEnabled": False,
                "auditDataAccessEnabled": False,
            }
            flags = {key: each[key] for key in ("workshopAccessEnabled", "auditDataAccessEnabled") if key in each}
            held[name] = {**held.get(name, blank), **flags}
        access |= {key: value for key, value in sent.items() if value is not None}
        access |= {"instanceAccesses": list(held.values()), "updatedAt": self.users.site.clock.stamp()}
        return self._changed(user, _applications)

    def get_permissions(self, call: Call, user_id: str) -> Answer:
        """Roles and policies in one list (documented)."""
        return ok(self._permissions(self.users.find(user_id, "ID")))

    def _permissions(self, user: Record) -> Record:
        return {**_head(user), "permissions": [*user["roles"], *user["policies"]]}

    def put_permissions(self, call: Call, user_id: str) -> Answer:
        """Add permissions, or change those of the same type, name and instance."""
        user, now = self.users.find(user_id, "ID"), self.users.site.clock.stamp()
        sent = _objects(call.object().get("permissions"), "permissions", "permissionName", "instanceName", "type")
        if any(each["type"] not in _TYPES for each in sent):
            raise validation_error(f"type is one of {', '.join(_TYPES)}", "USER", field="type")
        for each in sent:
            extra: Record = {"primaryRole": False} if each["type"] == "SECURITY_ROLE" else {}
            extra |= {key: each[key] for key in ("primaryRole", "effectiveDate") if key in each}
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
        for each in _objects(call.object().get("territories"), "territories", "name", "instanceName"):
            names = {"name": each["name"], "instanceName": each["instanceName"]}
            head = {"createdAt": now, "updatedAt": now, "createdBy": site.client_id, "updatedBy": site.client_id}
            _upsert(user["territories"], {**head, **names, "territories": each.get("territories") or []}, names)
        return self._changed(user, self._territories)


def _applications(user: Record) -> Record:
    access: Record = user["applicationAccess"]
    return access


def _head(user: Record) -> Record:
    return {"id": user["id"], "createdAt": user["createdAt"], "updatedAt": user["updatedAt"], "userId": user["id"]}


def _objects(sent: Any, name: str, *required: str) -> list[Record]:
    items = sent or []
    if not isinstance(items, list) or not all(
        isinstance(each, dict) and all(isinstance(each.get(key), str) for key in required) for each in items
    ):
        raise validation_error(f"{name} must hold objects with {', '.join(required)}", "USER", field=name)
    return items


def _upsert(held: list[Record], item: Record, names: Mapping[str, Any]) -> None:
    for position, each in enumerate(held):
        if all(each[key] == value for key, value in names.items()):
            held[position] = {**item, "createdAt": each["createdAt"]}
            return
    held.append(item)
