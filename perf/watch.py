"""Owns the parent's side of a measurement: starts the child, samples its memory, collects its events.

Memory is RssAnon + RssShmem, the bytes that only this process keeps (a mapped Parquet file is the page cache's). The
kernel keeps no peak of that sum, so it is sampled, every 5 ms, from outside the process that is measured. The kernel's
own peak, of all resident bytes, is reset through ``clear_refs`` and recorded beside it.
"""

from __future__ import annotations

import json
import selectors
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ChildError", "Event", "watch"]

SAMPLE_S = 0.005
_REPOSITORY = Path(__file__).resolve().parent.parent


class ChildError(RuntimeError):
    """A measuring process ended with an error."""


@dataclass(frozen=True, slots=True)
class Event:
    """What a child told, and its memory between its last event and this one."""

    name: str
    values: dict[str, float]
    resident_nbytes: int
    """RssAnon + RssShmem at the event."""
    peak_nbytes: int
    """The most that RssAnon + RssShmem came to, sampled."""
    peak_all_nbytes: int
    """The kernel's peak of all resident bytes, file pages among them; 0 where it can't be reset."""


def watch(command: list[str], *, timeout_s: float = 900.0) -> list[Event]:
    """Run `command` to its end and return its events.

    Raises:
        ChildError: It ended with an error; its standard error goes to ours.
    """
    events: list[Event] = []
    with subprocess.Popen(
        command,
        cwd=_REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as child:
        try:
            _collect(child, events, max_samples=int(timeout_s / SAMPLE_S))
        finally:
            if child.poll() is None and child.stdin is not None:
                child.stdin.close()
            try:
                status = child.wait(timeout=60)
            except subprocess.TimeoutExpired:
                child.kill()
                status = child.wait()
    if status != 0:
        raise ChildError(f"exit status {status} after {len(events)} events: {command[1:]}")
    return events


def _collect(child: subprocess.Popen[str], events: list[Event], *, max_samples: int) -> None:
    assert child.stdin is not None
    assert child.stdout is not None
    process = Path("/proc") / str(child.pid)
    peak_nbytes = 0
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        for _ in range(max_samples):
            told = selector.select(SAMPLE_S)
            private, peak_all = _memory(process)
            peak_nbytes = max(peak_nbytes, private)
            if not told:
                continue
            line = child.stdout.readline()
            if not line:
                return
            values = json.loads(line)
            name = values.pop("event")
            events.append(Event(name, values, private, peak_nbytes, peak_all))
            peak_nbytes = 0
            _reset_peak(process)
            try:
                child.stdin.write("go on\n")
                child.stdin.flush()
            except BrokenPipeError:
                return
    raise ChildError(f"no end in {max_samples * SAMPLE_S:.0f} s")


def _memory(process: Path) -> tuple[int, int]:
    """RssAnon + RssShmem and VmHWM in bytes; zeros for a process that is gone."""
    try:
        lines = (process / "status").read_text().splitlines()
    except OSError:
        return 0, 0
    kilobytes = {name: int(rest.split()[0]) for name, _, rest in _fields(lines)}
    private = kilobytes.get("RssAnon", 0) + kilobytes.get("RssShmem", 0)
    return private * 1024, kilobytes.get("VmHWM", 0) * 1024


def _fields(lines: list[str]) -> list[tuple[str, str, str]]:
    return [line.partition(":") for line in lines if line.startswith(("Rss", "VmHWM"))]


def _reset_peak(process: Path) -> None:
    # Linux, Documentation/filesystems/proc.rst: 5 resets the peak resident set size.
    try:
        (process / "clear_refs").write_text("5")
    except OSError:
        return
