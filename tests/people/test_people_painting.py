"""People of photographs, drawn by the generator that ships with gcl."""

import numpy as np
import pytest
import torch
from PIL import Image

from gcl_cli.body.painting import traced_views, view_flows
from gcl_cli.commands import synth
from gcl_cli.errors import GclError
from gcl_cli.people import painting
from gcl_cli.people.painting import before_own_backdrops, draw_people, paint_people
from gcl_cli.training.drawn_views import PaintedStructures, drawn_by_shipped, resized_pictures
from gcl_cli.training.painting import Painting, paint, turned_back
from gcl_cli.weights import shipped_generator
from gcl_cli.weights.shipped_generator import SIZE, load_shipped_generator

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("painting") / "people"
    synth.run(str(folder), {"ids": 2, "cameras": 2, "images": 2, "distractors": 0}, threads=1, restart=False)
    return folder


@pytest.fixture(scope="module")
def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))[:4]


@pytest.fixture(scope="module")
def people(folder, names):
    return paint_people(folder, names, (90, 180), SIZE)


@pytest.fixture(scope="module")
def flows(folder, names):
    """What `gcl render` would store of them, [N, S, 4, H, W]."""
    made = []

    def flowing(photograph, *given, **also):
        made.append(view_flows(photograph.shape[:2], *given, **also))
        return traced_views(photograph, *given, **also)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(painting, "traced_views", flowing)
        paint_people(folder, names, (90, 180), SIZE)
    return torch.from_numpy(np.array(made).astype(np.int16))


def test_people_are_painted_from_their_own_side_and_those_that_are_asked_for(people):
    assert people.sides == (0, 90, 180)
    assert people.photographs.shape == (4, 3, 128, 64)
    assert people.bodies.shape == (4, 3, 128, 64)
    assert people.painted.shape == (4, 3, 5, 128, 64)
    own = people.painted[:, 0]
    there = own[:, 3:4] > 0
    assert torch.equal(own[:, :3] * there, people.photographs * there)
    assert (people.painted[:, 1:, 4].float().mean() < 0.5 * own[:, 4].float().mean()).item(), "little of them is seen"


def test_what_is_drawn_is_the_person_and_stands_where_the_body_does(people):
    drawn = draw_people(load_shipped_generator(CPU), people)
    assert drawn.shape == (4, 3, 4, 128, 64)
    body, opaque = people.bodies < 240, drawn[:, :, 3] > 128
    assert (body & opaque).sum() > 0.85 * body.sum()
    assert (opaque & ~body).sum() < 0.8 * body.sum(), "clothes and bags reach beyond the body, no more"
    painted = people.painted[:, :, :3].float()
    wrong = (painted - drawn[:, :, :3]).abs().mean(2)
    others = (painted - drawn[:, :, :3].roll(1, 0)).abs().mean(2)
    assert wrong[body].mean() < others[body].mean(), "in the colours of the photograph"


def test_a_code_can_be_somebody_elses(people):
    generator = load_shipped_generator(CPU)
    own, same, other = (
        draw_people(generator, people, None if rows is None else torch.tensor(rows))
        for rows in (None, [0, 1, 2, 3], [1, 2, 3, 0])
    )
    assert torch.equal(own, same)
    assert not torch.equal(own, other)


class Stored:
    """Views [N, S, C, H, W] in the form of those that `gcl render` stores."""

    angles = (0, 90, 180)

    def __init__(self, views):
        self.views = views

    def __call__(self, rows, angle_index):
        return self.views[rows, angle_index]


def drawn_views(people, flows, pictures):
    told = PaintedStructures(Stored(people.bodies[:, :, None]), Stored(flows))
    return drawn_by_shipped(load_shipped_generator(CPU), pictures, told, precision="fp32")


def test_stored_flows_paint_people_as_they_are_painted_without(people, flows):
    rows, sides = torch.arange(4).repeat_interleave(3), torch.arange(3).repeat(4)
    views = Painting(Stored(flows), people.photographs)(rows, sides)
    expected = people.painted[rows, sides, :4]
    assert torch.equal(views[:, 3], expected[:, 3])
    assert (views.int() - expected.int()).abs().max() <= 1
    assert torch.equal(views[sides == 0], expected[sides == 0]), "as photographed: bit for bit"


def test_what_is_turned_is_painted_back_onto_the_own_side(people, flows):
    """There and back again: where both sides see it, the photograph."""
    beside = flows[:, 1]  # by 90 degrees
    photographs = people.photographs.float() / 255
    turned = paint(photographs, beside)[:, :3]
    back = paint(turned, turned_back(flows[:, 0], beside))
    seen = back[:, 4] == 1
    assert seen.float().sum() > 0.1 * (flows[:, 0, 2] > 127).sum()
    wrong = (back[:, :3] - photographs).abs().mean(1)
    shuffled = (back[:, :3] - photographs.roll(8, 2)).abs().mean(1)
    assert wrong[seen].mean() < 0.05 and wrong[seen].mean() < 0.6 * shuffled[seen].mean()


def test_a_training_draws_rendered_people_as_those_of_files_are_drawn(people, flows):
    views, expected = drawn_views(people, flows, people.photographs), draw_people(load_shipped_generator(CPU), people)
    rows, sides = torch.tensor([2, 0, 3]), torch.tensor([1, 2, 2])
    assert (views(rows, sides).int() - expected[rows, sides].int()).abs().max() <= 1
    own = views(rows, torch.zeros(3, dtype=torch.int64))
    assert (own[:, 3:] >= people.painted[rows, 0, 3:4]).all(), "nobody's body is left in a backdrop"


def test_drawn_people_have_the_size_of_the_networks_pictures(people, flows):
    views = drawn_views(people, flows, resized_pictures(people.photographs, (64, 32)))
    assert views(torch.tensor([1]), torch.tensor([1])).shape == (1, 4, 64, 32)


def test_where_nobody_is_a_view_is_the_photograph(people):
    drawn = torch.zeros(4, 2, 4, 128, 64, dtype=torch.uint8)
    pictures = before_own_backdrops(people, drawn)
    far = torch.nn.functional.max_pool2d(people.painted[:, 0, 3:4].float(), 5, 1, 2) == 0
    assert far.float().mean() > 0.2
    assert torch.equal(pictures[:, 1] * far, people.photographs * far)
    drawn[:, 1] = 255
    assert (before_own_backdrops(people, drawn)[:, 1] == 255).all()


def test_pictures_are_resized_and_left_alone_at_their_own_size():
    pictures = torch.full((2, 4, 128, 64), 77, dtype=torch.uint8)
    assert resized_pictures(pictures, (128, 64)) is pictures
    assert torch.equal(resized_pictures(pictures, (64, 32)), torch.full((2, 4, 64, 32), 77, dtype=torch.uint8))


def test_damaged_weights_are_never_drawn_with(tmp_path, monkeypatch):
    broken = tmp_path / shipped_generator.FILE.name
    broken.write_bytes(shipped_generator.FILE.read_bytes()[:-1] + b"\x00\x01")
    monkeypatch.setattr(shipped_generator, "FILE", broken)
    with pytest.raises(GclError, match="damaged"):
        load_shipped_generator(CPU)


def test_a_crop_of_any_size_is_painted(tmp_path):
    Image.fromarray(np.full((300, 90, 3), 120, np.uint8)).save(tmp_path / "wide.png")
    assert paint_people(tmp_path, ["wide.png"], (45,), SIZE).painted.shape == (1, 2, 5, 128, 64)
