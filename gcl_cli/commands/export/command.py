"""`gcl export`: an identity encoder -> files that other programs read, and a card that says what they are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gcl_cli import __version__
from gcl_cli.artifacts.files import read_json, sha256, whole, write_json, write_text
from gcl_cli.artifacts.weights import save_weights
from gcl_cli.commands.export.card import write_card
from gcl_cli.commands.export.forms import FORMS, PLAIN, EncoderFor, Form, as_form, check_pictures, description
from gcl_cli.commands.export.int8 import SetPictures, cost, int8_model, split_training
from gcl_cli.commands.export.onnx_file import BATCHES, onnx_bytes, require_onnx, with_remarks, write_whole
from gcl_cli.commands.export.reid_folder import write_reid_folder
from gcl_cli.config import ExportSettings
from gcl_cli.config.presets import settings_for
from gcl_cli.errors import GclError
from gcl_cli.machine.devices import set_threads
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.people.data import WorkData, open_data
from gcl_cli.people.given_files import free_name, target_folder
from gcl_cli.session import Session
from gcl_cli.training.augmentation import normalise
from gcl_cli.weights.starting_weights import OpenedEncoder, open_encoder


@dataclass(frozen=True)
class Subject:
    """What is exported, and as what."""

    source: OpenedEncoder
    network: IdentityEncoder
    form: Form
    settings: ExportSettings
    data: WorkData | None  # whose pictures int8 is calibrated with
    threads: int

    @property
    def own_size(self) -> tuple[int, int]:
        """Height and width of the network's pictures."""
        return self.source.architecture.height, self.source.architecture.width


Made = tuple[list[Path], dict[str, Any]]  # files, and what was found out about them


def run(
    session: Session, to: str, encoder: str | None, chosen: dict[str, Any], *, init: str | None = None
) -> dict[str, Any]:
    """Write the encoder, `.json` that describes it and `.md` that says what it is made of, into `to`.

    Named `<stage>-<name>` with the format behind. An ONNX network takes pictures at its own size, or as trackers cut
    them out: no resizing in ONNX equals Pillow's.
    """
    settings = settings_for(ExportSettings, "export", "paper", chosen)
    _require(settings)
    source = open_encoder(session.folder, encoder=encoder, init=init, stages=("joint", "warmup"))
    set_threads(session.threads)
    data = open_data(session, None) if settings.int8 else None
    network = source.load(torch.device("cpu")).eval().to(memory_format=torch.contiguous_format)
    subject = Subject(source, network, FORMS.get(settings.format, PLAIN), settings, data, session.processes)
    about = {
        "encoder": source.reference, "made_by": f"gcl-cli {__version__}",
        **description(network, subject.form, *subject.own_size),
    }  # fmt: skip
    plain = source.label + {"reid": "-reid"}.get(settings.format, subject.form.suffix)
    label = free_name(plain, source.reference, lambda name: _encoder_of(Path(to) / f"{name}.json"))
    write = {"safetensors": _write_weights, "reid": _write_reid}.get(settings.format, _write_onnx)
    files, found = write(to, label, subject, about)
    return _described(session, subject, files, {**about, **found}, label)


def _require(settings: ExportSettings) -> None:
    is_onnx = settings.format in FORMS
    if settings.int8 and not is_onnx:
        raise GclError(
            f"--int8 is of ONNX files, and --format is {settings.format}.", "Leave it out, or take --format onnx."
        )
    if is_onnx:
        require_onnx()


def _described(
    session: Session, subject: Subject, files: list[Path], about: dict[str, Any], label: str
) -> dict[str, Any]:
    """Write description and card beside the files; returns what the command says."""
    folder = files[0].parent.parent if subject.settings.format == "reid" else files[0].parent
    architecture = {"architecture": subject.source.architecture.model_dump()}
    write_json(folder / f"{label}.json", {**about, **architecture})
    digests = {path.relative_to(folder).as_posix(): sha256(path) for path in files}
    card = folder / f"{label}.md"
    write_text(card, write_card(session.folder, subject.source, about, digests))
    return {
        "file": str(files[0]), "megabytes": files[0].stat().st_size / 1e6, "card": str(card),
        **({"int8_file": str(files[1])} if "int8" in about else {}), **about,
    }  # fmt: skip


def _encoder_of(path: Path) -> str | None:
    """Whose export a description is; None where there is none, empty where it does not say."""
    try:
        return str(read_json(path).get("encoder", ""))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError, RecursionError):
        return ""


def _write_onnx(to: str, label: str, subject: Subject, about: dict[str, Any]) -> Made:
    """Write the file, unless it differs from torch, and one in eight bits where that is asked for."""
    remarks = {f"gcl_{key}": str(value) for key, value in about.items()}
    pictures = as_form(check_pictures(max(BATCHES), *subject.form.size(*subject.own_size)), subject.form)
    network = EncoderFor(subject.network, subject.form, *subject.own_size)
    content, difference = onnx_bytes(network, pictures, subject.form, remarks)
    files, found = {f"{label}.onnx": content}, dict[str, Any](largest_difference_from_torch=difference)
    if subject.data is not None:
        files[f"{label}-int8.onnx"], found["int8"] = _in_eight_bits(subject.data, content, subject, remarks)
    folder = target_folder(to)
    for name, bytes_ in files.items():
        write_whole(folder / name, bytes_)
    return [folder / name for name in files], found


def _in_eight_bits(
    data: WorkData, content: bytes, subject: Subject, remarks: dict[str, str]
) -> tuple[bytes, dict[str, Any]]:
    """The file in eight bits, and what it loses on the pictures of the set."""
    size, settings = subject.form.size(*subject.own_size), subject.settings
    pictures = SetPictures(data, subject.form, size, subject.threads)
    calibration, measured = split_training(data, settings)
    model = int8_model(content, subject.form, pictures.batches(calibration))
    small = with_remarks(model, {**remarks, "gcl_int8": "calibrated with pictures of the set"})
    return small, {"megabytes": len(small) / 1e6, **cost(content, small, pictures, measured, settings.measured)}


def _write_weights(to: str, label: str, subject: Subject, _about: dict[str, Any]) -> Made:
    """Write parameters and buffers as they are, with the architecture in the header."""
    path = target_folder(to) / f"{label}.safetensors"
    with whole(path) as temporary:
        save_weights(temporary, subject.network, subject.source.architecture)
    return [path], {}


def _write_reid(to: str, label: str, subject: Subject, _about: dict[str, Any]) -> Made:
    """Write the folder for Roboflow's `reid`."""
    pictures = check_pictures(max(BATCHES), *subject.own_size).permute(0, 3, 1, 2).float() / 255
    return write_reid_folder(target_folder(to) / label, subject.network, normalise(pictures)), {}
