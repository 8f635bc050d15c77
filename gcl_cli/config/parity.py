"""Where the published code departs from the paper (D1 - D28), and the settings that reproduce it.

The code: chenhao2345/GCL as of December 2021. `--parity reference` chooses all settings of its command at once; any of
them can also be set alone. Rows without settings say why there is nothing to choose. It is meant for `--preset paper`
after `gcl warmup --method jvtc`, or with the published encoder (`--init FILE`): what smaller presets change stays.
"""

from typing import Any, Literal, NamedTuple

Parity = Literal["none", "reference"]


class Row(NamedTuple):
    """One departure of the published code."""

    what: str
    settings: dict[str, dict[str, Any]]  # command -> settings that behave as the published code
    reason: str = ""  # without settings: why there are none


def _both(**settings: Any) -> dict[str, dict[str, Any]]:
    return {"gan-warmup": settings, "joint": settings}


REFERENCE: dict[str, Row] = {
    "D1": Row("a turn of 315 degrees is never drawn", _both(angles=(45, 90, 135, 180, 225, 270))),
    "D2": Row("four loading processes draw the same turns", {}, "an accident of old torch; here one state draws all"),
    "D3": Row("blocks see channels of the part code, not stripes", {"gan-warmup": {"part_layout": "channel_major"}}),
    "D4": Row("the positive of L'_vi is a memory row", {"joint": {"self_positive": "memory"}}),
    "D5": Row("a picture may be its own positive", {"joint": {"exclude_self": False}}),
    "D6": Row("memory rows move at every step, to unit length", {"joint": {"memory_update": "step"}}),
    "D7": Row(
        "schedulers start beyond their milestone: with the torch of its time the generator's rates are 1e-5 "
        "throughout (with today's 1e-4)",
        {"joint": {"generator_rate": 1e-5, "discriminator_rate": 1e-5, "gan_decay_at": ()}},
    ),
    "D8": Row("an epoch is a full pass: the argument `iters` is unused", _both(iterations=None)),
    "D9": Row("batches are any clustered pictures, not 4 each of 4 people", {}, "so it is here: the only sampler"),
    "D10": Row(
        "joint training starts from a snapshot at 30,000 steps", {},
        "saved at the end: gan-warmup --epochs 37 on Market-1501; 480,000 / pictures for batches of 16 elsewhere",
    ),
    "D11": Row(
        "least squares and a gradient penalty in place of logarithms",
        _both(adversarial="least_squares", penalty_weight=0.01, penalty_every=1),
    ),
    "D12": Row("generated pictures move the running statistics", {"joint": {"batchnorm_update": "all"}}),
    "D13": Row("memory rows of noise are never renewed", {"joint": {"refresh": "none"}}),
    "D14": Row("the epoch of the best test mAP is kept", {}, "test labels never choose a model here"),
    "D15": Row(
        "the radius is the mean of the closest share of pairs, exact zeros left out, found anew each epoch",
        {"joint": {"clustering": "dbscan", "radius": None, "rho": 0.002, "rho_floor": 0.0}},
    ),
    "D16": Row("neighbour lists count the picture itself", {}, "so they do here; one more in k1 lists as many others"),
    "D17": Row("no spatio-temporal model", {}, "so it is in joint training; gcl evaluate --temporal is a choice"),
    "D18": Row("no augmentation in joint training", {"joint": {"augment": "none"}}),
    "D19": Row("pictures are written as JPEG, from gan-warmup's weights", {}, "no behaviour of training"),
    "D20": Row("re-ranking is broken", {}, "no behaviour of training"),
    "D21": Row("files and labels come in the order of the disk", {}, "no order to reproduce: names are sorted"),
    "D22": Row("ACT's BatchNorm is put where it was not trained", {}, "--init says so and starts a new one"),
    "D23": Row("MMCL's encoder is tested behind its BatchNorm", {}, "so it is here: every test uses the embedding"),
    "D24": Row("tables are made for Market-1501 and replaced", {}, "nothing follows from it"),
    "D25": Row(
        "joint training goes on with the moments of the generator's and discriminator's Adam", {},
        "so it does here: gan-warmup keeps them",
    ),
    "D26": Row(
        "without two clusters it dies or goes on; nothing stops a run that diverges", {},
        "not reproduced: another radius gives clusters, and divergence stops the run",
    ),
    "D27": Row(
        "a 2048-d encoder has average pooling, and joint training moves the bias of its BatchNorm", {},
        "not where the file's bias is 0: that becomes the head bnneck (GeM, bias held at 0), which --init says",
    ),
    "D28": Row(
        "the identity rate falls after epoch 10, however many follow", {},
        "at the half here, the same for 20 epochs; joint --epochs N: --set decay_at=X, with X = 10 / N",
    ),
    "ours": Row(
        "what our defaults and presets add to both paper and code is off",
        {
            "gan-warmup": {"generator": "mesh", "reconstruction_epochs": 0},
            "joint": {
                "camera_aware": False, "camera_contrast": 0.0, "centralise_below": 0.0, "contrast_steps": 0,
                "contrast_views": "none",
            },
        },
    ),
}  # fmt: skip


def parity_settings(command: str, parity: Parity) -> dict[str, Any]:
    """What `--parity` chooses for a command: nothing, or the settings of every row."""
    chosen: dict[str, Any] = {}
    for row in REFERENCE.values() if parity == "reference" else ():
        chosen |= row.settings.get(command, {})
    return chosen
