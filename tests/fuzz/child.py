"""Damages and reads, in a process of its own: ``python -m tests.fuzz.child FOLDER SEED START STOP``.

Prints a line of JSON before and after each mutation, so that a process that ends in one tells which it was.
"""

from __future__ import annotations

import faulthandler
import json
import resource
import sys
import traceback
from pathlib import Path
from random import Random

import deltastream
from deltastream import DeltaStreamError
from tests.fuzz.targets import Target, write_targets

LIMIT_S = 30.0
"""Longer than this, reading a table of 60 rows hangs."""
MAX_ADDRESS_NBYTES = 8 << 30
MAX_GROWTH_NBYTES = 512 << 20
"""Resident memory above what reading the whole tables took."""


def main(folder: Path, seed: str, start: int, stop: int) -> None:
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESS_NBYTES, MAX_ADDRESS_NBYTES))
    targets = write_targets(folder)
    for target in targets:
        assert deltastream.read_arrow(target.root).num_rows, target.name
    most = peak_nbytes() + MAX_GROWTH_NBYTES
    for number in range(start, stop):
        target = targets[number % len(targets)]
        tell(number=number, target=target.name)
        faulthandler.dump_traceback_later(LIMIT_S, exit=True)
        outcome, detail = attempt(target, Random(f"{seed} {number}"))
        faulthandler.cancel_dump_traceback_later()
        if peak_nbytes() > most:
            outcome, detail = "memory", f"{peak_nbytes()} bytes resident"
            most = peak_nbytes()
        tell(number=number, target=target.name, outcome=outcome, detail=detail)


def attempt(target: Target, random: Random) -> tuple[str, str]:
    path = random.choice(target.files)
    whole = path.read_bytes()
    path.write_bytes(target.mutate(whole, random))
    condition = random.choice([None, None, None, "id > 20 and id < 50"])
    try:
        deltastream.read_arrow(target.root, filter=condition)
    except DeltaStreamError as error:
        return "refused", type(error).__name__
    except BaseException:
        return "crash", traceback.format_exc()
    finally:
        path.write_bytes(whole)
    return "read", ""


def peak_nbytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def tell(**what: object) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
