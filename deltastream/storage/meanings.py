"""Owns the table of options: what each means, and the names that deltalake and fsspec have for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

__all__ = ["IGNORED", "MEANINGS", "ONLY_FSSPEC", "Kind", "Meaning"]


class Kind(Enum):
    """How a value is written."""

    TEXT = auto()
    URL = auto()
    FLAG = auto()
    PAYER = auto()
    """A flag that may also be spelled "requester", or (Google) the project that pays."""
    COUNT = auto()
    DURATION = auto()


@dataclass(frozen=True, slots=True)
class Meaning:
    """One option: its canonical name, in lower case, and every other name that it goes by."""

    name: str
    others: tuple[str, ...] = ()
    kind: Kind = Kind.TEXT
    is_credential: bool = False
    """A secret, or a choice of where secrets come from: a set of credentials replaces all of these at once."""


def _credential(name: str, *others: str, kind: Kind = Kind.TEXT) -> Meaning:
    return Meaning(name, others, kind, is_credential=True)


_CLIENT = (
    Meaning("allow_http", ("aws_allow_http", "azure_allow_http", "google_allow_http"), Kind.FLAG),
    Meaning("allow_invalid_certificates", kind=Kind.FLAG),
    Meaning("timeout", ("requests_timeout",), Kind.DURATION),
    Meaning("connect_timeout", ("connection_timeout",), Kind.DURATION),
    Meaning("read_timeout", kind=Kind.DURATION),
    Meaning("pool_idle_timeout", kind=Kind.DURATION),
    Meaning("pool_max_idle_per_host", ("max_pool_connections",), Kind.COUNT),
    Meaning("proxy_url"),
    Meaning("user_agent"),
)

# Names as the parsers of object_store 0.13 take them (`AmazonS3ConfigKey` and its like), then those of s3fs.
_S3 = (
    _credential("aws_access_key_id", "access_key_id", "key", "username"),
    _credential("aws_secret_access_key", "secret_access_key", "secret", "password"),
    _credential("aws_session_token", "aws_token", "session_token", "token"),
    _credential("aws_profile", "profile"),
    _credential("aws_skip_signature", "skip_signature", "anon", kind=Kind.FLAG),
    Meaning("aws_region", ("region", "aws_default_region", "default_region", "region_name")),
    Meaning(
        "aws_endpoint",
        ("aws_endpoint_url", "endpoint", "endpoint_url", "aws_endpoint_url_s3", "endpoint_url_s3"),
        Kind.URL,
    ),
    Meaning("aws_virtual_hosted_style_request", ("virtual_hosted_style_request",), Kind.FLAG),
    Meaning("aws_request_payer", ("request_payer", "requester_pays"), Kind.PAYER),
    # The objects' key, not their reader's: credentials do not take its place.
    Meaning("aws_sse_customer_key_base64", ("sse_customer_key_base64",)),
)

_AZURE = (
    Meaning("azure_storage_account_name", ("account_name",)),
    _credential(
        "azure_storage_account_key",
        *("azure_storage_access_key", "azure_storage_master_key"),
        *("account_key", "access_key", "master_key"),
    ),
    _credential("azure_storage_sas_token", "azure_storage_sas_key", "sas_token", "sas_key"),
    _credential("azure_storage_token", "bearer_token", "token"),
    _credential("azure_storage_client_id", "azure_client_id", "client_id"),
    _credential("azure_storage_client_secret", "azure_client_secret", "client_secret"),
    _credential(
        "azure_storage_tenant_id",
        *("azure_storage_authority_id", "azure_tenant_id", "azure_authority_id"),
        *("tenant_id", "authority_id"),
    ),
    _credential("azure_storage_authority_host", "azure_authority_host", "authority_host"),
    _credential("azure_federated_token_file", "federated_token_file"),
    _credential("azure_use_azure_cli", "use_azure_cli", kind=Kind.FLAG),
    _credential("azure_skip_signature", "skip_signature", "anon", kind=Kind.FLAG),
    Meaning("azure_storage_endpoint", ("azure_endpoint", "endpoint"), Kind.URL),
    Meaning("azure_storage_use_emulator", ("use_emulator",), Kind.FLAG),
)

_GOOGLE = (
    _credential(
        "google_application_credentials",
        *("application_credentials", "google_service_account", "service_account"),
        *("google_service_account_path", "service_account_path"),
    ),
    _credential("google_service_account_key", "service_account_key"),
    _credential("google_bearer_token", "bearer_token"),
    _credential("google_skip_signature", "skip_signature", "anon", kind=Kind.FLAG),
    Meaning("google_base_url", ("base_url", "endpoint_url"), Kind.URL),
    Meaning("google_project", ("project", "project_id")),
    Meaning("google_requester_pays", ("requester_pays",), Kind.PAYER),
)

MEANINGS: Mapping[str, tuple[Meaning, ...]] = {
    "s3": _S3 + _CLIENT,
    "az": _AZURE + _CLIENT,
    "gs": _GOOGLE + _CLIENT,
    "http": _CLIENT,
}
"""By fsspec's protocol; https has http's."""

ONLY_FSSPEC: Mapping[str, frozenset[str]] = {
    "s3": frozenset(
        [
            "client_kwargs",
            "config_kwargs",
            "s3_additional_kwargs",
            "use_ssl",
            "version_aware",
            "session",
            "cache_regions",
            "local_expiry_check",
        ]
    ),
    "az": frozenset(["credential", "location_mode", "version_aware", "assume_container_exists"]),
    "gs": frozenset(["token", "session_kwargs", "version_aware"]),
    "http": frozenset(
        ["headers", "client_kwargs", "get_client", "encoded", "ssl", "auth", "cookies"]
    ),
}
"""What has no counterpart in deltalake and goes to fsspec's file system as it is."""

IGNORED = frozenset(
    # Only writers ask for these (delta-rs' crates/aws/src/constants.rs; object_store's upload options).
    "aws_s3_allow_unsafe_rename"  # noqa: SIM905
    " allow_unsafe_rename mount_allow_unsafe_rename aws_s3_locking_provider"
    " aws_conditional_put conditional_put aws_copy_if_not_exists copy_if_not_exists aws_checksum_algorithm"
    " checksum_algorithm aws_unsigned_payload unsigned_payload aws_disable_tagging azure_disable_tagging"
    " disable_tagging aws_disable_bulk_delete disable_bulk_delete aws_server_side_encryption"
    " server_side_encryption aws_sse_kms_key_id sse_kms_key_id aws_sse_bucket_key_enabled sse_bucket_key_enabled"
    " delta_dynamo_table_name dynamo_lock_table_name dynamo_lock_owner_name dynamo_lock_lease_duration"
    " dynamo_lock_partition_key_value dynamo_lock_additional_time dynamo_lock_refresh_period_millis"
    " aws_endpoint_url_dynamodb aws_region_dynamodb aws_access_key_id_dynamodb aws_secret_access_key_dynamodb"
    " aws_session_token_dynamodb default_content_type fixed_upload_size default_location consistency"
    # Retries, time-outs of idle connections and limits are decided here, once for all clients.
    " max_retries retry_timeout retries backoff_config.init_backoff backoff_config.max_backoff backoff_config.base"
    " aws_s3_pool_idle_timeout_seconds aws_sts_pool_idle_timeout_seconds"
    " aws_s3_get_internal_server_error_retries aws_force_credential_load max_concurrency batch_size"
    " http1_only http2_only http2_keep_alive_interval http2_keep_alive_timeout http2_keep_alive_while_idle"
    # How fsspec's file objects, caches and loops work: none of them is used.
    " default_block_size block_size blocksize default_fill_cache default_cache_type cache_type cache_options"
    " skip_instance_cache asynchronous loop use_listings_cache listings_expiry_time max_paths cache_timeout"
    " secure_serialize check_connection access socket_timeout request_session simple_links same_scheme size_policy"
    " protocol".split()
)
"""Known, and without effect on reading."""
