"""Schema: what a formation allows, compiled so that checking a row costs a dict look-up and a type test a field.

The server drops unknown keys in silence (recorded), so a misspelt column loses data without an error. This check
finds it before the first row is sent. It refuses only what the formation is known to refuse: a field of a type not
seen in any recording accepts whatever JSON can say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import attrs

from welkin_async.errors import InvalidInputError
from welkin_async.validation.acceptance import ATOMS, Tests, accepts
from welkin_async.validation.equality import Equal
from welkin_async.validation.field_types import field_type

if TYPE_CHECKING:
    from welkin_async.models.formations import CdtField, CdtFormation

_REMEMBERED = 256  # unknown names whose text is kept


@attrs.frozen
class Rule:
    """One field.

    Attributes:
        type: The formation's type, such as ``datetime``, or None where it has none.
        equal: Tells whether two values of it mean the same.
        editable: Whether it may be written.
        expected: What it accepts, in words.
        tests: The same as tests; None where anything that JSON can say is accepted.
    """

    type: str | None
    equal: Equal
    editable: bool
    expected: str
    tests: Tests | None


def rule_of(field: CdtField) -> Rule:
    """Compile one field of a formation; null is accepted unless the field is required.

    Args:
        field: The field's definition.
    """
    kind = field_type(field.type)
    expected, tests = kind.accepts(field)
    if tests is not None and not (field.meta or {}).get("required"):
        tests = {**tests, type(None): None}
    return Rule(field.type, kind.equal, field.editable is not False, expected, tests)


@attrs.frozen
class FieldError:
    """Why a field cannot be sent; quotes no value of the row.

    Attributes:
        field: The field's name, as the row or the formation has it.
        expected: What is allowed, in words; option values are schema, not data, and are shown.
        found_type: The Python type that was found instead, or ``nothing``.
        known: Whether there is such a field.
    """

    field: str
    expected: str
    found_type: str
    known: bool = True

    @property
    def text(self) -> str:
        """The line for people, such as ``refills: expected an integer; got str``."""
        got = f"; got {self.found_type}" if self.known else ""  # there is no such field, whatever its value
        return f"{self.field}: expected {self.expected}{got}"


class Schema:
    """The rules of one CDT.

    Attributes:
        name: The CDT's name.
        required: The fields that every row must give: ``meta.required``, editable and not disabled.
    """

    def __init__(self, name: str, rules: Mapping[str, Rule], required: Iterable[str]) -> None:
        self.name = name
        self.required = tuple(required)
        self._rules = rules
        self._tests = {field: rule.tests or ATOMS for field, rule in rules.items() if rule.editable}
        self._unknown: dict[str, str] = {}

    @classmethod
    def of(cls, formation: CdtFormation) -> Self:
        """Compile a formation, as ``formations/current/cdts/{name}`` gives it.

        Args:
            formation: The CDT's definition.

        Raises:
            InvalidInputError: it names no fields, so that there is nothing to check against.
        """
        fields = [field for field in formation.fields or () if field.name]
        if not fields:
            raise InvalidInputError("the formation names no fields", ("fields",))
        rules = {str(field.name): rule_of(field) for field in fields}
        needed = (str(field.name) for field in fields if (field.meta or {}).get("required") and not field.disable)
        return cls(formation.name or "the CDT", rules, [name for name in needed if rules[name].editable])

    def __contains__(self, field: object) -> bool:
        return field in self._rules

    def type_of(self, field: str) -> str | None:
        """Return a field's formation type, such as ``datetime``; None where the field or its type is unknown."""
        rule = self._rules.get(field)
        return None if rule is None else rule.type

    def equal_of(self, field: str) -> Equal:
        """Return what tells whether two values of a field of the schema mean the same."""
        return self._rules[field].equal

    def editable(self, field: str) -> bool:
        """Return whether a field exists and may be written; an import's key field must be."""
        rule = self._rules.get(field)
        return rule is not None and rule.editable

    def check(self, fields: Mapping[str, Any], *, partial: bool = False) -> list[FieldError]:
        """Check one row before it is encoded.

        Args:
            fields: Values by field name, as the caller gives them: Python datetimes and UUIDs are fine.
            partial: Whether they change a record, so that a required field may be left out.

        Returns:
            Every problem, in the order of the fields, missing ones last; an empty list where there is none.
        """
        problems: list[FieldError] = []
        tests_of = self._tests
        for name, value in fields.items():
            try:
                test = tests_of[name][type(value)]
                if test is None or test(value):
                    continue
            except Exception:  # noqa: S110 - no such field or type, or a class whose values do anything when looked at
                pass
            problem = self._problem(name, value)
            if problem is not None:
                problems.append(problem)
        for name in () if partial else self.required:
            if fields.get(name) is None:
                expected = f"a value, the field is required ({self._rules[name].expected})"
                problems.append(FieldError(name, expected, "nothing"))
        return problems

    def _problem(self, name: object, value: object) -> FieldError | None:
        """Judge what the quick test did not let through."""
        rule = self._rules.get(name) if isinstance(name, str) else None
        if rule is None:
            return FieldError(str(name), self._not_a_field(str(name)), type(value).__name__, known=False)
        if not rule.editable:
            return FieldError(str(name), "no value, the field is read-only", type(value).__name__)
        try:
            if value is None or accepts(rule.tests, value):
                return None
            zoneless = isinstance(value, datetime) and value.utcoffset() is None
        except Exception:  # such as of a data frame's NaT, which is a datetime
            zoneless = False
        return FieldError(str(name), rule.expected, type(value).__name__ + (" without a zone" if zoneless else ""))

    def _not_a_field(self, name: str) -> str:
        """Say that there is no such field, and which was perhaps meant; remembered, for a column repeats it."""
        found = self._unknown.get(name)
        if found is None:
            import difflib

            near = difflib.get_close_matches(name, [field for field in self._rules if self.editable(field)], n=1)
            found = f"a field of {self.name}" + (f" (perhaps {near[0]})" if near else "")
            if len(self._unknown) < _REMEMBERED:
                self._unknown[name] = found
        return found
