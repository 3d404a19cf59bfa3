"""`tuneoff clean`: empty the caches."""

import shutil

import typer

from tuneoff.models.activation_cache import KINDS, cache_folder


def clean_command() -> None:
    """Delete what tuneoff cached, and nothing else that may stand in the cache folder."""
    freed = 0
    for kind in KINDS:
        folder = cache_folder() / kind
        if folder.is_dir():
            freed += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            shutil.rmtree(folder)
    typer.echo(f"{freed / 2**20:,.1f} MiB freed in {cache_folder()}")
