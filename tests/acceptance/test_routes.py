"""How a log is stored makes no difference: every checkpoint of the corpus alone gives what its commits give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.acceptance.corpus import Case, Outcome, Verdict, cases, compare, judge
from tests.acceptance.readers import read_case


def test_every_checkpoint_serves_without_the_commits_before_it(
    corpus: Path, tmp_path: Path
) -> None:
    digest = compare(corpus).digest
    wrong: list[str] = []
    num_read = 0
    for case in cases(corpus, tmp_path / "relocated"):
        if case.outcome is not Outcome.ROWS or case.version is not None:
            continue
        for version in checkpoints(case):
            root = without_commits(case.root, version, tmp_path / f"{case.table}-{version}")
            judgement = judge(replace(case, root=root), read_case, digest)
            num_read += 1
            if judgement.verdict is not Verdict.RIGHT:
                wrong.append(f"{judgement}, from the checkpoint of version {version}")
    assert num_read
    assert not wrong, "\n".join(wrong)


def checkpoints(case: Case) -> Iterator[int]:
    """The versions of checkpoints after which no commit is missing."""
    log = case.root / "_delta_log"
    commits = {int(path.stem) for path in log.glob("*.json") if path.stem.isdigit()}
    latest = case.entry["version"]
    for version in sorted({int(path.name[:20]) for path in log.glob("[0-9]*.checkpoint.*")}):
        if commits.issuperset(range(version + 1, latest + 1)):
            yield version


def without_commits(root: Path, version: int, copy: Path) -> Path:
    """Return a folder of links to all of a table but the commits up to `version` and the other checkpoints."""
    log = copy / "_delta_log"
    log.mkdir(parents=True)
    for path in root.iterdir():
        if path.name != "_delta_log":
            (copy / path.name).symlink_to(path)
    for path in (root / "_delta_log").iterdir():
        number = path.name[:20]
        if not number.isdigit():
            is_needed = True
        elif ".checkpoint." in path.name:
            is_needed = int(number) == version
        else:
            is_needed = int(number) > version
        if is_needed:
            (log / path.name).symlink_to(path)
    return copy
