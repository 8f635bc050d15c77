"""`gcl warmup`: pictures -> identity encoder."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from gcl_cli import console
from gcl_cli.artifacts.manifest import MANIFEST, Artifact, read_artifact
from gcl_cli.artifacts.run import Run
from gcl_cli.commands.warmup.styles import camera_styles, styles_digest
from gcl_cli.config import (
    WARMUP_METHODS,
    ActSettings,
    Architecture,
    ClusterContrastSettings,
    JvtcSettings,
    MmclSettings,
    StyleSettings,
    SupervisedSettings,
    WarmupSettings,
)
from gcl_cli.config.presets import settings_for
from gcl_cli.datasets.catalogue import resolve
from gcl_cli.errors import GclError
from gcl_cli.following.advice import tell_memory
from gcl_cli.following.loop import complete_already, follow, last_epoch, resume
from gcl_cli.following.observers import scalars, true_agreement
from gcl_cli.following.processes import begun_together
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.people.data import WorkData, labelled_set, open_data, open_other, require_people, training_set
from gcl_cli.people.rendered_views import RENDER, open_flows, open_views, require_flows
from gcl_cli.records import StyleVersions, TrainingSet
from gcl_cli.session import Session
from gcl_cli.training.painting import Painting
from gcl_cli.training.ram import encoder_memory
from gcl_cli.training.team import Team
from gcl_cli.training.warmups.act import Act, act_state
from gcl_cli.training.warmups.cluster_contrast import ClusterContrast, cluster_contrast_state
from gcl_cli.training.warmups.jvtc import Jvtc, jvtc_state
from gcl_cli.training.warmups.mmcl import Mmcl, mmcl_state
from gcl_cli.training.warmups.supervised import Supervised, supervised_state
from gcl_cli.weights.networks import save_networks
from gcl_cli.weights.starting_weights import Start, new_encoder, read_start, refuse_itself, with_head_of

Loop = ClusterContrast | Jvtc | Mmcl | Act | Supervised


@dataclass(frozen=True)
class Warmup:
    """What is to be trained, and from what."""

    method: str
    preset: str
    source: str | None = None  # a labelled data set
    camstyle: str | None = None  # a folder of camera-styled pictures
    chosen: dict[str, Any] = field(default_factory=dict)

    def settings(self) -> WarmupSettings:
        """The method's settings; GclError where they do not go with what else was chosen."""
        stage = "warmup" if self.method == "cluster-contrast" else f"warmup-{self.method}"
        settings = settings_for(WARMUP_METHODS[self.method], stage, self.preset, self.chosen)
        if self.camstyle is not None and not isinstance(settings, StyleSettings):
            raise GclError(
                f"--camstyle means nothing to --method {self.method}.", "Leave it out; jvtc and mmcl use it."
            )
        return settings


def run(session: Session, data: str | None, job: Warmup) -> dict[str, Any]:
    """Train an identity encoder; returns the last epoch's figures.

    With a source, its labels are learned first, in an artifact of its own (`warmup/source-...`) that every method
    with the same networks goes on from. Nothing of the source is seen by later stages.
    """
    settings, opened = job.settings(), _open_target(session, data, job)
    source = _open_source(session, opened, job)
    work = session.folder
    start = read_start(work, settings.init)
    settings = with_head_of(start, settings)
    if source is not None and job.method != "supervised":
        start = _learn_source(start, session, data, job, settings, source)
    refuse_itself(f"warmup/{session.name}", start.inputs)
    render = _cut_outs(session, opened, settings, knows_people=start.knows_people)
    inputs = {"dataset": opened.digest, **start.inputs, **_named(job, source, render)}
    config = {"preset": job.preset, "method": job.method, **settings.model_dump(), "init": start.init}
    record = Run(work, "warmup", session.name, config, inputs)
    if result := complete_already(record, restart=session.restart):
        return result
    architecture = _architecture(settings)
    with begun_together(record, session) as (team, device):
        encoder = new_encoder(start, architecture, seed=settings.seed, device=device)
        loop = _loop(encoder, settings, start, opened, source, render, job.camstyle, session, team)
        resume(record, loop.state, team)
        _tell_memory(loop, settings)
        epochs = follow(
            record, loop.state, loop.epochs(), epochs=settings.epochs, minutes=settings.minutes, team=team,
            checkpoint_every=settings.checkpoint_every,
            observers=(*true_agreement(opened, loop.state), *scalars(record, loop.state, session)),
        )  # fmt: skip
        if not team.leads:
            return {}
        save_networks(record.folder, {"identity_encoder": encoder}, architecture)
        result = {"method": job.method, "steps": loop.state.steps_done, **last_epoch(epochs)}
        return record.publish(result, seed=settings.seed).manifest.result


def _architecture(settings: WarmupSettings) -> Architecture:
    """The networks that the settings describe."""
    return Architecture(**settings.model_dump(include=set(Architecture.model_fields)))


def _tell_memory(loop: Loop, settings: WarmupSettings) -> None:
    """Say what training will need, where the method is one pass through one encoder."""
    if isinstance(settings, ClusterContrastSettings):
        training, batch = cast(ClusterContrast, loop), settings.people * settings.pictures
        beside = 0 if training.cut_outs is None else training.cut_outs.nbytes
        pictures, precision = training.data.pictures, settings.precision
        tell_memory(encoder_memory(loop.state, pictures, batch_size=batch, precision=precision, beside=beside))


def _open_target(session: Session, data: str | None, job: Warmup) -> WorkData:
    """The work folder's data set; with a source, what is said of people is said of that."""
    return open_data(session if job.source is None else replace(session, person_from=None), data)


def _open_source(session: Session, target: WorkData, job: Warmup) -> WorkData | None:
    """The labelled data set to learn from first; for `supervised` the work folder's own where no other is named."""
    if job.source is None and job.method == "act":
        raise GclError("--method act adapts an encoder from a labelled source.", "Name it: --source DATA")
    if job.source is None and job.method != "supervised":
        return None
    source = target
    if job.source is not None:
        place, subset = resolve(job.source, Path(session.data_root)), session.allow_subset
        source = open_other(place, allow_subset=subset, person_from=session.person_from)
    require_people(source)
    if source.digest == target.digest:
        console.warn(
            f"{job.method}: learning the true labels of {target.dataset.name} itself. What comes out is a ceiling, not "
            "an unsupervised result. To learn another set's labels first: --source DATA"
        )
    return source


def _learn_source(
    start: Start, session: Session, data: str | None, job: Warmup, settings: WarmupSettings, source: WorkData
) -> Start:
    """Train on the source's labels, unless that is done; returns the encoder to go on from.

    An encoder that gcl made (--init warmup/NAME) goes on as it is: it may have learned the source and more.
    """
    if start.architecture is not None:
        console.say(f"{start.init} goes on as it is: the labels of {source.dataset.name} are not learned first.")
        return start
    work, name = session.folder, f"source-{source.dataset.name}-{settings.head}"
    reference = f"warmup/{name}"
    if (work.artifact(reference) / MANIFEST).exists():
        learned = read_artifact(work, reference)
        if learned.manifest.inputs.get("source") != source.digest:
            raise GclError(
                f"{reference} was learned from other pictures than those of {source.root}.",
                f"Remove {learned.folder} to learn these, or go on from it: --init {reference}",
            )
        console.say(f"{reference} is there already (seed {learned.manifest.seed}): every method goes on from it.")
        return read_start(work, reference)
    shared = {*Architecture.model_fields, "seed", "precision", "init"}
    console.say(f"First the labels of {source.dataset.name}: {reference}")
    chosen = settings.model_dump(include=shared)
    if settings.source_epochs is not None:
        chosen["epochs"] = settings.source_epochs
    first = Warmup("supervised", job.preset, job.source, chosen=chosen)
    run(replace(session, name=name, restart=False), data, first)
    return read_start(work, reference)


def _loop(
    encoder: IdentityEncoder,
    settings: WarmupSettings,
    start: Start,
    opened: WorkData,
    source: WorkData | None,
    render: Artifact | None,
    camstyle: str | None,
    session: Session,
    team: Team,
) -> Loop:
    """The training that the method's settings belong to, before its first step."""
    if team.size > 1 and not isinstance(settings, ClusterContrastSettings):
        raise GclError("Only --method cluster-contrast is shared among processes.", "Start it without torchrun.")
    architecture = _architecture(settings)
    learns_labels = isinstance(settings, SupervisedSettings | JvtcSettings | ActSettings)
    known = labelled_set(source, architecture, session) if source is not None and learns_labels else None
    if isinstance(settings, SupervisedSettings) and known is not None:
        return Supervised(supervised_state(encoder, settings, known), known, settings)
    pictures = training_set(opened, architecture, session)
    pictures.painted = None if render is None else Painting(require_flows(render), pictures.pictures)
    first = {"colour_start": not start.knows_people, "pretrained": start.init != "none"}
    if isinstance(settings, StyleSettings):
        pictures.versions = _versions(camstyle, opened, pictures, session)
    match settings:
        case ClusterContrastSettings():
            return ClusterContrast(cluster_contrast_state(encoder, settings), pictures, settings, **first, team=team)
        case JvtcSettings():
            return Jvtc(jvtc_state(encoder, settings, known), pictures, settings, source=known, **first)
        case MmclSettings():
            return Mmcl(mmcl_state(encoder, settings), pictures, settings)
        case ActSettings() if known is not None:
            return Act(act_state(encoder, settings), pictures, settings, source=known)
    raise TypeError(f"no warm-up for {type(settings).__name__}")


def _named(job: Warmup, source: WorkData | None, render: Artifact | None) -> dict[str, str]:
    """The digests of what is learned from beside the pictures, for the manifest."""
    named = {"source": source.digest} if source is not None and job.source is not None else {}
    named |= {"camstyle": styles_digest(job.camstyle)} if job.camstyle is not None else {}
    return named if render is None else named | {render.reference: render.manifest.digest}


def _cut_outs(session: Session, opened: WorkData, settings: WarmupSettings, *, knows_people: bool) -> Artifact | None:
    """The rendered views by which people are cut out of photographs; None where the settings have no use for them.

    Where it would be of use and nothing was rendered yet, that is told.
    """
    if not isinstance(settings, ClusterContrastSettings):
        return None
    of_use = settings.other_backdrop > 0 or (settings.colours_of == "body" and not knows_people)
    if not of_use:
        return None
    rendered = (session.folder.artifact(RENDER) / MANIFEST).exists()
    render = open_views(session.folder, opened, _architecture(settings))[0] if rendered else None
    if render is None or open_flows(render) is None:
        console.warn(
            "Nobody is cut out yet, so that backdrops count as much as people. First: gcl mesh, gcl render, and then "
            "this again. As it is, without this word: --set colours_of=crop --set other_backdrop=0"
        )
        return None
    return render


def _versions(camstyle: str | None, opened: WorkData, pictures: TrainingSet, session: Session) -> StyleVersions | None:
    """The pictures as other cameras would have taken them; None, and a word about it, where there are no such files."""
    if camstyle is not None:
        return camera_styles(camstyle, opened, pictures, session)
    console.warn("No camera-styled pictures (--camstyle DIR): augmented copies of each picture stand for them.")
    return None
