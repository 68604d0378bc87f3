"""What every section of the configuration shares."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
Platform = Annotated[str, Field(pattern=r"^(any|sentinel-[12][a-z])$")]
Sensor = Literal["sentinel-1", "sentinel-2"]


class Section(BaseModel):
    """A part of the configuration: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _plain_address(value: str | None) -> str | None:
    """Refuse an address with a user, password or query: it would stand in logs and in run.json."""
    parts = urlsplit(value or "")
    if parts.username or parts.password or (parts.scheme and parts.query):
        raise ValueError("expected an address without user, password and query; credentials come from the environment")
    return value


Address = Annotated[str | None, AfterValidator(_plain_address)]
