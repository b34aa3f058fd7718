"""Owns what the environment says of a store, where one client reads it and another does not."""

from __future__ import annotations

from collections.abc import Mapping

from deltastream.storage.aliases import Claim
from deltastream.storage.connection_string import split_connection_string
from deltastream.storage.meanings import MEANINGS
from deltastream.storage.values import canonical_value, is_true

__all__ = ["AWS_ENDPOINT_VARIABLES", "environment_options", "ignores_aws_endpoints"]

AWS_ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
"""The stronger ones first."""

# Variables by option, the stronger ones first. AWS keys are not here: both clients take them from botocore's chain,
# which refreshes them.
_VARIABLES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "s3": {
        "aws_region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
        "aws_endpoint": AWS_ENDPOINT_VARIABLES,
        "aws_skip_signature": ("AWS_SKIP_SIGNATURE",),
        "aws_virtual_hosted_style_request": ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST",),
        "aws_request_payer": ("AWS_REQUEST_PAYER",),
        "allow_http": ("AWS_ALLOW_HTTP",),
    },
    "az": {
        "azure_storage_account_name": ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"),
        "azure_storage_account_key": (
            "AZURE_STORAGE_ACCOUNT_KEY",
            "AZURE_STORAGE_ACCESS_KEY",
            "AZURE_STORAGE_MASTER_KEY",
            "AZURE_STORAGE_KEY",
        ),
        "azure_storage_sas_token": ("AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"),
        "azure_storage_token": ("AZURE_STORAGE_TOKEN",),
        "azure_storage_client_id": ("AZURE_STORAGE_CLIENT_ID",),
        "azure_storage_client_secret": ("AZURE_STORAGE_CLIENT_SECRET",),
        "azure_storage_tenant_id": ("AZURE_STORAGE_TENANT_ID", "AZURE_STORAGE_AUTHORITY_ID"),
        "azure_skip_signature": ("AZURE_SKIP_SIGNATURE", "AZURE_STORAGE_ANON"),
        "azure_storage_endpoint": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
        "azure_storage_use_emulator": ("AZURE_STORAGE_USE_EMULATOR",),
        "allow_http": ("AZURE_ALLOW_HTTP",),
    },
    "gs": {
        "google_application_credentials": (
            "GOOGLE_SERVICE_ACCOUNT",
            "GOOGLE_SERVICE_ACCOUNT_PATH",
        ),
        "google_service_account_key": ("GOOGLE_SERVICE_ACCOUNT_KEY",),
        "google_bearer_token": ("GOOGLE_BEARER_TOKEN",),
        "google_skip_signature": ("GOOGLE_SKIP_SIGNATURE",),
        "google_base_url": ("GOOGLE_BASE_URL", "STORAGE_EMULATOR_HOST"),
        "google_project": ("GOOGLE_CLOUD_PROJECT", "GCSFS_DEFAULT_PROJECT"),
        "allow_http": ("GOOGLE_ALLOW_HTTP",),
    },
}


def environment_options(
    protocol: str,
    environment: Mapping[str, str],
    *,
    known: Mapping[str, str],
    has_credentials: bool,
) -> dict[str, str]:
    """Return the options that only the environment says: none of `known`, no credentials if there are some.

    Keys of the user with a token of the environment would be a set that nobody ever gave out.

    Raises:
        OptionError: A variable's value cannot be; names the variable.
    """
    found: dict[str, str] = {}
    kinds = {meaning.name: meaning for meaning in MEANINGS.get(protocol, ())}
    for name, variables in _VARIABLES.get(protocol, {}).items():
        variable = next((each for each in variables if environment.get(each)), None)
        if variable is None or name in known:
            continue
        if has_credentials and kinds[name].is_credential:
            continue
        text = environment[variable]
        if variable == "STORAGE_EMULATOR_HOST" and "://" not in text:
            text = f"http://{text}"
        found[name] = canonical_value(variable, text, kinds[name].kind)
    if ignores_aws_endpoints(environment, {}):
        found.pop("aws_endpoint", None)
    if protocol == "az" and not has_credentials:
        _add_connection_string(environment, known, found)
    return found


def ignores_aws_endpoints(environment: Mapping[str, str], profile: Mapping[str, str]) -> bool:
    """Whether endpoints of the environment and of AWS's files do not count; the environment's word goes first."""
    said = environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
    said = said or profile.get("ignore_configured_endpoint_urls", "")
    return said.lower() == "true"


def _add_connection_string(
    environment: Mapping[str, str], known: Mapping[str, str], found: dict[str, str]
) -> None:
    variable = "AZURE_STORAGE_CONNECTION_STRING"
    text = environment.get(variable)
    if not text or is_true(found.get("azure_storage_use_emulator")):
        return
    options = split_connection_string(variable, text)
    # It speaks of one account: none of it holds for another.
    account = "azure_storage_account_name"
    if known.get(account, options.get(account)) != options.get(account):
        return
    for claim in (Claim(variable, *item) for item in options.items()):
        if claim.name not in known:
            found[claim.name] = claim.value
