"""Left and right sorted by the keypoints that were read; keypoints laid on what the picture shows."""

from dataclasses import replace

import numpy as np
import pytest

from gcl_cli.body.crops import centred_region
from gcl_cli.body.landmarks import LANDMARK_PARTNERS, Landmarks
from gcl_cli.body.lifting import FITTED_LANDMARKS, KEYPOINT_PARTNERS, LANDMARK_OF_KEYPOINT
from gcl_cli.body.sides import (
    ARM,
    LANDMARKS_OF,
    LEG,
    LIMB_SHARE,
    TRUNK,
    laid_on_picture,
    landmarks_swapped,
    sorted_sides,
)

NAMES = list(LANDMARK_OF_KEYPOINT)
SCALE, SHIFT = 50.0, np.array([32.0, 60.0])


def walkers(people: int) -> tuple[np.ndarray, Landmarks]:
    """Keypoints [N, 21, 3] whose sides differ, and landmarks that see them all through one camera."""
    random = np.random.default_rng(4)
    keypoints = random.normal(0, 0.3, (people, 21, 3))
    keypoints -= keypoints[:, [NAMES.index("left_hip"), NAMES.index("right_hip")]].mean(axis=1, keepdims=True)
    points = np.tile(SHIFT, (people, 33, 1))
    points[:, FITTED_LANDMARKS] = SCALE * keypoints[..., :2] + SHIFT
    return keypoints, Landmarks(
        points=points,
        world=np.zeros((people, 33, 3)),
        visibility=np.ones((people, 33)),
        score=np.ones(people),
        mask=np.zeros((people, 64, 64)),
        regions=np.stack([centred_region(128, 64, 1.15)] * people),
        traces=np.zeros((people, 33, 7)),
    )


def test_landmarks_on_the_right_side_stay() -> None:
    keypoints, landmarks = walkers(8)
    np.testing.assert_array_equal(sorted_sides(landmarks, keypoints).points, landmarks.points)


@pytest.mark.parametrize("limb", [ARM, LEG, TRUNK])
def test_exchanged_limbs_and_bodies_are_given_back(limb: tuple[str, ...]) -> None:
    keypoints, landmarks = walkers(8)
    exchanged = landmarks_swapped(landmarks, LANDMARKS_OF[limb])
    assert not np.allclose(exchanged.points, landmarks.points)
    np.testing.assert_allclose(sorted_sides(exchanged, keypoints).points, landmarks.points)


def test_a_landmark_takes_its_visibility_along() -> None:
    keypoints, landmarks = walkers(3)
    hidden = landmarks.visibility.copy()
    hidden[:, LANDMARK_OF_KEYPOINT["left_ankle"]] = 0.3
    exchanged = landmarks_swapped(replace(landmarks, visibility=hidden), LANDMARKS_OF[LEG])
    np.testing.assert_array_equal(sorted_sides(exchanged, keypoints).visibility, hidden)


def test_exchanging_all_is_what_the_partners_say_and_twice_is_nothing() -> None:
    _, landmarks = walkers(2)
    swapped = landmarks_swapped(landmarks, LANDMARKS_OF[TRUNK])
    np.testing.assert_array_equal(swapped.points, landmarks.points[:, LANDMARK_PARTNERS])
    np.testing.assert_array_equal(landmarks_swapped(swapped, LANDMARKS_OF[TRUNK]).points, landmarks.points)


def test_keypoints_that_lie_on_the_picture_stay_and_depth_always_does() -> None:
    keypoints, landmarks = walkers(4)
    np.testing.assert_allclose(laid_on_picture(keypoints, landmarks), keypoints, atol=1e-5)
    elsewhere = replace(landmarks, points=landmarks.points + np.random.default_rng(5).normal(0, 5, (4, 33, 2)))
    np.testing.assert_allclose(laid_on_picture(keypoints, elsewhere)[..., 2], keypoints[..., 2], atol=1e-6)


def test_a_seen_wrist_moves_towards_the_picture_and_a_hidden_one_goes_with_its_elbow() -> None:
    keypoints, landmarks = walkers(2)
    wrist, elbow = NAMES.index("left_wrist"), NAMES.index("left_elbow")
    points, visibility = landmarks.points.copy(), landmarks.visibility.copy()
    points[:, FITTED_LANDMARKS[wrist]] += [6.0, 0.0]
    visibility[1, FITTED_LANDMARKS[wrist]] = 0
    moved = laid_on_picture(keypoints, replace(landmarks, points=points, visibility=visibility)) - keypoints
    assert moved[0, wrist, 0] - moved[0, elbow, 0] == pytest.approx(LIMB_SHARE * 6 / SCALE, rel=0.1)
    np.testing.assert_allclose(moved[1, wrist], moved[1, elbow], atol=1e-6)


def test_points_that_are_no_picture_move_nothing() -> None:
    keypoints, landmarks = walkers(2)
    turned = replace(landmarks, points=-landmarks.points)
    np.testing.assert_allclose(laid_on_picture(keypoints, turned), keypoints, atol=1e-6)


def test_left_and_right_are_treated_alike() -> None:
    keypoints, landmarks = walkers(3)
    noisy = replace(landmarks, points=landmarks.points + np.random.default_rng(6).normal(0, 3, (3, 33, 2)))
    other = laid_on_picture(keypoints[:, KEYPOINT_PARTNERS], landmarks_swapped(noisy, LANDMARKS_OF[TRUNK]))
    np.testing.assert_allclose(other[:, KEYPOINT_PARTNERS], laid_on_picture(keypoints, noisy), atol=1e-5)
