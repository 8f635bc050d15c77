"""Every hyper-parameter: default, range, meaning, place in the paper.

A default is written once, in this room. Command-line options, help texts, manifests and `gcl config` derive from these
models. The defaults are the paper's (preset `paper`); `presets.py` lists what the smaller presets change.
"""

from gcl_cli.config.architecture import Architecture
from gcl_cli.config.generating import GanSettings, GanWarmupSettings
from gcl_cli.config.joint import JointSettings
from gcl_cli.config.measuring import EvaluateSettings, GallerySettings, GenMetricsSettings
from gcl_cli.config.parity import parity_settings
from gcl_cli.config.pictures import TURNED_ANGLES, MeshSettings, RenderSettings, SynthSettings
from gcl_cli.config.setting import Settings, setting
from gcl_cli.config.training import (
    AugmentSettings,
    CameraSettings,
    ClusterSettings,
    ContrastSettings,
    CorrectedSettings,
    EpochClusterSettings,
    TrainSettings,
)
from gcl_cli.config.using import (
    ExportSettings,
    LikenessSettings,
    ReportSettings,
    SearchSettings,
    VerifySettings,
    ViewsSettings,
    with_view_from_behind,
)
from gcl_cli.config.warmups import (
    WARMUP_METHODS,
    ActSettings,
    ClusterContrastSettings,
    JvtcSettings,
    MmclSettings,
    PeopleSettings,
    StyleSettings,
    SupervisedSettings,
    WarmupSettings,
)

__all__ = [
    "TURNED_ANGLES",
    "WARMUP_METHODS",
    "ActSettings",
    "Architecture",
    "AugmentSettings",
    "CameraSettings",
    "ClusterContrastSettings",
    "ClusterSettings",
    "ContrastSettings",
    "CorrectedSettings",
    "EpochClusterSettings",
    "EvaluateSettings",
    "ExportSettings",
    "GallerySettings",
    "GanSettings",
    "GanWarmupSettings",
    "GenMetricsSettings",
    "JointSettings",
    "JvtcSettings",
    "LikenessSettings",
    "MeshSettings",
    "MmclSettings",
    "PeopleSettings",
    "RenderSettings",
    "ReportSettings",
    "SearchSettings",
    "Settings",
    "StyleSettings",
    "SupervisedSettings",
    "SynthSettings",
    "TrainSettings",
    "VerifySettings",
    "ViewsSettings",
    "WarmupSettings",
    "parity_settings",
    "setting",
    "with_view_from_behind",
]
