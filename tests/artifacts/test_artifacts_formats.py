import hashlib
import io
import json
import struct

import numpy as np
import pytest
import torch
from made_work import write_views
from PIL import Image
from safetensors.numpy import load_file
from safetensors.torch import save_file
from torch import nn

from gcl_cli.artifacts import dataset_record, picture_lists
from gcl_cli.artifacts.formats import (
    join_meshes,
    read_labels,
    read_meshes,
    read_names,
    write_labels,
    write_meshes,
    write_names,
    write_truth,
)
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.view_store import FLOW, FlowStore, ViewStore, ViewWriter, compress
from gcl_cli.artifacts.weights import read_architecture, read_weights, save_weights
from gcl_cli.config import Architecture
from gcl_cli.errors import GclError
from gcl_cli.records import MeshEstimates

NAMES = ["query/a,b.jpg", 'q"uote.jpg', "ünïcode/ö.jpg", "new\nline.jpg"]


def meshes(seed: int, count: int = 4) -> MeshEstimates:
    rng = np.random.default_rng(seed)
    shapes = {"pose": (22, 3), "betas": (10,), "camera": (3,), "landmarks": (33, 3), "score": ()}
    columns = {name: rng.normal(size=(count, *shape)).astype(np.float32) for name, shape in shapes.items()}
    return MeshEstimates(**columns, status=np.arange(count, dtype=np.uint8) % 3)


def equal(one: MeshEstimates, other: MeshEstimates) -> bool:
    pairs = [(getattr(one, name), getattr(other, name)) for name in MeshEstimates.__dataclass_fields__]
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


def test_mesh_tables_come_back_with_their_names(tmp_path):
    table = meshes(0)
    write_meshes(tmp_path, "train", NAMES, table)
    names, found = read_meshes(tmp_path, "train")
    assert names == NAMES and equal(found, table)
    assert {column: array.shape for column, array in load_file(tmp_path / "train.safetensors").items()} == {
        "pose": (4, 22, 3), "betas": (4, 10), "camera": (4, 3), "landmarks": (4, 33, 3), "score": (4,), "status": (4,),
    }  # fmt: skip


def test_a_split_without_meshes_says_how_to_make_them(tmp_path):
    with pytest.raises(GclError, match="no meshes of the query pictures") as caught:
        read_meshes(tmp_path, "query")
    assert "gcl mesh --splits query" in caught.value.fix


def test_joined_tables_are_one_after_the_other():
    one, other = meshes(1), meshes(2, count=2)
    joined = join_meshes([one, other])
    assert len(joined) == 6
    assert np.array_equal(joined.camera[:4], one.camera) and np.array_equal(joined.camera[4:], other.camera)


def test_labels_and_names_come_back_whatever_the_names_hold(tmp_path):
    labels = np.array([0, -1, 12, 3])
    write_labels(tmp_path / "labels.csv", NAMES, labels)
    names, found = read_labels(tmp_path / "labels.csv")
    assert names == NAMES and found.tolist() == labels.tolist() and found.dtype == torch.int64
    assert (tmp_path / "labels.csv").read_text(encoding="utf-8-sig").splitlines()[0] == "name,label"
    write_names(tmp_path, "train", NAMES)
    assert read_names(tmp_path, "train") == NAMES


def test_labels_of_another_number_than_names_are_a_bug_that_shows(tmp_path):
    with pytest.raises(ValueError):
        write_labels(tmp_path / "labels.csv", NAMES, np.array([1]))


def test_truth_is_written_as_documented(tmp_path):
    write_truth(tmp_path, NAMES, {"yaw": np.arange(8.0)[::2]})
    assert load_file(tmp_path / "truth.safetensors")["yaw"].tolist() == [0, 2, 4, 6]


class TwoLayers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.second, self.first = nn.Conv2d(3, 4, 3), nn.BatchNorm1d(4)


def test_weights_travel_with_their_architecture(tmp_path):
    network = TwoLayers().to(memory_format=torch.channels_last)
    architecture = Architecture(trunk="resnet18", height=128, width=64, generator_width=8)
    save_weights(tmp_path / "weights.safetensors", network, architecture)
    assert read_architecture(tmp_path / "weights.safetensors") == architecture
    tensors = read_weights(tmp_path / "weights.safetensors")
    assert tensors.keys() == network.state_dict().keys()
    assert all(torch.equal(tensors[name], tensor) for name, tensor in network.state_dict().items())


def test_the_same_weights_give_the_same_bytes(tmp_path):
    network = TwoLayers()
    for number in range(8):  # a header with keys in rng order would differ sooner or later
        save_weights(tmp_path / f"{number}", network, Architecture())
    assert len({hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.iterdir()}) == 1


def test_the_header_of_a_weight_file_has_one_entry_so_that_its_bytes_have_one_order(tmp_path):
    save_weights(tmp_path / "weights", TwoLayers(), Architecture())
    data = (tmp_path / "weights").read_bytes()
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    assert list(header["__metadata__"]) == ["architecture"]


def test_files_of_other_origin_are_refused_as_weights(tmp_path):
    save_file({"weight": torch.ones(1)}, tmp_path / "bare.safetensors")
    with pytest.raises(GclError, match="does not say its architecture"):
        read_architecture(tmp_path / "bare.safetensors")
    (tmp_path / "foreign.pth").write_bytes(b"PK\x03\x04 not a safetensors file at all")
    with pytest.raises(GclError, match="no safetensors file"):
        read_architecture(tmp_path / "foreign.pth")


def grey(seed: int, height: int = 40, width: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def view_store(folder, size=(40, 20)) -> ViewStore:
    size_in_bytes = write_views(folder, "train", ([compress(grey(10 * row + a)) for a in range(3)] for row in range(4)))
    assert size_in_bytes == (folder / "train.pngs").stat().st_size
    write_names(folder, "train", list("abcd"))
    return ViewStore(folder, "train", (0, 90, 180), size)


def test_views_come_back_as_they_were_drawn(tmp_path):
    store = view_store(tmp_path)
    assert store.names == list("abcd") and store.angles == (0, 90, 180)
    for row in range(4):
        for angle in range(3):
            assert np.array_equal(store.picture(row, angle), grey(10 * row + angle))
    batch = store(torch.tensor([3, 0]), torch.tensor([1, 2]))
    assert batch.shape == (2, 1, 40, 20) and batch.dtype == torch.uint8
    assert np.array_equal(batch[0, 0].numpy(), grey(31)) and np.array_equal(batch[1, 0].numpy(), grey(2))


def test_views_are_pngs_end_to_end_as_the_index_says(tmp_path):
    view_store(tmp_path)
    data, offsets = (tmp_path / "train.pngs").read_bytes(), load_file(tmp_path / "train.index.safetensors")["offsets"]
    assert offsets.shape == (4, 4) and offsets.dtype == np.int64
    assert offsets[0, 0] == 0 and offsets[-1, -1] == len(data)
    assert np.array_equal(offsets[1:, 0], offsets[:-1, -1])
    picture = Image.open(io.BytesIO(data[offsets[2, 1] : offsets[2, 2]]))
    assert picture.format == "PNG" and np.array_equal(np.asarray(picture), grey(21))


def test_views_are_resized_to_the_size_that_is_asked_for(tmp_path):
    store = view_store(tmp_path, size=(20, 16))
    wanted = Image.fromarray(grey(12)).resize((16, 20), Image.Resampling.BICUBIC)
    assert np.array_equal(store.picture(1, 2), np.asarray(wanted))
    assert store(torch.tensor([0]), torch.tensor([0])).shape == (1, 1, 20, 16)


def test_flows_come_back_as_they_were_beside_the_grey_views(tmp_path):
    view_store(tmp_path)
    flows = np.random.default_rng(1).integers(0, 1 << 13, (4, 3, 4, 30, 15), dtype=np.uint16)
    write_views(tmp_path, f"train{FLOW}", ([compress(flow) for flow in row] for row in flows))
    store = FlowStore(tmp_path, "train", (0, 90, 180))
    found = store(torch.tensor([3, 1]), torch.tensor([0, 2]))
    assert found.dtype == torch.int16 and np.array_equal(found.numpy(), flows[[3, 1], [0, 2]])
    assert ViewStore(tmp_path, "train", (0, 90, 180), (40, 20)).picture(0, 0).shape == (40, 20)


def test_a_flow_is_one_picture_of_sixteen_bits_with_its_planes_below_one_another(tmp_path):
    flow = np.arange(4 * 3 * 2, dtype=np.uint16).reshape(4, 3, 2) * 300
    picture = Image.open(io.BytesIO(compress(flow)))
    assert picture.format == "PNG" and picture.size == (2, 12)
    assert np.array_equal(np.asarray(picture), flow.reshape(12, 2))


def test_a_writer_that_is_left_by_an_error_leaves_no_index(tmp_path):
    with pytest.raises(RuntimeError), ViewWriter(tmp_path, "train") as writer:
        writer.add([b"one"])
        raise RuntimeError
    assert not (tmp_path / "train.index.safetensors").exists()


def test_a_split_without_views_is_refused(tmp_path):
    with pytest.raises(GclError, match="no views of the query pictures"):
        ViewStore(tmp_path, "query", (0,), (40, 20))


@pytest.fixture
def pictures(tmp_path):
    (tmp_path / "set").mkdir()
    for name in "ab":
        (tmp_path / "set" / name).write_text(name)
    return tmp_path / "set"


def record_of(root) -> dict:
    return {"root": str(root), "name": "set", "layout": "plain", "allow_subset": False, "pictures": {"train": 2}}


def remember(work, root, names=("a", "b")) -> dict:
    return dataset_record.remember(work, record_of(root), picture_lists.stamps(root, {"train": list(names)}))


def test_a_work_folder_remembers_its_data_set(tmp_path, pictures):
    work = WorkFolder(tmp_path / "work")
    with pytest.raises(GclError, match="has no data set yet") as caught:
        dataset_record.recall(work)
    assert "gcl mesh DATA" in caught.value.fix
    record = remember(work, pictures)
    assert remember(work, pictures) == record == dataset_record.recall(work)
    assert record["digest"] == picture_lists.fingerprint(pictures, {"train": ["a", "b"]})


def test_another_data_set_is_refused(tmp_path, pictures):
    work = WorkFolder(tmp_path / "work")
    record = remember(work, pictures)
    (pictures / "a").write_text("another")
    found = picture_lists.stamps(pictures, {"train": ["a", "b"]})
    with pytest.raises(GclError, match="belongs to") as caught:
        dataset_record.remember(work, record_of("/elsewhere"), found)
    assert "--work DIR" in caught.value.fix
    assert dataset_record.recall(work) == record


@pytest.mark.parametrize("change", ["grown", "renamed", "fewer", "other split"])
def test_changed_pictures_are_refused_once_something_is_made_of_them_and_taken_in_before(tmp_path, pictures, change):
    work = WorkFolder(tmp_path / "work")
    before = remember(work, pictures)
    names = {"train": ["a", "b"]}
    if change == "grown":
        (pictures / "a").write_text("longer")
    elif change == "renamed":
        (pictures / "b").rename(pictures / "c")
        names = {"train": ["a", "c"]}
    else:
        names = {"train": ["a"]} if change == "fewer" else {"query": ["a", "b"]}
    found = picture_lists.stamps(pictures, names)
    for stage, inputs in (("search", {}), ("cluster", {"crops": ""})):  # of another folder
        (work.root / stage / "main").mkdir(parents=True)
        (work.root / stage / "main" / "manifest.json").write_text(json.dumps({"inputs": inputs}))
    renewed = dataset_record.remember(work, record_of(pictures), found)
    assert renewed["digest"] == picture_lists.fingerprint_of(found) != before["digest"]
    assert renewed["earlier"] == [before["digest"]]
    assert picture_lists.read_list(work, before["digest"]) and picture_lists.read_list(work, renewed["digest"]) == found
    (work.root / "mesh" / "main").mkdir(parents=True)
    (work.root / "mesh" / "main" / "manifest.json").write_text('{"inputs": {"dataset": ""}}')
    (pictures / "a").write_text("another once more")
    found = picture_lists.stamps(pictures, names)
    with pytest.raises(GclError, match="changed since") as caught:
        dataset_record.remember(work, record_of(pictures), found)
    assert f"gcl update --work {work.root}" in caught.value.fix
    assert dataset_record.recall(work) == renewed
    assert dataset_record.remember(work, record_of(pictures), found, grow=True)["earlier"] == [
        before["digest"], renewed["digest"],
    ]  # fmt: skip
