"""The signatures of Planetary Computer: short-lived tokens of a public service, one per container.

The library decides what is signed and knows the settings (PC_SDK_SUBSCRIPTION_KEY); the request for a token is ours,
because the library's own has no time limit. Tokens live in memory only.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from lczmap.scenes.sources import http
from lczmap.scenes.sources.source import ArchiveError

_RENEW_S = 300.0
"""A token that ends sooner is replaced before it is used."""


def sign_planetary_computer(href: str) -> str:
    """Return an address of Planetary Computer's storage with a token, any other unchanged; ArchiveError without one."""
    from planetary_computer import sas
    from planetary_computer.settings import Settings
    from planetary_computer.utils import parse_blob_url

    parts = urlsplit(href)
    if not parts.netloc.endswith(sas.BLOB_STORAGE_DOMAIN):
        return href
    account, container = parse_blob_url(parts)
    settings = Settings.get()
    url = f"{settings.sas_url}/{account}/{container}"
    token = sas.TOKEN_CACHE.get(url)
    if token is None or token.ttl() < _RENEW_S:
        client = http.session()
        if settings.subscription_key:
            client.headers["Ocp-Apim-Subscription-Key"] = settings.subscription_key
        answer = http.get_json(client, url)
        try:
            sas.TOKEN_CACHE[url] = sas.SASToken(**answer)
        except (TypeError, ValueError):
            problem = http.failure(url, reason="expected a token, got something else")
        else:
            problem = ""
        if problem:
            raise ArchiveError(problem)
    return str(sas.sign_url(href))
