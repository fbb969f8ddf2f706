"""Help panels: the groups in which ``--help`` shows commands and options."""

from __future__ import annotations

CONNECTION = "Connection"
PATIENTS = "Patients"
FIELDS = "Columns and fields"
KEYS = "Keys"
READING = "How the file is read"
RUN = "How the rows are worked through"
OUTPUT = "What is written and printed"
SERVER_TO_FILE = "From Welkin"
FILE_TO_SERVER = "Into Welkin"
AROUND = "Connection and custom data types"
LOCAL = "Without an account"
