from __future__ import annotations

from collections.abc import Sequence

import pytest

from welkin_async.files.readers.csv.quote_recovery import QuoteRecovery, Verdict

OPEN, ROWS, REFUSED, FAULTY = Verdict.OPEN, Verdict.ROWS, Verdict.REFUSED, Verdict.FAULTY


def verdicts(faulty: str, lines: Sequence[str], *, width: int = 3, delimiter: str = ",") -> list[Verdict]:
    recovery = QuoteRecovery(f"{faulty}\n", delimiter, width)
    found = [recovery.take(f"{line}\r\n") for line in lines]
    return [*found, recovery.end()] if found[-1:] in ([], [OPEN]) else found


def test_a_row_with_a_quoted_cell_is_no_text_of_another() -> None:
    assert verdicts('1,"stray,x', ["2,b,c", '3,"b, c",d']) == [OPEN, ROWS]
    assert verdicts('1,"stray,x', ["2,b,c", '3,"b', "and more", 'c",d']) == [OPEN, OPEN, OPEN, ROWS]
    assert verdicts("1;'x\"", ['2;"b"'], width=2, delimiter=";") == [ROWS]


def test_an_empty_quoted_cell_may_be_an_escaped_quote() -> None:
    assert verdicts('1,"a', ['2,"",c', 'b",c'])[:-1] == [OPEN]
    assert verdicts('1,"a', ['2,"",c', 'b",c']) == [OPEN, REFUSED]


def test_a_line_that_closes_the_cell_ends_doubt_and_is_refused_with_all_before_it() -> None:
    assert verdicts('M-1,Tylenol,"said \\"stop\\"', ["M-2,Penicillin,from the chart", 'end"']) == [OPEN, REFUSED]
    assert verdicts('1,"say "hi"', ["2,b,c", 'end",x']) == [OPEN, REFUSED]


def test_a_row_of_another_width_is_none() -> None:
    assert verdicts('1,"a" b",c', ["2,b", "3,b,c", '4,"b",c']) == [OPEN, OPEN, FAULTY]
    assert verdicts('1,"a" b",c', ["2,b", '3","c']) == [OPEN, OPEN, REFUSED]


def test_backslashes_escape_quotes_where_a_line_has_them() -> None:
    lines = ['he said \\"stop\\", twice', "M-9,x,y", 'end",z']
    assert verdicts('1,"first \\"line\\"', lines) == [OPEN, OPEN, REFUSED]
    assert verdicts('1,"first', ['a "word" is not escaped']) == [FAULTY]
    assert verdicts('1,"first', ['ends with a backslash \\"', 'closed",x']) == [OPEN, REFUSED]


def test_both_readings_dead_begins_anew_behind_the_line() -> None:
    assert verdicts('1,"5" tube",x', ['2,"6" tube",x']) == [FAULTY]


def test_a_closing_line_that_may_open_another_cell_keeps_the_doubt() -> None:
    """Where nothing is escaped, the quote behind a delimiter opens a cell that goes on in the next line."""
    assert verdicts('1,"5" tube', ['plain,x,""q"']) == [FAULTY]


def test_at_the_end_the_quotes_of_the_faulty_line_decide() -> None:
    assert verdicts('1,"say "hi" now",x', ["2,b,c", "3,b,c"]) == [OPEN, OPEN, ROWS]
    assert verdicts('1,"not closed,x', ["2,b,c", "3,b,c"]) == [OPEN, OPEN, REFUSED]
    assert verdicts('1,"say "hi" now",x', ["2,b,c", "3,b"]) == [OPEN, OPEN, REFUSED]
    assert verdicts('1,"say "hi" now",x', ["2,b,c", '3,"b']) == [OPEN, OPEN, REFUSED]
    assert verdicts('1,"say "hi" now",x', []) == [ROWS]


@pytest.mark.parametrize("blank", ["", "\r"])
def test_blank_lines_decide_nothing(blank: str) -> None:
    assert verdicts('1,"a,b', [blank, "2,b,c", blank, '3,"b",c']) == [OPEN, OPEN, OPEN, ROWS]
