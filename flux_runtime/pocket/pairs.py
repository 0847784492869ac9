"""The pool of training pairs: a scene before and after an edit, drawn and encoded once, read many times.

Which pairs there are depends on their numbers alone, so a pool on disk stays valid from run to run.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from transformers import Qwen3VLForConditionalGeneration

from flux_runtime.families.latents import pack_2x2, to_tokens
from flux_runtime.pocket.changes import Change, applies, apply_change, random_change, settled
from flux_runtime.pocket.language_model import GRID, see
from flux_runtime.pocket.splits import may_train_on, training_scene
from flux_runtime.pocket.vae import CHANNELS, LatentBasis, rendered
from flux_runtime.pocket.world import Layout, Scene, random_layout

# Types that took longest in earlier runs are drawn more often.
EDIT_WEIGHTS = {
    "weather": 1.0,
    "setting": 1.2,
    "action": 1.2,
    "character": 1.5,
    "outfit": 0.9,
    "add": 1.3,
    "remove": 1.6,
    "recolor": 1.6,
    "replace": 2.2,
}
# Edits of one object, hard only where another must be left alone.
_ONE_OF_TWO = ("remove", "recolor", "replace")


class Pair(NamedTuple):
    """An edit to learn from; both pictures are drawn in the same layout."""

    source: Scene
    change: Change
    target: Scene
    layout: Layout


def training_pair(index: int) -> Pair:
    """Pair number `index` of the pool, the same every time."""
    rng = random.Random(f"pair {index}")
    while True:
        type_ = rng.choices(list(EDIT_WEIGHTS), weights=list(EDIT_WEIGHTS.values()))[0]
        scene = training_scene(rng)
        if not applies(type_, scene):
            continue
        if type_ in _ONE_OF_TWO and len(scene.things) < 2 and rng.random() < 0.6:
            continue
        change = random_change(rng, scene, type_)
        target = apply_change(scene, change)
        if may_train_on(target):
            return Pair(scene, change, target, settled(random_layout(rng), change))


def changes_one_of_two(pair: Pair) -> bool:
    """Whether the edit is of one object and must leave another alone: what is learned last."""
    return pair.change.type in _ONE_OF_TWO and len(pair.source.things) == 2


class Pool:
    """Both pictures of each pair as the flow is trained on them; rows 2 i and 2 i + 1 belong to pair i.

    `codes` are latent tokens (2 * pairs, 64, 128), `features` the teacher's visual tokens (2 * pairs, 64,
    256); both are float16 files mapped into memory, so that processes share them.
    """

    def __init__(self, folder: Path, pairs: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.pairs = folder, pairs
        self.codes = self._map("codes", (2 * pairs, GRID * GRID, 4 * CHANNELS))
        self.features = self._map("features", (2 * pairs, GRID * GRID, 256))

    def _map(self, name: str, shape: tuple[int, ...]) -> np.memmap:
        path = self.folder / f"{name}-{self.pairs}.f16"
        if not path.exists():
            with path.open("wb") as file:
                file.truncate(2 * int(np.prod(shape)))
        return np.memmap(path, np.float16, "r+", shape=shape)

    @torch.no_grad()
    def fill(
        self,
        model: Qwen3VLForConditionalGeneration,
        basis: LatentBasis,
        part: int,
        parts: int,
        chunk: int = 32,
    ) -> None:
        """Draw and encode share `part` of `parts`; a marker file says how far it came."""
        basis = basis.to(model.device)
        marker = self.folder / f"filled-{self.pairs}-{part}-of-{parts}"
        done = int(marker.read_text()) if marker.exists() else 0
        mine = range(part, self.pairs, parts)
        for at in range(done, len(mine), chunk):
            indices = mine[at : at + chunk]
            rows = [row for index in indices for row in (2 * index, 2 * index + 1)]
            pairs = [training_pair(index) for index in indices]
            images = rendered((scene, p.layout) for p in pairs for scene in (p.source, p.target))
            images = images.to(model.device)
            self.codes[rows] = to_tokens(pack_2x2(basis.encode(images))).half().cpu().numpy()
            with torch.autocast(model.device.type, torch.bfloat16):
                self.features[rows] = see(model, images).half().cpu().numpy()
            marker.write_text(str(at + len(indices)))
