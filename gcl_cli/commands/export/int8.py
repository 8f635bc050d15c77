"""An ONNX file in eight bits, and what that costs on the pictures of the set."""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gcl_cli.commands.export.forms import Form, as_form
from gcl_cli.config import ExportSettings
from gcl_cli.datasets.dataset import camera_numbers, person_numbers
from gcl_cli.datasets.decoding import read_pictures
from gcl_cli.errors import GclError
from gcl_cli.metrics.ranking import rank_features
from gcl_cli.people.data import WorkData
from gcl_cli.records import Sample

NEAR = 10  # neighbours that are compared
BATCH = 32
_QUANTISED = ["Conv", "Gemm", "MatMul"]


@dataclass(frozen=True)
class SetPictures:
    """The pictures of a set as a program gives them to the network."""

    data: WorkData
    form: Form
    size: tuple[int, int]  # height and width
    threads: int

    def batches(self, samples: Sequence[Sample]) -> Iterator[np.ndarray]:
        """Some of them, a batch at a time."""
        for at in range(0, len(samples), BATCH):
            names = [sample.name for sample in samples[at : at + BATCH]]
            read = read_pictures(self.data.root, names, height=self.size[0], width=self.size[1], threads=self.threads)
            yield as_form(read.permute(0, 2, 3, 1).contiguous(), self.form).numpy()

    def embeddings(self, content: bytes, samples: Sequence[Sample]) -> Tensor:
        """What an ONNX file says of them: [N, D]."""
        import onnxruntime

        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        rows = [session.run(None, {self.form.input: batch})[0] for batch in self.batches(samples)]
        return torch.from_numpy(np.concatenate(rows))


def split_training(data: WorkData, settings: ExportSettings) -> tuple[list[Sample], list[Sample]]:
    """Training pictures to calibrate with, and others to measure on (the same where there are too few)."""
    train = data.split("train")
    if len(train) <= NEAR:
        raise GclError(f"--int8 needs more than {NEAR} training pictures; there are {len(train)}.", "Leave --int8 out.")
    drawn = [train[row] for row in np.random.default_rng(settings.seed).permutation(len(train))]
    others = drawn[settings.calibration :]
    return drawn[: settings.calibration], (others if len(others) > NEAR else drawn)[: settings.measured]


def int8_model(content: bytes, form: Form, calibration: Iterator[np.ndarray]):  # type: ignore[no-untyped-def]
    """The onnx.ModelProto of a file with convolutions in eight bits, in the ranges that some pictures lead to."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def get_next(self) -> dict[str, np.ndarray] | None:
            """The next batch, or none."""
            batch = next(calibration, None)
            return None if batch is None else {form.input: batch}

    with tempfile.TemporaryDirectory() as folder, _advice_withheld():
        plain, ready, made = (Path(folder) / name for name in ("plain.onnx", "ready.onnx", "int8.onnx"))
        plain.write_bytes(content)
        quant_pre_process(plain, ready, skip_symbolic_shape=True)
        quantize_static(
            ready, made, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, op_types_to_quantize=_QUANTISED,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        )  # fmt: skip
        return onnx.load(made)


@contextmanager
def _advice_withheld() -> Iterator[None]:
    """Without onnxruntime's advice on how to call it."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def cost(exact: bytes, small: bytes, pictures: SetPictures, measured: list[Sample], most: int) -> dict[str, Any]:
    """What eight bits change: neighbours that stay, cosines, and mAP where people are known.

    `same_nearest`: share of pictures whose nearest other one stays; `same_neighbours`: mean share of their ten nearest
    that stay; `cosine_mean`, `cosine_lowest`: between both embeddings of a picture; `mAP` and `rank_1` of both files,
    percent, on at most about `most` pictures of query and gallery.
    """
    both = [pictures.embeddings(content, measured) for content in (exact, small)]
    near = [_neighbours(rows) for rows in both]
    alike = (both[0] * both[1]).sum(1)
    shared = [len(set(a) & set(b)) / NEAR for a, b in zip(*(rows.tolist() for rows in near), strict=True)]
    said: dict[str, Any] = {
        "pictures": len(measured), "same_nearest": float((near[0][:, 0] == near[1][:, 0]).float().mean()),
        "same_neighbours": float(np.mean(shared)), "cosine_mean": float(alike.mean()),
        "cosine_lowest": float(alike.min()),
    }  # fmt: skip
    query, gallery = _labelled(pictures.data, most)
    if query:
        said |= {"queries": len(query), "gallery": len(gallery)}
        said |= {"fp32": _figures(exact, pictures, query, gallery), "int8": _figures(small, pictures, query, gallery)}
    return said


def _neighbours(rows: Tensor) -> Tensor:
    """The nearest others of each row, best first: [N, NEAR]."""
    cosines = rows @ rows.T
    cosines.fill_diagonal_(-2)
    return cosines.topk(NEAR, dim=1).indices


def _labelled(data: WorkData, most: int) -> tuple[list[Sample], list[Sample]]:
    """Query and gallery pictures of as many people as make `most` pictures, of whom only the gallery has some last.

    None where people are unknown.
    """
    query, gallery = ([s for s in data.split(name) if s.person is not None] for name in ("query", "gallery"))
    people: set[int | None] = set()
    for person in dict.fromkeys(sample.person for sample in (*query, *gallery)):
        if sum(sample.person in people for sample in (*query, *gallery)) < most:
            people.add(person)
    query, gallery = ([s for s in samples if s.person in people] for samples in (query, gallery))
    return (query, gallery) if gallery else ([], [])


def _figures(content: bytes, pictures: SetPictures, query: list[Sample], gallery: list[Sample]) -> dict[str, float]:
    found = rank_features(
        pictures.embeddings(content, query), pictures.embeddings(content, gallery),
        person_numbers(query), camera_numbers(query), person_numbers(gallery), camera_numbers(gallery),
        max_rank=1, average_precision="open-reid",
    )  # fmt: skip
    return {"mAP": 100 * found.mean_average_precision, "rank_1": 100 * float(found.cmc[0])}
