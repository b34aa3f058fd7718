"""The corpus as cases, each judged as its README says: one table at one version, and what a right reader does."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow as pa

from deltastream.errors import DeltaStreamError
from tests.acceptance.relocated import relocate

__all__ = ["Case", "Judgement", "Outcome", "Verdict", "cases", "compare", "judge"]


class Outcome(StrEnum):
    """What the corpus expects of a reader."""

    ROWS = "rows"
    REFUSE = "refuse"
    REFUSE_OR_EQUAL = "refuse-or-equal"
    REFUSE_OR_LENIENT = "refuse-or-lenient"
    FILES_ONLY = "files-only"


class Verdict(StrEnum):
    """What became of a case."""

    RIGHT = "right"
    REFUSED = "refused right"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Case:
    """One table at one version."""

    table: str
    root: Path
    version: int | None
    """None: the latest, by reading without a version."""
    outcome: Outcome
    features: tuple[str, ...]
    digest: str | None
    types: dict[str, str] | None
    """Column to Arrow type, in order; None: not recorded."""
    content: Path | None
    """The expected rows, as Parquet."""
    entry: dict[str, Any]
    """The manifest's own words."""

    def __str__(self) -> str:
        return self.table if self.version is None else f"{self.table} version {self.version}"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A case, the verdict, and the reason for it."""

    case: Case
    verdict: Verdict
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.case}: {self.verdict}: {self.reason}"


def compare(corpus: Path) -> Any:
    """Return the corpus's own ``compare.py``: rows as a multiset, and its digest."""
    spec = importlib.util.spec_from_file_location("corpus_compare", corpus / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cases(corpus: Path, scratch: Path) -> Iterator[Case]:
    """Yield every table at its latest version, and at every version that is recorded.

    `scratch` takes copies of the tables that cannot be read where they are.
    """
    for table in json.loads((corpus / "manifest.json").read_text())["tables"]:
        expected = table["expected"]
        root, features = corpus / table["path"], tuple(table["features"])
        if "requires" in table:
            root = relocate(root, table["requires"], scratch)
        content = corpus / expected["content"] if "content" in expected else None
        yield Case(
            table["name"],
            root,
            None,
            Outcome(expected["outcome"]),
            features,
            expected.get("digest"),
            expected.get("columns"),
            content,
            expected,
        )
        for entry in table.get("versions", []):
            yield Case(
                table["name"],
                root,
                entry["version"],
                _version_outcome(Outcome(expected["outcome"]), entry),
                features,
                entry.get("snapshot_digest"),
                None,
                None,
                entry,
            )


def _version_outcome(latest: Outcome, entry: dict[str, Any]) -> Outcome:
    if "snapshot_unreadable" in entry:
        return Outcome.REFUSE
    if "snapshot_digest" in entry:
        return Outcome.ROWS if latest is Outcome.FILES_ONLY else latest
    return Outcome.REFUSE_OR_LENIENT


def judge(
    case: Case, read: Callable[[Case], pa.Table], digest: Callable[[pa.Table], str]
) -> Judgement:
    """Read a case of any outcome but files-only and say whether that was right."""
    try:
        found = read(case)
    except DeltaStreamError as error:
        verdict = Verdict.WRONG if case.outcome is Outcome.ROWS else Verdict.REFUSED
        return Judgement(case, verdict, f"{type(error).__name__}: {error}")
    except Exception as error:
        return Judgement(case, Verdict.WRONG, f"no error of ours: {type(error).__name__}: {error}")
    if case.outcome is Outcome.REFUSE:
        return Judgement(case, Verdict.WRONG, f"{found.num_rows} rows, where none can be right")
    if case.digest is not None and digest(found) != case.digest:
        rows = case.entry.get("rows", case.entry.get("snapshot_rows"))
        return Judgement(case, Verdict.WRONG, f"other content: {found.num_rows} rows of {rows}")
    if case.types is not None and (difference := _type_difference(found.schema, case.types)):
        return Judgement(case, Verdict.WRONG, difference)
    return Judgement(case, Verdict.RIGHT)


def _type_difference(schema: pa.Schema, types: dict[str, str]) -> str:
    # As text, because the manifest has text: only columns whose type holds no other are told apart with certainty.
    if schema.names != list(types):
        return f"columns {schema.names}, not {list(types)}"
    for field in schema:
        expected = types[field.name]
        if field.type.num_fields == 0 and str(field.type) != expected:
            return f"column {field.name!r} is {field.type}, not {expected}"
    return ""
