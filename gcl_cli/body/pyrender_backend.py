"""The same pictures through pyrender (EGL or OSMesa), and the choice of a backend.

Light is computed as for the numpy backend and handed over as unlit vertex colours: the pictures then agree whichever
driver draws them, up to how it smooths edges.
"""

import os
import subprocess
import sys
from ctypes.util import find_library
from typing import Any, Literal

import numpy as np

from gcl_cli.body.rendering import Draw, draw_with_numpy
from gcl_cli.body.silhouette import Surface
from gcl_cli.errors import GclError

PLATFORMS = ("egl", "osmesa")
PACKAGES = {  # platform -> shared library -> the Debian package that has it
    "egl": {"EGL": "libegl1", "EGL_mesa": "libegl-mesa0", "GL": "libgl1", "OpenGL": "libopengl0"},
    "osmesa": {"OSMesa": "libosmesa6", "GL": "libgl1"},
}
DRIVERS = "libgl1-mesa-dri"  # what software rendering needs beside them
SAMPLES = {"egl": 2, "osmesa": 3}  # pictures are drawn so much larger, then reduced: OSMesa smooths no edges itself
PROBE = """
import pyrender
scene = pyrender.Scene()
scene.add(pyrender.OrthographicCamera(1, 1))
pyrender.OffscreenRenderer(8, 8).render(scene)
"""
PROBE_SECONDS = 10.0
NEAR = 1.0  # pixels between the camera and the nearest vertex


class PyrenderDraw:
    """The backend (see `views.Draw`) with its one off-screen context: a new one per picture costs 100 ms."""

    def __init__(self, platform: str) -> None:
        """`platform`: "egl" or "osmesa"; a process can use only the one it imported OpenGL with."""
        os.environ["PYOPENGL_PLATFORM"] = platform
        import pyrender  # reads the variable when imported, hence here

        self._pyrender: Any = pyrender
        self._samples = SAMPLES[platform]
        self._renderer: Any = None

    def __call__(self, points: np.ndarray, greys: np.ndarray, surface: Surface, height: int, width: int) -> np.ndarray:
        """Picture [height, width] uint8, white where empty."""
        scene = self._scene(points, greys, surface.faces, height, width)
        colour, _ = self._context(height, width).render(scene, flags=self._pyrender.RenderFlags.FLAT)
        if self._samples == 1:
            return colour[..., 0].copy()
        blocks = colour[..., 0].reshape(height, self._samples, width, self._samples)
        return np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)

    def close(self) -> None:
        """Give the context back."""
        if self._renderer is not None:
            self._renderer.delete()
            self._renderer = None

    def _context(self, height: int, width: int) -> Any:
        """The off-screen renderer, resized where the picture's size changed."""
        width, height = width * self._samples, height * self._samples
        if self._renderer is None:
            self._renderer = self._pyrender.OffscreenRenderer(width, height)
        self._renderer.viewport_width, self._renderer.viewport_height = width, height
        return self._renderer

    def _scene(self, points: np.ndarray, greys: np.ndarray, faces: np.ndarray, height: int, width: int) -> Any:
        """The mesh before an orthographic camera that looks along -z with y up, one unit a pixel."""
        pyrender = self._pyrender
        nearest, farthest = points[:, 2].min(), points[:, 2].max()
        positions = np.stack(
            [points[:, 0] - width / 2, height / 2 - points[:, 1], nearest - NEAR - points[:, 2]], axis=1
        )
        colours = np.repeat(greys[:, None] / 255, 3, axis=1)
        mesh = pyrender.Primitive(positions.astype(np.float32), indices=faces, color_0=colours.astype(np.float32))
        camera = pyrender.OrthographicCamera(width / 2, height / 2, znear=NEAR / 2, zfar=farthest - nearest + 2 * NEAR)
        scene = pyrender.Scene(bg_color=(1.0, 1.0, 1.0))
        scene.add(pyrender.Mesh([mesh]))
        scene.add(camera)
        return scene


def probe(platform: str) -> str | None:
    """Why pyrender cannot start on `platform` ("egl" or "osmesa"); None where it can.

    Asked in a process of its own: a driver may hang or crash, and a failed import cannot be undone.
    """
    environment = os.environ | {"PYOPENGL_PLATFORM": platform}
    try:
        result = subprocess.run(
            [sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, timeout=PROBE_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"no picture within {PROBE_SECONDS:.0f} seconds"
    if result.returncode == 0:
        return None
    lines = result.stderr.strip().splitlines()
    return lines[-1] if lines else f"the test process ended with code {result.returncode}"


def choose_backend(wanted: Literal["auto", "numpy", "egl", "osmesa"]) -> tuple[str, str]:
    """The backend to draw with ("numpy", "egl" or "osmesa") and the reason, in words.

    "auto" takes the platform of PYOPENGL_PLATFORM if it is set, else EGL or OSMesa where there is a GPU, else numpy,
    which is faster than Mesa without one.
    Raises GclError where a backend that was asked for by name cannot start.
    """
    if wanted == "auto":
        return _choose_automatically()
    if wanted != "numpy" and (reason := probe(wanted)) is not None:
        raise GclError(
            f"The {wanted} backend cannot start: {reason}.",
            f"{_remedy(wanted, reason)}; or choose --backend numpy, which needs nothing.",
        )
    return wanted, "asked for"


def open_backend(name: str) -> Draw:
    """The drawing function of a backend that `choose_backend` returned."""
    return draw_with_numpy if name == "numpy" else PyrenderDraw(name)


def _choose_automatically() -> tuple[str, str]:
    """The backend of "auto" and the reason."""
    named = os.environ.get("PYOPENGL_PLATFORM", "").lower()
    if named in PLATFORMS:
        candidates: tuple[str, ...] = (named,)
    elif _has_gpu():
        candidates = PLATFORMS
    else:
        return "numpy", "no GPU, and numpy is faster than software OpenGL"
    failures = []
    for platform in candidates:
        if (reason := probe(platform)) is None:
            return platform, "PYOPENGL_PLATFORM names it" if named == platform else "it starts on this GPU machine"
        failures.append(f"{platform} cannot start ({reason}; {_remedy(platform, reason)})")
    return "numpy", "; ".join(failures)


def _has_gpu() -> bool:
    """Whether there is a GPU; imports torch, which processes that only draw do without."""
    import torch

    return torch.cuda.is_available()


def missing_packages(platform: str) -> list[str]:
    """The Debian packages whose libraries `platform` needs and does not find; the drivers where it finds all."""
    missing = [package for library, package in PACKAGES[platform].items() if find_library(library) is None]
    return missing or [DRIVERS]


def _remedy(platform: str, reason: str) -> str:
    """What to type to make `platform` start."""
    if "No module named" in reason:
        return "pip install 'gcl-cli[render]'"
    return f"apt-get install {' '.join(missing_packages(platform))} (Debian, Ubuntu)"
