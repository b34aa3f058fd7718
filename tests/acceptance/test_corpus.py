"""Every table of the corpus, at every recorded version: right content, right refusal, and nothing wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import deltastream
from deltastream import FieldSpec
from tests.acceptance.corpus import Case, Judgement, Outcome, Verdict, cases
from tests.acceptance.readers import judge_all, read_case
from tests.acceptance.tally import tally

SAMPLE = 6
"""Every sixth table is read through `DeltaDataset` too."""

MOST_COLUMNS = 20
"""Of a table that are read alone."""


@pytest.fixture(scope="module")
def judged(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Judgement]:
    found = list(judge_all(corpus, tmp_path_factory.mktemp("relocated")))
    assert found
    print(tally(found))
    return found


def test_no_table_is_read_wrong_at_any_version(judged: list[Judgement]) -> None:
    wrong = [str(judgement) for judgement in judged if judgement.verdict is Verdict.WRONG]
    assert not wrong, "\n".join(wrong)


def test_every_table_that_no_reader_may_read_is_refused(judged: list[Judgement]) -> None:
    for judgement in judged:
        if judgement.case.outcome is Outcome.REFUSE:
            assert judgement.verdict is Verdict.REFUSED, str(judgement)


def test_a_column_alone_is_what_it_is_among_all(corpus: Path, tmp_path: Path) -> None:
    tables = [c for c in cases(corpus, tmp_path) if c.version is None and c.outcome is Outcome.ROWS]
    assert tables
    for case in tables:
        rows = read_case(case)
        assert deltastream.read_arrow(case.root, columns=[]).num_rows == rows.num_rows, str(case)
        for name in rows.column_names[:MOST_COLUMNS]:
            quoted = "`" + name.replace("`", "``") + "`"
            alone = deltastream.read_arrow(case.root, columns=[quoted])
            assert alone.column_names == [name], str(case)
            found, expected = alone.column(0), rows.column(name)
            # NaN is no equal of itself.
            assert repr(found.to_pylist()) == repr(expected.to_pylist()), (str(case), name)


def test_tensors_hold_what_arrow_holds_in_the_same_order(corpus: Path, tmp_path: Path) -> None:
    tables = [c for c in cases(corpus, tmp_path) if c.version is None and c.outcome is Outcome.ROWS]
    assert tables
    for case in tables[::SAMPLE]:
        check_dataset(case)


def check_dataset(case: Case) -> None:
    rows = read_case(case)
    names = [field.name for field in rows.schema if is_simple(field.type)]
    if not names or not rows.num_rows:
        return
    dataset = deltastream.DeltaDataset(
        case.root, [FieldSpec(name, null_mask=True) for name in names], batch_size=7
    )
    batches = list(dataset)
    assert dataset.num_rows == rows.num_rows, str(case)
    for name in names:
        column = rows.column(name)
        mask = np.concatenate([batch[f"{name}_mask"].numpy() for batch in batches])
        assert mask.tolist() == column.is_valid().to_pylist(), (str(case), name)
        values = [value for batch in batches for value in to_list(batch[name])]
        expected = column.to_pylist()
        # NaN is no equal of itself, and what stands where a null was is not the table's.
        found = [repr(value) for value, is_valid in zip(values, mask, strict=True) if is_valid]
        assert found == [repr(value) for value in expected if value is not None], (str(case), name)


def is_simple(type_: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(type_)
        or pa.types.is_boolean(type_)
        or pa.types.is_string(type_)
        or pa.types.is_float64(type_)
    )


def to_list(values: object) -> list[object]:
    return values if isinstance(values, list) else values.tolist()  # type: ignore[attr-defined]
