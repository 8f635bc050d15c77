"""Camera-styled pictures on disk: every training picture as every camera would have taken it (CamStyle, CVPR 2018)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gcl_cli.artifacts.files import digest_of
from gcl_cli.artifacts.pairing import base, base_stem, shortest, stem
from gcl_cli.datasets.decoding import read_pictures
from gcl_cli.datasets.listing import expanded
from gcl_cli.errors import GclError, first_few
from gcl_cli.people.data import WorkData
from gcl_cli.records import Sample, TrainingSet
from gcl_cli.session import Session

SHOWN = 3  # missing files that an error lists


@dataclass(frozen=True)
class CamStyleFolder:
    """The StyleVersions of a folder: what a picture's own camera took is the picture itself, the rest is read."""

    folder: Path
    samples: Sequence[Sample]
    layout: str
    stems: Sequence[str]  # what of each picture's name the names of its styled ones begin with
    pictures: Tensor  # [N, 3, H, W] uint8, the originals
    threads: int

    def __call__(self, rows: Tensor, cameras: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] uint8 of `rows` [B], each as the camera `cameras` [B] would have taken it."""
        asked = list(zip(rows.tolist(), cameras.tolist(), strict=True))
        styled = torch.tensor([self.samples[row].camera != camera for row, camera in asked], dtype=torch.bool)
        names = [styled_name(self.samples[row], camera, self.layout, self.stems[row]) for row, camera in asked]
        found = self.pictures[rows]
        if bool(styled.any()):
            height, width = found.shape[2:]
            wanted = [name for name, is_styled in zip(names, styled.tolist(), strict=True) if is_styled]
            found[styled] = read_pictures(self.folder, wanted, height=height, width=width, threads=self.threads)
        return found


def camera_styles(folder: str, data: WorkData, training: TrainingSet, session: Session) -> CamStyleFolder:
    """The training pictures in the style of each other's cameras, from the files of `folder`.

    Raises GclError when cameras are unknown, when there is no such folder, and when it lacks a picture.
    """
    samples, path = data.split("train"), expanded(folder)
    if training.cameras is None:
        raise GclError(
            f"--camstyle {folder}: the cameras of the pictures in {data.root} are unknown.",
            "Leave --camstyle out, or give a data set whose file names carry the camera.",
        )
    if not path.is_dir():
        raise GclError(
            f"--camstyle {folder}: there is no such folder.", "Name the folder of the camera-styled pictures."
        )
    wanted = styled_names(samples, training.cameras, data.dataset.layout)
    there = {file.relative_to(path).as_posix() for file in path.rglob("*")}
    missing = [name for name in wanted if name not in there]
    if missing:
        shown = first_few(missing, SHOWN)
        raise GclError(
            f"{path} lacks {len(missing):,} of {len(wanted):,} camera-styled pictures: {shown}",
            "Unpack the camera-styled pictures of this data set there, or leave --camstyle out.",
        )
    stems = stems_of(samples)
    return CamStyleFolder(path, samples, data.dataset.layout, stems, training.pictures, session.processes)


def styles_digest(folder: str) -> str:
    """The identity of a folder of camera-styled pictures: its files and their sizes."""
    path = expanded(folder)
    if not path.is_dir():
        raise GclError(
            f"--camstyle {folder}: there is no such folder.", "Name the folder of the camera-styled pictures."
        )
    files = (file for file in path.rglob("*") if file.is_file())
    return digest_of(sorted([file.relative_to(path).as_posix(), file.stat().st_size] for file in files))


def styled_names(samples: Sequence[Sample], cameras: Tensor, layout: str) -> list[str]:
    """The files of all samples in the style of every camera but their own."""
    every = cameras.unique().tolist()
    return [
        styled_name(sample, camera, layout, stem)
        for sample, stem in zip(samples, stems_of(samples), strict=True)
        for camera in every
        if camera != sample.camera
    ]


def stems_of(samples: Sequence[Sample]) -> list[str]:
    """What tells each picture from the others: its name without folders and ending where that does, else more of it."""
    return shortest([sample.name for sample in samples], (base_stem, base, stem))


def styled_name(sample: Sample, camera: int, layout: str, stem: str = "") -> str:
    """The file of `sample` as `camera` sees it: `<stem>_fake_<own>to<camera>.jpg`, for MSMT17 without `<own>to`.

    stem: of its name, where more than the usual tells it from others.
    """
    change = f"{camera}" if layout.startswith("msmt17") else f"{sample.camera}to{camera}"
    return f"{stem or base_stem(sample.name)}_fake_{change}.jpg"
