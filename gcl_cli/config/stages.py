"""Which settings belong to which command."""

from gcl_cli.config.generating import GanWarmupSettings
from gcl_cli.config.joint import JointSettings
from gcl_cli.config.measuring import EvaluateSettings, GenMetricsSettings
from gcl_cli.config.pictures import MeshSettings, RenderSettings, SynthSettings
from gcl_cli.config.setting import Settings
from gcl_cli.config.training import ClusterSettings
from gcl_cli.config.using import ExportSettings, ReportSettings, SearchSettings, VerifySettings, ViewsSettings
from gcl_cli.config.warmups import WARMUP_METHODS

DEFAULT_METHOD = "cluster-contrast"
PARITY = "parity"  # what `gcl config` calls the rows of parity.py
CHAIN = ("mesh", "render", "warmup", "gan-warmup", "joint", "evaluate", "gen-metrics", "cluster")  # of gcl run


def warmup_key(method: str) -> str:
    """Where the settings and presets of a warm-up method are listed."""
    return "warmup" if method == DEFAULT_METHOD else f"warmup-{method}"


def gan_warmup_key(generator: str | None) -> str:
    """The same of `gcl gan-warmup`, by its --generator."""
    return "gan-warmup-mesh" if generator == "mesh" else "gan-warmup"


STAGE_SETTINGS: dict[str, type[Settings]] = {
    "synth": SynthSettings,
    "mesh": MeshSettings,
    "render": RenderSettings,
    **{warmup_key(method): model for method, model in WARMUP_METHODS.items()},
    "gan-warmup": GanWarmupSettings,
    gan_warmup_key("mesh"): GanWarmupSettings,
    "joint": JointSettings,
    "cluster": ClusterSettings,
    "evaluate": EvaluateSettings,
    "gen-metrics": GenMetricsSettings,
    "views": ViewsSettings,
    "search": SearchSettings,
    "verify": VerifySettings,
    "export": ExportSettings,
    "report": ReportSettings,
}
