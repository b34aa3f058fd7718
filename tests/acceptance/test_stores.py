"""The corpus in every store, through every transport, is read as it is locally: a sample, all of it under stress."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

import deltastream
from tests.acceptance.corpus import Case, Outcome, Verdict, cases, compare, judge
from tests.support.servers.access import REMOTE_ACCESSES, Access

SAMPLE = 30
"""One table of so many is read through each access, each its own; and one whose paths are percent-encoded."""


def test_no_table_is_read_wrong_from_a_store(
    corpus: Path, remote_access: Access, tmp_path: Path, stress: bool
) -> None:
    digest = compare(corpus).digest

    def read(case: Case) -> pa.Table:
        uri = remote_access.put(case.root)
        return deltastream.read_arrow(uri, version=case.version, **remote_access.options)

    chosen = readable(corpus, tmp_path)
    if not stress:
        chosen = sampled(chosen, remote_access)
    judged = [judge(case, read, digest) for case in chosen]
    wrong = [str(judgement) for judgement in judged if judgement.verdict is Verdict.WRONG]
    assert not wrong, "\n".join(wrong)
    assert sum(judgement.verdict is Verdict.RIGHT for judgement in judged) >= 4


def readable(corpus: Path, scratch: Path) -> list[Case]:
    """Return all cases but those without data files, and those that were made to name files of the local disk."""
    return [
        case
        for case in cases(corpus, scratch)
        if case.outcome is not Outcome.FILES_ONLY and not case.root.is_relative_to(scratch)
    ]


def sampled(found: list[Case], access: Access) -> list[Case]:
    """Return, of some tables, the latest version and the first that is recorded."""
    assert access.store is not None
    first = REMOTE_ACCESSES.index(f"{access.store.name}-{access.transport}")
    tables = dict.fromkeys(case.table for case in found)
    escaped = dict.fromkeys(case.table for case in found if "escaped-path" in case.features)
    kept = {*list(tables)[first::SAMPLE], list(escaped)[first % len(escaped)]}
    chosen: dict[tuple[str, bool], Case] = {}
    for case in found:
        if case.table in kept:
            chosen.setdefault((case.table, case.version is None), case)
    return list(chosen.values())
