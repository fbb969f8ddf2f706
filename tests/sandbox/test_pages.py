from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from welkin_async.sandbox.records.pages import spring_page, spring_page_text


@given(st.integers(0, 9), st.integers(0, 3), st.integers(1, 4), st.booleans())
def test_a_page_as_text_is_the_page(count: int, page: int, size: int, ordered: bool) -> None:
    records = [{"number": number, "text": '"content":[]'} for number in range(count)]
    query = {"page": str(page), "size": str(size), **({"sort": "number,asc"} if ordered else {})}
    assert json.loads(spring_page_text(records, query, count, json.dumps)) == spring_page(records, query)
