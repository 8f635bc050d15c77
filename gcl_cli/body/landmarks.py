"""Body landmarks of person crops without a detector: the landmark network looks at the whole crop."""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import numpy as np

from gcl_cli.body.crops import PERSON_ASPECT, centred_region, cut, to_crop
from gcl_cli.body.shipped import whole

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Columns = TypeVar("Columns", bound="DataclassInstance")

NETWORK_FILE = Path(__file__).parent / "assets" / "pose_landmark_crop.tflite"
INPUT_SIZE = 256  # the side of the square that a region becomes
# Of the square, what the network is given: beside it is black. A crop 20 pixels wide and its resampling fill it, any
# wider one less.
INPUT_COLUMNS = slice(80, 176)
LANDMARKS = 33  # the network's further six are auxiliary points for tracking
MASK_SIZE = 64
HEATMAP_COLUMNS = slice(20, 44)  # of 64: the crop and a little more, at every enlargement
POOLED = 2  # neighbouring cells of the heatmaps, each way, of which the surest stands for both
FAINT = 0.05  # added to the sum of a heatmap, which may be empty
# Landmarks come in pairs (left, right) from 7 on; before them the nose, then three points of each eye.
LANDMARK_PARTNERS = np.array([0, 4, 5, 6, 1, 2, 3, *np.arange(7, 33).reshape(-1, 2)[:, ::-1].ravel()])
# A larger region finds more people and places their landmarks less well: it is only a second and third try.
ENLARGEMENTS = (1.15, 1.4, 1.55)
GOOD_SCORE = 0.8  # no further try from here
CHUNK = 32  # pictures in memory at a time: about 1.5 MB each


class NetworkOutput(NamedTuple):
    """What the landmark network says about B pictures."""

    landmarks: np.ndarray  # [B, 39, 5] x, y, z in input pixels, logits of visibility and presence
    world: np.ndarray  # [B, 39, 3] metres about the mid-hip, camera axes
    score: np.ndarray  # [B] in [0, 1]
    mask: np.ndarray  # [B, 256, 96] logits: person or not
    heatmap: np.ndarray  # [B, 64, 64, 39] logits


class LandmarkNetwork(Protocol):
    """The landmark network, by either runtime."""

    def __call__(self, inputs: np.ndarray) -> NetworkOutput:
        """inputs: [B, 256, 96, 3] float32 in [0, 1], the `INPUT_COLUMNS` of each square."""
        ...


@dataclass(frozen=True)
class Landmarks:
    """The landmarks of N crops, each from its best region."""

    points: np.ndarray  # [N, 33, 2] crop pixels
    world: np.ndarray  # [N, 33, 3] metres about the mid-hip, camera axes
    visibility: np.ndarray  # [N, 33] in [0, 1]
    score: np.ndarray  # [N] in [0, 1]
    mask: np.ndarray  # [N, 64, 64] share of person in each cell of the region; 0 beside the crop
    regions: np.ndarray  # [N, 4] left, top, width, height in crop pixels
    traces: np.ndarray  # [N, 33, 7] what the heatmaps know of each landmark: see `heatmap_traces`


class LandmarkRunner:
    """The landmark network on one CPU thread, picture by picture: batching gains nothing there."""

    def __init__(self) -> None:
        from ai_edge_litert.interpreter import Interpreter

        with _native_stderr_muted():
            self._interpreter = Interpreter(model_path=str(whole(NETWORK_FILE)), num_threads=1)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = {entry["name"]: entry for entry in self._interpreter.get_output_details()}

    def __call__(self, inputs: np.ndarray) -> NetworkOutput:
        """inputs: [B, 256, 96, 3] float32 in [0, 1], the `INPUT_COLUMNS` of each square."""
        shapes = {name: (len(inputs), *entry["shape"][1:]) for name, entry in self._outputs.items()}
        outputs = {name: np.empty(shape, np.float32) for name, shape in shapes.items()}
        for row, picture in enumerate(inputs):
            self._interpreter.set_tensor(self._input, picture[None])
            self._interpreter.invoke()
            for name, entry in self._outputs.items():
                outputs[name][row] = self._interpreter.get_tensor(entry["index"])[0]
        return named_outputs(outputs)


@contextmanager
def _native_stderr_muted() -> Iterator[None]:
    """The runtime announces itself past Python on file descriptor 2, once a process: hide it. Errors still raise."""
    shown, hidden = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(hidden, 2)
    try:
        yield
    finally:
        os.dup2(shown, 2)
        os.close(shown)
        os.close(hidden)


def named_outputs(outputs: dict[str, np.ndarray]) -> NetworkOutput:
    """Give the graph's five outputs (`Identity`, `Identity_1`, ...) their meaning."""
    return NetworkOutput(
        landmarks=outputs["Identity"].reshape(-1, 39, 5),
        world=outputs["Identity_4"].reshape(-1, 39, 3),
        score=outputs["Identity_1"].reshape(-1),
        mask=outputs["Identity_2"].reshape(-1, INPUT_SIZE, INPUT_COLUMNS.stop - INPUT_COLUMNS.start),
        heatmap=outputs["Identity_3"],
    )


def find_landmarks(network: LandmarkNetwork, crops: Sequence[np.ndarray]) -> Landmarks:
    """The landmarks of person crops of any sizes; crops: [h, w, 3] uint8 each, at least one.

    Every crop is looked at once; where the score stays below `GOOD_SCORE`, larger regions are tried and the
    best-scored one is kept.
    """
    chunks = [_best_look(network, crops[start : start + CHUNK]) for start in range(0, len(crops), CHUNK)]
    names = [entry.name for entry in fields(Landmarks)]
    return Landmarks(**{name: np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in names})


def _best_look(network: LandmarkNetwork, crops: Sequence[np.ndarray]) -> Landmarks:
    """The region ladder for a few crops."""
    best = _look(network, crops, ENLARGEMENTS[0])
    for enlargement in ENLARGEMENTS[1:]:
        poor = np.flatnonzero(best.score < GOOD_SCORE)
        if not len(poor):
            break
        again = _look(network, [crops[row] for row in poor.tolist()], enlargement)
        better = again.score > best.score[poor]
        best = with_rows(best, poor[better], rows_of(again, better))
    return best


def _look(network: LandmarkNetwork, crops: Sequence[np.ndarray], enlargement: float) -> Landmarks:
    """One call of the network for every crop, at one enlargement of the region."""
    regions = np.stack([centred_region(crop.shape[0], crop.shape[1], enlargement) for crop in crops])
    inputs = [cut(crop, region, INPUT_SIZE, INPUT_COLUMNS) for crop, region in zip(crops, regions, strict=True)]
    output = network(np.stack(inputs))
    places = refined_places(output.landmarks[..., :2] / INPUT_SIZE, output.heatmap)[:, :LANDMARKS]  # [B, 33, 2]
    return Landmarks(
        points=to_crop(places, regions),
        world=output.world[:, :LANDMARKS].astype(np.float64),
        visibility=sigmoid(output.landmarks[:, :LANDMARKS, 3]).astype(np.float64),
        score=output.score,
        mask=_person_share(output.mask, enlargement),
        regions=regions,
        traces=heatmap_traces(places, output.heatmap[..., :LANDMARKS]),
    )


def _person_share(logits: np.ndarray, enlargement: float) -> np.ndarray:
    """The mask [B, 64, 64] from logits [B, 256, 96]; 0 beside the crop."""
    cells, half = INPUT_SIZE // MASK_SIZE, PERSON_ASPECT / enlargement / 2
    first, last = int((0.5 - half) * MASK_SIZE), math.ceil((0.5 + half) * MASK_SIZE)
    seen = logits[:, :, first * cells - INPUT_COLUMNS.start : last * cells - INPUT_COLUMNS.start]
    share = sigmoid(seen).reshape(len(logits), MASK_SIZE, cells, -1).mean(axis=2)
    mask = np.zeros((len(logits), MASK_SIZE, MASK_SIZE), logits.dtype)
    mask[:, :, first:last] = share.reshape(len(logits), MASK_SIZE, last - first, cells).mean(axis=3)
    return mask


def heatmap_traces(places: np.ndarray, heatmap: np.ndarray) -> np.ndarray:
    """What the heatmaps know beyond the places: how sure they are, how wide, and whether the other side fits too.

    places: [B, 33, 2] in [0, 1]; heatmap: [B, 64, 64, 33] logits. Returns [B, 33, 7] for each landmark: its map's
    middle (x, y in shares of the region), its value at the landmark and at the landmark's partner on the other side,
    the logarithm of its sum, and its spread (x, y).
    """
    kept = heatmap[:, :, HEATMAP_COLUMNS]
    rows = np.maximum(kept[:, ::POOLED], kept[:, 1::POOLED])
    pooled = np.maximum(rows[:, :, ::POOLED], rows[:, :, 1::POOLED])
    return _traces(places, sigmoid(pooled), heatmap.shape[2])


def _traces(places: np.ndarray, sure: np.ndarray, side: int) -> np.ndarray:
    """`heatmap_traces` of pooled maps `sure` [B, 32, 12, 33] in [0, 1], cut from `side` columns."""
    batch, rows, columns, kinds = sure.shape
    total = sure.sum(axis=(1, 2)) + FAINT
    across = (HEATMAP_COLUMNS.start + POOLED * (np.arange(columns) + 0.5)) / side
    down = (np.arange(rows) + 0.5) / rows
    along_x, along_y = sure.sum(axis=1), sure.sum(axis=2)  # [B, 12, 33], [B, 32, 33]
    x, y = (across @ along_x) / total, (down @ along_y) / total
    wide = np.sqrt((along_x * (across[:, None] - x[:, None]) ** 2).sum(axis=1) / total)
    high = np.sqrt((along_y * (down[:, None] - y[:, None]) ** 2).sum(axis=1) / total)
    row = np.clip((places[..., 1] * rows).astype(int), 0, rows - 1)  # [B, 33]
    column = np.clip(((places[..., 0] * side - HEATMAP_COLUMNS.start) / POOLED).astype(int), 0, columns - 1)
    picture, kind = np.ogrid[:batch, :kinds]
    here = sure[picture, row, column, kind]
    there = sure[picture, row[:, LANDMARK_PARTNERS], column[:, LANDMARK_PARTNERS], kind]
    return np.stack([x, y, here, there, np.log(total), wide, high], axis=-1).astype(np.float64)


def refined_places(places: np.ndarray, heatmap: np.ndarray) -> np.ndarray:
    """Move each landmark to the centre of mass of its heatmap in the 9x9 cells around it.

    places: [B, K, 2] in [0, 1]; heatmap: [B, 64, 64, K] logits. A landmark whose window peaks below .5, or that
    lies outside the map, stays. Returns [B, K, 2].
    """
    side, reach = heatmap.shape[1], 4
    cell = np.floor(places * side).astype(np.int64)  # [B, K, 2] column, row
    window = cell[:, :, None] + np.arange(-reach, reach + 1)[:, None]  # [B, K, 9, 2]
    columns, rows = window[..., 0], window[..., 1]
    batch, kind = np.ogrid[: places.shape[0], : places.shape[1]]
    inside_columns, inside_rows = (columns >= 0) & (columns < side), (rows >= 0) & (rows < side)
    clipped = np.clip(window, 0, side - 1)
    weights = sigmoid(
        heatmap[
            batch[..., None, None], clipped[..., 1][..., :, None], clipped[..., 0][..., None, :], kind[..., None, None]
        ]
    ) * (inside_rows[..., :, None] & inside_columns[..., None, :])  # [B, K, 9 rows, 9 columns]
    total = np.maximum(weights.sum(axis=(2, 3)), 1e-9)
    column = (weights.sum(axis=2) * (columns)).sum(axis=-1) / total
    row = (weights.sum(axis=3) * (rows)).sum(axis=-1) / total
    moved = ((cell >= 0) & (cell < side)).all(axis=-1) & (weights.max(axis=(2, 3)) >= 0.5)
    return np.where(moved[..., None], np.stack([column, row], axis=-1) / side, places)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """The logistic function, without overflow."""
    return 1 / (1 + np.exp(-np.clip(logits, -80, 80)))


def rows_of(columns: Columns, rows: np.ndarray) -> Columns:
    """Some of the N entries of a dataclass of arrays [N, ...]."""
    return replace(columns, **{entry.name: getattr(columns, entry.name)[rows] for entry in fields(columns)})


def with_rows(into: Columns, rows: np.ndarray, source: Columns) -> Columns:
    """A dataclass of arrays [N, ...] with `rows` replaced by all of `source`."""
    values = {}
    for entry in fields(into):
        column = getattr(into, entry.name).copy()
        column[rows] = getattr(source, entry.name)
        values[entry.name] = column
    return replace(into, **values)
