import json
from pathlib import Path
from urllib.error import URLError

import foreign_families as made
import numpy as np
import pytest
import torch
from foreign_families import FAMILIES
from PIL import Image
from torchvision.models import ResNet50_Weights, resnet50

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.run import Run
from gcl_cli.artifacts.weights import read_architecture, read_weights, save_weights
from gcl_cli.commands.cluster import command as cluster
from gcl_cli.commands.evaluate import command as evaluate
from gcl_cli.commands.gan_warmup.starting_gan import gan_digests, load_gan_files, with_layout_of
from gcl_cli.commands.warmup import command as warmup
from gcl_cli.config import Architecture, presets
from gcl_cli.errors import GclError
from gcl_cli.session import Session
from gcl_cli.weights.networks import new_gan, save_networks
from gcl_cli.weights.published import PublishedFile
from gcl_cli.weights.starting_weights import (
    new_encoder,
    open_encoder,
    open_encoder_of,
    read_start,
    with_head_of,
)

CPU = torch.device("cpu")
SMALL = {
    "trunk": "resnet18", "trunk_width": 16, "height": 64, "width": 32, "generator_width": 2, "modulation_width": 8,
    "discriminator_width": 4, "discriminator_scales": 2, "padding": "zeros",
}  # fmt: skip
HERE = Architecture(**SMALL)


@pytest.fixture(autouse=True)
def small_preset(monkeypatch):
    monkeypatch.setitem(presets.PRESETS, "tiny", {**presets.PRESETS["tiny"], "architecture": SMALL})


@pytest.fixture
def work(tmp_path):
    return WorkFolder(tmp_path / "work")


def saved(path: Path, content) -> str:
    torch.save(content, path)
    return str(path)


def family_file(folder: Path, name: str) -> tuple[str, dict[str, torch.Tensor]]:
    """A checkpoint of a family, and the encoder's tensors in it."""
    encoder = made.encoder_with(FAMILIES[name].head)
    return saved(folder / "model_best.pth.tar", FAMILIES[name].content(encoder)), encoder.state_dict()


def publish(work: WorkFolder, stage: str, networks, architecture=HERE, **config):
    with Run(work, stage, "main", {"preset": "tiny", **config}, {}).begin(restart=False) as run:
        save_networks(run.folder, networks, architecture)
        return run.publish({})


@pytest.mark.parametrize("name", FAMILIES)
def test_a_file_of_every_family_starts_an_encoder_with_its_own_tensors(work, tmp_path, name, capsys):
    family = FAMILIES[name]
    path, expected = family_file(tmp_path, name)
    start = read_start(work, path)
    architecture = with_head_of(start, HERE)
    assert architecture.head == (family.head or HERE.head)
    encoder = new_encoder(start, architecture, seed=1, device=CPU)
    for key, tensor in encoder.state_dict().items():
        if key.startswith("trunk.") and not (name == "torch before 0.4.1" and "tracked" in key):
            assert torch.equal(tensor, expected[key]), key
        if key.startswith("head.norm.") and family.head and name != "ACT" and "tracked" not in key:
            assert torch.equal(tensor, expected[key]), key
    said = capsys.readouterr().err
    assert "trunk: 100 of 100 tensors" in said and "(100.0 %)" in said
    assert ("The head follows" in said) == (family.head not in (None, "bnneck"))


def test_a_full_resnet_50_of_imagenet_loads_from_a_file(work, tmp_path):
    published = resnet50().state_dict()
    start = read_start(work, saved(tmp_path / "resnet50.pth", published))
    encoder = new_encoder(start, with_head_of(start, Architecture()), seed=1, device=CPU)
    trunk = encoder.trunk.state_dict()
    assert trunk.keys() == {name for name in published if not name.startswith("fc.")}
    assert all(torch.equal(tensor, published[name]) for name, tensor in trunk.items())


def test_what_a_file_lacks_is_drawn_from_the_seed(work, tmp_path):
    path, _ = family_file(tmp_path, "torchvision")
    start = read_start(work, path)
    projected = HERE.model_copy(update={"head": "projection"})
    one, same, other = (new_encoder(start, projected, seed=seed, device=CPU).head.project.weight for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_the_digest_of_a_file_changes_with_its_content(work, tmp_path):
    path, _ = family_file(tmp_path, "SpCL")
    first = read_start(work, path).inputs
    family_file(tmp_path, "MMCL")
    assert first.keys() == {"init"} and read_start(work, path).inputs != first
    assert read_start(work, "none").inputs == read_start(work, "imagenet").inputs == {}


def test_a_file_of_another_trunk_names_the_preset_that_has_it(work, tmp_path):
    path, _ = family_file(tmp_path, "torchvision")
    with pytest.raises(GclError, match="resnet18 of width 16; the preset has a resnet50 of width 64") as caught:
        with_head_of(read_start(work, path), Architecture())
    assert "--preset tiny" in caught.value.fix


def test_a_trunk_of_no_preset_is_imported_by_settings(work, tmp_path):
    path = saved(tmp_path / "w.pth", made.trunk_below("", made.encoder_with(None, width=24)))
    with pytest.raises(GclError, match="No preset has a resnet18 of width 24") as caught:
        open_encoder(work, encoder=None, init=path, stages=("warmup",))
    assert "--set trunk_width=24" in caught.value.fix


def test_missing_weights_are_listed_after_the_coverage(work, tmp_path, capsys):
    tensors = made.trunk_below("", made.encoder_with(None))
    half = {name: tensor for name, tensor in tensors.items() if not name.startswith("layer4")}
    with pytest.raises(GclError, match=r"Missing: trunk\.layer4"):
        read_start(work, saved(tmp_path / "half.pth", half))
    assert "missing: trunk.layer4.0.conv1.weight" in capsys.readouterr().err


def test_weights_of_our_own_come_back_whole_with_their_head(work, tmp_path, capsys):
    encoder = made.encoder_with("batchnorm")
    own = HERE.model_copy(update={"head": "batchnorm", "part_layout": "channel_major"})
    save_weights(tmp_path / "own.safetensors", encoder, own)
    opened = open_encoder(work, encoder=None, init=str(tmp_path / "own.safetensors"), stages=())
    assert opened.architecture == own and opened.preset == "tiny" and not opened.is_artifact
    loaded = opened.load(CPU).state_dict()
    assert all(torch.equal(tensor, loaded[name]) for name, tensor in encoder.state_dict().items())
    start = read_start(work, str(tmp_path / "own.safetensors"))
    assert with_head_of(start, HERE) == HERE.model_copy(update={"head": "batchnorm"})


def test_our_own_files_of_other_networks_or_with_nan_are_refused(work, tmp_path):
    save_weights(tmp_path / "gan.safetensors", new_gan(HERE, 0, CPU)["generator"], HERE)
    with pytest.raises(GclError, match="holds no identity encoder"):
        read_start(work, str(tmp_path / "gan.safetensors"))
    encoder = made.encoder_with("bnneck")
    encoder.head.norm.running_mean[0] = float("nan")
    save_weights(tmp_path / "nan.safetensors", encoder, HERE)
    with pytest.raises(GclError, match=r"not finite numbers in head\.norm\.running_mean"):
        read_start(work, str(tmp_path / "nan.safetensors"))


def test_artifacts_start_a_stage_by_their_reference(work):
    artifact = publish(work, "joint", {"identity_encoder": made.encoder_with("bnneck")})
    start = read_start(work, "joint/main")
    assert start.inputs == {"joint/main": artifact.manifest.digest} and start.head == "bnneck"
    opened = open_encoder(work, encoder=None, init="joint/main", stages=("warmup",))
    assert opened.is_artifact and opened.label == "joint-main" and opened.inputs == start.inputs
    with pytest.raises(GclError, match=r"warmup/lost does not exist"):
        read_start(work, "warmup/lost")


def test_names_that_are_nothing_are_refused(work):
    with pytest.raises(GclError, match="there is no such file") as caught:
        read_start(work, "lost.pth")
    assert "imagenet-v2" in caught.value.fix
    with pytest.raises(GclError, match="both name the encoder"):
        open_encoder(work, encoder="warmup", init="imagenet", stages=("warmup",))
    with pytest.raises(GclError, match="has learned"):
        open_encoder(work, encoder=None, init="none", stages=("warmup",))


@pytest.mark.parametrize(("name", "member"), [("imagenet", "IMAGENET1K_V1"), ("imagenet-v2", "IMAGENET1K_V2")])
def test_imagenet_names_fetch_the_weights_that_they_say(work, monkeypatch, name, member):
    published, asked = resnet50().state_dict(), []
    monkeypatch.setattr(PublishedFile, "tensors", lambda self: asked.append(self.url) or published)
    encoder = open_encoder(work, encoder=None, init=name, stages=()).load(CPU)
    assert asked == [ResNet50_Weights[member].url]
    assert torch.equal(encoder.trunk.conv1.weight, published["conv1.weight"])


def test_without_a_network_the_imagenet_weights_say_where_to_put_them(work, tmp_path, monkeypatch):
    def offline(*_, **__):
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(GclError, match="cannot be fetched") as caught:
        new_encoder(read_start(work, "imagenet-v2"), Architecture(), seed=1, device=CPU)
    assert "Put the file there" in caught.value.fix
    with pytest.raises(GclError, match="no IMAGENET1K_V2 weights of resnet18"):
        new_encoder(read_start(work, "imagenet-v2"), Architecture(trunk="resnet18"), seed=1, device=CPU)


def test_the_encoder_of_a_generator_can_be_another(work, tmp_path):
    layout = HERE.model_copy(update={"part_layout": "channel_major"})
    networks = {"identity_encoder": made.encoder_with("bnneck"), **new_gan(layout, 0, CPU)}
    gan = publish(work, "gan-warmup", networks, layout)
    kept = open_encoder_of(work, gan, init=None)
    assert kept.reference == "gan-warmup/main" and kept.architecture == layout
    path, expected = family_file(tmp_path, "JVTC")
    other = open_encoder_of(work, gan, init=path)
    assert other.architecture == layout.model_copy(update={"head": "projection"})
    assert torch.equal(other.load(CPU).head.project.weight, expected["head.project.weight"])


def published_files(folder: Path) -> tuple[list[str], dict[str, torch.nn.Module]]:
    networks = new_gan(HERE, 3, CPU)
    first = saved(folder / "gen_00030000.pt", made.published_generator(networks))
    return [first, saved(folder / "dis_00030000.pt", made.published_discriminator(networks))], networks


def test_the_published_generator_loads_with_its_layout_and_says_what_is_assumed(tmp_path, capsys):
    files, networks = published_files(tmp_path)
    assert with_layout_of(files, HERE).part_layout == "channel_major" and with_layout_of([], HERE) is HERE
    assert gan_digests(files).keys() == {"init-gan-0", "init-gan-1"}
    empty = new_gan(HERE, 4, CPU)
    load_gan_files(files, empty)
    for name, network in networks.items():
        own = empty[name].state_dict()
        assert all(torch.equal(own[key], tensor) for key, tensor in network.state_dict().items()), name
    assert "dilations 3, 6, 9" in capsys.readouterr().err


def test_a_generator_without_its_discriminator_starts_with_a_new_one_and_nothing_less_does(tmp_path, capsys):
    files, _ = published_files(tmp_path)
    load_gan_files(files[:1], new_gan(HERE, 4, CPU))
    assert "holds a discriminator: it starts anew" in capsys.readouterr().err
    with pytest.raises(GclError, match="holds a structure encoder of this size"):
        load_gan_files(files[1:], new_gan(HERE, 4, CPU))
    with pytest.raises(GclError, match="both hold a structure encoder"):
        load_gan_files([files[0], files[0]], new_gan(HERE, 4, CPU))
    with pytest.raises(GclError, match="no such file"):
        gan_digests(["lost.pt"])


def test_our_own_gan_files_keep_the_layout_in_their_headers(tmp_path):
    networks = new_gan(HERE, 3, CPU)
    save_networks(tmp_path, networks, HERE)
    files = [str(tmp_path / f"{name}.safetensors") for name in networks]
    assert with_layout_of(files, HERE).part_layout == "stripe"
    empty = new_gan(HERE, 4, CPU)
    load_gan_files(files, empty)
    assert torch.equal(empty["generator"].painter[1].weight, networks["generator"].painter[1].weight)
    with pytest.raises(GclError, match="different part layouts"):
        with_layout_of([files[0], published_files(tmp_path)[0][0]], HERE)


@pytest.fixture
def crops(tmp_path):
    for number, (folder, person, camera) in enumerate(
        (f, p, c) for f in ("bounding_box_train", "query", "bounding_box_test") for p in (1, 2) for c in (1, 2)
    ):
        (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
        colours = np.random.default_rng(number).integers(0, 256, (32, 16, 3), dtype=np.uint8)
        Image.fromarray(colours).save(tmp_path / "data" / folder / f"{person:04}_c{camera}s1_000001_01.jpg")
    return str(tmp_path / "data")


def test_a_file_is_imported_by_a_warm_up_of_no_epochs(work, crops, tmp_path, capsys):
    path, expected = family_file(tmp_path, "JVTC")
    options = Session(work=str(work.root), device="cpu", threads=1, name="authors")
    job = warmup.Warmup("cluster-contrast", "tiny", chosen={"init": path, "epochs": 0})
    result = warmup.run(options, crops, job)
    assert result["steps"] == 0
    said = capsys.readouterr().err
    assert "(100.0 %)" in said and "The head follows the weights of --init: projection instead of bnneck." in said
    file = work.root / "warmup" / "authors" / "identity_encoder.safetensors"
    assert read_architecture(file) == HERE.model_copy(update={"head": "projection"})
    tensors = read_weights(file)
    assert tensors.keys() == expected.keys() and all(torch.equal(tensors[n], t) for n, t in expected.items())
    manifest = json.loads((file.parent / "manifest.json").read_text())
    assert manifest["config"]["init"] == path and manifest["config"]["head"] == "projection"
    assert "init" in manifest["inputs"]
    again = warmup.Warmup("cluster-contrast", "tiny", chosen={"init": "warmup/authors", "epochs": 0})
    with pytest.raises(GclError, match="cannot start from itself"):
        warmup.run(options, crops, again)
    warmup.run(options, crops, job)
    assert "is complete already" in capsys.readouterr().err


def test_a_file_is_measured_and_clustered_without_an_import(work, crops, tmp_path):
    path, _ = family_file(tmp_path, "Cluster Contrast")
    options = Session(work=str(work.root), device="cpu", threads=1)
    warmup.run(options, crops, warmup.Warmup("cluster-contrast", "tiny", chosen={"init": path, "epochs": 0}))
    direct = evaluate.run(options, None, None, {}, init=path)
    imported = evaluate.run(options, None, "warmup/main", {})
    assert (work.root / "evaluate" / "init-model_best" / "result.json").exists()
    assert direct["encoder"] == path and direct["mAP"] == imported["mAP"]
    found = cluster.run(options, None, {"k1": 2, "k2": 1, "radius": 0.5, "min_samples": 2}, init=path)
    assert found["encoder"] == path and found["pictures"] == 4
