"""The tally: for each feature, how many cases that have it were read right, refused right, or wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from tests.acceptance.corpus import Judgement, Verdict

__all__ = ["tally"]


def tally(judgements: Iterable[Judgement]) -> str:
    """Return a table of features by verdicts, and a line for each case that is wrong."""
    judged = list(judgements)
    counts: defaultdict[str, Counter[Verdict]] = defaultdict(Counter)
    for judgement in judged:
        for feature in judgement.case.features:
            counts[feature][judgement.verdict] += 1
    width = max(map(len, counts), default=0)
    lines = [f"{'feature':{width}}  " + "  ".join(f"{v:>13}" for v in Verdict)]
    lines.extend(_line(feature, counts[feature], width) for feature in sorted(counts))
    total = Counter(judgement.verdict for judgement in judged)
    lines.append(_line("all", total, width))
    lines.extend(str(j) for j in judged if j.verdict is Verdict.WRONG)
    return "\n".join(lines)


def _line(name: str, counts: Counter[Verdict], width: int) -> str:
    return f"{name:{width}}  " + "  ".join(f"{counts[v]:>13}" for v in Verdict)
