"""``python -m tests.acceptance [FOLDER]``: judge every case of the corpus and print the tally by feature."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.acceptance.corpus import Verdict
from tests.acceptance.readers import judge_all
from tests.acceptance.tally import tally


def main() -> int:
    folder = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("DELTASTREAM_CORPUS")
    if not folder:
        print("name the folder of the corpus, or set DELTASTREAM_CORPUS", file=sys.stderr)
        return 2
    with TemporaryDirectory() as scratch:
        judgements = list(judge_all(Path(folder).resolve(), Path(scratch)))
    print(tally(judgements))
    return int(any(judgement.verdict is Verdict.WRONG for judgement in judgements))


if __name__ == "__main__":
    sys.exit(main())
