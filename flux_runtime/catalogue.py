"""Which models there are: a name or a path becomes a model folder and its entry. Loads no weights, no torch.

A model folder is laid out as diffusers saves it (transformer/, vae/, text_encoder/, processor/, scheduler/).
`entry.json` is its own catalogue entry; where there is none, as in a snapshot from Hugging Face, the family
whose it is makes one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from flux_runtime.entry import CatalogueEntry
from flux_runtime.errors import BadCheckpoint, UnknownModel
from flux_runtime.families.registry import family, family_names
from flux_runtime.interface import Capabilities
from flux_runtime.vocabulary import Vocabulary

DEFAULT_MODEL = "pocket"
MODEL_VARIABLE = "FLUX_ASSISTANT_MODEL"
_SHIPPED = {"pocket": Path(__file__).parent / "pocket" / "weights"}
_MARKS = ("entry.json", "transformer/config.json")  # either makes a folder a model folder


class _Named(BaseModel):
    """The one field that says which class the others are read with."""

    family: str


def find_model(name_or_path: str | os.PathLike[str] | None = None) -> Path:
    """The folder of a model named in the catalogue or by its path. Nothing is ever downloaded.

    None takes what FLUX_ASSISTANT_MODEL names, else pocket.

    Raises:
        UnknownModel: there is no such model here.
    """
    wanted = str(name_or_path or os.environ.get(MODEL_VARIABLE, "").strip() or DEFAULT_MODEL)
    folder = _SHIPPED.get(wanted, Path(os.path.expanduser(wanted))).resolve()
    if not any((folder / file).is_file() for file in _MARKS):
        raise UnknownModel(
            f"There is no model {wanted!r} here (no {' and no '.join(_MARKS)} in {folder}).",
            stage="load",
            remedy=f"Known names: {', '.join(_SHIPPED)}; the path of a model folder works too.",
        )
    return folder


def model_names() -> tuple[str, ...]:
    """The names `find_model` knows."""
    return tuple(_SHIPPED)


def read_entry(folder: Path) -> CatalogueEntry:
    """The entry in `entry.json`, of the family that it names; without that file, the one a family makes.

    Raises:
        BadCheckpoint: the file is not a valid entry (the sentence names the first field that is wrong), or no
            family knows the folder for one of its own.
    """
    if not (folder / "entry.json").is_file():
        return _snapshot_entry(folder)
    data = (folder / "entry.json").read_bytes()
    try:
        named = _Named.model_validate_json(data).family
        return family(named).entry.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise BadCheckpoint(
            f"entry.json of the model in {folder} is wrong: {where}: {first['msg']}.", stage="load"
        ) from error


def _snapshot_entry(folder: Path) -> CatalogueEntry:
    for name in family_names():
        if (entry := family(name).snapshot_entry(folder)) is not None:
            return entry
    raise BadCheckpoint(
        f"The model in {folder} is of no family that is known here.",
        stage="load",
        remedy=f"Known families: {', '.join(family_names())}; an entry.json beside the weights names one.",
    )


def read_vocabulary(folder: Path, entry: CatalogueEntry) -> Literal["open"] | Vocabulary:
    """The model's declared words, or "open" for a model without a list.

    Raises:
        BadCheckpoint: the file is missing or is no vocabulary.
    """
    if entry.vocabulary is None:
        return "open"
    try:
        return Vocabulary.model_validate(json.loads((folder / entry.vocabulary).read_bytes()))
    except (OSError, ValueError) as error:
        raise BadCheckpoint(
            f"The word list {folder / entry.vocabulary} cannot be read.", stage="load"
        ) from error


def capabilities_of(folder: Path, entry: CatalogueEntry) -> Capabilities:
    """What a model can do, from its entry alone: weights are not touched."""
    edits = "edit" in entry.tasks
    return Capabilities(
        model=entry.name,
        generate="generate" in entry.tasks,
        edit="reference" if edits else "none",
        answer="own" if "answer" in entry.tasks else "none",
        plan="plan" in entry.tasks,
        upsampler="generate" in entry.tasks and entry.upsampler_template is not None,
        check=entry.check if "answer" in entry.tasks else None,
        sure_from=entry.sure_from,
        planner_gaps=entry.planner_gaps,
        planner_images=entry.planner_images,
        max_references=entry.max_references if edits else 0,
        mask=edits and "mask" in entry.regions,
        boxes=edits and "box" in entry.regions,
        guidance=entry.guidance,
        sizes=entry.sizes,
        default_size=entry.default_size,
        default_steps=entry.default_steps,
        vocabulary=read_vocabulary(folder, entry),
    )
