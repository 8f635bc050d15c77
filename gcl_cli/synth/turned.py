"""The person of a photograph from other sides: the same moment, place, camera and light, with alpha.

What a generator of views should draw. No re-ID data set can tell; a set that is drawn can.
"""

from collections.abc import Sequence

import numpy as np

from gcl_cli.body.model import load_body
from gcl_cli.body.rendering import turned_points, up_axis
from gcl_cli.body.rotations import X_AXIS, Z_AXIS, about, from_rotation_vector, to_rotation_vector
from gcl_cli.synth.cameras import HEIGHT, OVERSAMPLING, WIDTH, develop_without_grain, shares
from gcl_cli.synth.photograph import Sitting
from gcl_cli.synth.posing import Framing, PosedFigure, frame_onto, strike, view_rotation, weak_perspective
from gcl_cli.synth.shading import shade
from gcl_cli.synth.template import load_template

SIZE = (HEIGHT, WIDTH)
LOWEST, HIGHEST = -0.3, 0.8  # radians: from how far below and above an estimated body is taken to be seen


def turned_views(sitting: Sitting, angles: Sequence[float]) -> np.ndarray:
    """The person turned by `angles` degrees, as `gcl render` turns bodies: [A, HEIGHT, WIDTH, 4] uint8.

    Colour before the empty scene, without shadow and grain, nobody and nothing in front; and the share of each pixel
    that the person covers. Turned views are in the middle of the picture, where `render_views` of `body.rendering` puts
    them, about the body at this moment; at 0 degrees the person is where the photograph has them.
    """
    own = strike(sitting.figure, sitting.pose, yaw=sitting.yaw, pitch=sitting.pitch)
    body = own.vertices[: len(load_template().places)]
    camera = weak_perspective(body, sitting.framing.project(body))
    points, _ = turned_points(body, camera, SIZE, angles, up=own.up, height=HEIGHT, width=WIDTH, recentre=True)
    views = []
    for angle, goal in zip(angles, points, strict=True):
        posed = strike(sitting.figure, sitting.pose, yaw=sitting.yaw - np.deg2rad(angle), pitch=sitting.pitch)
        framing = sitting.framing if angle % 360 == 0 else framed_like(sitting, posed, goal)
        views.append(view(sitting, posed, framing))
    return np.stack(views)


def view(sitting: Sitting, posed: PosedFigure, framing: Framing) -> np.ndarray:
    """The person as `posed`, through the camera of `sitting`: [HEIGHT, WIDTH, 4] uint8, see `turned_views`."""
    seen, colours = shade(posed, framing, sitting.taken_by)
    light = sitting.place.copy()
    light[seen] = colours
    picture = develop_without_grain(light, sitting.taken_by, sitting.exposure)
    picture.putalpha(shares(seen, sitting.exposure))
    return np.asarray(picture)


def empty_scene(sitting: Sitting) -> np.ndarray:
    """What the camera shows with nobody in view, [HEIGHT, WIDTH, 3] uint8."""
    return np.asarray(develop_without_grain(sitting.place, sitting.taken_by, sitting.exposure))


def framed_like(sitting: Sitting, posed: PosedFigure, goal: np.ndarray) -> Framing:
    """The window at the distance of `sitting` that brings the body's vertices near crop pixels `goal` [V, >=2]."""
    return frame_onto(posed, goal[:, :2] * OVERSAMPLING, distance=sitting.framing.distance)


def strike_estimated(sitting: Sitting, pose: np.ndarray, vertices: np.ndarray, angle: float) -> PosedFigure:
    """The person in an *estimated* pose [22, 3], turned by `angle` degrees about the body's own up axis.

    vertices: [V, 3] of the estimated body, which say from how far above it is seen. So what a generator is given and
    what it should draw lie on each other even where the estimate is wrong.
    """
    up = up_axis(load_body(), vertices)
    pitch = float(np.clip(np.arctan2(-up[2], -up[1]), LOWEST, HIGHEST))
    root = from_rotation_vector(pose[0])
    yaw = heading(about(X_AXIS, -pitch) @ root)
    upright = pose.copy()
    upright[0] = to_rotation_vector(view_rotation(yaw, pitch).T @ root)
    return strike(sitting.figure, upright, yaw=yaw - np.deg2rad(angle), pitch=pitch)


def heading(root: np.ndarray) -> float:
    """The yaw in radians (see `posing.view_rotation`) of a pelvis turned by `root` [3, 3]."""
    ahead = root @ -Z_AXIS
    return float(np.arctan2(-ahead[0], -ahead[2]))


def shares_of(sitting: Sitting) -> np.ndarray:
    """How much of each pixel of the photograph the person covers, were nobody in front: [HEIGHT, WIDTH] uint8."""
    return np.asarray(shares(sitting.seen, sitting.exposure))
