from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from made_work import write_views
from PIL import Image

from gcl_cli.artifacts.files import read_json
from gcl_cli.artifacts.formats import write_names
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.run import Run
from gcl_cli.artifacts.sheets import GAP, LINE
from gcl_cli.artifacts.view_store import compress
from gcl_cli.commands.gen_metrics import inception
from gcl_cli.config import Architecture
from gcl_cli.config.presets import PRESETS
from gcl_cli.errors import GclError
from gcl_cli.people.data import open_data, open_other, training_set
from gcl_cli.people.rendered_views import draw_generated, open_views
from gcl_cli.session import Session
from gcl_cli.weights.networks import (
    GAN,
    latest,
    load_encoder,
    load_gan,
    new_gan,
    place,
    read_encoder,
    read_generator,
    save_networks,
)

CPU = torch.device("cpu")
TINY = Architecture(
    **PRESETS["tiny"]["architecture"] | {"trunk_width": 16, "generator_width": 2, "modulation_width": 8}
)
NAMES = ("bounding_box_train/0002_c1s1_000451_03.jpg", "bounding_box_train/0007_c2s1_000001_01.jpg")
TEST_NAMES = ("query/0001_c1s1_000001_00.jpg", "bounding_box_test/0001_c2s1_000002_00.jpg")


def pictures(root: Path, names=NAMES + TEST_NAMES) -> Path:
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        colours = np.random.default_rng(number).integers(0, 256, (48, 24, 3), dtype=np.uint8)
        Image.fromarray(colours).save(root / name)
    return root


@pytest.fixture
def options(tmp_path):
    return Session(work=str(tmp_path / "work"), data_root=str(tmp_path / "data"), threads=1)


@pytest.fixture
def crops(tmp_path):
    return pictures(tmp_path / "data" / "crops")


def test_a_data_set_is_given_once_and_remembered(options, crops, capsys):
    given = open_data(options, "crops")
    assert "taken as it is" in capsys.readouterr().err
    remembered = open_data(options, None)
    assert capsys.readouterr().err == ""
    assert remembered.digest == given.digest == open_other(crops, allow_subset=False).digest
    assert remembered.root == crops.resolve()
    assert [sample.name for sample in remembered.split("train")] == list(NAMES)
    assert remembered.split("validation") == ()
    record = read_json(Path(options.work) / "dataset.json")
    assert record["pictures"] == {"train": 2, "query": 1, "gallery": 1} and record["layout"] == "market1501"


def test_a_work_folder_keeps_to_its_data_set(options, crops, tmp_path):
    open_data(options, str(crops))
    pictures(tmp_path / "others", NAMES[1:])
    with pytest.raises(GclError, match="belongs to"):
        open_data(options, str(tmp_path / "others"))
    before = open_data(options, None).digest
    (crops / NAMES[0]).write_bytes(b"another picture")
    assert open_data(options, None).digest != before  # nothing was made of it yet: test_commands_update.py has the rest


def test_a_missing_data_set_leaves_no_record(options, tmp_path):
    with pytest.raises(GclError, match="no data set 'crops'"):
        open_data(options, "crops")
    assert not Path(options.work).exists()


def test_training_pictures_have_the_size_of_the_networks_and_cameras_where_known(options, crops, tmp_path):
    data = training_set(open_data(options, "crops"), TINY, options)
    assert data.pictures.shape == (2, 3, 128, 64) and data.pictures.dtype == torch.uint8
    assert data.cameras.tolist() == [1, 2]
    plain = open_other(pictures(tmp_path / "plain", ("a.jpg", "b.jpg")), allow_subset=False)
    assert training_set(plain, TINY, options).cameras is None


def networks(seed: int = 0):
    from gcl_cli.networks.identity_encoder import IdentityEncoder
    from gcl_cli.networks.initialisation import initialise

    encoder = IdentityEncoder(TINY)
    initialise(encoder, torch.Generator().manual_seed(seed))
    return {"identity_encoder": place(encoder, CPU), **new_gan(TINY, seed, CPU)}


def publish(work: WorkFolder, stage: str, files: dict, *, name="main", **config):
    with Run(work, stage, name, config, {}).begin(restart=False) as run:
        save_networks(run.folder, files, TINY)
        return run.publish({})


def same_weights(one, other) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def test_networks_come_back_from_artifacts_and_the_same_ones_give_the_same_digest(tmp_path):
    work = WorkFolder(tmp_path)
    made = networks()
    first = publish(work, "joint", made)
    artifact, architecture = read_encoder(work, "joint")
    assert architecture == TINY
    assert same_weights(load_encoder(artifact, architecture, CPU), made["identity_encoder"])
    again = load_gan(read_generator(work, "joint"), architecture, CPU)
    assert again.keys() == GAN.keys() and all(same_weights(again[name], made[name]) for name in GAN)
    assert publish(work, "joint", networks(), name="twin").manifest.digest == first.manifest.digest
    assert publish(work, "joint", networks(1), name="other").manifest.digest != first.manifest.digest


def test_an_artifact_without_the_network_that_is_asked_for_is_refused(tmp_path):
    work = WorkFolder(tmp_path)
    made = networks()
    publish(work, "warmup", {"identity_encoder": made["identity_encoder"]})
    publish(work, "gan-warmup", {name: made[name] for name in GAN})
    with pytest.raises(GclError, match="warmup holds no generator") as caught:
        read_generator(work, "warmup")
    assert "--generator joint" in caught.value.fix
    with pytest.raises(GclError, match="gan-warmup holds no identity encoder") as caught:
        read_encoder(work, "gan-warmup")
    assert "--encoder warmup" in caught.value.fix


def test_the_latest_is_the_furthest_finished_stage(tmp_path):
    work = WorkFolder(tmp_path)
    assert latest(work, ("joint", "warmup")) == "warmup/main"
    with Run(work, "joint", "main", {}, {}).begin(restart=False):
        assert latest(work, ("joint", "warmup")) == "warmup/main"
    publish(work, "warmup", {})
    assert latest(work, ("joint", "warmup")) == "warmup/main"
    publish(work, "joint", {})
    assert latest(work, ("joint", "warmup")) == "joint/main"


def render(work: WorkFolder, names, angles=(0, 90)):
    grey = np.arange(32 * 16, dtype=np.uint8).reshape(32, 16)
    with Run(work, "render", "main", {"angles": angles}, {}).begin(restart=False) as run:
        write_views(run.folder, "train", ([compress(grey + row + a) for a in range(2)] for row in range(len(names))))
        write_names(run.folder, "train", names)
        return run.publish({})


def test_views_are_opened_at_the_size_of_the_networks(options, crops):
    work, data = WorkFolder(Path(options.work)), open_data(options, "crops")
    rendered = render(work, NAMES)
    artifact, store = open_views(work, data, TINY)
    assert artifact.manifest == rendered.manifest and store.angles == (0, 90)
    assert store(torch.tensor([0, 1]), torch.tensor([1, 0])).shape == (2, 1, 128, 64)


def test_views_of_other_pictures_are_refused(options, crops):
    work, data = WorkFolder(Path(options.work)), open_data(options, "crops")
    render(work, NAMES[::-1])
    with pytest.raises(GclError, match="drawn for other pictures") as caught:
        open_views(work, data, TINY)
    assert "gcl render --restart" in caught.value.fix


def test_the_sheet_of_generated_views_shows_every_angle_beside_photograph_and_mesh(options, crops, tmp_path):
    work, data = WorkFolder(Path(options.work)), open_data(options, "crops")
    render(work, NAMES)
    _, store = open_views(work, data, TINY)
    draw_generated(tmp_path / "views.png", networks(), training_set(data, TINY, options).pictures, store)
    height, least = GAP + LINE + 2 * (128 + GAP), GAP + 4 * (64 + GAP)  # a heading may be wider than its picture
    size = Image.open(tmp_path / "views.png").size
    assert size[1] == height and least <= size[0] < least + 64


def test_fid_without_its_weights_says_which_file_where_and_what_can_be_measured_instead(monkeypatch, tmp_path):
    def offline(*_, **__):
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(GclError) as caught:
        inception.load_inception(CPU)
    assert str(tmp_path / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth") in caught.value.problem
    assert "--measures encoder,dssim,identity" in caught.value.fix


def test_another_file_under_the_name_of_the_fid_weights_is_refused(monkeypatch, tmp_path):
    def load(*_):
        raise AssertionError("the file was loaded although it is another one")

    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth").write_bytes(b"other weights")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(inception, "InceptionV3", load)
    with pytest.raises(GclError, match="is not the file that https://"):
        inception.load_inception(CPU)


def test_pictures_for_fid_have_its_size_and_those_that_do_stay_as_they_are():
    small = torch.randint(0, 256, (2, 3, 64, 32), dtype=torch.uint8)
    assert inception.to_fid_size(small).shape == (2, 3, 256, 128) and inception.to_fid_size(small).dtype == torch.uint8
    right = torch.randint(0, 256, (1, 3, 256, 128), dtype=torch.uint8)
    assert torch.equal(inception.to_fid_size(right), right)
