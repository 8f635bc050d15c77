"""The data files that ship with the package, read only when they are what was shipped."""

import hashlib
from functools import cache
from pathlib import Path

from gcl_cli.errors import GclError

DIGESTS = {  # sha256; `bash recipes/assets.sh` makes the files anew, and prints theirs
    "body.safetensors": "9b5d4b033ffbe1c2c76ffc62d288071bd345eef8f181361425d23a084a3017bd",
    "keypoints.safetensors": "4b31d5bef3f09b2302aee57e2331fa35687be5d5c219afa8cba995c4d3fb035c",
    "pose_landmark_crop.tflite": "591eb74131ab01314b41d3bd87fb9cc9b1adc2fbd4f053178e32e1145ca17eaf",
    "view_generator.safetensors": "eebaa9bcb24ce55d023c08c079ebfe10c268900d607a69de65d7907df0699926",
}


@cache
def whole(path: Path) -> Path:
    """The path of a shipped file; GclError when the file is gone or was changed."""
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        found = "missing"
    if found != DIGESTS[path.name]:
        raise GclError(
            f"{path} is {'missing' if found == 'missing' else 'damaged'}: the installed package is not whole.",
            "Install it anew: pip install --force-reinstall --no-deps gcl-cli",
        )
    return path
