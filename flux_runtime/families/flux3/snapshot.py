"""The entry of a FLUX.3 as its makers publish it: a folder that diffusers saved, without an `entry.json`.

What the folder says is read (its configs and its model card); the rest are the constants of FLUX.3 in
diffusers 0.42 (`modular_pipelines/flux3`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from flux_runtime.entry import Task
from flux_runtime.errors import BadCheckpoint
from flux_runtime.families.flux3.entry import Flux3Entry

TRANSFORMER = "Flux3Transformer2DModel"
MAX_REFERENCES = 10
PAD_MULTIPLE = 80
ROPE_SCALE = 0.5
SIDE = 1024
ANSWER_TOKENS = 512
GUIDANCE = 3.5
STEPS, DISTILLED_STEPS = 50, 16


def snapshot_entry(folder: Path) -> Flux3Entry | None:
    """The entry, or None if the folder's transformer is not FLUX.3's.

    Raises:
        BadCheckpoint: it is, but one of its configs is missing or no JSON.
    """
    if not (folder / "transformer" / "config.json").is_file():
        return None
    transformer = _config(folder, "transformer")
    if transformer.get("_class_name") != TRANSFORMER:
        return None
    encoder = _config(folder, "text_encoder")
    text = encoder.get("text_config", encoder)
    card = _card(folder)
    languages = card.get("language") or []
    distilled = bool(transformer.get("flow_map"))
    return Flux3Entry(
        name=_name(folder),
        license=str(card.get("license") or "not stated"),
        languages=tuple(map(str, languages if isinstance(languages, list) else [languages])),
        tasks=_tasks(encoder),
        answer_tokens=ANSWER_TOKENS,
        default_size=(SIDE, SIDE),
        default_steps=DISTILLED_STEPS if distilled else STEPS,
        guidance="none" if distilled else "cfg",
        default_guidance=1.0 if distilled else GUIDANCE,
        max_references=MAX_REFERENCES,
        text_encoder_out_layers=_out_layers(
            transformer.get("joint_attention_dim", 0),
            text.get("hidden_size", 1),
            text.get("num_hidden_layers", 0),
        ),
        text_pad_multiple=PAD_MULTIPLE,
        image_rope_scale=ROPE_SCALE,
    )


def _out_layers(width: int, hidden: int, depth: int) -> tuple[int, ...]:
    """As many layers as prompt embeds of `width` need, evenly spaced: of 36 and eight, 4, 8, ... 32."""
    count = max(1, width // max(1, hidden))
    spacing = max(1, depth // (count + 1))
    return tuple(spacing * number for number in range(1, count + 1))


def _tasks(encoder: dict[str, Any]) -> tuple[Task, ...]:
    """A text encoder that sees can also answer and plan."""
    talks = "vision_config" in encoder
    return ("generate", "edit", "answer", "plan") if talks else ("generate", "edit")


def _name(folder: Path) -> str:
    """The folder's name, or the repository's in a Hugging Face cache (`models--owner--name/snapshots/`)."""
    if folder.parent.name == "snapshots" and (owner := folder.parent.parent.name).startswith("models--"):
        return owner.removeprefix("models--").replace("--", "/")
    return folder.name


def _card(folder: Path) -> dict[str, Any]:
    """The YAML at the head of the model card, between two lines of dashes; empty if it cannot be read."""
    try:
        _, head, _ = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
        card = yaml.safe_load(head)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return card if isinstance(card, dict) else {}


def _config(folder: Path, part: str) -> dict[str, Any]:
    file = folder / part / "config.json"
    try:
        config = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise BadCheckpoint(f"The model in {folder} has no {part}/config.json.", stage="load") from error
    except (OSError, ValueError) as error:
        raise BadCheckpoint(f"{file} cannot be read: {error}", stage="load") from error
    if not isinstance(config, dict):
        raise BadCheckpoint(f"{file} is no config.", stage="load")
    return config
