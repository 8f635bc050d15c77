"""The commands as Python functions: `from gcl_cli.api import mesh, warmup`.

Every command of `gcl` is a function here, of the same name, with the same arguments, options, checks and defaults:
`gcl joint --epochs 20 --losses gan,vi` is `joint(epochs=20, losses=("gan", "vi"))`. It returns what `--json` prints, as
a dict; what a user can mend is raised as a GclError. A setting left out, or given as `...`, is left to the preset;
`config("joint")` lists all settings of a command. Those without an option of their own go into a dict,
`set={"temperature": 0.1}`. `work` and `data_root` left out are `GCL_WORK` and `GCL_DATA`, else `work` and `data`.
`--from` is `from_`, since Python keeps `from`.

The functions live here and not in `gcl_cli` itself, where `synth` and `config` are rooms of the package.
"""

from gcl_cli.api.measuring import cluster, evaluate, gen_metrics
from gcl_cli.api.pipeline import gan_warmup, joint, mesh, render, synth, warmup
from gcl_cli.api.using import clean, config, doctor, export, report, run, search, status, update, verify, views
from gcl_cli.errors import GclError

__all__ = [
    "GclError",
    "clean",
    "cluster",
    "config",
    "doctor",
    "evaluate",
    "export",
    "gan_warmup",
    "gen_metrics",
    "joint",
    "mesh",
    "render",
    "report",
    "run",
    "search",
    "status",
    "synth",
    "update",
    "verify",
    "views",
    "warmup",
]
