import pytest
import torch

from gcl_cli.errors import GclError
from gcl_cli.training.devices import arithmetic, choose_device, set_threads

CPU = torch.device("cpu")


def test_auto_takes_what_is_there():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == CPU


@pytest.mark.parametrize("wanted", ["cuda:99", "abacus"])
def test_a_device_that_is_not_there_is_refused_with_what_to_type(wanted):
    with pytest.raises(GclError, match=f"--device {wanted} cannot be used") as raised:
        choose_device(wanted)
    assert "--device cpu" in raised.value.fix


@pytest.mark.parametrize(("precision", "expected"), [("bf16", torch.bfloat16), ("fp32", torch.float32)])
def test_precision_decides_the_type_of_products(precision, expected):
    with arithmetic(precision, CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == expected


def test_no_number_of_threads_leaves_torch_its_choice():
    before = torch.get_num_threads()
    set_threads(None)
    assert torch.get_num_threads() == before
