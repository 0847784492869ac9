"""The judge: a small convolutional classifier, trained apart from pocket, that reads a scene's attributes off pixels.

It saw every composition (a judge must have no favourites) but neither the held-out scenes nor a picture that pocket made. Its own accuracy on unseen renders is printed beside every number it gives.
"""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_model, save_model

from flux_runtime.pocket.progress import TrainingRun, training_device, warmup_cosine
from flux_runtime.pocket.splits import held_out_composition_scenes, held_out_scenes
from flux_runtime.pocket.vae import LatentBasis, fit_basis
from flux_runtime.pocket.world import (
    ATTRIBUTES,
    COLORS,
    KINDS,
    SIDES,
    Scene,
    Thing,
    draw_array,
    random_layout,
    random_scene,
)

HEADS = {
    **{key: len(values) for key, values in ATTRIBUTES.items()},
    **{
        f"{side}_{what}": count + 1
        for side in SIDES
        for what, count in (("kind", len(KINDS)), ("color", len(COLORS)))
    },
}


class Judge(torch.nn.Module):
    """Pictures (B, 3, 256, 256) in [-1, 1] -> logits by head; class 0 of an object head means nothing is there."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 24, 48, 64, 96, 96)
        layers: list[torch.nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [
                torch.nn.Conv2d(before, after, 3, 2, 1, bias=False),
                torch.nn.BatchNorm2d(after),
                torch.nn.ReLU(),
            ]
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
        scenes = []
        for i in range(len(images)):
            things = {
                side: Thing(KINDS[best[f"{side}_kind"][i] - 1], COLORS[best[f"{side}_color"][i] - 1])
                if best[f"{side}_kind"][i] and best[f"{side}_color"][i]
                else None
                for side in SIDES
            }
            scenes.append(Scene(*(values[best[key][i]] for key, values in ATTRIBUTES.items()), **things))
        return scenes


def image_batch(images: list[Image.Image]) -> torch.Tensor:
    """PIL pictures -> (B, 3, 256, 256) in [-1, 1], resized where needed."""
    arrays = [np.asarray(image.convert("RGB").resize((256, 256)), np.float32) for image in images]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2) / 127.5 - 1


def targets(scenes: list[Scene]) -> dict[str, torch.Tensor]:
    rows: dict[str, list[int]] = {
        key: [values.index(getattr(scene, key)) for scene in scenes] for key, values in ATTRIBUTES.items()
    }
    for side in SIDES:
        things = [scene.things.get(side) for scene in scenes]
        rows[f"{side}_kind"] = [KINDS.index(thing.kind) + 1 if thing else 0 for thing in things]
        rows[f"{side}_color"] = [COLORS.index(thing.color) + 1 if thing else 0 for thing in things]
    return {name: torch.tensor(values) for name, values in rows.items()}


def _softened(rng: random.Random, basis: LatentBasis, images: torch.Tensor) -> torch.Tensor:
    """Renders as a generator might soften them: latent blur, pixel noise, brightness. No picture of pocket's is used."""
    images = images.clone()
    chosen = torch.tensor([rng.random() < 0.4 for _ in images])
    if chosen.any():
        codes = basis.encode(images[chosen])
        images[chosen] = basis.decode(
            codes + 0.25 * torch.rand(len(codes), 1, 1, 1) * torch.randn_like(codes)
        )
    images = images * (0.9 + 0.2 * torch.rand(len(images), 1, 1, 1)) + 0.05 * torch.randn(
        len(images), 1, 1, 1
    )
    return (images + 0.08 * torch.rand(len(images), 1, 1, 1) * torch.randn_like(images)).clamp(-1, 1)


def train_judge(folder: Path, steps: int = 1500, batch: int = 32, learning_rate: float = 3e-3) -> None:
    device = training_device()
    basis = fit_basis(folder)
    torch.manual_seed(2)
    model = Judge().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate, weight_decay=0.02)
    run = TrainingRun(folder / "judge", {"model": model, "optimizer": optimizer})
    rng = random.Random(f"judge from {run.step}")
    unseen = {*held_out_scenes(), *held_out_composition_scenes()}
    for step in run.steps(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * warmup_cosine(step, steps)
        scenes = [scene for scene in (random_scene(rng) for _ in range(batch)) if scene not in unseen]
        images = (
            torch.stack(
                [torch.from_numpy(draw_array(scene, random_layout(rng))) for scene in scenes]
            ).permute(0, 3, 1, 2)
            * 2
            - 1
        )
        model.train()
        logits = model(_softened(rng, basis, images).to(device))
        loss = torch.stack(
            [F.cross_entropy(logits[name], wanted.to(device)) for name, wanted in targets(scenes).items()]
        ).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 99:
            run.log(loss=round(loss.item(), 4))


def save_judge(folder: Path, target: Path) -> None:
    model = Judge()
    model.load_state_dict(
        torch.load(folder / "judge" / "last.pt", weights_only=True, map_location="cpu")["model"]
    )
    save_model(model.eval().half(), str(target))


def load_judge(path: Path) -> Judge:
    """The shipped judge; strict."""
    model = Judge().half()
    load_model(model, str(path), strict=True)
    return model.float().eval()
