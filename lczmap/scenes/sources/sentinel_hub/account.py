"""Which service, and with whose account: addresses by name, credentials from the environment or a profile only."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from sentinelhub.config import SH_CLIENT_ID_ENV_VAR, SH_CLIENT_SECRET_ENV_VAR, SHConfig

from lczmap.scenes.sources import http
from lczmap.scenes.sources.source import ArchiveError

_MAIN = "https://services.sentinel-hub.com"
_TOKEN_PATH = "/auth/realms/main/protocol/openid-connect/token"
_COPERNICUS_IDENTITY = "https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect/token"
PRESETS = {
    "sentinel_hub": (_MAIN, _MAIN + _TOKEN_PATH),
    "copernicus": ("https://sh.dataspace.copernicus.eu", _COPERNICUS_IDENTITY),
}
"""Address of the service and of its tokens, by endpoint name (sentinelhub-py and CDSE documentation)."""
REMEDY = (
    f"set {SH_CLIENT_ID_ENV_VAR} and {SH_CLIENT_SECRET_ENV_VAR} to an OAuth client of your account (docs/data.md), or "
    "store them in sentinelhub's own profile with `sentinelhub.config`; never write them into a configuration"
)


def service(endpoint: str | None) -> SHConfig:
    """Return the addresses and credentials of an endpoint: a name in `PRESETS`, an address, or None.

    None takes the addresses of sentinelhub's profile, without one those of `sentinel_hub`. Credentials come from
    the environment, else from the profile. ArchiveError when there are none, for an unknown name, or for an address
    that would carry them unencrypted.
    """
    config = _credentials()
    if endpoint is not None:
        config.sh_base_url, config.sh_token_url = addresses(endpoint)
    for url in (config.sh_base_url, config.sh_token_url):
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise ArchiveError(f"{http.without_query(url)}: credentials travel over https only; give an https address")
    config.max_retries = http.RETRIES
    return config


def addresses(endpoint: str) -> tuple[str, str]:
    """Return the address of a service and of its tokens; ArchiveError for what is neither a preset nor an address."""
    if endpoint in PRESETS:
        return PRESETS[endpoint]
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        # whatever else was written into it is not repeated
        got = http.without_query(endpoint)
        raise ArchiveError(f"endpoint: expected {', '.join(PRESETS)} or a plain https address, got {got!r}")
    base = endpoint.rstrip("/")
    # other deployments of Sentinel Hub take the tokens of the main one (sentinelhub-py documentation)
    token_base = _MAIN if parts.hostname.endswith(".sentinel-hub.com") else base
    return base, token_base + _TOKEN_PATH


def _credentials() -> SHConfig:
    # SHConfig() would write an empty profile into the home folder where there is none
    try:
        has_profile = Path(SHConfig.get_config_location()).is_file()
        config = SHConfig() if has_profile else SHConfig(use_defaults=True)
    except (KeyError, TypeError, ValueError):
        # without its cause: that may quote the profile
        raise ArchiveError(
            f"{SHConfig.get_config_location()}: sentinelhub's profile cannot be read; {REMEDY}"
        ) from None
    config.sh_client_id = os.environ.get(SH_CLIENT_ID_ENV_VAR) or config.sh_client_id
    config.sh_client_secret = os.environ.get(SH_CLIENT_SECRET_ENV_VAR) or config.sh_client_secret
    if not (config.sh_client_id and config.sh_client_secret):
        raise ArchiveError(f"Sentinel Hub needs credentials, and there are none: {REMEDY}")
    return config
