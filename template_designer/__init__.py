"""Planner for 3D-printed coplanar templates with iodine-125 seeds.

>>> from template_designer import read_case, design      # doctest: +SKIP
>>> plan = design(read_case("case.toml"))                # doctest: +SKIP
"""

from template_designer._version import SOFTWARE_NAME, __version__

__all__ = ["SOFTWARE_NAME", "__version__", "design", "read_case"]


def __getattr__(name: str) -> object:
    """Import ``design`` and ``read_case`` when asked for: submodules stay cheap to import."""
    if name == "read_case":
        from template_designer.inputs import read_case

        return read_case
    if name == "design":
        from template_designer.workflow import design

        return design
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
