"""Patient map: from what rows have for a patient to the key by which the server knows the patient."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from welkin_async.files.errors import FileError
from welkin_async.files.mapping.columns import Column, Columns
from welkin_async.files.options import StrPath
from welkin_async.files.readers.file_reader import FileReader
from welkin_async.files.readers.input_file import check_input
from welkin_async.files.readers.row import SourceRow
from welkin_async.validation.conversion import ConversionError
from welkin_async.wire.tracebacks import without_frames

_BATCH = 1024  # rows


def _rows(reader: FileReader) -> Iterator[SourceRow]:
    try:
        while rows := reader.read(_BATCH):
            yield from rows
    except OSError as error:
        raise FileError(f"the patient map cannot be read: {error.strerror or type(error).__name__}") from None
    except UnicodeError:
        raise FileError("the patient map is not text in one encoding throughout") from None


@without_frames
def read_patient_map(
    source: StrPath, *, reference: str | None = None, key: str | None = None, strip: str = ""
) -> dict[str, str]:
    """Read a patient map from a file, such as the Patient resources of a FHIR bulk export; blocks.

    Rows of other kinds name a patient by a reference that the server does not know. The whole map is held in memory:
    about 200 bytes for each patient.

    Args:
        source: Any file that can be imported.
        reference: The column or path of what rows have; the first column where it is None.
        key: The column or path of the patient's key; the second column where it is None.
        strip: What stands before a reference there, and is taken away as it is from rows.

    Returns:
        The keys by their references; rows without either are left out.

    Raises:
        FileError: the file or a column does not fit, a row cannot be read, or a reference has two keys. It names lines
            and quotes no value.
    """
    with contextlib.closing(check_input(Path(source)).open()) as reader:
        columns = Columns(reader.columns, fixed=reader.fixed, complete=reader.complete)
        if (reference is None or key is None) and len(columns.names) < 2:
            raise FileError("a patient map has two columns, the reference and the patient's key: name them")
        ours = Column(columns.names[0] if reference is None else reference, columns)
        theirs = Column(columns.names[1] if key is None else key, columns)
        found: dict[str, str] = {}
        for row in _rows(reader):
            try:
                one, other = ours.text(row).removeprefix(strip), theirs.text(row)
            except ConversionError as error:
                raise FileError(f"the patient map, line {row.line}: {error}") from None
            if row.problem is not None:
                raise FileError(f"the patient map, line {row.line}: {row.problem.reason}")
            if one and other and found.setdefault(one, other) != other:
                raise FileError(f"the patient map, line {row.line}: the reference has another key before")
    return found
