"""What teaches the generator of `gcl views`: pairs, batches, a training that goes on where it was, and its measures."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from skimage.metrics import structural_similarity

from gcl_cli.people.painting import draw_people
from gcl_cli.weights.shipped_generator import load_shipped_generator

RECIPES = Path(__file__).parents[2] / "recipes" / "generator"
sys.path.insert(0, str(RECIPES))
import batches  # noqa: E402
import learn  # noqa: E402
import measure  # noqa: E402
import pairs as drawing  # noqa: E402

PEOPLE = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Pairs of ten people from all sides, who are nobody's that the shipped generator learned from."""
    target = tmp_path_factory.mktemp("generator")
    plan = drawing.Plan(seed=7009, sides=7, everybody=True)
    (target / "pairs").mkdir()
    np.savez(target / "pairs" / "7009_000000.npz", **drawing.draw_part(plan, range(PEOPLE)))
    return target


@pytest.fixture
def pairs(folder) -> batches.Pairs:
    return batches.Pairs(folder / "pairs")


def test_what_is_given_and_what_should_come_out_lie_on_each_other(folder):
    stored = np.load(folder / "pairs" / "7009_000000.npz")
    assert stored["angles"].tolist() == [[0, 45, 90, 135, 180, 225, 270, 315]] * PEOPLE
    body, alpha = stored["grey"][:, 1:] < 240, stored["true"][:, 1:, ..., 3] > 128
    overlap = (body & alpha).sum((2, 3)) / (body | alpha).sum((2, 3))
    assert overlap.mean() > 0.6, "the person in the estimated pose is on the estimated body"
    assert (body & alpha).sum() > 0.85 * body.sum()
    assert np.array_equal(stored["true"][:, 0, ..., :3], stored["crop"])


def test_a_part_depends_on_its_people_alone(folder):
    plan = drawing.Plan(seed=7009, sides=7, everybody=True)
    again = drawing.draw_part(plan, range(3, 5))
    stored = np.load(folder / "pairs" / "7009_000000.npz")
    for name, value in again.items():
        assert np.array_equal(value, stored[name][3:5]), name


def test_a_batch_holds_the_views_that_were_asked_for(pairs):
    batch = pairs.batch([2, 7], [0, 3])
    assert batch.turn.tolist() == [0, 135]
    assert all(value.min() >= 0 and value.max() <= 1 for value in batch if value.dim() == 4)
    assert torch.equal(batch.true[0], batch.photograph[0])
    assert torch.equal(batch.structure[1, 6:], pairs.batch([7], [0]).structure[0, :1]), "the own body is told, too"


def test_a_mirrored_person_is_turned_the_other_way(pairs):
    batch = pairs.batch([2, 7], [2, 2])
    mirrored = batches._mirrored(batch, torch.tensor([True, False]))
    assert mirrored.turn.tolist() == [270, 90]
    assert torch.equal(mirrored.true[0], batch.true[0].flip(-1)) and torch.equal(mirrored.true[1], batch.true[1])


def test_augmenting_lights_everything_alike_and_leaves_shapes_alone(pairs):
    batch = pairs.batch(list(range(PEOPLE)), [1] * PEOPLE)
    lit = batches.augment(batch, torch.Generator().manual_seed(0))
    assert not torch.equal(lit.true, batch.true)
    assert lit.alpha.sum().item() == pytest.approx(batch.alpha.sum().item()), "mirrored at most"
    beside = lit.alpha.expand(-1, 3, -1, -1) == 0
    assert (lit.true - lit.scene)[beside].abs().mean() < 0.03, "beside the person the truth is the scene that is given"


def test_hidden_texture_is_gone_whole_and_bodies_stay(pairs, monkeypatch):
    batch = pairs.batch(list(range(PEOPLE)), [2] * PEOPLE)
    for kind, left in enumerate((1.0, 0.5, 0.9, 0.45, 0.0)):
        monkeypatch.setattr(batches, "HIDING", torch.eye(5)[kind])
        hidden = batches.hide(batch, torch.Generator().manual_seed(0)).structure
        assert torch.equal(hidden[:, :1], batch.structure[:, :1]) and torch.equal(hidden[:, 6:], batch.structure[:, 6:])
        gone = hidden[:, 4] != batch.structure[:, 4]
        assert not hidden[:, 1:6].movedim(1, -1)[gone].any()
        kept = (hidden[:, 4] > 0).sum() / (batch.structure[:, 4] > 0).sum()
        assert (kept == left) if left in (0, 1) else 0 < kept < 1


def test_small_pairs_are_the_same_pairs_at_half_the_size(folder, pairs):
    small = batches.Pairs(folder / "pairs", small=True).batch([2, 7], [0, 3])
    for name, half, whole in zip(small._fields, small, pairs.batch([2, 7], [0, 3]), strict=True):
        wanted = whole if name == "turn" else torch.nn.functional.avg_pool2d(whole, 2)
        assert torch.allclose(half, wanted, atol=0.6 / 255), name


def test_alikeness_is_the_structural_similarity_of_grey_pictures():
    rng = torch.Generator().manual_seed(0)
    one, other = torch.rand(2, 3, 20, 12, generator=rng), torch.rand(2, 3, 20, 12, generator=rng)
    other = 0.5 * one + 0.5 * other
    wanted = [
        structural_similarity(
            a.mean(0).numpy(), b.mean(0).numpy(), win_size=7, data_range=1, use_sample_covariance=False
        )
        for a, b in zip(one, other, strict=True)
    ]
    assert learn.alikeness(one, other).item() == pytest.approx(float(np.mean(wanted)), abs=1e-4)
    assert learn.alikeness(one, one).item() == pytest.approx(1)


def test_a_training_that_was_stopped_ends_as_one_that_was_not(pairs, tmp_path):
    for name, stops in (("whole", (3,)), ("halted", (1, 3))):
        (tmp_path / name).mkdir()
        for steps in stops:
            training = learn._generator_training(0)

            def step(training=training) -> dict[str, float]:
                batch = batches.drawn_batch(pairs, 2, training.rng)
                loss, said, _, _ = learn.pixel_losses(training.networks["generator"], batch)
                learn._descend(training.optimizers["generator"], loss, training.networks["generator"])
                return said

            training.run(tmp_path / name / "colours.pt", steps, pairs, step)
    whole, halted = (torch.load(tmp_path / name / "colours.pt", weights_only=True) for name in ("whole", "halted"))
    assert whole["step"] == halted["step"] == 3
    for name, value in whole["networks"]["generator"].items():
        assert torch.equal(value, halted["networks"]["generator"][name]), name


def test_the_shipped_generator_draws_strangers_nearer_to_the_truth_than_painting_does(pairs):
    people, scene, truth = measure.opened(pairs)
    painted = measure.figures(people, scene, truth, people.painted[:, :, :4], None)
    drawn = measure.figures(people, scene, truth, draw_people(load_shipped_generator(measure.CPU), people), None)
    assert drawn["L1"] < 0.9 * painted["L1"]
    assert drawn["IoU"] > painted["IoU"] + 0.05
    assert drawn["DSSIM"] < painted["DSSIM"]
    exact = measure.figures(people, scene, truth, truth, None)
    assert exact["L1"] < 0.02 and exact["IoU"] == 1


@pytest.mark.slow
def test_the_recipe_makes_weights_and_a_card_that_belong_together(folder, tmp_path):
    def typed(script: str, *words: str) -> str:
        command = [sys.executable, str(RECIPES / script), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    steps = ["--looks", "2", "--colours", "2", "--finish", "2"]
    assert "finish 2:" in typed("learn.py", str(folder / "pairs"), str(folder), *steps)
    said = typed("ship.py", str(folder), "--out", str(tmp_path / "made.safetensors"))
    card = (tmp_path / "made.md").read_text()
    assert said.split('"')[3] in card and "Apache-2.0" in card
    assert load_file(tmp_path / "made.safetensors").keys() == load_shipped_generator(measure.CPU).state_dict().keys()
    told = typed("measure.py", str(folder / "pairs"), "--weights", str(folder / "finish.pt"))
    assert all(row in told for row in ("painted", "a stranger's code", "no painted view"))
    folder_of = tmp_path / "without"
    folder_of.mkdir()
    shutil.copy(folder / "looks.pt", folder_of)
    typed("learn.py", str(folder / "pairs"), str(folder_of), *steps[2:], "--without", "code")
    told = typed("measure.py", str(folder / "pairs"), "--weights", str(folder_of / "finish.pt"), "--without", "code")
    assert told.startswith("without code") and told.count("\n") == 1


def test_an_ablation_leaves_out_what_it_says_and_nothing_else(pairs):
    batch = pairs.batch([0, 1], [1, 2])
    changed = {"nothing": [], "painted": [1, 2, 3, 4, 5], "seen": [5], "code": [], "judge": [], "colours": []}
    for part, channels in changed.items():
        less = learn.lessened(batch, part)
        differs = (less.structure != batch.structure).any(-1).any(-1).any(0)
        assert differs.nonzero().flatten().tolist() == channels, part
        assert torch.equal(less.photograph, batch.photograph) == (part != "code")
        assert torch.equal(less.true, batch.true)
