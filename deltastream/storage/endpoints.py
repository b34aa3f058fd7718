"""Owns the two spellings of an S3 endpoint whose host names begin with the bucket."""

from __future__ import annotations

from urllib.parse import urlsplit

__all__ = ["with_bucket", "without_bucket"]


def with_bucket(endpoint: str, bucket: str) -> str:
    """Return the endpoint as object_store takes it for requests in virtual-hosted style: with the bucket."""
    parts = urlsplit(endpoint)
    if parts.netloc.startswith(f"{bucket}."):
        return endpoint
    return parts._replace(netloc=f"{bucket}.{parts.netloc}").geturl()


def without_bucket(endpoint: str, bucket: str) -> str:
    """Return the endpoint as botocore takes it: it adds the bucket itself."""
    parts = urlsplit(endpoint)
    return parts._replace(netloc=parts.netloc.removeprefix(f"{bucket}.")).geturl()
