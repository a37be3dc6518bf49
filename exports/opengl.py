"""Whether this machine can draw: asked in a second process, since VTK crashes where it cannot."""

from __future__ import annotations

import subprocess
import sys
from functools import lru_cache

PROBE_TIMEOUT_S = 60.0
"""A first import of VTK from a cold disk takes seconds, not minutes."""

_PROBE = """
import vtkmodules.vtkRenderingOpenGL2
from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow
window = vtkRenderWindow()
window.SetOffScreenRendering(1)
window.SetSize(16, 16)
window.AddRenderer(vtkRenderer())
window.Render()
raise SystemExit(0 if window.SupportsOpenGL() else 3)
"""


class SkippedFileError(Exception):
    """An exporter cannot work on this machine; its text says why and what to install."""


@lru_cache(maxsize=1)
def rendering_problem() -> str | None:
    """What stops off-screen rendering here, with the remedy; None if nothing does.

    A tiny scene is rendered in a subprocess; the answer is kept for the life of the process.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE],
            capture_output=True,
            timeout=PROBE_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no picture: the OpenGL test did not run ({error})"
    if done.returncode == 0:
        return None
    if b"ModuleNotFoundError" in done.stderr:
        return "no picture: PyVista is not installed; install it with: pip install pyvista"
    return (
        "no picture: OpenGL libraries are missing; on Debian and Ubuntu install them with: "
        "apt install libegl1 libgl1"
    )
