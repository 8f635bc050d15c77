import pytest
import torch
from torch.nn import functional as F
from training_world import new_encoder, same, tensors_of, training_set

from gcl_cli.training.augmentation import normalise
from gcl_cli.training.features import embed


@pytest.fixture(scope="module")
def pictures():
    return training_set().pictures


def test_features_are_the_unit_embeddings_of_evaluation_mode(pictures):
    encoder = new_encoder()
    features = embed(encoder, pictures, precision="fp32")
    encoder.eval()
    with torch.no_grad():
        expected = F.normalize(encoder(normalise(pictures)).embedding, dim=1)
    assert torch.allclose(features, expected, atol=1e-6)
    assert torch.allclose(features.norm(dim=1), torch.ones(len(pictures)), atol=1e-6)
    assert not features.requires_grad


@pytest.mark.parametrize("training", [True, False])
def test_mode_and_statistics_of_the_encoder_are_as_before(training, pictures):
    encoder = new_encoder().train(training)
    before = tensors_of(encoder)
    embed(encoder, pictures, precision="bf16")
    assert all(module.training == training for module in encoder.modules())
    assert same(tensors_of(encoder), before)


def test_features_do_not_depend_on_the_batch(pictures):
    encoder = new_encoder()
    whole, parts = (embed(encoder, pictures, precision="fp32", batch=batch) for batch in (32, 5))
    assert torch.allclose(whole, parts, atol=1e-6)


def test_bf16_features_are_float32_unit_rows_near_those_of_fp32(pictures):
    encoder = new_encoder()
    rough, fine = (embed(encoder, pictures, precision=precision) for precision in ("bf16", "fp32"))
    assert rough.dtype == torch.float32
    assert torch.allclose(rough.norm(dim=1), torch.ones(len(pictures)), atol=1e-6)
    assert not torch.equal(rough, fine)
    assert float((rough * fine).sum(1).min()) > 0.99


def test_no_pictures_have_no_features(pictures):
    encoder = new_encoder()
    assert embed(encoder, pictures[:0], precision="fp32").shape == (0, encoder.embedding_size)
