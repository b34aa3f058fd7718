"""A filter gives exactly what filtering the full content gives, for every table of the corpus."""

from __future__ import annotations

from pathlib import Path
from random import Random

import deltastream
from deltastream import DeltaDataset
from tests.acceptance.conditions import conditions
from tests.acceptance.corpus import Case, Outcome, cases, compare
from tests.acceptance.readers import read_case


def with_rows(corpus: Path, scratch: Path) -> list[Case]:
    found = [case for case in cases(corpus, scratch) if case.version is None]
    return [c for c in found if c.outcome is Outcome.ROWS and c.entry["rows"]]


def test_a_filter_gives_what_filtering_all_rows_gives(
    corpus: Path, tmp_path: Path, seed: int, stress: bool
) -> None:
    rows_of = compare(corpus).canon_rows
    wrong: list[str] = []
    tables = with_rows(corpus, tmp_path)
    assert tables
    for case in tables:
        everything = read_case(case)
        random = Random(f"{seed} {case.table}")
        for condition in conditions(everything, random, 60 if stress else 4):
            expected = rows_of(everything.filter(condition.expression))
            form = random.choice(list(condition.forms()))
            found = deltastream.read_arrow(case.root, filter=form)
            if rows_of(found) != expected:
                wrong.append(f"{case}: {form}: {found.num_rows} rows, not {len(expected)}")
            counted = deltastream.read_arrow(case.root, columns=[], filter=form).num_rows
            if counted != found.num_rows:
                wrong.append(f"{case}: {form}: {counted} rows without columns")
    assert not wrong, "\n".join(wrong)


def test_the_length_of_a_filtered_dataset_is_exact(corpus: Path, tmp_path: Path, seed: int) -> None:
    for case in with_rows(corpus, tmp_path)[::8]:
        everything = read_case(case)
        for condition in conditions(everything, Random(f"{seed} {case.table}"), 3):
            dataset = DeltaDataset(case.root, filter=condition.sql, batch_size=2, row_dicts=True)
            expected = everything.filter(condition.expression).num_rows
            assert dataset.num_rows == expected, (str(case), condition.sql)
            assert sum(map(len, dataset)) == expected, (str(case), condition.sql)
