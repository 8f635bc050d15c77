import numpy as np
import pytest

from gcl_cli.body.model import load_body
from gcl_cli.synth.identities import identity
from gcl_cli.synth.streams import stream
from gcl_cli.synth.walking import GESTURES, hold, pose, rotation_vectors


def keypoints(poses):
    """The keypoints of the mean body in poses [N, 22, 3], by name: [N, 3] metres; -z is before the person, y down."""
    body, mean = load_body(), np.zeros((1, 10), np.float32)
    rotations = body.world_rotations(poses)
    places = body.keypoints(rotations, body.place(rotations, mean), mean)
    return dict(zip(body.keypoint_names, places.swapaxes(0, 1), strict=True))


def held(gesture, sides):
    angles = np.zeros((22, 3), np.float32)
    for side, arm in zip(sides, GESTURES[gesture][1], strict=False):
        hold(angles, side, arm)
    return {name: places[0] for name, places in keypoints(rotation_vectors(angles)[None]).items()}


@pytest.mark.parametrize(("sides", "name", "outward"), [("LR", "left", 1), ("RL", "right", -1)])
def test_hands_are_where_the_gesture_needs_them(sides, name, outward):
    calling, phone, pocket = (held(gesture, sides) for gesture in ("calling", "phone", "pocket"))
    assert np.linalg.norm(calling[f"{name}_wrist"] - calling[f"{name}_ear"]) < 0.25
    assert phone[f"{name}_shoulder"][2] - phone[f"{name}_wrist"][2] > 0.25, "before the body"
    assert np.linalg.norm(pocket[f"{name}_wrist"] - pocket[f"{name}_hip"]) < 0.2
    for gesture in ("folded", "carrying"):
        arms = held(gesture, sides)
        for side, out in ((name, outward), ({"left": "right", "right": "left"}[name], -outward)):
            assert out * (arms[f"{side}_elbow"][0] - arms[f"{side}_wrist"][0]) > 0.05, "the fore arm turns inward"
            assert arms[f"{side}_elbow"][2] - arms[f"{side}_wrist"][2] > 0.1, "before the body"
    folded = held("folded", sides)
    assert outward * folded[f"{name}_wrist"][0] < 0.0, "across the middle"


def test_no_hand_goes_into_the_trunk():
    look = identity(0, 1)
    people = keypoints(np.stack([pose(stream(0, "hands", number), look, busy=1.0) for number in range(600)]))
    middle = (people["left_hip"] + people["right_hip"] + people["left_shoulder"] + people["right_shoulder"]) / 4
    across = people["left_shoulder"] - people["right_shoulder"]
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    for side in ("left", "right"):
        wrist = people[f"{side}_wrist"] - middle
        aside = (wrist * across).sum(1)
        before = wrist[:, 2]
        inside = (np.abs(aside) < 0.12) & (np.abs(before) < 0.07) & (np.abs(wrist[:, 1]) < 0.25)
        assert not inside.any()


def test_hands_are_as_busy_as_asked():
    assert sum(share for share, _ in GESTURES.values()) == pytest.approx(1.0)
    look = next(look for person in range(99) if (look := identity(0, person)).bag.kind != "hand")

    def raised(**busy):
        people = keypoints(np.stack([pose(stream(0, "busy", number), look, **busy) for number in range(400)]))
        high = [people[f"{side}_hip"][:, 1] - people[f"{side}_wrist"][:, 1] > 0.12 for side in ("left", "right")]
        return np.any(high, axis=0).mean()

    assert raised(busy=0.0) < 0.08
    assert 0.08 < raised() < 0.2, "as in photographs"
    assert raised(busy=1.0) > 0.7
