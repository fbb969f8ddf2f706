"""Records of a dictionary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Unpack

from welkin_async.models.dictionaries import Dictionary, DictionaryRecord
from welkin_async.resources._base.mixins import Resource
from welkin_async.resources._base.paths import Path
from welkin_async.resources._base.scope import CallOptions, Key
from welkin_async.wire.request import Repeat, Shape

_DICTIONARY = Path("dictionaries", "/{tenant}/{instance}/dictionaries/{dictionary_name}")
_RECORD = _DICTIONARY / "{record_id}"


class Dictionaries(Resource[DictionaryRecord]):
    """The records of one dictionary: ``welkin.dictionary(name)`` (documented, not recorded).

    Its definition is at ``welkin.formations().dictionaries``. ``timezone`` cannot be changed; ``cpt`` and ``icd-10``
    can be filled, not redefined.
    """

    _list_operation = _DICTIONARY.get("list_records", Shape.OBJECT)
    _get_operation = _RECORD.get("get_record", Shape.OBJECT)
    _add_operation = _DICTIONARY.post("add_records", Shape.OBJECT)
    _replace_operation = _DICTIONARY.put("replace_records", Shape.OBJECT, repeat=Repeat.REPLACE_ALL)
    _update_operation = _RECORD.put("update_record", Shape.OBJECT)
    _delete_operation = _RECORD.delete("delete_record", Shape.ANY)

    async def list_records(
        self,
        *,
        date_start: datetime | None = None,
        date_end: datetime | None = None,
        show_deleted: bool | None = None,
        **options: Unpack[CallOptions],
    ) -> Dictionary:
        """Read the dictionary: ``GET /{tenant}/{instance}/dictionaries/{dictionary_name}`` (not paged).

        Args:
            date_start: Only records updated from this moment on, an aware datetime.
            date_end: Only records updated up to this moment.
            show_deleted: Whether deleted records are listed too.
            options: See `CallOptions`.

        Returns:
            The dictionary with its ``records``.

        Raises:
            NotFoundError: there is no such dictionary.
            RequestError: see `errors`.
        """
        query = {"dateStart": date_start, "dateEnd": date_end, "showDeleted": show_deleted}
        return await self._one_as(Dictionary, self._list_operation, query=query, options=options)

    async def get_record(self, id: Key, /, **options: Unpack[CallOptions]) -> DictionaryRecord:
        """Read a record: ``GET .../dictionaries/{dictionary_name}/{record_id}``.

        Args:
            id: The record's id.
            options: See `CallOptions`.

        Raises:
            NotFoundError: there is no such record.
            RequestError: see `errors`.
        """
        return await self._one(self._get_operation, record_id=id, options=options)

    async def add_records(self, values: Iterable[Mapping[str, Any]], /, **options: Unpack[CallOptions]) -> Dictionary:
        """Add records: ``POST .../dictionaries/{dictionary_name}`` (201).

        Args:
            values: The fields of each record by their own names.
            options: See `CallOptions`.

        Returns:
            The dictionary, with the added records alone.

        Raises:
            OutcomeUnknownError: they may have been added; list the records before repeating.
            RequestError: see `errors`.
            InvalidInputError: a value cannot be sent; nothing was.
        """
        return await self._one_as(Dictionary, self._add_operation, body=_records(values), options=options)

    async def replace_records(
        self, values: Iterable[Mapping[str, Any]], /, **options: Unpack[CallOptions]
    ) -> Dictionary:
        """Delete every record for good, then insert these: ``PUT .../dictionaries/{dictionary_name}``.

        Never repeated by itself after an unknown outcome: a repeat would delete what others wrote meanwhile.

        Args:
            values: The fields of each record by their own names.
            options: See `CallOptions`.

        Returns:
            The dictionary with its new records.

        Raises:
            OutcomeUnknownError: the records may have been replaced, or deleted and not yet replaced.
            RequestError: see `errors`.
            InvalidInputError: a value cannot be sent; nothing was.
        """
        return await self._one_as(Dictionary, self._replace_operation, body=_records(values), options=options)

    async def update_record(
        self, id: Key, values: Mapping[str, Any], /, **options: Unpack[CallOptions]
    ) -> DictionaryRecord:
        """Change a record: ``PUT .../dictionaries/{dictionary_name}/{record_id}``.

        Args:
            id: The record's id.
            values: Its fields by their own names.
            options: See `CallOptions`.

        Returns:
            The record as the server answered.

        Raises:
            NotFoundError: there is no such record.
            RequestError: see `errors`.
        """
        return await self._one(self._update_operation, record_id=id, body={"values": values}, options=options)

    async def delete_record(self, id: Key, /, **options: Unpack[CallOptions]) -> DictionaryRecord | None:
        """Mark a record as deleted: ``DELETE .../dictionaries/{dictionary_name}/{record_id}``.

        Args:
            id: The record's id.
            options: See `CallOptions`.

        Returns:
            The record, ``deleted``; None where an earlier attempt of this call deleted it and its answer was lost.

        Raises:
            NotFoundError: there is no such record.
            RequestError: see `errors`.
        """
        found = await self._some_as(DictionaryRecord, self._delete_operation, record_id=id, options=options)
        return found[0] if found else None


def _records(values: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {"records": [{"values": fields} for fields in values]}
