import pytest
import torch

from gcl_cli.errors import GclError
from gcl_cli.machine import devices
from gcl_cli.machine.devices import arithmetic, choose_device, resolved, set_threads

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


def test_auto_is_bf16_exactly_where_the_processor_multiplies_it(monkeypatch):
    # Emulated bfloat16 was measured five times slower than fp32 (AVX2 alone).
    for units, expected in ((True, "bf16"), (False, "fp32")):
        devices._computes_bf16.cache_clear()
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda units=units: units, raising=False)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
        assert resolved("auto", CPU) == expected
        with arithmetic("auto", CPU):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == arithmetic_type(expected)
    devices._computes_bf16.cache_clear()


def arithmetic_type(precision: str) -> torch.dtype:
    return {"bf16": torch.bfloat16, "fp32": torch.float32}[precision]
