"""Hostile files: nothing in them is executed, fetched, believed about its size, or becomes a part of a page."""

import ast
import hashlib
import io
import json
import os
import pickle
import struct
import zipfile
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from made_work import market, whole_chain
from own_peak import forget_peak, peak
from reported_work import SMALL, make_encoder, make_nasty, reported
from safetensors.numpy import save_file
from typer.testing import CliRunner

import gcl_cli
from gcl_cli.artifacts.embeddings import read_embedding_table, write_embedding_table
from gcl_cli.artifacts.foreign_weights import made_here, read_tensors
from gcl_cli.artifacts.mesh_files import LARGEST, read_npz, read_obj, unpack_archive
from gcl_cli.cli import app
from gcl_cli.commands.gan_warmup.starting_gan import load_gan_files
from gcl_cli.commands.gen_metrics.inception import FILE, load_inception
from gcl_cli.commands.report.album import Picture
from gcl_cli.commands.report.curves import Training
from gcl_cli.commands.report.gallery import Cluster, ClusterGallery, Member, Question
from gcl_cli.commands.report.page import Section, html_of
from gcl_cli.commands.report.provenance import Origin
from gcl_cli.commands.report.ranked import Match as RankedMatch
from gcl_cli.commands.report.ranked import RankedLists, RankedQuery
from gcl_cli.commands.report.results import Evaluation, Evaluations, Table
from gcl_cli.commands.search import page as search_page
from gcl_cli.commands.search.page import Found, Match
from gcl_cli.errors import GclError
from gcl_cli.weights import published
from gcl_cli.weights.networks import new_gan
from gcl_cli.weights.published import PublishedFile

ROOT = Path(gcl_cli.__file__).parent
TREES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in ROOT.rglob("*.py")}
GIGABYTE = 1 << 30


def typed(*words: str) -> str:
    """What a command says that must end with a GclError."""
    ran = CliRunner().invoke(app, list(words))
    assert ran.exit_code == 2 and isinstance(ran.exception, SystemExit | None), ran.exception
    return " ".join(ran.output.split())


# --- what the package itself does -------------------------------------------------------------------------------------


CALLS = {
    name: [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for name, tree in TREES.items()
}


def imported(tree: ast.AST) -> set[str]:
    """Every module that is imported anywhere, inside functions too, and every name from one."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


IMPORTED = {name: imported(tree) for name, tree in TREES.items()}


def users_of(*modules: str) -> set[str]:
    """The files that import one of these modules, or something below them."""
    inside = tuple(f"{module}." for module in modules)
    return {name for name, found in IMPORTED.items() if any(m in modules or m.startswith(inside) for m in found)}


def test_nothing_is_executed_from_text_or_through_a_shell():
    banned = {
        "eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.execv", "os.execvp", "os.spawnl",
        "subprocess.getoutput", "subprocess.getstatusoutput", "runpy.run_path", "pty.spawn", "yaml.load",
        "importlib.import_module", "torch.hub.load", "torch.jit.load", "joblib.load", "pd.read_pickle", "pickle.loads",
    }  # fmt: skip
    found = [f"{name}: {called}" for name, some in CALLS.items() for called, _ in some if called in banned]
    shells = [
        name for name, some in CALLS.items() for _, node in some for keyword in node.keywords
        if keyword.arg == "shell" and ast.unparse(keyword.value) != "False"
    ]  # fmt: skip
    assert found == [] and shells == []
    assert users_of("pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "code", "pty") == set()
    assert users_of("subprocess") == {"body/pyrender_backend.py"}
    (started,) = [node for called, node in CALLS["body/pyrender_backend.py"] if called == "subprocess.run"]
    assert isinstance(started.args[0], ast.List)  # words, of which none comes from outside


def test_what_numpy_and_torch_load_is_data_alone():
    for name, some in CALLS.items():
        for called, node in some:
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if called in ("np.load", "numpy.load"):
                assert keywords.get("allow_pickle") == "False", name
            if called == "torch.load":
                assert keywords.get("weights_only") == "True", name
            assert keywords.get("allow_pickle", "False") == "False", name


def test_one_module_fetches_and_no_other_opens_a_connection():
    network = (
        "urllib.request", "urllib3", "requests", "httpx", "aiohttp", "http", "ftplib", "smtplib", "telnetlib", "ssl",
        "huggingface_hub", "torch.utils.model_zoo", "webbrowser", "xmlrpc", "socketserver", "asyncio",
    )  # fmt: skip
    assert users_of(*network) == set()
    fetching = {
        name for name, some in CALLS.items() for called, _ in some
        if (called.startswith("torch.hub.") and called != "torch.hub.get_dir")
        or called.endswith(("load_state_dict_from_url", "get_state_dict", "urlopen", "urlretrieve"))
    }  # fmt: skip
    assert fetching == {"weights/published.py"}
    assert users_of("torch.hub") == set()
    for name in users_of("socket"):  # the name of this machine, in a lock
        assert {called for called, _ in CALLS[name] if called.startswith("socket.")} == {"socket.gethostname"}


def test_every_address_that_can_be_fetched_is_https_and_ends_in_a_digest():
    from gcl_cli.weights.weight_files import IMAGENET, INCEPTION

    for file in (INCEPTION, FILE, *IMAGENET.values()):
        assert file.url.startswith("https://") and len(file.digest) >= 8 and int(file.digest, 16) >= 0


def test_temporary_files_are_private_or_inside_a_named_folder():
    for name, tree in TREES.items():
        made = {called for called, _ in CALLS[name] if called.startswith("tempfile.")}
        assert made <= {"tempfile.TemporaryFile", "tempfile.TemporaryDirectory", "tempfile.gettempdir"}, name
        texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        assert not [text for text in texts if text.startswith(("/tmp", "/var/tmp", "/dev/shm"))], name


# --- weight files -----------------------------------------------------------------------------------------------------


class Runs:
    """Unpickling it leaves a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("trust-hostile")
    return whole_chain(root / "work", market(root / "data"))


@pytest.mark.parametrize("command", ["evaluate", "cluster", "gan-warmup", "joint", "export"])
@pytest.mark.parametrize("zipped", [True, False])
def test_no_command_executes_what_a_weight_file_holds(chain, tmp_path, command, zipped):
    trace = tmp_path / "trace"
    torch.save(
        {"conv1.weight": torch.ones(1), "x": Runs(trace)}, tmp_path / "evil.pth", _use_new_zipfile_serialization=zipped
    )
    more = ("--to", str(tmp_path / "out"), "--set", "format=safetensors") if command == "export" else ()
    said = typed(command, "--work", str(chain), "--init", str(tmp_path / "evil.pth"), *more)
    assert "It is not executed" in said and not trace.exists()
    torch.load(tmp_path / "evil.pth", weights_only=False)  # the trap would have worked
    assert trace.exists()


def test_generator_weights_are_not_executed_either(tmp_path):
    torch.save({"a": Runs(tmp_path / "trace")}, tmp_path / "evil.pt")
    with pytest.raises(GclError, match="It is not executed"):
        load_gan_files([str(tmp_path / "evil.pt")], new_gan(SMALL, 0, torch.device("cpu")))
    assert not (tmp_path / "trace").exists()


def packed(path: Path, parts: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def test_a_bomb_in_the_form_of_a_weight_file_is_refused_before_it_unpacks(tmp_path):
    torch.save({"conv1.weight": torch.zeros(1 << 22)}, tmp_path / "plain.pth")
    with zipfile.ZipFile(tmp_path / "plain.pth") as plain:
        parts = {name: plain.read(name) for name in plain.namelist()}
    bomb = packed(tmp_path / "bomb.pth", parts)
    assert bomb.stat().st_size < (1 << 24) / 100
    with pytest.raises(GclError, match="unpack to 16,7"):
        read_tensors(bomb)


def test_tensors_that_are_larger_than_their_file_are_refused(tmp_path):
    torch.save({"w": torch.zeros(1).expand(1 << 20, 1 << 20)}, tmp_path / "wide.pth")
    with pytest.raises(GclError, match="larger than what it holds"):
        read_tensors(tmp_path / "wide.pth")


def test_dictionaries_that_name_each_other_are_gone_through_once(tmp_path):
    inner = {"w": torch.ones(1)}
    for _ in range(5):
        inner = {f"k{n}": inner for n in range(60)}  # 60 ** 5 ways to the same tensor
    torch.save(inner, tmp_path / "laughs.pth")
    assert list(read_tensors(tmp_path / "laughs.pth")) == ["k0.k0.k0.k0.k0.w"]


def header_of(content: bytes) -> tuple[dict, bytes]:
    length = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def with_head(head: object, body: bytes, length: int | None = None) -> bytes:
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


LIES = {
    "a larger shape": lambda h, b: with_head({"w": {**h["w"], "shape": [1 << 40]}}, b),
    "places beyond the end": lambda h, b: with_head({"w": {**h["w"], "shape": [99], "data_offsets": [0, 396]}}, b),
    "places that end before they begin": lambda h, b: with_head({"w": {**h["w"], "data_offsets": [64, 0]}}, b),
    "a negative shape": lambda h, b: with_head({"w": {**h["w"], "shape": [-4, -4]}}, b),
    "a shape that overflows": lambda h, b: with_head({"w": {**h["w"], "shape": [1 << 63, 2]}}, b),
    "two tensors in one place": lambda h, b: with_head({"w": h["w"], "v": h["w"]}, b),
    "an unknown type": lambda h, b: with_head({"w": {**h["w"], "dtype": "O"}}, b),
    "a header longer than the file": lambda h, b: with_head(h, b, length=1 << 62),
    "a header of no bytes": lambda h, b: with_head(b"", b),
    "a header that is a list": lambda h, b: with_head([], b),
    "a header without end": lambda h, b: with_head(b"[" * 200_000, b),
    "more bytes than it says": lambda h, b: with_head(h, b + bytes(64)),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_safetensors_file_that_lies_is_refused(tmp_path, lie):
    path = tmp_path / "w.safetensors"
    save_file({"w": np.arange(16, dtype=np.float32)}, path)
    path.write_bytes(LIES[lie](*header_of(path.read_bytes())))
    for read in (read_tensors, made_here):
        with pytest.raises(GclError, match="cannot be read as weights"):
            read(path)


TABLE_LIES = (b'{"embeddings": {"shape": [2, 99999999999]}}', b'{"embeddings": {"shape": "x"}}', b"{}", b"[", b"")


@pytest.mark.parametrize(
    "head", [*TABLE_LIES, b'{"embeddings": {"shape": [-1, 3]}}', b'{"embeddings": {"shape": [6]}}']
)
@pytest.mark.parametrize("length", [None, 1 << 62])
def test_a_table_of_embeddings_that_lies_is_refused(tmp_path, head, length):
    rows = np.ones((2, 3), np.float32)
    write_embedding_table(tmp_path, ["a.jpg", "b.jpg"], np.zeros((2, 2), np.int64), [rows], size=3)
    (tmp_path / "gallery.embeddings.safetensors").write_bytes(with_head(head, rows.tobytes(), length))
    with pytest.raises(GclError, match="is damaged"):
        read_embedding_table(tmp_path)


# --- what is fetched --------------------------------------------------------------------------------------------------


class Served(io.BytesIO):
    """What a server sends."""

    def info(self):
        return type("Headers", (), {"get_all": lambda *_: []})()

    def __exit__(self, *_):
        self.close()


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A place for fetched files, and a server that sends what it is told to."""
    asked: list[str] = []
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))

    def send(content: bytes) -> list[str]:
        monkeypatch.setattr(torch.hub, "urlopen", lambda request: asked.append(request.full_url) or Served(content))
        return asked

    return send


def weights_bytes(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def address(content: bytes) -> str:
    return f"https://example.org/resnet-{hashlib.sha256(content).hexdigest()[:8]}.pth"


def test_a_fetched_file_of_another_digest_is_refused_and_removed(server, tmp_path):
    asked = server(b"something else")
    with pytest.raises(GclError, match="cannot be fetched") as caught:
        load_inception(torch.device("cpu"))
    assert "Put the file there" in caught.value.fix
    assert asked == [FILE.url] and list((tmp_path / "hub" / "checkpoints").iterdir()) == []


def test_a_fetched_file_of_the_right_digest_is_read_and_kept(server, tmp_path):
    content = weights_bytes({"w": torch.arange(3)})
    file, asked = PublishedFile(address(content)), server(content)
    assert file.tensors()["w"].tolist() == file.tensors()["w"].tolist() == [0, 1, 2]
    assert asked == [file.url] and file.path.read_bytes() == content


def test_even_a_file_of_the_right_digest_is_not_executed(server, tmp_path):
    content = weights_bytes({"w": Runs(tmp_path / "trace")})
    server(content)
    with pytest.raises(GclError, match="It is not executed"):
        PublishedFile(address(content)).tensors()
    assert not (tmp_path / "trace").exists()


def test_a_file_that_someone_put_there_is_looked_at_before_it_is_read(server, tmp_path, monkeypatch):
    server(b"")
    FILE.path.parent.mkdir(parents=True)
    FILE.path.write_bytes(weights_bytes({"w": Runs(tmp_path / "trace")}))
    monkeypatch.setattr(published, "read_tensors", lambda _: pytest.fail("it was read"))
    with pytest.raises(GclError, match="digest does not begin with 6726825d") as caught:
        load_inception(torch.device("cpu"))
    assert "Delete it" in caught.value.fix and not (tmp_path / "trace").exists()


def test_the_loader_of_pytorch_fid_never_reads_a_file_by_itself(server, tmp_path, monkeypatch):
    from gcl_cli.commands.gen_metrics import inception

    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("a file was loaded"))
    before = inception.published.load_state_dict_from_url
    with pytest.raises(RuntimeError, match="Missing key"):  # these weights are none, but they are those that were given
        inception._network({})
    assert inception.published.load_state_dict_from_url is before


@pytest.mark.parametrize("url", ["http://example.org/w-12345678.pth", "file:///etc/w-12345678.pth", "ftp://a/w-1.pth"])
def test_nothing_is_fetched_but_over_https(server, url):
    asked = server(b"x")
    with pytest.raises(ValueError, match="not fetched over https"):
        PublishedFile(url).tensors()
    assert asked == []


# --- meshes -----------------------------------------------------------------------------------------------------------

TETRAHEDRON = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]], np.int32)
CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)


def npy(array: np.ndarray, *, shape: tuple[int, ...] | None = None) -> bytes:
    """An array as numpy writes it, with another shape in its header."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file,
        {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": shape or array.shape},
    )
    return file.getvalue() + array.tobytes()


def archive(path: Path, kind: int = zipfile.ZIP_DEFLATED, **parts: bytes) -> Path:
    whole = {"vertices": npy(CORNERS), "faces": npy(TETRAHEDRON)} | parts
    return packed(path, {f"{name}.npy": content for name, content in whole.items()}, kind)


def test_objects_in_a_mesh_are_never_unpickled(tmp_path):
    trace = tmp_path / "trace"
    np.savez(tmp_path / "a.npz", vertices=np.array([Runs(trace)], dtype=object), faces=TETRAHEDRON, names=["a"])
    np.save(tmp_path / "b.npy", np.array([Runs(trace)], dtype=object))
    (tmp_path / "b.npy").rename(tmp_path / "b.npz")
    (tmp_path / "c.npz").write_bytes(pickle.dumps(Runs(trace)))
    for name in ("a.npz", "b.npz", "c.npz"):
        for read in (read_npz, lambda path: unpack_archive(path, tmp_path / "scratch")):
            with pytest.raises(GclError, match="cannot be read"):
                read(tmp_path / name)
    assert not trace.exists()


def test_a_bomb_in_the_form_of_a_mesh_is_refused_before_it_unpacks(tmp_path):
    bomb = archive(tmp_path / "bomb.npz", vertices=npy(np.zeros((1 << 21, 3), np.float32)), names=npy(np.array(["a"])))
    assert bomb.stat().st_size < 1 << 16
    for read in (read_npz, lambda path: unpack_archive(path, tmp_path / "scratch")):
        with pytest.raises(GclError, match="unpack to 25,"):
            read(bomb)
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize(
    "lie",
    [
        {"vertices": npy(CORNERS, shape=(1 << 40, 3))}, {"vertices": npy(CORNERS, shape=(1 << 62, 1 << 62))},
        {"vertices": npy(CORNERS, shape=(-4, 3))}, {"faces": npy(TETRAHEDRON, shape=(99, 3))},
        {"vertices": b"\x93NUMPY\x01\x00v\x00" + b"(" * 118}, {"vertices": b""}, {"faces": b"\x93NUMPY\x09\x09"},
        {"vertices": npy(np.array([["a", "b", "c"]] * 4))}, {"vertices": npy(CORNERS.astype(complex) * 1j)[:90]},
    ],
)  # fmt: skip
def test_a_mesh_that_lies_about_its_arrays_is_refused(tmp_path, lie):
    with pytest.raises(GclError, match="cannot be read"):
        read_npz(archive(tmp_path / "mesh.npz", zipfile.ZIP_STORED, **lie))


def test_an_archive_writes_nothing_beside_its_folder(tmp_path):
    names = {"../../outside.npy": b"x", "/outside.npy": b"x", "vertices.npy": npy(CORNERS[None]), "names.npy": b""}
    packed(tmp_path / "all.npz", names, zipfile.ZIP_STORED)
    with pytest.raises(GclError, match="cannot be read"):
        unpack_archive(tmp_path / "all.npz", tmp_path / "deep" / "er" / "scratch")
    assert {path.name for path in tmp_path.rglob("*.npy")} <= {"vertices.npy"}


def test_an_enormous_obj_is_refused_unread(tmp_path):
    with (tmp_path / "huge.obj").open("wb") as file:
        file.truncate(200 * GIGABYTE)  # takes no room
    with pytest.raises(GclError, match=r"214,748,364,800 bytes, more than any body needs"):
        read_obj(tmp_path / "huge.obj")
    assert LARGEST < GIGABYTE


SQUARE = b"v 0 0 0\nv 0 0 1\nv 0 1 0\nv 0 1 1\n"
GARBAGE = (
    b"\xff\xfe\x00v 0", b"\x00" * 999, b"f 1 2 3\n", b"v 0 0 0\nf 1 1 1\n", SQUARE + b"f 1 2\n", SQUARE + b"f\n",
    SQUARE + b"f 1 2 99999999999999999999\n", SQUARE + b"f 1 2 1e3\n", SQUARE + b"f 1//2 2//3\n", SQUARE + b"f 0 1 2\n",
    b"v 0 0\n" * 3 + b"f 1 2 3\n", b"v 1e999 0 0\n" * 3 + b"f 1 2 3\n", SQUARE + b"f 1 2 3\n# camera a b c\n",
    SQUARE + b"f 1 2 3\n# camera 1 2 nan\n", b"v v v v\nf f f f\n", os.urandom(4096), b"#!/bin/sh\nrm -rf /\n",
)  # fmt: skip


@pytest.mark.parametrize("content", GARBAGE, ids=range(len(GARBAGE)))
@pytest.mark.filterwarnings("ignore:loadtxt", "ignore::DeprecationWarning")
def test_garbage_called_a_mesh_is_refused(tmp_path, content):
    for name, read in (("mesh.obj", read_obj), ("mesh.npz", read_npz)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(GclError, match="cannot be read") as caught:
            read(tmp_path / name)
        assert name in caught.value.problem


def test_meshes_in_other_units_than_metres_are_refused_when_they_cannot_be_stored(tmp_path):
    from gcl_cli.commands.mesh.given_meshes import _in_half_precision

    with pytest.raises(GclError, match="metres large"):
        _in_half_precision(np.full((3, 3), 1e6, np.float32), None)


# --- pages ------------------------------------------------------------------------------------------------------------


class Elements(HTMLParser):
    """What a page is made of: its elements with the names of their attributes, and the attributes' values."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.kinds: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self.values: dict[str, list[str]] = {}
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.kinds[tag, tuple(name for name, _ in attrs)] += 1
        for name, value in attrs:
            self.values.setdefault(name, []).append(value or "")

    def handle_comment(self, data):
        self.kinds["comment", ()] += 1

    def handle_pi(self, data):
        self.kinds["instruction", ()] += 1

    def handle_data(self, data):
        self.text.append(data)


NASTY = (
    "<script>alert(1)</script>.jpg", '"><img src=x onerror=alert(2)>.jpg', "'><svg/onload=alert(3)>", "{{ 7 * 7 }}.jpg",
    "</title><script>", "</style><script>", "--><script>", "<!--", "&lt;b&gt;.jpg", "javascript:alert(4)", "%3Cb%3E",
    "a\"b'c<d>e&f.jpg", "]]><b>", "<b/>", "{% raw %}", "\u2028<b>", "data:text/html,<b>", "//evil.example/a", "`${x}`",
)  # fmt: skip
PIECES = [*"<>\"'&;=:/!-{}%# ", "script", "img", "onerror", "a"]
names = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), min_size=1, max_size=20),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join),
)
QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck))


def report_of(name: str) -> str:
    """A report in which every text from outside is `name`; a state holds it too, for "fresh" alone is not shown."""
    picture = Picture("data:image/jpeg;base64,AAAA", name, 10, 20)
    evaluation = Evaluation(name, f"stale {name}", name, "7", (("1.0", "0.5 to 1.5"),) * 5, name, None)
    query = RankedQuery(name, picture, name, False, "1", 2, (RankedMatch(1, picture, name, name, False),))
    member = Member(name, picture, name, "0.5", 1)
    cluster, asked = Cluster(0, 2, name, "1", "1", 1, name, (member,)), Question(member, member, (0, 0), 1, 0.5)
    gallery = ClusterGallery(
        name, name, 1, 1, 0, 2, (cluster,), (asked,), ((name, name, name),), {0: name}, name, f" {name}", None
    )  # fmt: skip
    pairs = ((name, name),)
    sections = [
        Section("results", "Result", Evaluations(("mAP",) * 5, (evaluation,), [], 28)),
        Section("generation", "Figures", [Table(name, (name, "value"), ((name, "1"),))]),
        Section("curves", "Curves", [Training(name, "fresh", (1,), ())]),
        Section("ranked", "Ranked", RankedLists(name, 1, 0, (query,))),
        Section("clusters", "Clusters", gallery),
        Section("map", "Map", problem=name, fix=name),
        Section("provenance", "Provenance", [Origin(name, "fresh", name, name, "ab", name, "1", pairs, pairs, pairs)]),
    ]
    return html_of(
        sections,
        {
            "title": name,
            "facts": {"work folder": name},
            "figures": [{"words": name, "value": name}],
            "is_blurred": False,
        },
    )


def search_page_of(name: str, folder: Path) -> str:
    found = Found(f"{folder}/{name}", None, (Match(1, name, 0.5),))
    search_page.write_page(folder / "search.html", [found], folder, {"encoder": name})
    return (folder / "search.html").read_text(encoding="utf-8")


def check_page(found: str, plain: str, name: str) -> None:
    """The same elements as of a page with a harmless name; the name is there as text."""
    page, wanted = Elements(found), Elements(plain)
    assert page.kinds == wanted.kinds, name
    assert all(value.startswith(("data:image/", "#")) for value in page.values.get("src", []))
    assert not [href for href in page.values.get("href", []) if ":" in href or href.startswith(("/", "\\"))], name


@given(name=names)
@example(name="fresh")
@settings(QUIET, max_examples=60)
def test_no_name_becomes_an_element_of_the_report(name):
    check_page(report_of(name), report_of("a.jpg"), name)


@given(name=names)
@settings(QUIET, max_examples=60)
def test_no_name_becomes_an_element_of_a_search_page(tmp_path_factory, name):
    name = name.lstrip("/") or "/"  # names are relative to the gallery
    folder = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_page, "read_crop", lambda *_: np.zeros((4, 2, 3), np.uint8))
        page = search_page_of(name, folder)
        check_page(page, search_page_of("a.jpg", folder), name)
    (link,) = Elements(page).values["href"]
    assert Path(os.path.normpath(folder / unquote(link))) == Path(os.path.normpath(folder / name))


@pytest.mark.slow
def test_no_name_of_very_many_becomes_an_element_of_a_page(tmp_path, monkeypatch):
    tried = Counter()
    monkeypatch.setattr(search_page, "read_crop", lambda *_: np.zeros((4, 2, 3), np.uint8))
    plain_report, plain_search = report_of("a.jpg"), search_page_of("a.jpg", tmp_path)

    @given(name=names)
    @settings(QUIET, max_examples=600, database=None)
    def check(name):
        check_page(report_of(name), plain_report, name)
        check_page(search_page_of(name, tmp_path), plain_search, name)
        tried["pages"] += 2

    check()
    print(f"\nnames on pages: {tried['pages']:,} pages with hostile names, 0 elements that came from one")  # noqa: T201


def test_a_report_of_pictures_artifacts_and_folders_with_hostile_names_has_no_element_of_them(tmp_path):
    work = tmp_path / '"><img src=x onerror=alert(5)>'
    make_encoder(work, make_nasty(tmp_path / "<script>alert(6)<" / "script>"))
    (work / "warmup" / "main").rename(work / "warmup" / "<b>bold<")
    page = Elements(reported(work, queries=0, pictures=0, clusters=0, people=0)[0])
    assert sum(number for (tag, _), number in page.kinds.items() if tag == "script") == 1
    assert not [kind for kind in page.kinds if kind[0] in ("b", "img") or any(n.startswith("on") for n in kind[1])]
    assert any("alert(5)" in text for text in page.text)


# --- fuzzing ----------------------------------------------------------------------------------------------------------


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes changed, cut out, doubled, or replaced by telling numbers."""
    found = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        place, size = int(rng.integers(0, max(len(found), 1))), int(rng.integers(1, 9))
        kind = rng.integers(0, 4)
        if kind == 0:
            found[place : place + 1] = bytes([int(rng.integers(0, 256))])
        elif kind == 1:
            del found[place : place + size * 8]
        elif kind == 2:
            found[place:place] = found[place : place + size * 8]
        else:
            telling = (0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1)
            number = int(rng.choice(np.array(telling, dtype=np.uint64)))
            found[place : place + size] = number.to_bytes(8, "little")[:size]
    return bytes(found)


def seeds(folder: Path) -> dict[str, bytes]:
    """A sound file of every kind that can come from elsewhere."""
    folder.mkdir()
    torch.save({"state_dict": {"conv1.weight": torch.ones(8, 3), "n": torch.arange(4)}, "epoch": 3}, folder / "zip.pth")
    torch.save({"conv1.weight": torch.ones(8, 3)}, folder / "old.pth", _use_new_zipfile_serialization=False)
    save_file({"conv1.weight": np.ones((8, 3), np.float32)}, folder / "w.safetensors")
    archive(folder / "mesh.npz")
    archive(folder / "stored.npz", zipfile.ZIP_STORED)
    (folder / "mesh.obj").write_bytes(SQUARE + b"# camera 10 1 2\nf 1/1/1 2/2/2 3/3/3 4/4/4\nf 1 2 3\n")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fuzzed(folder: Path, count: int) -> Counter[str]:
    """Read `count` mutants of every seed; each must be read, or refused with a GclError."""
    rng, outcome = np.random.default_rng(11), Counter()
    for name, content in seeds(folder / "seeds").items():
        path = folder / name
        read = {".obj": read_obj, ".npz": read_npz}.get(path.suffix, read_tensors)
        for _ in range(count):
            path.write_bytes(mutated(content, rng))
            try:
                read(path)
                outcome["read"] += 1
            except GclError as error:
                assert str(path) in error.problem and error.fix
                outcome["refused"] += 1
    return outcome


@pytest.mark.filterwarnings("ignore")
def test_mutated_files_from_elsewhere_are_read_or_refused(tmp_path):
    outcome = fuzzed(tmp_path, 60)
    assert outcome.total() == 360 and outcome["refused"] > 100


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_very_many_mutated_files_from_elsewhere_are_read_or_refused(tmp_path):
    forget_peak()
    outcome = fuzzed(tmp_path, 2000)
    most = peak() / 1e9
    print(  # noqa: T201
        f"\nmutated weight and mesh files: {outcome.total():,} read, {outcome['refused']:,} refused, "
        f"{outcome['read']:,} sound enough, 0 tracebacks, peak memory {most:.1f} GB"
    )
    assert most < 4
