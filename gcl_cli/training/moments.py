"""Adam's moments by the names of the parameters, so that a later stage goes on where an earlier one stopped."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.optim import Optimizer

from gcl_cli.training.state import lay_out_moments


def named_moments(networks: Mapping[str, nn.Module], optimizers: Mapping[str, Optimizer]) -> dict[str, Tensor]:
    """The living moments of every parameter that has taken a step: `NETWORK.PARAMETER.KIND` -> tensor.

    KIND: `exp_avg` and `exp_avg_sq`, of the parameter's shape, and `step`, a scalar (Kingma and Ba, 2015).
    """
    names = _names(networks)
    return {
        f"{names[parameter]}.{kind}": value
        for optimizer in optimizers.values()
        for parameter, moments in optimizer.state.items()
        for kind, value in moments.items()
    }


def resume_moments(networks: Mapping[str, nn.Module], optimizer: Optimizer, moments: Mapping[str, Tensor]) -> None:
    """Give an optimizer of `networks`, new or not, copies of the moments that `named_moments` gave; rates stay its own.

    Parameters without moments there begin afresh.
    """
    names, packed = _names(networks), optimizer.state_dict()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    kept: dict[str, dict[str, Tensor]] = {}
    for name, value in moments.items():
        parameter, _, kind = name.rpartition(".")
        kept.setdefault(parameter, {})[kind] = value
    packed["state"] = {place: kept[names[p]] for place, p in enumerate(parameters) if names[p] in kept}
    optimizer.load_state_dict(packed)
    lay_out_moments(optimizer)


def _names(networks: Mapping[str, nn.Module]) -> dict[Tensor, str]:
    return {
        parameter: f"{network}.{name}"
        for network in networks
        for name, parameter in networks[network].named_parameters()
    }
