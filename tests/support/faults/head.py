"""Owns the heads of requests and answers: parsed as far as a proxy must, and sent on as they came."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

__all__ = ["Head", "answer"]

_CONTENT_RANGE = re.compile(r"bytes \d+-(\d+)/(\d+)")
_ACCESS_KEY = re.compile(r"Credential=([^/,\s&%]+)")


@dataclass(frozen=True, slots=True)
class Head:
    """The first line and the headers."""

    first: str
    headers: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, data: bytes) -> Head:
        first, *lines = data.decode("latin-1").rstrip("\r\n").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return cls(first, tuple((name, value.strip()) for name, _, value in pairs))

    def get(self, name: str) -> str:
        """The value of a header; empty where there is none."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    def encode(self, *, without: str = "") -> bytes:
        kept = [f"{name}: {value}" for name, value in self.headers if name.lower() != without]
        return "\r\n".join([self.first, *kept, "", ""]).encode("latin-1")

    @property
    def method(self) -> str:
        """Of a request."""
        return self.first.split(" ")[0]

    @property
    def request(self) -> str:
        """Of a request: ``METHOD /path?query RANGE``, decoded: each client encodes other characters."""
        method, target, _ = self.first.split(" ")
        return f"{method} {unquote(target)} {self.get('range') or self.get('x-ms-range')}"

    @property
    def access_key(self) -> str:
        """Of a request that is signed as AWS does; empty where it is not."""
        found = _ACCESS_KEY.search(self.get("authorization") or self.first)
        return "" if found is None else found[1]

    @property
    def status(self) -> int:
        """Of an answer."""
        return int(self.first.split(" ")[1])

    @property
    def is_chunked(self) -> bool:
        return self.get("transfer-encoding").lower() == "chunked"

    @property
    def body_nbytes(self) -> int | None:
        """None where the head does not say it."""
        length = self.get("content-length")
        return int(length) if length else None

    @property
    def is_inner(self) -> bool:
        """Of an answer: whether it is a range that ends before its object does."""
        found = _CONTENT_RANGE.match(self.get("content-range"))
        return found is not None and int(found[1]) + 1 < int(found[2])

    @property
    def closes(self) -> bool:
        return self.get("connection").lower() == "close" or " HTTP/1.0" in f" {self.first}"


def answer(status: int, code: str, *, retry_after_s: float | None, with_body: bool) -> bytes:
    """An error as S3 and Azure word it."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
    lines = [
        f"HTTP/1.1 {status} {code}",
        "Content-Type: application/xml",
        f"Content-Length: {len(body)}",
    ]
    if retry_after_s is not None:
        lines.append(f"Retry-After: {retry_after_s:g}")
    head = "\r\n".join([*lines, "", ""])
    return (head + body if with_body else head).encode()
