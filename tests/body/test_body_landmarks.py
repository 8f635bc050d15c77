"""Regions of crops, the landmark network's two runtimes, and the decoding of what it says."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl_cli.body.crops import PERSON_ASPECT, centred_region, cut, inside_crop, sampling_weights, to_crop, to_region
from gcl_cli.body.landmark_network import TorchLandmarkRunner
from gcl_cli.body.landmarks import (
    ENLARGEMENTS,
    INPUT_COLUMNS,
    INPUT_SIZE,
    NETWORK_FILE,
    LandmarkRunner,
    NetworkOutput,
    find_landmarks,
    refined_places,
    sigmoid,
)

RECIPES = Path(__file__).parents[2] / "recipes" / "assets"


def noise_crop(height: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


class ScriptedNetwork:
    """Stands in for the landmark network: the score of each call of a picture comes from a script."""

    def __init__(self, scores: list[list[float]]) -> None:
        self.scores, self.calls = iter(scores), 0

    def __call__(self, inputs: np.ndarray) -> NetworkOutput:
        self.calls += 1
        score = np.array(next(self.scores))
        assert len(score) == len(inputs)
        landmarks = np.full((len(inputs), 39, 5), 128.0)
        mask = np.full((len(inputs), 256, 96), -50.0)
        return NetworkOutput(
            landmarks, np.zeros((len(inputs), 39, 3)), score, mask, np.full((len(inputs), 64, 64, 39), -50.0)
        )


def test_region_is_centred_and_sees_the_crop_at_the_person_aspect() -> None:
    left, top, across, down = centred_region(128, 64, 1.15)
    assert (left + across / 2, top + down / 2) == (32, 64)
    assert down == pytest.approx(1.15 * 128)
    # In the square input a pixel of the crop is 1 / across wide and 1 / down high.
    assert (64 / across) / (128 / down) == pytest.approx(PERSON_ASPECT)


@settings(deadline=None, max_examples=30)
@given(height=st.integers(16, 300), width=st.integers(16, 300), enlargement=st.floats(1, 2), seed=st.integers(0, 99))
def test_region_coordinates_come_back(height: int, width: int, enlargement: float, seed: int) -> None:
    points = np.random.default_rng(seed).uniform(-50, 350, (1, 7, 2))
    regions = centred_region(height, width, enlargement)[None]
    np.testing.assert_allclose(to_crop(to_region(points, regions), regions), points, atol=1e-9)


def test_cutting_the_whole_picture_at_its_size_changes_nothing() -> None:
    picture = noise_crop(40, 40, 0)
    np.testing.assert_allclose(cut(picture, np.array([0, 0, 40, 40]), 40), picture / 255, atol=1e-6)


def test_cut_shows_each_pixel_where_the_coordinates_say() -> None:
    """A bright pixel's centre of mass lands on its edge coordinates, mapped into the region."""
    picture = np.zeros((128, 48, 3), np.uint8)
    picture[100, 30] = 255
    region = centred_region(128, 48, 1.15)
    bright = cut(picture, region, 256)[..., 0]
    rows, columns = np.indices(bright.shape) + 0.5
    centre = np.array([(bright * columns).sum(), (bright * rows).sum()]) / bright.sum() / 256
    np.testing.assert_allclose(to_crop(centre[None, None], region[None])[0, 0], [30.5, 100.5], atol=0.02)


def test_outside_of_the_picture_is_black() -> None:
    seen = cut(np.full((64, 24, 3), 255, np.uint8), centred_region(64, 24, 1.55), 256)
    assert seen[:30].max() == 0 and seen[:, :30].max() == 0
    assert seen[100:150, 100:150].min() > 0.99


def test_kept_columns_are_those_of_the_whole_square_and_all_that_shows_the_crop() -> None:
    for shape, enlargement in (((128, 64), ENLARGEMENTS[0]), ((40, 20), ENLARGEMENTS[0]), ((90, 200), ENLARGEMENTS[2])):
        crop, region = noise_crop(*shape, 0), centred_region(*shape, enlargement)
        square = cut(crop, region, INPUT_SIZE)
        kept = cut(crop, region, INPUT_SIZE, INPUT_COLUMNS)
        np.testing.assert_allclose(kept, square[:, INPUT_COLUMNS], atol=1e-6)
        square[:, INPUT_COLUMNS] = 0
        assert not square.any()


def test_shrinking_counts_every_pixel() -> None:
    """Averaging a checkerboard of single pixels gives grey, not stripes."""
    board = np.indices((600, 600)).sum(axis=0) % 2 * np.uint8(255)
    small = cut(np.repeat(board[..., None], 3, axis=2).astype(np.uint8), np.array([0, 0, 600, 600]), 64)
    assert np.abs(small[4:-4, 4:-4] - 0.5).max() < 0.02


def test_sampling_weights_sum_to_one_inside_and_zero_far_outside() -> None:
    weights = sampling_weights(50, -100.0, 200.0, 77)
    sums = weights.sum(axis=1)
    centres = -100 + (np.arange(77) + 0.5) * 200 / 77
    np.testing.assert_allclose(sums[(centres > 6) & (centres < 44)], 1, atol=0.01)
    assert not sums[(centres < -6) | (centres > 56)].any()


def test_inside_crop_is_the_share_of_the_region_the_crop_fills() -> None:
    inside = inside_crop([(128, 48)], centred_region(128, 48, 1.15)[None], 64)[0]
    assert inside.mean() == pytest.approx(PERSON_ASPECT / 1.15**2, rel=0.05)
    assert inside[32, 32] and not inside[0, 0] and not inside[32, 0]


def test_torch_port_agrees_with_the_runner_within_a_hundredth_of_a_pixel() -> None:
    crops = [noise_crop(128, 64, 1), noise_crop(96, 40, 2)]
    regions = [centred_region(crop.shape[0], crop.shape[1], 1.15) for crop in crops]
    inputs = np.stack(
        [cut(crop, region, INPUT_SIZE, INPUT_COLUMNS) for crop, region in zip(crops, regions, strict=True)]
    )
    reference, port = LandmarkRunner()(inputs), TorchLandmarkRunner("cpu")(inputs)
    assert np.abs(reference.landmarks[..., :2] - port.landmarks[..., :2]).max() < 0.01
    assert np.abs(reference.world - port.world).max() < 1e-3
    for name in ("score", "mask", "heatmap"):
        np.testing.assert_allclose(sigmoid(getattr(port, name)), sigmoid(getattr(reference, name)), atol=1e-2)


def test_landmarks_of_a_batch_equal_landmarks_one_by_one() -> None:
    crops = [noise_crop(128, 64, 3), noise_crop(64, 32, 4), noise_crop(200, 90, 5)]
    network = LandmarkRunner()
    together = find_landmarks(network, crops)
    for row, crop in enumerate(crops):
        alone = find_landmarks(network, [crop])
        for name in ("points", "world", "visibility", "score", "mask", "regions"):
            np.testing.assert_array_equal(getattr(alone, name)[0], getattr(together, name)[row])


def test_larger_regions_are_tried_only_where_the_score_is_poor_and_the_best_is_kept() -> None:
    network = ScriptedNetwork([[0.9, 0.3, 0.7], [0.5, 0.75], [0.2, 0.6]])
    found = find_landmarks(network, [noise_crop(128, 48, seed) for seed in range(3)])
    np.testing.assert_allclose(found.score, [0.9, 0.5, 0.75])
    chosen = found.regions[:, 3] / 128
    np.testing.assert_allclose(chosen, [ENLARGEMENTS[0], ENLARGEMENTS[1], ENLARGEMENTS[1]])


def test_one_call_is_enough_for_good_scores() -> None:
    network = ScriptedNetwork([[0.8, 0.99]])
    find_landmarks(network, [noise_crop(128, 48, seed) for seed in range(2)])
    assert network.calls == 1


def plain_refinement(place: np.ndarray, heatmap: np.ndarray) -> np.ndarray:
    """The refinement of one landmark as loops; place [2] in [0, 1], heatmap [64, 64]."""
    column, row = int(np.floor(place[0] * 64)), int(np.floor(place[1] * 64))
    if not (0 <= column < 64 and 0 <= row < 64):
        return place
    total, moment, peak = 0.0, np.zeros(2), 0.0
    for y in range(max(0, row - 4), min(64, row + 5)):
        for x in range(max(0, column - 4), min(64, column + 5)):
            weight = 1 / (1 + np.exp(-heatmap[y, x]))
            total, moment, peak = total + weight, moment + weight * np.array([x, y]), max(peak, weight)
    return moment / total / 64 if peak >= 0.5 else place


def test_refinement_equals_plain_loops() -> None:
    random = np.random.default_rng(6)
    places, heatmap = random.uniform(-0.1, 1.1, (3, 39, 2)), random.normal(-5, 3, (3, 64, 64, 39))
    heatmap[0] -= 20  # a picture whose maps never peak
    refined = refined_places(places, heatmap)
    for picture in range(3):
        for kind in range(39):
            expected = plain_refinement(places[picture, kind], heatmap[picture, :, :, kind])
            np.testing.assert_allclose(refined[picture, kind], expected, atol=1e-6)


def outputs_of(network: bytes, picture: np.ndarray) -> dict[str, np.ndarray]:
    """What a network's file says of a picture [256, columns, 3]."""
    interpreter = Interpreter(model_content=network, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.ascontiguousarray(picture[None]))
    interpreter.invoke()
    return {entry["name"]: interpreter.get_tensor(entry["index"]) for entry in interpreter.get_output_details()}


@pytest.mark.slow
def test_shipped_network_is_the_published_one_bit_for_bit_without_what_a_crop_never_reaches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Downloads the wheel that the network comes from."""
    monkeypatch.syspath_prepend(RECIPES)
    recipe = runpy.run_path(str(RECIPES / "build_landmarks.py"))
    published, _ = recipe["read_members"](recipe["download_wheel"](tmp_path))  # of the known digest
    built, shipped = recipe["narrowed"](published), NETWORK_FILE.read_bytes()
    assert len(built) == len(shipped)
    random = np.random.default_rng(0)
    white = np.zeros((INPUT_SIZE, INPUT_SIZE, 3), np.float32)
    white[:, INPUT_COLUMNS] = 1
    for square in (white, *(white * random.random(white.shape, np.float32) for _ in range(3)), 0 * white):
        kept = square[:, INPUT_COLUMNS]
        whole, ours, theirs = outputs_of(published, square), outputs_of(built, kept), outputs_of(shipped, kept)
        whole["Identity_2"] = whole["Identity_2"][:, :, INPUT_COLUMNS]  # the mask
        assert whole.keys() == ours.keys() == theirs.keys()
        for name, values in whole.items():
            np.testing.assert_array_equal(ours[name], values)
            # Black's constants were computed by another processor, perhaps, which adds in another order.
            np.testing.assert_allclose(theirs[name], values, rtol=1e-3, atol=1e-2)


def test_shipped_network_comes_with_its_licence_and_says_that_it_was_changed() -> None:
    licence = (NETWORK_FILE.parent / "LICENSE-LANDMARKS.txt").read_text(encoding="utf-8")
    assert "Apache License" in licence and NETWORK_FILE.name in licence and "changed" in licence
