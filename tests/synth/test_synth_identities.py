import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl_cli.body.model import load_body
from gcl_cli.synth.identities import TOPS, identity
from gcl_cli.synth.palette import CLOTHS, contrasting_cloth, jittered, set_off
from gcl_cli.synth.streams import chosen, stream

PEOPLE = st.integers(0, 100_000)


def colours_of(look) -> dict[str, tuple[float, float, float]]:
    parts = {"skin": look.skin}
    for part in (look.head, look.top, look.bottom, look.shoes, look.bag):
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            if "colour" in field.name or (field.name == "tights" and value is not None):
                parts[f"{type(part).__name__}.{field.name}"] = value
    return parts


@given(PEOPLE)
@settings(max_examples=60, deadline=None)
def test_every_colour_is_a_displayable_colour(person):
    for name, colour in colours_of(identity(0, person)).items():
        assert len(colour) == 3, name
        assert all(0 < channel <= 1 for channel in colour), name


@given(PEOPLE)
@settings(max_examples=60, deadline=None)
def test_every_look_stays_within_its_cut(person):
    look = identity(0, person)
    cut = TOPS[look.top.kind]
    assert cut.sleeve[0] <= look.top.sleeve <= cut.sleeve[1]
    assert cut.hem[0] <= look.top.hem <= cut.hem[1]
    assert cut.looseness[0] <= look.top.looseness <= cut.looseness[1]
    assert all(0 <= value <= 1 for _, value in look.phenotype)
    assert not (look.bottom.tights and look.bottom.kind != "skirt")


def test_a_person_is_a_function_of_seed_and_number():
    assert identity(3, 14) == identity(3, 14)
    assert len({identity(3, person) for person in range(50)}) == 50
    assert identity(3, 14) != identity(4, 14)


def test_people_share_base_colours_so_that_colour_alone_does_not_tell_them_apart():
    tops = np.array([identity(0, person).top.colour for person in range(200)])
    base = np.array(list(CLOTHS.values()))
    nearest = np.abs(tops[:, None] - base).sum(-1).argmin(1)
    assert np.bincount(nearest, minlength=len(base)).max() >= 15
    assert len(np.unique(nearest)) >= 12


def test_all_kinds_of_clothes_are_worn():
    looks = [identity(1, person) for person in range(300)]
    assert {look.top.kind for look in looks} == set(TOPS)
    assert len({look.bottom.kind for look in looks}) == 6
    assert len({look.bag.kind for look in looks}) == 4
    assert 0.36 < np.mean([look.top.pattern == "plain" for look in looks]) < 0.56
    assert 0.35 < np.mean([dict(look.phenotype)["gender"] < 0.5 for look in looks]) < 0.65


def test_beards_and_skirts_follow_the_body_model_whose_men_are_taller():
    body = load_body()
    average = {name: np.full(2, 0.6) for name in body.phenotype_names}
    betas = body.betas_from_phenotype(average | {"gender": np.array([0.0, 1.0])})
    tall, small = np.ptp(body.shape(betas)[0][..., 1], axis=1)
    assert tall > small + 0.05
    looks = [identity(2, person) for person in range(300)]
    assert all(dict(look.phenotype)["gender"] < 0.5 for look in looks if look.head.beard)
    assert all(dict(look.phenotype)["gender"] > 0.5 for look in looks if look.bottom.is_skirt)


@given(st.integers(0, 1000), st.sampled_from(sorted(CLOTHS)))
@settings(max_examples=50, deadline=None)
def test_the_second_colour_is_told_apart_at_a_glance(seed, name):
    second = contrasting_cloth(stream(seed, "test"), CLOTHS[name])
    assert sum(abs(a - b) for a, b in zip(second, CLOTHS[name], strict=True)) > 0.5


def test_hair_is_told_from_skin_so_that_a_back_is_no_face():
    for person in range(300):
        look = identity(0, person)
        assert np.abs(np.subtract(look.head.hair_colour, look.skin)).sum() > 0.2
        assert set_off((0.5, 0.5, 0.5), look.skin) in ((0.5, 0.5, 0.5), (0.2, 0.2, 0.2))


def test_jitter_of_nothing_keeps_the_colour():
    assert np.allclose(jittered(stream(0, "test"), (0.2, 0.4, 0.6), 0), (0.2, 0.4, 0.6))


def test_streams_of_other_purposes_and_numbers_are_different():
    drawn = {
        stream(*key).random() for key in ((0, "a"), (0, "b"), (1, "a"), (0, "a", 1), (0, "a", 1, 2), (0, "a", 2, 1))
    }
    assert len(drawn) == 6
    assert stream(0, "a", 1).random() == stream(0, "a", 1).random()


def test_choices_follow_their_shares():
    random = stream(0, "shares")
    drawn = [chosen(random, {"often": 3.0, "seldom": 1.0, "never": 0.0}) for _ in range(2000)]
    assert abs(drawn.count("often") / 2000 - 0.75) < 0.04
    assert "never" not in drawn
