from __future__ import annotations

import pyarrow as pa
import pytest

from deltastream.batch.objects import python_values
from deltastream.errors import FileCorruptError
from deltastream.types import FileContext

CONTEXT = FileContext("/table", 7, "part-0.parquet", 3, "decode")


@pytest.mark.parametrize("is_dictionary", [False, True])
def test_a_text_that_is_no_utf8_is_corrupt_and_its_column_named(is_dictionary: bool) -> None:
    binary = pa.array([b"a", b"\xff\xfe"])
    column = pa.Array.from_buffers(pa.string(), 2, binary.buffers())
    if is_dictionary:
        column = pa.DictionaryArray.from_arrays(pa.array([1, 0]), column)
    with pytest.raises(FileCorruptError, match=r"part-0.*row group 3.*'s' has a text that is no"):
        python_values(column, CONTEXT, "s")
