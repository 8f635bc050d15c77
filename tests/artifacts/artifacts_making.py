"""Small artifacts for the tests."""

from gcl_cli.artifacts.files import write_json
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import Artifact, read_artifact
from gcl_cli.artifacts.run import Run


def start(work: WorkFolder, stage="mesh", name="main", config=None, inputs=None) -> Run:
    return Run(work, stage, name, {"angles": (0, 45)} if config is None else config, inputs or {"dataset": "d0"})


def make(work: WorkFolder, stage="mesh", name="main", *, content=1, reads=(), restart=False, **config) -> Artifact:
    """Run a stage whose only output is `content`, from the artifacts in `reads`."""
    sources = [read_artifact(work, reference) for reference in reads]
    run = start(work, stage, name, config, {"dataset": "d0"} | {s.reference: s.manifest.digest for s in sources})
    with run.begin(restart=restart):
        write_json(run.folder / "content.json", content)
        return run.publish({"content": content})
