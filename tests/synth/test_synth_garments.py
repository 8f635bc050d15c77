import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl_cli.body.model import load_body
from gcl_cli.synth.figures import BY_PLACE, dress
from gcl_cli.synth.garments import Cover, covers, neckline
from gcl_cli.synth.identities import TUCKED, identity
from gcl_cli.synth.patterns import albedo, folds, waves
from gcl_cli.synth.posing import strike
from gcl_cli.synth.streams import stream
from gcl_cli.synth.tailoring import _with_relaxed_hands
from gcl_cli.synth.template import Places, load_template
from gcl_cli.synth.walking import pose


def somebody(**wanted):
    """The first person whose look answers to e.g. top_kind="tee"."""
    for person in range(3000):
        look = identity(0, person)
        if all(
            getattr(getattr(look, key.split("_", 1)[0]), key.split("_", 1)[1]) == value for key, value in wanted.items()
        ):
            return look
    raise LookupError(wanted)


def place(**given_values) -> Places:
    """One place; what is not given is 0."""
    names = ("across", "back", "height", "arm", "along_arm", "head", "hand", "foot")
    return Places.from_columns(np.array([[given_values.get(name, 0.0) for name in names]], np.float32))


def cover_at(look, **where) -> Cover:
    return Cover(int(covers(look, place(**where))[0]))


def test_the_template_has_the_heights_that_clothes_are_cut_to():
    template = load_template()
    height = template.places.height
    assert height.min() == pytest.approx(0, abs=1e-5)
    assert height.max() == pytest.approx(1.80, abs=0.03)
    named = dict(zip(("pelvis", "thighL", "shinL", "footL"), template.heads[:4, 2], strict=True))
    assert named["thighL"] == pytest.approx(0.95, abs=0.03)
    assert named["shinL"] == pytest.approx(0.52, abs=0.03)
    assert named["footL"] == pytest.approx(0.07, abs=0.03)


def test_positions_along_the_arm_run_from_shoulder_to_wrist():
    body, places = load_body(), load_template().places
    bones = {name: body.dense_weights[:, body.bone_names.index(name)] > 0.9 for name in ("uarmL", "farmL", "handL")}
    upper, fore, hand = (places.along_arm[bones[name]] for name in ("uarmL", "farmL", "handL"))
    assert upper.max() < fore.min() + 0.05
    assert fore.max() < 1.05
    assert hand.min() > 0.9
    assert np.allclose(places.arm[places.hand > 0.5], 1)


@given(st.integers(0, 500), st.floats(-0.15, 0.15))
@settings(max_examples=60, deadline=None)
def test_trouser_hems_are_sharp_to_a_millimetre(person, across):
    look = identity(0, person)
    if look.bottom.is_skirt or look.bottom.hem < look.shoes.height:
        return
    assert cover_at(look, across=across, height=look.bottom.hem + 1e-3) == Cover.BOTTOM
    assert cover_at(look, across=across, height=look.bottom.hem - 1e-3) != Cover.BOTTOM


def test_close_tops_are_tucked_into_skirts_and_loose_ones_hang_over():
    skirted = [look for n in range(400) if (look := identity(0, n)).bottom.is_skirt and look.top.kind != "coat"]
    assert {look.waist == max(look.top.hem, TUCKED) for look in skirted if not look.top.hangs_loose} == {True}
    assert {look.waist == look.top.hem for look in skirted if look.top.hangs_loose} == {True}
    assert cover_at(next(look for look in skirted if not look.top.hangs_loose), height=1.01) == Cover.BOTTOM


def test_ears_show_beside_short_hair_and_hide_beneath_long():
    ear = {"head": 1, "across": 0.087, "back": 0.005, "height": 1.69}
    assert cover_at(somebody(head_hair="short", head_hat="none"), **ear) == Cover.SKIN
    assert cover_at(somebody(head_hair="long", head_hat="none"), **ear) == Cover.HAIR


def test_fingers_of_relaxed_hands_bend_and_close_and_the_rest_of_the_skin_stays():
    body, places = load_body(), load_template().places
    skin, heads = (points[0] for points in body.shape(np.zeros((1, 24), np.float32)))
    relaxed = _with_relaxed_hands(skin, heads)
    assert np.array_equal(relaxed[places.hand < 0.5], skin[places.hand < 0.5])
    for side in (-1, 1):
        hand = (places.hand > 0.5) & (places.across * side > 0)
        before, after = (points[hand] - points[hand].mean(0) for points in (skin, relaxed))
        assert np.linalg.svd(after)[1][0] < 0.85 * np.linalg.svd(before)[1][0], "the hand is shorter"
        assert np.linalg.norm(relaxed[hand] - skin[hand], axis=1).max() < 0.15


def test_trousers_hang_straight_where_leggings_follow_the_calf():
    places = load_template().places
    ankle = (np.abs(places.height - 0.16) < 0.03) & (places.across > 0)
    widths = {
        kind: np.ptp(dress(somebody(bottom_kind=kind)).vertices[: len(places)][ankle, 0])
        for kind in ("leggings", "trousers")
    }
    assert widths["trousers"] > widths["leggings"] + 0.03


def test_a_ponytail_begins_at_the_back_of_the_head():
    look = somebody(head_hair="ponytail", head_hat="none", bag_kind="none")
    figure, places = dress(look), load_template().places
    body = len(places)
    tail, head = figure.vertices[body:], figure.vertices[:body][places.head > 0.5]
    assert tail[:, 2].min() < head[:, 2].max() - 0.01
    assert tail[:, 2].max() > head[:, 2].max() + 0.03


def test_hair_is_seen_behind_and_the_face_in_front():
    look = somebody(head_hair="short", head_hat="none", head_beard=False, head_fringe=False)
    places = load_template().places
    cover = covers(look, places)
    head = (places.head > 0.5) & (places.height > 1.60)
    behind, front = head & (places.back > 0.03), head & (places.back < -0.06) & (places.height < 1.74)
    assert (cover[behind] == Cover.HAIR).mean() > 0.85
    assert (cover[front] == Cover.SKIN).mean() > 0.95


def test_a_sleeve_ends_where_it_is_cut_and_hands_stay_bare():
    look = somebody(top_kind="tee")
    assert cover_at(look, arm=1, along_arm=look.top.sleeve - 0.01, height=1.3) == Cover.TOP
    assert cover_at(look, arm=1, along_arm=look.top.sleeve + 0.01, height=1.3) == Cover.SKIN
    coat = somebody(top_kind="coat")
    assert cover_at(coat, arm=1, along_arm=1.0, height=1.3) == Cover.TOP
    assert cover_at(coat, arm=1, along_arm=1.04, hand=1, height=1.0) == Cover.SKIN


def test_necklines_dip_in_front_only():
    top = somebody(top_kind="tee").top
    front, back = neckline(top, place(back=-0.1)), neckline(top, place(back=0.1))
    assert front[0] < back[0] - 0.02


def test_an_open_jacket_shows_what_is_beneath_and_a_strap_crosses_a_shirt():
    jacket = somebody(top_kind="jacket", top_open_front=True, bag_kind="none")
    assert cover_at(jacket, back=-0.1, height=1.2) == Cover.INNER
    assert cover_at(jacket, back=0.1, height=1.2) == Cover.TOP
    packed = somebody(bag_kind="backpack", top_kind="long sleeve")
    assert cover_at(packed, across=0.1, back=-0.1, height=1.35) == Cover.STRAP


def test_hair_hats_and_faces_are_where_they_belong():
    look = somebody(head_hair="short", head_hat="none")
    assert cover_at(look, head=1, height=1.79, back=0) == Cover.HAIR
    assert cover_at(look, head=1, height=1.66, back=-0.12) == Cover.SKIN
    assert cover_at(somebody(head_hat="beanie"), head=1, height=1.79) == Cover.HAT
    assert cover_at(somebody(head_hair="bald", head_hat="none"), head=1, height=1.79) == Cover.SKIN


def test_covers_depend_on_neither_shape_nor_pose():
    look = identity(0, 8)
    figure = dress(look)
    moments = [strike(figure, pose(stream(0, "test", n), look), yaw=n, pitch=0.2) for n in range(2)]
    body = len(load_template().places)
    found = [covers(look, Places.from_columns(moment.places[:body])) for moment in moments]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], covers(look, load_template().places))
    assert not np.allclose(moments[0].vertices[:body], moments[1].vertices[:body], atol=0.05)


@pytest.mark.parametrize("person", range(12))
def test_every_point_gets_a_colour_and_folds_tilt_cloth_alone(person):
    look = identity(0, person)
    places = load_template().places
    cover = covers(look, places)
    colours = albedo(look, cover, places)
    assert colours.shape == (len(places), 3)
    assert colours.min() >= 0.01
    assert colours.max() <= 1
    tilts = folds(look, cover, places.positions())
    assert np.all(tilts[np.isin(cover, (Cover.SKIN, Cover.HAIR, Cover.SHOE))] == 0)
    assert np.abs(tilts[cover == Cover.TOP]).max() > 0


def test_stripes_alternate_with_the_frequency_of_the_cloth():
    look = somebody(top_pattern="horizontal stripes")
    heights = np.linspace(1.1, 1.4, 3000, dtype=np.float32)
    places = Places(*np.zeros((2, 3000), np.float32), heights, *np.zeros((5, 3000), np.float32))
    bright = albedo(look, np.full(3000, Cover.TOP, np.int8), places).sum(1)
    midway = (sum(look.top.colour) + sum(look.top.second_colour)) / 2
    changes = np.count_nonzero(np.diff(bright > midway))
    assert changes == pytest.approx(0.3 * 4.2 * look.top.pattern_frequency / np.pi, abs=1.5)


def test_eyes_brows_and_mouth_are_darker_than_the_face():
    look = somebody(head_hat="none", head_beard=False)
    spots = {"iris": (0.0315, 1.696), "brow": (0.034, 1.721), "mouth": (0.0, 1.626), "cheek": (0.05, 1.64)}
    light = {}
    for name, (across, height) in spots.items():
        where = place(across=across, height=height, back=-0.1, head=1)
        light[name] = albedo(look, np.array([Cover.SKIN], np.int8), where).sum()
    assert light["iris"] < 0.5 * light["cheek"]
    assert light["brow"] < 0.8 * light["cheek"]
    assert light["mouth"] < 0.8 * light["cheek"]


def test_waves_stay_between_minus_one_and_one_and_average_three_sines():
    positions = stream(0, "waves").normal(size=(50, 3)).astype(np.float32)
    x, y, z = positions.T
    sines = np.sin(2 * (x + 0.3 * y + 0.2 * z) + 0.1) + np.sin(2.6 * (-0.4 * x + 0.5 * y + z) + 0.2)
    sines += np.sin(1.6 * (0.2 * x - y + 0.7 * z) + 0.3)
    assert np.allclose(waves(positions, (0.1, 0.2, 0.3), 2.0), sines / 3, atol=1e-4)


def test_a_skirt_hides_the_thighs_and_keeps_the_shins():
    figure = dress(somebody(bottom_kind="skirt", top_kind="tee"))
    body_faces = figure.faces[figure.face_cover == BY_PLACE]
    shown = np.unique(body_faces)
    places = load_template().places
    thighs = (places.height > figure.look.bottom.hem + 0.15) & (places.height < 0.85) & (places.arm < 0.1)
    shins = (places.height > 0.15) & (places.height < figure.look.bottom.hem - 0.1) & (places.arm < 0.1)
    assert not np.isin(np.flatnonzero(thighs), shown).any()
    assert np.isin(np.flatnonzero(shins), shown).all()
