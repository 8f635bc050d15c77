"""Where heads are on pictures, and how they are made unrecognisable."""

import numpy as np
from PIL import Image

from gcl_cli.artifacts.formats import read_meshes
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import MANIFEST, read_artifact
from gcl_cli.people.bodies import STATUS

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels

FACE = 11  # the first landmarks are nose, eyes, ears and mouth
REACH = 2.0  # of a head about the middle of its face, in distances of the farthest of these landmarks
LEAST = 1 / 16  # of the picture's height: half a head of a person who fills the crop
TOP = (
    1 / 4
)  # of a crop without landmarks; an eighth holds the whole face on 13 of 99 PKU-Reid pictures, a quarter on 98
BODY_HEADS = 6  # heads that a drawn body is high; people are 7 to 8: the rest is margin
WHITE = 250  # from this grey on nothing is drawn
CELLS = 3  # that are left of a head, each way


class Heads:
    """Where heads are on the pictures of a data set, as far as its meshes tell."""

    def __init__(self, landmarks: dict[str, np.ndarray]) -> None:
        self._landmarks = landmarks  # by name of the picture: [11, 2] crop pixels

    def on(self, name: str, height: int, width: int) -> Box:
        """The head on a picture of a data set: about its landmarks, else the top quarter."""
        if name not in self._landmarks:
            return (0, 0, width, max(1, round(TOP * height)))
        points = self._landmarks[name]
        middle = points.mean(axis=0)
        reach = max(REACH * float(np.linalg.norm(points - middle, axis=1).max()), LEAST * height)
        return _within(*(middle - reach), *(middle + reach), height=height, width=width)


def known_heads(work: WorkFolder) -> Heads:
    """The heads that the mesh artifact has sure landmarks of; none without that artifact, or with foreign meshes."""
    landmarks: dict[str, np.ndarray] = {}
    if not (work.artifact("mesh") / MANIFEST).exists():
        return Heads(landmarks)
    folder = read_artifact(work, "mesh").folder  # whole: a changed landmark would leave a face as it is
    for split in ("train", "query", "gallery"):
        if (folder / f"{split}.safetensors").is_file():
            names, meshes = read_meshes(folder, split)
            sure = np.flatnonzero(meshes.status == STATUS.index("ok")).tolist()
            landmarks |= {names[row]: meshes.landmarks[row, :FACE, :2] for row in sure}
    return Heads(landmarks)


def drawn_head(body: np.ndarray) -> Box:
    """The head of a drawn body [H, W] uint8 on white: all that is drawn in its top sixth, with a margin."""
    height, width = body.shape
    rows = np.flatnonzero((body < WHITE).any(axis=1))
    if not len(rows):
        return (0, 0, width, max(1, round(TOP * height)))
    bottom = rows[0] + (rows[-1] - rows[0]) / BODY_HEADS
    columns = np.flatnonzero((body[rows[0] : int(bottom) + 1] < WHITE).any(axis=0))
    margin = width / 16
    return _within(columns[0] - margin, rows[0] - margin, columns[-1] + margin, bottom, height=height, width=width)


def blurred(picture: np.ndarray, head: Box) -> np.ndarray:
    """The picture [h, w, 3] uint8 with nine colours left of its head, which no sharpening brings back."""
    image = Image.fromarray(picture)
    region = image.crop(head)
    coarse = region.resize((CELLS, CELLS), Image.Resampling.BOX)
    image.paste(coarse.resize(region.size, Image.Resampling.BILINEAR), head[:2])
    return np.asarray(image)


def _within(left: float, top: float, right: float, bottom: float, *, height: int, width: int) -> Box:
    """Whole pixels inside the picture, at least one each way."""
    x, y = (int(np.clip(np.floor(low), 0, size - 1)) for low, size in ((left, width), (top, height)))
    across, down = (
        int(np.clip(np.ceil(high), low + 1, size)) for high, low, size in ((right, x, width), (bottom, y, height))
    )
    return (x, y, across, down)
