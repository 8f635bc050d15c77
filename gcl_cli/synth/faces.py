"""Eyes, brows, mouth and the shades of a face, painted by place on the template head."""

import numpy as np

from gcl_cli.synth.garments import Cover
from gcl_cli.synth.identities import Identity
from gcl_cli.synth.template import Places

_EYE, _BROW, _NOSTRILS, _MOUTH, _CHEEK = (0.0315, 1.696), (0.034, 1.721), (0.0, 1.645), (0.0, 1.626), (0.045, 1.660)
_EYE_WHITE = np.array([0.72, 0.70, 0.68], np.float32)
_IRIS = np.array([0.10, 0.07, 0.06], np.float32)
_RED_OF_LIPS = np.array([0.86, 0.55, 0.55], np.float32)
_RED_OF_CHEEKS = np.array([1.02, 0.96, 0.95], np.float32)


def paint_face(look: Identity, colours: np.ndarray, cover: np.ndarray, places: Places) -> None:
    """Paint into `colours` [N, 3] where bare skin of the face is seen.

    Features are a little larger than life: at 128 rows a face is a dozen pixels wide, and smaller ones would vanish.
    """
    bare = (cover == Cover.SKIN) & (places.head > 0.5) & (places.back < -0.02)
    rows = np.nonzero(bare & (places.height > 1.56))[0]
    side, height = np.abs(places.across[rows]), places.height[rows]
    face = colours[rows]
    face *= _shade(side, height)[:, None]
    face[_inside(side, height, _CHEEK, 0.022, 0.016)] *= _RED_OF_CHEEKS
    face[_inside(side, height, _NOSTRILS, 0.016, 0.005)] *= np.float32(0.62)
    face[_inside(side, height, _MOUTH, 0.026, 0.0065)] *= _RED_OF_LIPS * np.float32(0.8)
    skin, hair = np.array([look.skin, look.head.hair_colour])
    face[_inside(side, height, _BROW, 0.019, 0.005)] = np.minimum(0.8 * hair, 0.75 * skin)
    face[_inside(side, height, _EYE, 0.018, 0.0085)] = 0.5 * skin
    face[_inside(side, height, _EYE, 0.014, 0.0060)] = _EYE_WHITE
    face[_inside(side, height, _EYE, 0.0075, 0.0075)] = _IRIS
    colours[rows] = face


def _shade(side: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Darkening [N] of the eye sockets, under the lower lip and under the chin."""
    sockets = np.exp(-(((side - _EYE[0]) / 0.022) ** 2) - ((height - 1.703) / 0.014) ** 2)
    below_lip = np.exp(-((side / 0.022) ** 2) - ((height - 1.612) / 0.006) ** 2)
    below_chin = np.clip((1.590 - height) / 0.02, 0, 1)
    return (1 - 0.28 * sockets - 0.15 * below_lip - 0.25 * below_chin).astype(np.float32)


def _inside(
    side: np.ndarray, height: np.ndarray, middle: tuple[float, float], half_width: float, half_height: float
) -> np.ndarray:
    """Whether points [N] lie in an ellipse about `middle`, mirrored to both halves of the face."""
    return ((side - middle[0]) / half_width) ** 2 + ((height - middle[1]) / half_height) ** 2 < 1
