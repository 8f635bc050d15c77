"""Painted views in the steps without generation."""

from functools import partial

import pytest
import torch
from torch.nn import functional as F
from training_world import (
    CLUSTERING,
    Bars,
    new_networks,
    rng,
    same,
    tensors_of,
    training_set,
    unbroken_and_resumed,
)

from gcl_cli.config import JointSettings
from gcl_cli.errors import GclError
from gcl_cli.records import PseudoLabels
from gcl_cli.training import epoch_clusters, joint
from gcl_cli.training.augmentation import normalise
from gcl_cli.training.joint import Joint, joint_state
from gcl_cli.training.novel_views import NovelViews, novel_views, require_novel_views
from gcl_cli.training.ram import kept_for_gradients

LABELS = torch.arange(32) // 4
PAINTED = {"losses": ("vi", "vi_syn", "vi_mem"), "contrast_views": "painted"}


class Blocks:
    """Painted views: an opaque block of one colour for each row and angle in the middle of nothing."""

    angles = (0, 45, 90, 135, 180, 225, 270, 315)

    def __call__(self, rows, angle_index):
        views = torch.zeros(len(rows), 4, 64, 32, dtype=torch.uint8)
        for view, row, angle in zip(views, rows.tolist(), angle_index.tolist(), strict=True):
            view[:3, 8:56, 8:24] = 7 * row + angle
            view[3, 8:56, 8:24] = 255
        return views


def data(**changed):
    made = training_set()
    made.painted = Blocks()
    for name, value in changed.items():
        setattr(made, name, value)
    return made


def chosen(**changed) -> JointSettings:
    return JointSettings(**{"epochs": 1, "iterations": 2, "batch_size": 4, **CLUSTERING, **PAINTED, **changed})


def drawn(rows, *, of=None, **changed):
    of = of or data()
    return NovelViews(of, of.painted, chosen(**changed)).draw(torch.tensor(rows), rng())


def block(views):
    return views[:, 0, 30, 16].tolist()


def test_turned_people_stand_before_what_was_behind_them():
    views = drawn([3, 5], own_view_share=0.0, backdrop="own", angles=(90,))
    assert block(views) == [7 * 3 + 2, 7 * 5 + 2]
    assert torch.equal(views[..., :6], data().pictures[[3, 5]][..., :6])  # left of the block nothing changed


def test_people_may_stay_as_photographed_before_the_backdrop_of_somebody_else():
    pictures = data().pictures
    views = drawn([3] * 64, own_view_share=1.0, backdrop="other")
    assert all(torch.equal(view[:, 10:54, 10:22], pictures[3][:, 10:54, 10:22]) for view in views)
    beside = {tuple(view[:, 0, 0].tolist()) for view in views}
    assert len(beside) > 8 and beside <= {tuple(picture[:, 0, 0].tolist()) for picture in pictures}


def test_half_of_the_views_are_turned_to_any_of_the_angles():
    angles = [value - 7 * 3 for value in block(drawn([3] * 200, own_view_share=0.5, angles=(45, 180)))]
    turned = [angle for angle in angles if angle in (1, 4)]
    assert 70 < len(turned) < 130 and {1, 4} == set(turned)


def test_pictures_of_a_doubtful_mesh_are_left_as_they_are():
    well = torch.ones(32, dtype=torch.bool)
    well[3] = False
    of = data(well_meshed=well)
    views = drawn([3, 5], of=of, own_view_share=0.0, angles=(90,))
    assert torch.equal(views[0], of.pictures[3]) and not torch.equal(views[1], of.pictures[5])


@pytest.mark.parametrize("without", [{"losses": ("gan", "vi")}, {"contrast_views": "none", "losses": ("vi",)}])
def test_without_a_loss_for_them_none_are_drawn(without):
    assert novel_views(data(), chosen(**without)) is None


def test_views_that_were_not_painted_are_an_error_with_two_ways_out():
    with pytest.raises(GclError, match="grey alone") as caught:
        novel_views(data(painted=None), chosen())
    assert "gcl render --restart" in caught.value.fix and "contrast_views=none" in caught.value.fix


def test_losses_of_novel_views_need_a_generator_or_painted_views():
    for losses in (("vi", "vi_syn"), ("vi_mem",)):
        with pytest.raises(GclError, match=f"{losses[-1]} of --losses need novel views") as caught:
            require_novel_views(JointSettings(losses=losses), there=False)
        assert "Add gan" in caught.value.fix and "contrast_views=painted" in caught.value.fix
        require_novel_views(JointSettings(losses=("gan", *losses)), there=False)
        require_novel_views(JointSettings(losses=losses, contrast_views="painted"), there=True)


def banked(sides, *, rows=(3, 5), **changed):
    """A bank of views of `rows`, person i from the side sides[i % len(sides)], an index of Blocks' angles."""
    of = data()
    bank = novel_views(of, chosen(contrast_views="generated", backdrop="own", **changed))
    bank.renew(torch.tensor(rows), torch.tensor(sides).repeat(32)[:32])
    return bank


def test_a_person_has_one_generated_side_an_epoch():
    bank = banked([1, 2], rows=(5, 3, 5), own_view_share=0.0)
    assert block(bank.draw(torch.tensor([3, 5, 3, 3]), rng())) == [7 * 3 + 2, 7 * 5 + 2, 7 * 3 + 2, 7 * 3 + 2]
    bank.renew(torch.tensor([3]), torch.full((32,), 7))
    assert block(bank.draw(torch.tensor([3]), rng())) == [7 * 3 + 7]


def test_only_those_whom_the_batches_name_are_drawn():
    bank = banked([4], rows=((3, 5), (5, 3)))
    assert len(bank._turned) == 2


def test_what_is_kept_of_people_is_known_beforehand():
    everybody = banked([4], rows=tuple(range(32)))
    assert everybody.nbytes == everybody.covered.nbytes + everybody._turned.nbytes
    painted = novel_views(data(), chosen())
    assert painted.nbytes == painted.covered.nbytes == 32 * 64 * 32


def test_people_who_keep_their_side_are_their_photograph_before_any_backdrop():
    views = banked([4], own_view_share=1.0).draw(torch.tensor([3, 5]), rng())
    assert torch.equal(views[:, :, 10:54, 10:22], data().pictures[[3, 5]][:, :, 10:54, 10:22])


def test_sides_of_an_epoch_are_drawn_from_the_angles_that_are_asked_for():
    sides = banked([4], angles=(90, 180)).draw_sides(rng())
    assert set(sides.tolist()) == {2, 4} and len(sides) == 32


def test_generated_views_that_cannot_be_drawn_are_an_error_with_two_ways_out():
    with pytest.raises(GclError, match="want generated views, and the rendered ones are grey alone") as caught:
        novel_views(data(painted=None), chosen(contrast_views="generated"))
    assert "gcl render --restart" in caught.value.fix and "contrast_views=none" in caught.value.fix


def new_joint(**changed) -> Joint:
    settings = chosen(**changed)
    return Joint(joint_state(new_networks(), settings), data(), Bars(), settings)


def test_a_step_has_all_three_terms_of_real_and_painted_features(monkeypatch):
    """Against Eq. 6-8 written as loops."""
    monkeypatch.setattr(epoch_clusters, "cluster_features", lambda *_, **__: PseudoLabels(LABELS.numpy().copy(), 0.5))
    training = new_joint(iterations=1, negatives=40)
    seen = []
    encoder = training.gan.identity_encoder
    forward = encoder.forward

    def spy(pictures):
        code = forward(pictures)
        if encoder.training:
            seen.append((pictures, F.normalize(code.embedding, dim=1).detach()))
        return code

    monkeypatch.setattr(encoder, "forward", spy)
    positives = noted_draws(monkeypatch)
    values = next(training.epochs()).values
    (real_pictures, real), (painted_pictures, novel) = seen
    rows = training.state.batches[0]
    assert torch.equal(real_pictures, normalise(training.data.pictures[rows]))
    assert not torch.equal(real_pictures, painted_pictures)
    bank, (first, second) = training.before, positives
    tau = training.settings.temperature
    sums = {"vi": 0.0, "vi_syn": 0.0, "vi_mem": 0.0}
    for i, row in enumerate(rows.tolist()):
        others = sum(torch.exp(novel[i] @ bank[j] / tau) for j in range(32) if LABELS[j] != LABELS[row])
        for name, anchor, key in (
            ("vi", real[i], bank[first[i]]), ("vi_syn", novel[i], real[i]), ("vi_mem", novel[i], bank[second[i]])
        ):  # fmt: skip
            hit = torch.exp(anchor @ key / tau)
            sums[name] += float(-torch.log(hit / (hit + others))) / len(rows)
    for name, expected in sums.items():
        assert values[name] == pytest.approx(expected, rel=1e-4)


def noted_draws(monkeypatch) -> list[torch.Tensor]:
    """Every draw of positives from now on; a training keeps its memory bank as it was before its last step."""
    original, positives = joint.draw_positives, []

    def draw(labels, rows, **named):
        positives.append(original(labels, rows, **named))
        return positives[-1]

    monkeypatch.setattr(joint, "draw_positives", draw)
    remember = Joint._remember

    def noted(self, rows, features):
        self.before = self.state.bank.clone()
        remember(self, rows, features)

    monkeypatch.setattr(Joint, "_remember", noted)
    return positives


def test_running_statistics_follow_real_pictures_alone():
    painted, plain = new_joint(iterations=1), new_joint(iterations=1, losses=("vi",))
    for training in (painted, plain):
        list(training.epochs())
    states = [t.gan.identity_encoder.state_dict() for t in (painted, plain)]
    counts = [name for name in states[0] if name.endswith("num_batches_tracked")]
    assert counts and all(torch.equal(states[0][name], states[1][name]) for name in counts)


@pytest.mark.parametrize("views", ["painted", "generated"])
def test_resumed_equals_unbroken_bit_for_bit(tmp_path, views):
    def loop():
        training = new_joint(
            epochs=2, contrast_steps=1, losses=("gan", "vi", "vi_syn", "vi_mem"), augment="classic",
            contrast_views=views,
        )  # fmt: skip
        return training.state, training.epochs()

    for unbroken, resumed in unbroken_and_resumed(loop, (1, 2, 6), tmp_path):
        assert same(unbroken, resumed)


@pytest.mark.parametrize("moved_by", ["real", "all"])
def test_activations_that_are_recomputed_are_not_kept_and_lead_to_the_same_bit_for_bit(moved_by):
    memory = F.normalize(torch.randn(32, 8 * 16, generator=rng(6)), dim=1)
    ends, sizes = [], []
    for recompute in (False, True):
        settings = chosen(checkpoint_activations=recompute, batchnorm_update=moved_by)
        training = Joint(joint_state(new_networks(), settings), data(), Bars(), settings)
        training.state.bank, training.state.labels = memory.clone(), LABELS
        (seen,), (novel,), (part,) = training._contrast_parts(torch.arange(4))
        networks = training.state.networks.values()
        features, kept = kept_for_gradients(partial(training._features, seen, novel), networks)
        sum(training._contrast_terms(part, *features).values()).backward()
        encoder = training.gan.identity_encoder
        ends.append(({n: p.grad for n, p in encoder.named_parameters() if p.grad is not None}, tensors_of(encoder)))
        sizes.append(kept)
    assert len(ends[0][0]) > 30 and same(*ends)
    assert sizes[1] < 0.3 * sizes[0]
