"""Pictures that are no crop of one person are noted; people on photographs never are."""

import numpy as np
import pytest
from PIL import Image

from gcl_cli.commands.synth import run as synth
from gcl_cli.people.crops import crop_notes

KINDS = {
    "noise": lambda: np.random.default_rng(0).integers(0, 256, (128, 64, 3)),
    "one colour": lambda: np.full((128, 64, 3), (10, 200, 10)),
    "a landscape": lambda: np.broadcast_to(np.linspace(0, 255, 90)[:, None, None], (90, 160, 3)),
    "a square": lambda: np.full((300, 300, 3), (10, 200, 10)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_person_gets_a_note(tmp_path, kind):
    path = tmp_path / "a.png"
    Image.fromarray(KINDS[kind]().astype(np.uint8)).save(path)
    (note,) = crop_notes([path]).values()
    assert "no person was found in it" in note and "give the crop of one person" in note


def test_a_frame_with_people_on_it_is_wide_and_each_of_them_is_a_person(tmp_path):
    synth(str(tmp_path / "people"), {"ids": 4, "cameras": 2, "images": 2, "seed": 5}, threads=1, restart=False)
    crops = sorted((tmp_path / "people/bounding_box_train").glob("*.jpg"))
    assert crops and crop_notes(crops) == {}
    frame = Image.new("RGB", (1280, 720), (120, 120, 120))
    for place, crop in enumerate(crops[:4]):
        frame.paste(Image.open(crop).resize((120, 240)), (80 + 300 * place, 300))
    frame.save(tmp_path / "frame.jpg")
    assert "wider than high (1280x720)" in crop_notes([tmp_path / "frame.jpg"])[str(tmp_path / "frame.jpg")]
    assert crop_notes([]) == {}
