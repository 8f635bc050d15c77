"""Left and right sorted by the keypoints that were read; keypoints laid on what the picture shows."""

from dataclasses import replace

import numpy as np
import pytest

from gcl_cli.body.crops import centred_region
from gcl_cli.body.landmarks import LANDMARK_PARTNERS, Landmarks
from gcl_cli.body.lifting import FITTED_LANDMARKS, KEYPOINT_PARTNERS, LANDMARK_OF_KEYPOINT
from gcl_cli.body.sides import (
    ARM,
    BODY,
    LANDMARKS_OF,
    LEG,
    PICTURED_SHARE,
    SEEN_SHARE,
    laid_on_picture,
    landmarks_swapped,
    seen_points,
    sorted_sides,
)

NAMES = list(LANDMARK_OF_KEYPOINT)
SCALE, SHIFT = 50.0, np.array([32.0, 60.0])


def walkers(people: int) -> tuple[np.ndarray, np.ndarray, Landmarks]:
    """Keypoints [N, 21, 3] whose sides differ, their points [N, 21, 2] through one camera, landmarks that see them."""
    random = np.random.default_rng(4)
    keypoints = random.normal(0, 0.3, (people, 21, 3))
    keypoints -= keypoints[:, [NAMES.index("left_hip"), NAMES.index("right_hip")]].mean(axis=1, keepdims=True)
    points = np.tile(SHIFT, (people, 33, 1))
    points[:, FITTED_LANDMARKS] = SCALE * keypoints[..., :2] + SHIFT
    return (
        keypoints,
        points[:, FITTED_LANDMARKS],
        Landmarks(
            points=points,
            world=np.zeros((people, 33, 3)),
            visibility=np.ones((people, 33)),
            score=np.ones(people),
            mask=np.zeros((people, 64, 64)),
            regions=np.stack([centred_region(128, 64, 1.15)] * people),
            traces=np.zeros((people, 33, 7)),
        ),
    )


def test_landmarks_on_the_right_side_stay() -> None:
    _, points, landmarks = walkers(8)
    np.testing.assert_array_equal(sorted_sides(landmarks, points).points, landmarks.points)


@pytest.mark.parametrize("limb", [ARM, LEG, BODY])
def test_exchanged_limbs_and_bodies_are_given_back(limb: tuple[str, ...]) -> None:
    _, points, landmarks = walkers(8)
    exchanged = landmarks_swapped(landmarks, LANDMARKS_OF[limb])
    assert not np.allclose(exchanged.points, landmarks.points)
    np.testing.assert_allclose(sorted_sides(exchanged, points).points, landmarks.points)


def test_a_landmark_takes_its_visibility_along() -> None:
    _, points, landmarks = walkers(3)
    hidden = landmarks.visibility.copy()
    hidden[:, LANDMARK_OF_KEYPOINT["left_ankle"]] = 0.3
    exchanged = landmarks_swapped(replace(landmarks, visibility=hidden), LANDMARKS_OF[LEG])
    np.testing.assert_array_equal(sorted_sides(exchanged, points).visibility, hidden)


def test_exchanging_all_is_what_the_partners_say_and_twice_is_nothing() -> None:
    *_, landmarks = walkers(2)
    swapped = landmarks_swapped(landmarks, LANDMARKS_OF[BODY])
    np.testing.assert_array_equal(swapped.points, landmarks.points[:, LANDMARK_PARTNERS])
    np.testing.assert_array_equal(landmarks_swapped(swapped, LANDMARKS_OF[BODY]).points, landmarks.points)


def test_a_seen_wrist_moves_towards_its_landmark_and_a_hidden_one_stays() -> None:
    _, points, landmarks = walkers(2)
    wrist = NAMES.index("left_wrist")
    found, visibility = landmarks.points.copy(), landmarks.visibility.copy()
    found[:, FITTED_LANDMARKS[wrist]] += [6.0, 0.0]
    visibility[1, FITTED_LANDMARKS[wrist]] = 0
    moved = seen_points(points, replace(landmarks, points=found, visibility=visibility)) - points
    np.testing.assert_allclose(moved[:, wrist], [[SEEN_SHARE * 6, 0], [0, 0]], atol=1e-9)
    assert np.abs(np.delete(moved, wrist, axis=1)).max() < 1e-9


def test_keypoints_that_lie_on_the_picture_stay_and_depth_always_does() -> None:
    keypoints, points, _ = walkers(4)
    np.testing.assert_allclose(laid_on_picture(keypoints, points), keypoints, atol=1e-5)
    elsewhere = points + np.random.default_rng(5).normal(0, 5, points.shape)
    np.testing.assert_allclose(laid_on_picture(keypoints, elsewhere)[..., 2], keypoints[..., 2], atol=1e-6)


def test_keypoints_are_laid_where_the_points_see_them() -> None:
    """One wrist is seen six pixels further right: it alone moves, by its share of what the camera makes of them."""
    keypoints, points, _ = walkers(2)
    points = points.copy()
    points[:, NAMES.index("left_wrist"), 0] += 6
    moved = laid_on_picture(keypoints, points) - keypoints
    wrist, elbow = NAMES.index("left_wrist"), NAMES.index("left_elbow")
    np.testing.assert_allclose(moved[:, wrist, 0] - moved[:, elbow, 0], PICTURED_SHARE * 6 / SCALE, rtol=0.1)


def test_points_that_are_no_picture_move_nothing() -> None:
    keypoints, points, _ = walkers(2)
    np.testing.assert_allclose(laid_on_picture(keypoints, -points), keypoints, atol=1e-6)


def test_left_and_right_are_treated_alike() -> None:
    keypoints, points, landmarks = walkers(3)
    noisy = replace(landmarks, points=landmarks.points + np.random.default_rng(6).normal(0, 3, (3, 33, 2)))
    other = seen_points(points[:, KEYPOINT_PARTNERS], landmarks_swapped(noisy, LANDMARKS_OF[BODY]))
    np.testing.assert_allclose(other[:, KEYPOINT_PARTNERS], seen_points(points, noisy), atol=1e-9)
    laid = laid_on_picture(keypoints[:, KEYPOINT_PARTNERS], points[:, KEYPOINT_PARTNERS])
    np.testing.assert_allclose(laid[:, KEYPOINT_PARTNERS], laid_on_picture(keypoints, points), atol=1e-5)
