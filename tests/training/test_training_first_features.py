import torch
from training_world import new_encoder, training_set

from gcl_cli.training.colours import colour_features
from gcl_cli.training.features import part_codes
from gcl_cli.training.first_features import even_out, first_features


def test_every_entry_of_every_camera_has_mean_0_and_deviation_1():
    features = torch.tensor([[1.0, 10.0], [3.0, 10.0], [100.0, 7.0], [300.0, 9.0]])
    evened = even_out(features, torch.tensor([2, 2, 5, 5]))
    torch.testing.assert_close(evened, torch.tensor([[-1.0, 0], [1, 0], [-1, -1], [1, 1]]), atol=0.15, rtol=0)
    together = even_out(features, None)
    torch.testing.assert_close(together.mean(0), torch.zeros(2), atol=1e-5, rtol=0)


def test_of_a_trunk_that_knows_nothing_colours_count_alone():
    data = training_set()
    colours = colour_features(data.pictures, data.cameras)
    found = first_features(
        new_encoder(), data.pictures, data.cameras, colours, pretrained=False, precision="fp32"
    )  # fmt: skip
    assert torch.equal(found, colours)


def test_a_pretrained_trunk_has_the_same_weight_as_the_colours():
    data, encoder = training_set(), new_encoder()
    colours = colour_features(data.pictures, data.cameras)
    found = first_features(encoder, data.pictures, data.cameras, colours, pretrained=True, precision="fp32")
    stripes = part_codes(encoder, data.pictures, precision="fp32").flatten(1)
    seen, coloured = found.split([stripes.shape[1], colours.shape[1]], dim=1)
    for half in (seen, coloured):
        torch.testing.assert_close(half.square().sum(1), torch.full((len(found),), 0.5))
    similar = torch.nn.functional.normalize(coloured, dim=1)
    expected = torch.nn.functional.normalize(colours - colours.mean(0), dim=1)
    torch.testing.assert_close(similar, expected)
    for camera in data.cameras.unique():
        assert seen[data.cameras == camera].mean(0).abs().max() < 0.05


def test_part_codes_come_in_the_order_of_the_pictures_and_leave_the_mode():
    data, encoder = training_set(), new_encoder().train()
    codes = part_codes(encoder, data.pictures, precision="fp32", batch=5)
    assert encoder.training and codes.shape == (len(data), encoder.part_size, 4)
    torch.testing.assert_close(codes, part_codes(encoder, data.pictures, precision="fp32"))
