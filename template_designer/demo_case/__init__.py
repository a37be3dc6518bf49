"""The case that ships with the program: a crop of a real CT with a synthetic tumour in L1."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path


@contextmanager
def demo_case_file() -> Iterator[Path]:
    """Path of the demo's case file, for as long as the context lasts."""
    with resources.as_file(resources.files(__name__)) as folder:
        yield folder / "case.toml"
