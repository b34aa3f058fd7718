"""The ways into a table that the corpus is read by, and the judging of all of its cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa

import deltastream
from deltastream.errors import DeltaStreamError
from tests.acceptance.corpus import Case, Judgement, Outcome, Verdict, cases, compare, judge
from tests.support.logs import read

__all__ = ["judge_all", "judge_files", "read_case"]


def read_case(case: Case) -> pa.Table:
    """Read through the public API."""
    return deltastream.read_arrow(case.root, version=case.version)


def judge_all(
    corpus: Path, scratch: Path, reader: Callable[[Case], pa.Table] = read_case
) -> Iterator[Judgement]:
    """Judge every case of the corpus, in order."""
    digest = compare(corpus).digest
    for case in cases(corpus, scratch):
        if case.outcome is Outcome.FILES_ONLY:
            yield judge_files(case)
        else:
            yield judge(case, reader, digest)


def judge_files(case: Case) -> Judgement:
    """Judge a table whose data files are not there, by its version, its live files and their paths."""
    try:
        found = read(case.root, version=case.version)
    except DeltaStreamError as error:
        return Judgement(case, Verdict.WRONG, f"{type(error).__name__}: {error}")
    expected = case.entry
    if (found.version, found.files.num_rows) != (expected["version"], expected["files"]):
        reason = f"version {found.version} with {found.files.num_rows} files"
        return Judgement(case, Verdict.WRONG, reason)
    paths = sorted(found.files["path"].to_pylist())
    if "paths" in expected and paths != sorted(map(unquote, expected["paths"])):
        return Judgement(case, Verdict.WRONG, "other paths")
    return Judgement(case, Verdict.RIGHT)
