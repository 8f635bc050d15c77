import pytest
from pydantic import ValidationError

from gcl_cli import config
from gcl_cli.config import (
    WARMUP_METHODS,
    Architecture,
    ClusterContrastSettings,
    ClusterSettings,
    EvaluateSettings,
    ExportSettings,
    GanWarmupSettings,
    GenMetricsSettings,
    JointSettings,
    MeshSettings,
    RenderSettings,
    ReportSettings,
    SearchSettings,
    Settings,
    SynthSettings,
    ViewsSettings,
)
from gcl_cli.config.presets import PRESETS, settings_for
from gcl_cli.config.stages import gan_warmup_key
from gcl_cli.inventory.own_settings import own_settings

STAGES = {
    "synth": SynthSettings, "mesh": MeshSettings, "render": RenderSettings, "warmup": ClusterContrastSettings,
    "gan-warmup": GanWarmupSettings, "gan-warmup-mesh": GanWarmupSettings,
    "joint": JointSettings, "cluster": ClusterSettings, "evaluate": EvaluateSettings,
    "gen-metrics": GenMetricsSettings, "views": ViewsSettings, "search": SearchSettings, "export": ExportSettings,
    "report": ReportSettings,
    **{f"warmup-{name}": model for name, model in WARMUP_METHODS.items() if name != "cluster-contrast"},
}  # fmt: skip
MODELS = [m for m in vars(config).values() if isinstance(m, type) and issubclass(m, Settings) and m is not Settings]
MODELS += WARMUP_METHODS.values()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_setting_has_a_meaning_and_a_default_within_its_own_limits(model):
    for name, info in model.model_fields.items():
        assert info.description, name
        assert name == name.lower()
    assert model(**model().model_dump()) == model()  # defaults pass the checks that typed values pass


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("stage", [*STAGES, "architecture"])
def test_a_preset_changes_only_known_settings_to_allowed_values_of_their_own_type(preset, stage):
    changed = PRESETS[preset].get(stage, {})
    model = STAGES.get(stage, Architecture)
    assert changed.keys() <= model.model_fields.keys()
    settings = model(**changed)
    assert {name: getattr(settings, name) for name in changed} == changed


def test_a_preset_names_only_known_stages():
    assert all(stages.keys() <= {*STAGES, "architecture"} for stages in PRESETS.values())


@pytest.mark.parametrize("preset", ["small", "tiny"])
def test_the_user_beats_the_preset_and_the_preset_beats_the_default(preset):
    plain = settings_for(ClusterContrastSettings, "warmup", preset, {})
    assert (plain.init, plain.optimizer, plain.batchnorm_groups) == ("none", "adamw", 1)
    assert plain.temperature == ClusterContrastSettings().temperature
    chosen = settings_for(ClusterContrastSettings, "warmup", preset, {"optimizer": "adam", "radius": None})
    assert (chosen.optimizer, chosen.radius, chosen.init) == ("adam", None, "none")


def test_the_paper_preset_is_the_default_sheet_of_the_paper():
    assert PRESETS["paper"]["architecture"] == {}
    architecture = Architecture()
    assert (architecture.trunk, architecture.height, architecture.width) == ("resnet50", 256, 128)
    assert architecture.part_layout == "stripe"
    gan = settings_for(GanWarmupSettings, "gan-warmup", "paper", {})
    joint = settings_for(JointSettings, "joint", "paper", {})
    assert (gan.epochs, gan.reconstruction_epochs, joint.epochs) == (40, 0, 20)
    assert (gan.generator_rate, gan.discriminator_rate) == (1e-4, 1e-4)
    assert (joint.generator_rate, joint.discriminator_rate) == (1e-5, 1e-5)
    for s in (gan, joint):
        assert (s.batch_size, s.iterations, s.angles) == (16, None, (45, 90, 135, 180, 225, 270, 315))
        assert (s.beta1, s.beta2, s.gan_weight_decay, s.penalty_weight, s.penalty_every) == (0, 0.999, 5e-4, 0.01, 1)
        assert (s.image_weight, s.feature_weight, s.adversarial_weight) == (5, 5, 1)
    assert (joint.identity_rate, joint.identity_momentum, joint.identity_weight_decay) == (3.5e-4, 0.9, 5e-4)
    assert (joint.decay_at, joint.decay) == ((0.5,), 0.1)  # from epoch 10 of 20
    assert (joint.temperature, joint.memory_momentum, joint.negatives) == (0.04, 0.2, 8192)
    assert (joint.k1, joint.k2, joint.rho, joint.min_samples, joint.radius) == (30, 6, 0.002, 4, None)
    assert (joint.self_positive, joint.exclude_self, joint.batchnorm_update) == ("batch", True, "real")
    assert (joint.losses, joint.contrast_steps, joint.augment) == (("gan", "vi", "vi_syn", "vi_mem"), 0, "none")


def test_settings_are_frozen_and_refuse_unknown_names():
    with pytest.raises(ValidationError):
        JointSettings(epoch=3)
    with pytest.raises(ValidationError):
        JointSettings().epochs = 3


def test_own_side_is_first_among_rendered_angles_but_need_not_be_a_turn():
    assert RenderSettings().angles[0] == 0
    assert GanWarmupSettings(angles=(90, 45)).angles == (90, 45)
    with pytest.raises(ValidationError, match="must be 0"):
        RenderSettings(angles=(45, 0))


def test_loss_terms_on_generated_views_need_the_generator():
    assert JointSettings(losses=("vi",)).losses == ("vi",)
    mixed = ("vi", "prototype", "mixup")
    assert JointSettings(losses=("gan", *mixed)).losses == ("gan", *mixed)
    with pytest.raises(ValidationError, match="add gan"):
        JointSettings(losses=mixed)


def test_what_draws_is_told_where_the_preset_has_it_otherwise():
    def chosen(preset: str, generator: str) -> dict:
        made = settings_for(GanWarmupSettings, gan_warmup_key(generator), preset, {"generator": generator})
        return own_settings("gan-warmup", made.model_dump(mode="json"), preset)

    for preset in ("small", "tiny"):
        assert chosen(preset, "painted") == {}
        assert chosen(preset, "mesh") == {"generator": "mesh"}
    assert chosen("paper", "mesh") == {}
    assert chosen("paper", "painted") == {"generator": "painted"}
