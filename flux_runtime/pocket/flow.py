"""Pocket's flow transformer: a small, unmodified `Flux3Transformer2DModel`, taught to draw and edit together.

Flow matching on the analytic latents, text from the frozen Qwen3-VL, and representation alignment (REPA, Yu
et al. 2024) with that same model's visual tokens as teacher. Edits weigh the tokens that change. Two
processes of one thread each average their gradients (DistributedDataParallel over gloo), or one process on a
GPU.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from diffusers.models.transformers.transformer_flux3 import Flux3Transformer2DModel
from transformers import PreTrainedTokenizerFast, Qwen3VLForConditionalGeneration

from flux_runtime.families.latents import (
    image_position_ids,
    text_position_ids,
)
from flux_runtime.flow_matching import (
    interpolate,
    training_sigmas,
    velocity_target,
)
from flux_runtime.pocket.changes import Change
from flux_runtime.pocket.instructions import canonical_instruction, instruction
from flux_runtime.pocket.language import canonical_prompt, caption, stated_attributes
from flux_runtime.pocket.language_model import load_language_model
from flux_runtime.pocket.lessons import GRID, loosen
from flux_runtime.pocket.pairs import Pool, changes_one_of_two, training_pair
from flux_runtime.pocket.planning import partial
from flux_runtime.pocket.progress import (
    TrainingRun,
    averaged_weights,
    muon_and_adamw,
    on_training_device,
    training_device,
)
from flux_runtime.pocket.splits import training_scene
from flux_runtime.pocket.tokenizer import load_tokenizer
from flux_runtime.pocket.vae import CHANNELS, fit_basis
from flux_runtime.pocket.vocabulary import LANGUAGES
from flux_runtime.pocket.world import Scene

OUT_LAYERS = (0, 2, 4)  # hidden states of the language model that condition the drawing
PAD_MULTIPLE = 8
ROPE_SCALE = 0.5
SHIFT = 1.5
TEACHER_BLOCK = 2  # the single-stream block whose image tokens are aligned with the eyes
WIDTH = 256  # of the transformer and of the language model


def build_transformer() -> Flux3Transformer2DModel:
    """The unmodified class, small and untrained."""
    return Flux3Transformer2DModel(
        in_channels=4 * CHANNELS,
        cond_in_channels=4 * CHANNELS,
        num_layers=1,
        num_single_layers=8,
        attention_head_dim=64,
        num_attention_heads=4,
        joint_attention_dim=WIDTH * len(OUT_LAYERS),
        timestep_channels=256,
        mlp_ratio=3.0,
        axes_dims_rope=(16, 16, 16, 16),
        rope_theta=100,
    )


def encode_text(
    model: Qwen3VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, prompts: list[str]
) -> torch.Tensor:
    """Prompt embeds (B, L, 768) exactly as `Flux3TextEncoderStep` makes them, for several prompts at once."""
    chats = [[{"role": "user", "content": prompt}] for prompt in prompts]
    texts = [
        str(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)) for chat in chats
    ]
    batch = tokenizer(
        texts, padding=True, pad_to_multiple_of=PAD_MULTIPLE, padding_side="right", return_tensors="pt"
    ).to(model.device)
    mask = batch["attention_mask"]
    positions = torch.arange(mask.shape[1], device=mask.device).expand(mask.shape).masked_fill(mask == 0, 1)
    states = model.model.language_model(
        input_ids=batch["input_ids"],
        attention_mask=mask,
        position_ids=positions,
        output_hidden_states=True,
        use_cache=False,
    ).hidden_states
    return torch.stack([states[layer] for layer in OUT_LAYERS], dim=2).flatten(2)


def prompt_for(rng: random.Random, scene: Scene) -> str:
    """A caption of the scene: whole or partial, canonical or a person's, English or Chinese."""
    stated = stated_attributes(scene)
    if rng.random() < 0.2:
        stated = partial(rng, scene)
    if rng.random() < 0.5:
        return canonical_prompt(stated)
    return loosen(rng, caption(rng, stated, rng.choice(LANGUAGES)))


def instruction_for(rng: random.Random, change: Change, scene: Scene) -> str:
    """A wording of the edit: canonical or a person's, English or Chinese."""
    if rng.random() < 0.5:
        return canonical_instruction(change)
    text = instruction(rng, change, rng.choice(LANGUAGES), scene if rng.random() < 0.6 else None)
    text = loosen(rng, text)
    return f"edit the image: {text}" if rng.random() < 0.1 else text


class Aligner(torch.nn.Module):
    """A small MLP from the transformer's image tokens to the teacher's; dropped after training."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(WIDTH, 512), torch.nn.SiLU(), torch.nn.Linear(512, WIDTH)
        )

    def forward(self, states: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """One minus the mean cosine similarity; both (B, tokens, 256)."""
        return 1 - F.cosine_similarity(self.layers(states).float(), features, dim=-1).mean()


class Batch(NamedTuple):
    """Drawings or edits to learn from, of the same tokens; for edits there is a reference."""

    data: torch.Tensor
    """(B, tokens, 128) latent tokens"""
    text: torch.Tensor
    """(B, L, 768) prompt embeds"""
    features: torch.Tensor
    """(B, tokens, 256) the teacher's visual tokens, normalised"""
    weight: torch.Tensor
    """(B, tokens) how much the error of each token counts"""
    reference: torch.Tensor | None = None
    """(B, tokens, 128) latent tokens of the picture before the edit"""
    kept: torch.Tensor | None = None
    """Which of the 64 tokens these are; None for all"""


class FlowLoss(torch.nn.Module):
    """The transformer and its aligner; one call for all batches, as gradients are averaged once a call."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer, self.aligner = build_transformer(), Aligner()

    def forward(self, batches: list[Batch]) -> torch.Tensor:
        """Flow and alignment loss (batches, 2); noise and sigmas come from torch's own generator."""
        return torch.stack([torch.stack(self._losses(batch)) for batch in batches])

    def _losses(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        device = next(self.parameters()).device
        noise, sigma = torch.randn(batch.data.shape), training_sigmas(len(batch.data))
        data, text, features, weight = (tensor.to(device) for tensor in batch[:4])
        noise, sigma = noise.to(device), sigma.to(device)
        reference = None if batch.reference is None else batch.reference.to(device)
        states: list[torch.Tensor] = []
        teacher_block = self.transformer.single_transformer_blocks[TEACHER_BLOCK]
        with (
            torch.autocast(device.type, torch.bfloat16),
            teacher_block.register_forward_hook(lambda module, inputs, output: states.append(output[1])),
        ):
            velocity = self.transformer(
                hidden_states=interpolate(data, noise, sigma),
                encoder_hidden_states=text,
                timestep=sigma,
                img_ids=_ids(batch.kept).to(device),
                txt_ids=text_position_ids(text.shape[1]).to(device),
                image_cond_hidden_states=reference,
                image_cond_ids=None if reference is None else _ids(batch.kept, image=1).to(device),
                return_dict=False,
            )[0]
            aligned = self.aligner(states[0][:, : data.shape[1]], features)
        error = (velocity.float() - velocity_target(data, noise)).square().mean(-1)  # (B, tokens)
        return (error * weight).sum() / weight.sum(), aligned


def _ids(kept: torch.Tensor | None, image: int = 0) -> torch.Tensor:
    ids = image_position_ids(GRID, GRID, rope_scale=ROPE_SCALE, image=image)
    return ids if kept is None else ids[kept]


class Lessons:
    """Draws the batches: pictures from the pool, and prompts as the frozen language model encodes them.

    What is drawn depends on `rng` and torch's own generator alone.
    """

    def __init__(self, folder: Path, pool: Pool, rng: random.Random) -> None:
        self.device, self.rng = training_device(), rng
        self.tokenizer, self.pool = load_tokenizer(folder), pool
        self.language_model = on_training_device(load_language_model(folder, self.tokenizer))
        sample = torch.from_numpy(pool.features[:400].astype(np.float32))
        self.feature_mean, self.feature_std = sample.mean((0, 1)), sample.std((0, 1)) + 1e-3
        self.text_scale = text_scale(self.language_model, self.tokenizer)
        self.hard = [i for i in range(pool.pairs) if changes_one_of_two(training_pair(i))]

    def drawings(self, count: int, half_share: float) -> Batch:
        """`count` pictures and their captions; a share of the batches holds half of the tokens."""
        rows = [self.rng.randrange(2 * self.pool.pairs) for _ in range(count)]
        pairs = [training_pair(row // 2) for row in rows]
        scenes = [pair.target if row % 2 else pair.source for pair, row in zip(pairs, rows, strict=True)]
        data, features = self._read(rows)
        text = self._texts([prompt_for(self.rng, scene) for scene in scenes])
        return self._thinned(Batch(data, text, features, _object_weight(scenes)), half_share)

    def edits(self, count: int, half_share: float, hard_share: float) -> Batch:
        """`count` edits; tokens that change weigh more, and more than objects.

        A share of them are edits of one object that must leave another alone.
        """
        indices = [
            self.rng.choice(self.hard)
            if self.rng.random() < hard_share
            else self.rng.randrange(self.pool.pairs)
            for _ in range(count)
        ]
        pairs = [training_pair(index) for index in indices]
        prompts = [instruction_for(self.rng, pair.change, pair.source) for pair in pairs]
        source, _ = self._read([2 * index for index in indices])
        target, features = self._read([2 * index + 1 for index in indices])
        changed = (target - source).abs().mean(-1) > 0.02
        # References arrive through the conv encoder, which is close to the exact codes but not equal.
        reference = source + 0.04 * torch.randn(source.shape)
        weight = torch.maximum(1 + 3 * changed.float(), _object_weight([pair.target for pair in pairs]))
        batch = Batch(target, self._texts(prompts), features, weight, reference)
        return self._thinned(batch, half_share)

    def _thinned(self, batch: Batch, half_share: float) -> Batch:
        """The same half of the tokens of every row, at half of the work; or the batch as it is."""
        if self.rng.random() >= half_share:
            return batch
        kept = torch.randperm(GRID * GRID)[: GRID * GRID // 2].sort().values
        return Batch(
            data=batch.data[:, kept],
            text=batch.text,
            features=batch.features[:, kept],
            weight=batch.weight[:, kept],
            reference=None if batch.reference is None else batch.reference[:, kept],
            kept=kept,
        )

    @torch.no_grad()
    def _texts(self, prompts: list[str]) -> torch.Tensor:
        """Scaled prompt embeds (B, L, 768); a tenth of the prompts is dropped, for guidance."""
        prompts = ["" if self.rng.random() < 0.1 else prompt for prompt in prompts]
        with torch.autocast(self.device.type, torch.bfloat16):
            return encode_text(self.language_model, self.tokenizer, prompts).float() * self.text_scale

    def _read(self, rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Latent tokens (B, 64, 128) and normalised teacher features (B, 64, 256) of rows of the pool."""
        codes, features = self.pool.codes[rows], torch.from_numpy(self.pool.features[rows].astype(np.float32))
        return torch.from_numpy(codes.astype(np.float32)), (features - self.feature_mean) / self.feature_std


def _object_weight(scenes: list[Scene]) -> torch.Tensor:
    """How much each token's error counts (B, 64): small things would drown in the mean."""
    weight = torch.ones(len(scenes), GRID, GRID)
    for i, scene in enumerate(scenes):
        if scene.left:
            weight[i, 2:, :2] = 2.5
        if scene.right:
            weight[i, 2:, -2:] = 2.5
    return weight.flatten(1)


@torch.no_grad()
def text_scale(model: Qwen3VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast) -> torch.Tensor:
    """Factors (768,) that bring each layer to unit RMS; assembling folds them into `context_embedder`.

    Without them the embeddings layer, which alone keeps every word's identity, is drowned by the deeper ones.
    """
    rng = random.Random("text scale")
    prompts = [canonical_prompt(stated_attributes(training_scene(rng))) for _ in range(32)]
    layers = encode_text(model, tokenizer, prompts).unflatten(-1, (len(OUT_LAYERS), WIDTH))
    return (1 / layers.square().mean((0, 1, 3)).sqrt())[:, None].expand(-1, WIDTH).flatten()


def train_flow(
    folder: Path,
    steps: int,
    *,
    generations: int = 14,
    edits: int = 20,
    learning_rate: float = 1.5e-3,
    pairs: int = 20000,
) -> None:
    """Train on this process's share; with several processes, each has called `join_processes`."""
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    pool = Pool(folder / "pool", pairs)
    language_model = load_language_model(folder, load_tokenizer(folder))
    pool.fill(on_training_device(language_model), fit_basis(folder), rank, world)
    if world > 1:
        dist.barrier()
    torch.manual_seed(0)
    loss = on_training_device(FlowLoss())
    blocks = [p for name, p in loss.transformer.named_parameters() if "blocks" in name and p.ndim == 2]
    run = TrainingRun(
        folder / "flow",
        loss,
        muon_and_adamw(loss, blocks, learning_rate),
        steps,
        warmup=150,
        averaged=loss.transformer,
        save_seconds=180,
    )
    lessons = Lessons(folder, pool, run.rng)
    share = edits / (generations + edits)
    recent: list[torch.Tensor] = []
    for step in run.steps():
        half_share = 0.7 if step < 0.65 * steps else 0.0
        hard_share = 0.0 if step < 0.85 * steps else 0.6
        batches = [
            lessons.drawings(generations, half_share),
            lessons.edits(edits, half_share, hard_share),
        ]
        losses = run.module(batches)  # (drawings and edits, flow and alignment)
        drawn, edited = losses[:, 0] + 0.5 * losses[:, 1]
        run.descend((1 - share) * drawn + share * edited)
        recent.append(losses.detach().flatten())
        if step % 50 == 49:
            means = torch.stack(recent).mean(0).tolist()
            recent.clear()
            names = ("draw", "draw_align", "edit", "edit_align")
            samples = (step + 1) * world * (generations + edits)
            run.log(
                **{name: round(mean, 4) for name, mean in zip(names, means, strict=True)}, samples=samples
            )


def load_transformer(folder: Path, scale: torch.Tensor) -> Flux3Transformer2DModel:
    """The averaged weights of the flow run, frozen, on the CPU; `scale` (768,) of the text is folded in."""
    transformer = build_transformer()
    transformer.load_state_dict(averaged_weights(folder / "flow"))
    with torch.no_grad():
        transformer.context_embedder.weight.mul_(scale)
    return transformer.eval().requires_grad_(False)
