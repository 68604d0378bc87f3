"""So2Sat LCZ42: download, check, compact copy for training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lczmap.cli.app import Out, app

H5 = Annotated[Path, typer.Argument(help="file of So2Sat, such as training.h5")]


@app.command()
def fetch_so2sat(
    version: Annotated[str, typer.Argument(help="v1, v2, v3 or v4")],
    name: Annotated[str, typer.Argument(help="training, validation, testing, random/training …, or training_geo …")],
    out: Out,
    service: Annotated[Literal["auto", "huggingface", "mediatum"], typer.Option(help="who offers it")] = "auto",
    url: Annotated[str | None, typer.Option(help="another address; {name} stands for the file")] = None,
) -> None:
    """Download a file of So2Sat LCZ42, up to 52 GB; a broken download goes on where it stopped.

    Example: lczmap fetch-so2sat v2 testing testing.h5
    """
    from lczmap.so2sat.download import fetch

    fetch(version, name, out, service=service, url=url)


@app.command()
def check_so2sat(
    file: H5,
    version: Annotated[str | None, typer.Option(help="v1 to v4: the published file it should be, by its name")] = None,
    md5: Annotated[bool, typer.Option(help="read the whole file for its MD5")] = False,
) -> None:
    """Say what a file of So2Sat LCZ42 holds, and whether it is whole and the one that its name says.

    Example: lczmap check-so2sat testing.h5 --md5
    """
    from lczmap.so2sat.check import check_file

    print(check_file(file, version=version, md5=md5).text())


@app.command()
def convert_so2sat(
    file: H5,
    cache: Annotated[Path, typer.Argument(help="cache.json to write, last, into the folder of the compact copy")],
    dtype: Annotated[Literal["float16", "float32"], typer.Option(help="how values are stored")] = "float16",
    md5: Annotated[bool, typer.Option(help="read the whole file for its MD5")] = True,
) -> None:
    """Make the compact copy that training reads; a conversion that was broken off goes on where it stopped.

    Example: lczmap convert-so2sat training.h5 training_cache
    """
    from lczmap.so2sat.cache import DESCRIPTION
    from lczmap.so2sat.convert import convert

    if cache.name != DESCRIPTION:
        raise ValueError(f"expected a file named {DESCRIPTION}, in the folder of the copy, got {cache}")
    convert(file, cache.parent, dtype=dtype, md5=md5)
