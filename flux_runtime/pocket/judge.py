"""The judge: a small convolutional classifier, trained apart from pocket, that reads scenes off pixels.

It saw every composition (a judge must have no favourites) but neither the held-out scenes nor a picture that
pocket made. Its own accuracy on unseen renders is printed beside every number it gives.
"""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_model, save_model

from flux_runtime.pocket.progress import TrainingRun, training_device
from flux_runtime.pocket.splits import held_out_composition_scenes, held_out_scenes
from flux_runtime.pocket.vae import LatentBasis, fit_basis, rendered
from flux_runtime.pocket.world import (
    ATTRIBUTES,
    COLORS,
    KINDS,
    SIDES,
    Scene,
    Thing,
    random_layout,
    random_scene,
)

# head -> number of classes; class 0 of an object head means that nothing is there.
HEADS = {key: len(values) for key, values in ATTRIBUTES.items()}
for _side in SIDES:
    HEADS |= {f"{_side}_kind": len(KINDS) + 1, f"{_side}_color": len(COLORS) + 1}


class Judge(torch.nn.Module):
    """Pictures (B, 3, 256, 256) in [-1, 1] -> logits (B, classes) by head."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[torch.nn.Module] = []
        for before, after in pairwise((3, 24, 48, 64, 96, 96)):
            convolution = torch.nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
            layers += [convolution, torch.nn.BatchNorm2d(after), torch.nn.ReLU()]
        self.trunk = torch.nn.Sequential(*layers)  # (B, 96, 4, 4) of the half-size picture
        self.heads = torch.nn.ModuleDict(
            {name: torch.nn.Linear(96 * 16, count) for name, count in HEADS.items()}
        )

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        features = self.trunk(F.avg_pool2d(images, 2)).flatten(1)
        return {name: head(features) for name, head in self.heads.items()}

    @torch.no_grad()
    def read(self, images: torch.Tensor) -> list[Scene]:
        """The most likely scene of each picture."""
        best = {name: logits.argmax(1).tolist() for name, logits in self(images).items()}
        return [_scene({name: indices[i] for name, indices in best.items()}) for i in range(len(images))]

    @torch.no_grad()
    def sureness(self, images: torch.Tensor) -> list[dict[str, float]]:
        """The probability, by head, of what `read` takes each picture for."""
        best = {name: logits.softmax(1).amax(1).tolist() for name, logits in self(images).items()}
        return [{name: values[i] for name, values in best.items()} for i in range(len(images))]


def _scene(best: dict[str, int]) -> Scene:
    """The scene of one class index by head; an object needs both a kind and a colour."""
    attributes = {key: values[best[key]] for key, values in ATTRIBUTES.items()}
    things: dict[str, Thing] = {}
    for side in SIDES:
        kind, color = best[f"{side}_kind"], best[f"{side}_color"]
        if kind and color:
            things[side] = Thing(KINDS[kind - 1], COLORS[color - 1])
    return Scene(**attributes, left=things.get("left"), right=things.get("right"))


def image_batch(images: list[Image.Image]) -> torch.Tensor:
    """PIL pictures -> (B, 3, 256, 256) in [-1, 1], resized where needed."""
    arrays = [np.asarray(image.convert("RGB").resize((256, 256)), np.float32) for image in images]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2) / 127.5 - 1


def targets(scenes: list[Scene]) -> dict[str, torch.Tensor]:
    """The right class indices (B,) by head."""
    rows: dict[str, list[int]] = {
        key: [values.index(getattr(scene, key)) for scene in scenes] for key, values in ATTRIBUTES.items()
    }
    for side in SIDES:
        things = [scene.things.get(side) for scene in scenes]
        rows[f"{side}_kind"] = [KINDS.index(thing.kind) + 1 if thing else 0 for thing in things]
        rows[f"{side}_color"] = [COLORS.index(thing.color) + 1 if thing else 0 for thing in things]
    return {name: torch.tensor(values) for name, values in rows.items()}


def _softened(rng: random.Random, basis: LatentBasis, images: torch.Tensor) -> torch.Tensor:
    """Renders as a generator might soften them: latent blur, brightness, noise."""
    images = images.clone()
    chosen = torch.tensor([rng.random() < 0.4 for _ in images])
    if chosen.any():
        codes = basis.encode(images[chosen])
        codes = codes + 0.25 * torch.rand(len(codes), 1, 1, 1) * torch.randn_like(codes)
        images[chosen] = basis.decode(codes)
    size = (len(images), 1, 1, 1)
    images = images * (0.9 + 0.2 * torch.rand(size)) + 0.05 * torch.randn(size)
    return (images + 0.08 * torch.rand(size) * torch.randn_like(images)).clamp(-1, 1)


def train_judge(folder: Path, steps: int, batch: int = 32, learning_rate: float = 3e-3) -> None:
    """Train on freshly drawn scenes of every composition, the held-out ones left out."""
    device = training_device()
    basis = fit_basis(folder)
    torch.manual_seed(2)
    model = Judge().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate, weight_decay=0.02)
    run = TrainingRun(folder / "judge", model, [optimizer], steps)
    unseen = {*held_out_scenes(), *held_out_composition_scenes()}
    for step in run.steps():
        scenes = [scene for scene in (random_scene(run.rng) for _ in range(batch)) if scene not in unseen]
        images = rendered((scene, random_layout(run.rng)) for scene in scenes)
        logits = run.module(_softened(run.rng, basis, images).to(device))
        wanted = targets(scenes)
        losses = [F.cross_entropy(logits[name], wanted[name].to(device)) for name in HEADS]
        loss = torch.stack(losses).sum()
        run.descend(loss)
        if step % 100 == 99:
            run.log(loss=round(loss.item(), 4))


def save_judge(folder: Path, target: Path) -> None:
    """Write the judge of a training run as half-precision safetensors."""
    model = Judge()
    saved = torch.load(folder / "judge" / "last.pt", weights_only=True, map_location="cpu")
    model.load_state_dict(saved["model"])
    save_model(model.eval().half(), str(target))


def load_judge(path: Path) -> Judge:
    """The shipped judge; strict."""
    model = Judge().half()
    load_model(model, str(path), strict=True)
    return model.float().eval()
