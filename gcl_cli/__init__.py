"""Unsupervised person re-identification with generated views (GCL, CVPR 2021).

`gcl_cli.api` has the commands as Python functions; `GclError` is what they raise when there is something to mend.
"""

from gcl_cli.errors import GclError

__version__ = "0.2.0.dev0"
__all__ = ["GclError", "__version__"]
