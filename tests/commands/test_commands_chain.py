"""The whole chain on a few synthetic people, each stage through its `run`, from files to files."""

import json
import shutil
import traceback
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

import gcl_cli
from gcl_cli import console
from gcl_cli.cli import app
from gcl_cli.commands import synth, views
from gcl_cli.commands.cluster import command as cluster
from gcl_cli.commands.evaluate import command as evaluate
from gcl_cli.commands.gan_warmup import command as gan_warmup
from gcl_cli.commands.gen_metrics import command as gen_metrics
from gcl_cli.commands.joint import command as joint
from gcl_cli.commands.joint import validation
from gcl_cli.commands.mesh import command as mesh
from gcl_cli.commands.render import command as render
from gcl_cli.commands.report import command as report
from gcl_cli.commands.warmup import command as warmup
from gcl_cli.commands.warmup.command import Warmup
from gcl_cli.config import presets
from gcl_cli.errors import GclError
from gcl_cli.people import data
from gcl_cli.session import Session
from gcl_cli.training.moments import named_moments

CLUSTERING = {"radius": 0.5, "k1": 8, "k2": 3, "min_samples": 2, "precision": "fp32"}
SMALL = {
    "architecture": {
        "trunk": "resnet18", "trunk_width": 16, "height": 64, "width": 32, "generator_width": 4,
        "modulation_width": 16, "discriminator_width": 4, "discriminator_scales": 2, "padding": "zeros",
    },
    "warmup": {
        "epochs": 2, "iterations": 3, "people": 4, "pictures": 2, "batchnorm_groups": 1, "init": "none", **CLUSTERING,
    },
    "gan-warmup": {"epochs": 1, "reconstruction_epochs": 1, "iterations": 2, "batch_size": 4},
    "joint": {
        "epochs": 2, "iterations": 2, "contrast_steps": 1, "batch_size": 4, "augment": "classic",
        "checkpoint_every": 3, "contrast_views": "painted", **CLUSTERING,
    },
    "cluster": {name: value for name, value in CLUSTERING.items() if name != "precision"},
}  # fmt: skip
MEASURES = {"measures": ("encoder", "dssim", "identity"), "angles": (90, 180), "pairs": 2, "repeats": 1}


class Chain:
    """The stages on one work folder, every time with the same settings."""

    def __init__(self, work: Path, data: Path) -> None:
        self.work, self.data = work, data

    def options(self, **changed: Any) -> Session:
        return Session(**{"work": str(self.work), "device": "cpu", "threads": 1} | changed)

    def mesh(self, **changed: Any) -> dict[str, Any]:
        return mesh.run(self.options(**changed), str(self.data), {"sheet": 2})

    def render(self, **changed: Any) -> dict[str, Any]:
        return render.run(self.options(**changed), "main", {"height": 64, "width": 32, "backend": "numpy"})

    def warmup(self, **changed: Any) -> dict[str, Any]:
        return warmup.run(self.options(**changed), str(self.data), Warmup("cluster-contrast", "tiny"))

    def gan_warmup(self, **changed: Any) -> dict[str, Any]:
        return gan_warmup.run(self.options(**changed), None, {})

    def joint(self, **changed: Any) -> dict[str, Any]:
        return joint.run(self.options(**changed), "main", {})

    def cluster(self, **changed: Any) -> dict[str, Any]:
        return cluster.run(self.options(**changed), None, {})

    def evaluate(self, encoder: str | None = None, **changed: Any) -> dict[str, Any]:
        return evaluate.run(self.options(**changed), None, encoder, {})

    def gen_metrics(self, **changed: Any) -> dict[str, Any]:
        return gen_metrics.run(self.options(**changed), None, MEASURES)

    def manifest(self, reference: str) -> dict[str, Any]:
        return json.loads((self.work / reference / "manifest.json").read_text())


STAGES = {  # stage -> the folder it makes
    "mesh": "mesh/main", "render": "render/main", "warmup": "warmup/main", "gan_warmup": "gan-warmup/main",
    "joint": "joint/main", "cluster": "cluster/main", "evaluate": "evaluate/joint-main",
    "gen_metrics": "gen-metrics/joint-main",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    """Twelve people, half of them for training, two pictures in each of two cameras."""
    folder = tmp_path_factory.mktemp("synth") / "people"
    synth.run(str(folder), {"ids": 12, "cameras": 2, "images": 2}, threads=1, restart=False)
    return folder


@pytest.fixture(scope="module", autouse=True)
def small_preset():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(presets.PRESETS, "tiny", SMALL)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory, people) -> tuple[Chain, dict[str, dict[str, Any]]]:
    """The chain, run once to its end, and the result of every stage."""
    chain = Chain(tmp_path_factory.mktemp("work"), people)
    return chain, {stage: getattr(chain, stage)() for stage in STAGES}


@pytest.fixture
def chain(finished, tmp_path) -> Chain:
    """A copy of the finished work folder, to spoil."""
    copy = tmp_path / "work"
    shutil.copytree(finished[0].work, copy)
    return Chain(copy, finished[0].data)


def test_a_warm_up_cuts_people_out_where_they_were_rendered_and_says_where_not(chain, tmp_path, monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(console, "warn", said.append)
    job = partial(Warmup, "cluster-contrast", "tiny")
    cut_out = {"colours_of": "body", "other_backdrop": 0.5}
    warmup.run(chain.options(name="bodies"), None, job(chosen=cut_out))
    warmup.run(chain.options(name="crops"), None, job())
    recorded = {
        name: json.loads((chain.work / "warmup" / name / "manifest.json").read_text())["inputs"]
        for name in ("bodies", "crops")
    }
    assert "render/main" in recorded["bodies"] and "render/main" not in recorded["crops"]
    assert not said
    warmup.run(chain.options(work=str(tmp_path / "bare")), str(chain.data), job(chosen=cut_out))
    told = [line for line in said if "cut out" in line]
    assert len(told) == 1 and "gcl render" in told[0] and "--set colours_of=crop --set other_backdrop=0" in told[0]
    crops = {"colours_of": "crop", "other_backdrop": 0.0}  # the way out that it names
    warmup.run(chain.options(work=str(tmp_path / "bare"), name="crops"), None, job(chosen=crops))
    assert len([line for line in said if "cut out" in line]) == 1


def test_every_stage_publishes_its_files_and_reports_its_figures(finished):
    chain, results = finished
    for folder in STAGES.values():
        manifest = chain.manifest(folder)
        assert manifest["outputs"] or folder.startswith("mesh")
        assert not (chain.work / f"{folder}.partial").exists()
        assert not (chain.work / folder / "checkpoints").exists()
    assert results["mesh"]["status"]["train"].keys() == {"ok", "low_confidence", "fallback"}
    assert sum(results["mesh"]["status"]["train"].values()) == 24
    assert results["render"]["views"][0]["pictures"] == 24
    assert results["warmup"]["steps"] == 6
    assert results["gan_warmup"]["steps"] == 4 and results["gan_warmup"]["objective"] == "full"
    assert results["joint"]["steps"] == 8
    assert {"vi", "vi_syn", "vi_mem", "image", "clusters"} <= results["joint"].keys()
    assert results["cluster"]["pictures"] == 24 and "colours" in results["cluster"]["judged_by"]
    assert results["evaluate"]["encoder"] == "joint/main" and 0 < results["evaluate"]["mAP"] <= 100
    measured = results["gen_metrics"]
    assert measured["encoder_frechet"] > 0 and 0 <= measured["dssim"] <= 1 and 0 <= measured["identity_kept"] <= 100
    assert [row["angle"] for row in measured["per_angle"]] == [90, 180]
    assert "fid" not in measured


def recorded_epochs(chain: Chain, folder: str) -> list[int]:
    """The epochs of metrics.jsonl, whose last line is the result."""
    *epochs, last = (json.loads(line) for line in (chain.work / folder / "metrics.jsonl").read_text().splitlines())
    assert last["result"] == chain.manifest(folder)["result"]
    return [line["epoch"] for line in epochs]


def test_metrics_have_one_line_an_epoch(finished):
    chain, _ = finished
    for folder, epochs in (("warmup/main", 2), ("gan-warmup/main", 2), ("joint/main", 2)):
        assert recorded_epochs(chain, folder) == list(range(1, epochs + 1))


@pytest.mark.parametrize("stage", STAGES)
def test_run_twice_is_complete_and_says_so(finished, stage, monkeypatch):
    chain, results = finished
    said = []
    monkeypatch.setattr(console, "say", said.append)
    written = (chain.work / STAGES[stage] / "manifest.json").stat().st_mtime_ns
    assert getattr(chain, stage)() == json.loads(json.dumps(results[stage]))
    assert any("is complete already" in line for line in said)
    assert (chain.work / STAGES[stage] / "manifest.json").stat().st_mtime_ns == written


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_alone_makes_the_same_again(chain, stage):
    before = chain.manifest(STAGES[stage])
    shutil.rmtree(chain.work / STAGES[stage])
    getattr(chain, stage)()
    after = chain.manifest(STAGES[stage])
    for part in ("outputs", "inputs", "config"):
        assert after[part] == before[part]


@pytest.mark.parametrize("steps", [4, 7])
def test_interrupted_joint_training_ends_with_the_weights_of_an_unbroken_run(chain, steps, monkeypatch):
    before = chain.manifest("joint/main")
    shutil.rmtree(chain.work / "joint" / "main")
    advance, calls = console.Meter.advance, []

    def interrupt(self, count=1, note=""):
        calls.append(count)
        if len(calls) > steps:
            raise KeyboardInterrupt
        advance(self, count, note)

    with monkeypatch.context() as patch:
        patch.setattr(console.Meter, "advance", interrupt)
        with pytest.raises(KeyboardInterrupt):
            chain.joint()
    assert not (chain.work / "joint" / "main").exists()
    said = []
    monkeypatch.setattr(console, "say", said.append)
    chain.joint()
    assert any(line.startswith("Resuming joint/main") for line in said)
    assert chain.manifest("joint/main")["outputs"] == before["outputs"]
    assert recorded_epochs(chain, "joint/main") == [1, 2]


def test_an_earlier_encoder_can_be_chosen(finished):
    chain, _ = finished
    assert chain.evaluate("warmup")["encoder"] == "warmup/main"
    assert (chain.work / "evaluate" / "warmup-main" / "result.json").exists()


def test_an_encoder_made_anew_makes_what_followed_stale(chain):
    warmup.run(
        chain.options(restart=True),
        str(chain.data),
        Warmup("cluster-contrast", "tiny", chosen={"seed": 5, "epochs": 1}),
    )
    with pytest.raises(GclError, match="gan-warmup/main is stale") as raised:
        chain.joint(name="other")
    assert "gcl gan-warmup --restart" in raised.value.fix


# --- weights that must be fetched -------------------------------------------------------------------------------------


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """An empty place for downloaded weights, and no way to fill it."""

    def fail(*_arguments, **_named):
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    return tmp_path / "hub" / "checkpoints"


def test_painted_views_are_measured_as_generated_ones_are_and_keep_more_of_a_person(finished, chain):
    painted = gen_metrics.run(chain.options(name="painted"), None, MEASURES | {"views": "painted"})
    generated = finished[1]["gen_metrics"]
    assert painted["measured"] == "painted" and generated["measured"] == "generated"
    assert painted["references"] == generated["references"]
    assert painted["encoder_frechet"] < generated["encoder_frechet"]  # from a generator of four steps
    shipped = gen_metrics.run(chain.options(), "shipped", MEASURES)
    assert shipped["generator"] == "shipped" and (chain.work / "gen-metrics" / "shipped").is_dir()
    assert shipped["measured"] == "shipped" and shipped["encoder_frechet"] < generated["encoder_frechet"]
    for row in (painted, generated, shipped, *shipped["per_angle"]):
        assert 0 <= row["identity_other_backdrop"] <= 100 and 0 <= row["identity_other_across_cameras"] <= 100
    rows = {row["reference"]: row for row in shipped["references"]}
    assert rows["backdrops alone"].keys() >= {"identity_kept", "identity_other_backdrop"}
    assert rows["photographs"]["identity_other_backdrop"] >= rows["backdrops alone"]["identity_other_backdrop"]


def test_training_with_painted_views_that_are_not_there_goes_without_and_says_so_unless_asked(chain, monkeypatch):
    grey = {"height": 64, "width": 32, "backend": "numpy", "paint_height": 0}
    render.run(chain.options(restart=True), "main", grey)
    chain.gan_warmup(restart=True)
    with pytest.raises(GclError, match="grey alone") as raised:
        joint.run(chain.options(name="other"), "main", {"contrast_views": "painted"})
    assert "gcl render --restart" in raised.value.fix and "contrast_views=none" in raised.value.fix
    with pytest.raises(GclError, match="grey views alone"):
        gen_metrics.run(chain.options(name="other"), "gan-warmup/main", MEASURES | {"views": "painted"})
    warned = []
    monkeypatch.setattr(console, "warn", warned.append)
    chain.joint(name="other")  # the preset's wish
    assert any("holds no painted views" in words for words in warned)
    assert chain.manifest("joint/other")["config"]["contrast_views"] == "none"


def test_steps_without_generation_may_have_views_of_the_generator_that_ships(chain):
    result = joint.run(chain.options(name="drawn"), "main", {"contrast_views": "generated"})
    assert result["vi_syn"] > 0 and result["vi_mem"] > 0
    assert chain.manifest("joint/drawn")["config"]["contrast_views"] == "generated"


def test_views_that_an_earlier_version_rendered_are_refused(chain):
    """It stored colours, in files of another name."""
    colours = chain.work / "render" / "main" / "train.painted.pngs"
    colours.touch()
    for of_them in (partial(chain.joint, name="older"), partial(chain.gen_metrics, name="older")):
        with pytest.raises(GclError, match="earlier version of gcl, which stored what is painted") as raised:
            of_them()
        assert raised.value.fix == "Make it again: gcl render --restart"
    colours.unlink()


def test_a_painted_generator_is_good_untrained_and_goes_through_every_command(chain, tmp_path):
    untrained = {"generator": "painted", "epochs": 0, "reconstruction_epochs": 0}
    made = gan_warmup.run(chain.options(name="painted"), None, untrained)
    folder = chain.work / "gan-warmup" / "painted"
    assert made["steps"] == 0 and {"generator.safetensors", "views.png"} <= {file.name for file in folder.iterdir()}
    assert not (folder / "structure_encoder.safetensors").exists()
    painted, own = (
        gen_metrics.run(chain.options(name=name), f"gan-warmup/{name}", MEASURES) for name in ("painted", "main")
    )
    assert painted["encoder_frechet"] < own["encoder_frechet"], "people, before any step here"
    result = joint.run(chain.options(name="painted"), "painted", {"contrast_views": "generated"})
    assert {"image", "feature", "adversarial", "vi_syn"} <= result.keys()
    picture = next((chain.data / "bounding_box_train").iterdir())
    views.run(chain.options(), [str(picture)], str(tmp_path / "out"), "joint/painted", {"backdrop": "none"})
    seen = evaluate.run(chain.options(name="v"), None, "joint/painted", {"views": True}, generator="joint/painted")
    assert "without_views" in seen
    for generator in ("joint/painted", "shipped"):
        page = report.run(chain.options(), None, {"people": 2}, generator=generator)["page"]
        assert generator in Path(page).read_text()


@pytest.mark.parametrize(
    ("chosen", "files"), [({"reconstruction_epochs": 1}, ()), ({}, ("old/generator.safetensors",))]
)
def test_what_does_not_go_with_a_painted_generator_is_refused(chain, chosen, files, monkeypatch):
    monkeypatch.setattr(gan_warmup, "with_layout_of", lambda _, architecture: architecture)
    with pytest.raises(GclError, match="--generator painted"):
        gan_warmup.run(chain.options(name="odd"), None, {"generator": "painted", **chosen}, init_gan=files)


def test_fid_without_its_weights_names_file_place_and_alternative(chain, no_network):
    with pytest.raises(GclError, match="FID needs Inception weights that cannot be fetched") as raised:
        gen_metrics.run(chain.options(name="fid"), None, MEASURES | {"measures": ("fid", "dssim")})
    assert str(no_network / "pt_inception-2015-12-05-6726825d.pth") in raised.value.problem
    assert "--measures encoder,dssim,identity" in raised.value.fix and "https://" in raised.value.fix
    assert not (chain.work / "gen-metrics" / "fid").exists()


def test_imagenet_weights_that_are_missing_are_named_with_place_and_alternative(chain, no_network, monkeypatch):
    monkeypatch.setitem(presets.PRESETS, "small", SMALL | {"architecture": SMALL["architecture"] | {"trunk_width": 64}})
    with pytest.raises(GclError, match="ImageNet weights cannot be fetched") as raised:
        warmup.run(
            chain.options(name="pretrained"), None, Warmup("cluster-contrast", "small", chosen={"init": "imagenet"})
        )
    assert str(no_network / "resnet18-f37072fd.pth") in raised.value.problem
    assert "--init none" in raised.value.fix and "https://" in raised.value.fix


def test_no_imagenet_weights_exist_for_a_narrow_trunk(chain):
    with pytest.raises(GclError, match="no ImageNet weights") as raised:
        warmup.run(
            chain.options(name="pretrained"), None, Warmup("cluster-contrast", "tiny", chosen={"init": "imagenet"})
        )
    assert "--init none" in raised.value.fix


def test_joint_goes_on_with_the_moments_that_the_generators_warmup_ended_with(chain, monkeypatch):
    seen = []
    monkeypatch.setattr(joint, "_train", lambda _, training, *__: seen.append(training.state) or {})
    chain.joint(restart=True)
    written = load_file(chain.work / "gan-warmup/main/adam_moments.safetensors")
    state = seen[0]
    found = named_moments(state.networks, {side: state.optimizers[side] for side in ("generator", "discriminator")})
    assert written.keys() == found.keys() and all(torch.equal(written[name], value) for name, value in found.items())
    steps = {name.partition(".")[0]: int(value) for name, value in written.items() if name.endswith(".step")}
    assert steps == {"structure_encoder": 4, "generator": 4, "discriminator": 2}  # two of them reconstruct alone
    assert "adam_moments.safetensors" in chain.manifest("gan-warmup/main")["outputs"]


# --- pictures without labels ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory, people) -> Chain:
    """The training pictures under names that say nothing, taken through all training stages."""
    folder = tmp_path_factory.mktemp("plain") / "pictures"
    folder.mkdir()
    for number, path in enumerate(sorted((people / "bounding_box_train").glob("*.jpg"))):
        shutil.copy(path, folder / f"picture-{number:03d}.jpg")
    chain = Chain(tmp_path_factory.mktemp("plain-work"), folder)
    for stage in ("mesh", "render", "warmup", "gan_warmup", "joint"):
        getattr(chain, stage)()
    return chain


def test_a_plain_folder_trains_to_the_end_and_evaluate_refuses_it(unlabelled):
    assert unlabelled.manifest("joint/main")["result"]["share_cross_camera"] is None
    assert unlabelled.cluster()["pictures"] == 24
    with pytest.raises(GclError, match="query"):
        unlabelled.evaluate()


def test_without_labels_generation_is_measured_as_far_as_it_can_and_the_rest_is_named(unlabelled, monkeypatch):
    warned = []
    monkeypatch.setattr(console, "warn", warned.append)
    result = unlabelled.gen_metrics()
    assert result["encoder_frechet"] > 0 and result["cosine_to_source"] <= 1
    assert result["identity_kept"] is None and result["dssim"] is None and result["dssim_real"] is None
    assert any("DSSIM" in line and "kept identities" in line for line in warned)


# --- what can be watched, and which epoch is kept ---------------------------------------------------------------------


def lines_of(chain: Chain, folder: str) -> list[dict[str, Any]]:
    *epochs, _ = (json.loads(line) for line in (chain.work / folder / "metrics.jsonl").read_text().splitlines())
    return epochs


def test_every_epoch_shows_losses_rates_clusters_agreement_pace_and_where_the_time_went(finished):
    chain, _ = finished
    everywhere = {"pictures_per_second", "seconds_per_step", "seconds_training", "seconds_data", "seconds_observing"}
    for line in lines_of(chain, "gan-warmup/main"):
        assert everywhere | {"image", "rate_generator", "rate_discriminator"} <= line.keys()
    for line in lines_of(chain, "joint/main"):
        assert everywhere | {"rate_identity", "rate_generator", "image", "feature", "adversarial"} <= line.keys()
        assert {"vi", "vi_syn", "vi_mem", "discriminator", "clusters", "share_noise", "stability"} <= line.keys()
        assert {"seconds_embedding", "seconds_clustering"} <= line.keys()
        assert -1 <= line["true_ari"] <= 1
    first, second = lines_of(chain, "joint/main")
    assert first["agreement"] is None
    assert first["stability"] == pytest.approx(second["agreement"] * second["share_labelled"])
    warm = lines_of(chain, "warmup/main")
    assert {"rate_identity", "true_ari", "agreement", "seconds_embedding", "seconds_clustering"} <= warm[-1].keys()


def test_true_labels_are_looked_at_only_where_they_are_known(unlabelled):
    assert all("true_ari" not in line for line in lines_of(unlabelled, "joint/main"))


def test_every_epoch_leaves_a_sheet_of_the_same_people_and_the_last_one_is_the_artifacts(finished):
    chain, _ = finished
    for stage in ("gan-warmup", "joint"):
        sheets = sorted((chain.work / stage / "main" / "views").iterdir())
        assert [sheet.name for sheet in sheets] == ["epoch_001.png", "epoch_002.png"]
        assert sheets[0].read_bytes() != sheets[1].read_bytes()
        assert sheets[1].read_bytes() == (chain.work / stage / "main" / "views.png").read_bytes()
        assert "views/epoch_001.png" in chain.manifest(f"{stage}/main")["outputs"]


def test_sheets_change_nothing_that_is_learned(chain):
    before = chain.manifest("joint/main")["outputs"]
    joint.run(chain.options(name="unseen"), "main", {"sheet_every": 0})
    after = chain.manifest("joint/unseen")["outputs"]
    assert after == {name: digest for name, digest in before.items() if not name.startswith("views/")}


def test_the_selected_epoch_is_kept_beside_the_last_and_both_can_be_evaluated(finished):
    chain, results = finished
    result, scores = results["joint"], [line["stability"] for line in lines_of(chain, "joint/main")]
    assert result["selected_by"] == "stability" and result["selected_score"] == max(scores)
    assert scores[result["selected_epoch"] - 1] == max(scores) and result["epoch"] == 2
    outputs = chain.manifest("joint/main")["outputs"]
    same = outputs["selected/identity_encoder.safetensors"] == outputs["identity_encoder.safetensors"]
    assert same == (result["selected_epoch"] == 2)
    last = evaluate.run(chain.options(), None, "joint", {})
    chosen = evaluate.run(chain.options(), None, "joint", {"epoch": "selected"})
    assert (chain.work / "evaluate" / "joint-main-selected" / "result.json").exists()
    assert (chosen["mAP"] == last["mAP"]) or not same
    with pytest.raises(GclError, match="warmup/main has no selected epoch"):
        evaluate.run(chain.options(), None, "warmup", {"epoch": "selected"})


@pytest.fixture(scope="module")
def others(tmp_path_factory) -> Path:
    """Labelled pictures of other people."""
    folder = tmp_path_factory.mktemp("others") / "others"
    synth.run(str(folder), {"ids": 8, "cameras": 2, "images": 2, "seed": 9}, threads=1, restart=False)
    return folder


def test_validation_data_select_the_epoch_and_the_training_sets_own_test_pictures_are_never_read(
    chain, others, monkeypatch
):
    read = []
    for module in (data, validation):
        whole = module.read_pictures
        monkeypatch.setattr(
            module,
            "read_pictures",
            lambda root, names, whole=whole, **size: read.append((root, names)) or whole(root, names, **size),
        )
    result = joint.run(chain.options(name="judged"), "main", {}, validation=str(others))
    lines = lines_of(chain, "joint/judged")
    scores = [line["validation_mAP"] for line in lines]
    assert all(0 < score <= 100 for score in scores) and all(line["seconds_validation"] > 0 for line in lines)
    assert result["selected_by"] == "validation_mAP" and result["selected_score"] == max(scores)
    own = [name for root, names in read if root == chain.data for name in names]
    assert own and all(name.startswith("bounding_box_train/") for name in own)
    judged, plain = (chain.manifest(f"joint/{name}")["outputs"] for name in ("judged", "main"))
    assert judged["identity_encoder.safetensors"] == plain["identity_encoder.safetensors"]
    assert chain.manifest("joint/judged")["inputs"].keys() >= {"validation"}


def test_the_training_set_cannot_judge_itself(chain, unlabelled):
    with pytest.raises(GclError, match="is the data set that is trained on"):
        joint.run(chain.options(name="judged"), "main", {}, validation=str(chain.data))
    with pytest.raises(GclError, match="no cameras"):
        joint.run(chain.options(name="judged"), "main", {}, validation=str(unlabelled.data))


def test_labelled_training_pictures_alone_can_judge(chain, others, tmp_path):
    shutil.copytree(others / "bounding_box_train", tmp_path / "fold" / "bounding_box_train")
    result = joint.run(chain.options(name="fold"), "main", {"epochs": 1}, validation=str(tmp_path / "fold"))
    assert 0 < result["validation_mAP"] < 100


class ReachedError(Exception):
    """Stops a command where its equation is computed."""


WALKS = [  # command, what is computed, at most so many frames and files of this package, the equation's own included
    ("joint", "training.joint.view_contrast", 12, 6),  # Eq. 6
    ("warmup", "training.warmups.cluster_contrast.cluster_contrast", 9, 7),
    ("cluster", "clustering.pseudo_labels.distance_of_overlaps", 7, 5),
    ("evaluate", "metrics.ranking.average_precisions", 8, 6),
]


@pytest.mark.parametrize(("command", "equation", "most_frames", "most_files"), WALKS)
def test_from_command_to_equation_is_a_short_walk(chain, monkeypatch, command, equation, most_frames, most_files):
    package, walked = Path(gcl_cli.__file__).parent, []

    def reached(*_, **__):
        walked.extend(frame.filename for frame in traceback.extract_stack() if package in Path(frame.filename).parents)
        raise ReachedError

    monkeypatch.setattr(f"gcl_cli.{equation}", reached)
    words = {"warmup": ["--preset", "tiny"], "joint": []}.get(command, ["--encoder", "warmup/main"])
    words += ["--work", str(chain.work), "--name", "walk", "--device", "cpu"]
    ran = CliRunner().invoke(app, [command, *words])
    assert isinstance(ran.exception, ReachedError), ran.output
    files = list(dict.fromkeys(Path(name).relative_to(package).as_posix() for name in walked))
    files.append(equation)  # the equation's own file, and its own frame
    assert len(walked) + 1 <= most_frames and len(files) <= most_files, (len(walked) + 1, files)
