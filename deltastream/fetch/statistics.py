"""Owns what fetching tells about itself."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FetchStatistics"]


@dataclass(frozen=True, slots=True)
class FetchStatistics:
    """What was asked of an object store; all zero for local files, which are mapped."""

    num_requests: int = 0
    """Byte ranges asked for; what is asked again after a failure counts once. With a cache one of them may take several
    requests, or none."""
    asked_nbytes: int = 0
    received_nbytes: int = 0
    """Less than what was asked for: requests failed, were cancelled, or are on their way."""
    wait_s: float = 0.0
    """Seconds from asking to the last byte, summed over requests: by `num_requests` it is the mean time of one."""
