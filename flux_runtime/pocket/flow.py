"""Pocket's flow transformer: a small, unmodified `Flux3Transformer2DModel`, taught to draw and edit together.

Flow matching on the analytic latents, text from the frozen Qwen3-VL, and representation alignment (REPA, Yu
et al. 2024) with that same model's visual tokens as teacher. Edits weigh the tokens that change. Two
processes of one thread each average their gradients (gloo), or one process on a GPU.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from diffusers.models.transformers.transformer_flux3 import Flux3Transformer2DModel
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors
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
    Average,
    TrainingRun,
    averaged_weights,
    on_training_device,
    training_device,
    warmup_cosine,
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


class Trainer:
    """One process's part of the training; each loss draws its own batch."""

    def __init__(self, folder: Path, pool: Pool, rank: int) -> None:
        self.device = training_device()
        self.tokenizer, self.pool = load_tokenizer(folder), pool
        self.language_model = on_training_device(load_language_model(folder, self.tokenizer))
        torch.manual_seed(0)
        self.model = on_training_device(build_transformer())
        self.aligner = Aligner().to(self.device)
        sample = torch.from_numpy(pool.features[:400].astype(np.float32)).to(self.device)
        self.feature_mean, self.feature_std = sample.mean((0, 1)), sample.std((0, 1)) + 1e-3
        self.text_scale = text_scale(self.language_model, self.tokenizer)
        self.hard = [i for i in range(pool.pairs) if changes_one_of_two(training_pair(i))]
        self.hard_share = 0.0  # how many edits are drawn from those
        self.half_share = 0.0  # how many batches train on half of the image tokens
        self._states: torch.Tensor | None = None
        self.model.single_transformer_blocks[TEACHER_BLOCK].register_forward_hook(self._keep)
        self.seed(rank, 0)

    def seed(self, rank: int, step: int) -> None:
        """What is drawn from here on depends on the process and on the step alone."""
        self.rng = random.Random(f"flow {rank} from {step}")
        self.generator = torch.Generator().manual_seed(1000 * step + rank)

    def _keep(self, module: object, inputs: object, output: tuple[torch.Tensor, torch.Tensor]) -> None:
        self._states = output[1]

    def _texts(self, prompts: list[str]) -> torch.Tensor:
        """Scaled prompt embeds (B, L, 768); a tenth of the prompts is dropped, for guidance."""
        prompts = ["" if self.rng.random() < 0.1 else prompt for prompt in prompts]
        with torch.autocast(self.device.type, torch.bfloat16):
            return encode_text(self.language_model, self.tokenizer, prompts).float() * self.text_scale

    def _losses(
        self,
        data: torch.Tensor,
        text: torch.Tensor,
        features: torch.Tensor,
        weight: torch.Tensor,
        reference: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Flow and alignment loss of one batch.

        data and reference (B, 64, 128), text (B, L, 768), features (B, 64, 256), weight of each token (B,
        64).
        """
        ids = image_position_ids(GRID, GRID, rope_scale=ROPE_SCALE)
        context_ids = image_position_ids(GRID, GRID, rope_scale=ROPE_SCALE, image=1)
        if self.rng.random() < self.half_share:  # the same half for the whole batch, at half of the work
            kept = torch.randperm(GRID * GRID, generator=self.generator)[: GRID * GRID // 2].sort().values
            data, features, weight = data[:, kept], features[:, kept], weight[:, kept]
            reference = None if reference is None else reference[:, kept]
            ids, context_ids = ids[kept], context_ids[kept]
        noise = torch.randn(data.shape, generator=self.generator)
        sigma = training_sigmas(len(data), generator=self.generator)
        data, noise, sigma, text, features, weight = (
            tensor.to(self.device) for tensor in (data, noise, sigma, text, features, weight)
        )
        with torch.autocast(self.device.type, torch.bfloat16):
            velocity = self.model(
                hidden_states=interpolate(data, noise, sigma),
                encoder_hidden_states=text,
                timestep=sigma,
                img_ids=ids.to(self.device),
                txt_ids=text_position_ids(text.shape[1]).to(self.device),
                image_cond_hidden_states=None if reference is None else reference.to(self.device),
                image_cond_ids=None if reference is None else context_ids.to(self.device),
                return_dict=False,
            )[0]
            assert self._states is not None
            wanted = (features - self.feature_mean) / self.feature_std
            aligned = self.aligner(self._states[:, : data.shape[1]], wanted)
        error = (velocity.float() - velocity_target(data, noise)).square().mean(-1)  # (B, tokens)
        return (error * weight).sum() / weight.sum(), aligned

    def generation_losses(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Flow and alignment loss of drawing `count` pictures from their captions."""
        rows = [self.rng.randrange(2 * self.pool.pairs) for _ in range(count)]
        pairs = [training_pair(row // 2) for row in rows]
        scenes = [pair.target if row % 2 else pair.source for pair, row in zip(pairs, rows, strict=True)]
        data, features = self._read(rows)
        text = self._texts([prompt_for(self.rng, scene) for scene in scenes])
        return self._losses(data, text, features, _object_weight(scenes))

    def edit_losses(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Flow and alignment loss of `count` edits; tokens that change weigh more, and more than objects."""
        indices = [
            self.rng.choice(self.hard)
            if self.rng.random() < self.hard_share
            else self.rng.randrange(self.pool.pairs)
            for _ in range(count)
        ]
        pairs = [training_pair(index) for index in indices]
        prompts = [instruction_for(self.rng, pair.change, pair.source) for pair in pairs]
        source, _ = self._read([2 * index for index in indices])
        target, features = self._read([2 * index + 1 for index in indices])
        changed = (target - source).abs().mean(-1) > 0.02
        # References arrive through the conv encoder, which is close to the exact codes but not equal.
        reference = source + 0.04 * torch.randn(source.shape, generator=self.generator)
        weight = torch.maximum(1 + 3 * changed.float(), _object_weight([pair.target for pair in pairs]))
        return self._losses(target, self._texts(prompts), features, weight, reference)

    def _read(self, rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Latent tokens (B, 64, 128) and teacher features (B, 64, 256) of rows of the pool, in float32."""
        codes, features = self.pool.codes[rows], self.pool.features[rows]
        return torch.from_numpy(codes.astype(np.float32)), torch.from_numpy(features.astype(np.float32))


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


def _optimizers(
    trainer: Trainer, learning_rate: float
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024) for the matrices of the blocks, AdamW for everything else."""
    blocks = [p for name, p in trainer.model.named_parameters() if "blocks" in name and p.ndim == 2]
    chosen = {id(p) for p in blocks}
    rest = [p for p in [*trainer.model.parameters(), *trainer.aligner.parameters()] if id(p) not in chosen]
    muon = torch.optim.Muon(
        blocks, learning_rate, weight_decay=0.01, momentum=0.95, ns_steps=4, adjust_lr_fn="match_rms_adamw"
    )
    return muon, torch.optim.AdamW(rest, learning_rate, betas=(0.9, 0.98), weight_decay=0.0)


def train_flow(
    folder: Path,
    steps: int,
    *,
    generations: int = 14,
    edits: int = 20,
    learning_rate: float = 1.5e-3,
    pairs: int = 20000,
    rank: int = 0,
    world: int = 1,
) -> None:
    """Train on this process's share. With `world` > 1, gloo must have been set up by `init_processes`."""
    pool = Pool(folder / "pool", pairs)
    language_model = load_language_model(folder, load_tokenizer(folder))
    pool.fill(on_training_device(language_model), fit_basis(folder), rank, world)
    if world > 1:
        dist.barrier()
    trainer = Trainer(folder, pool, rank)
    average = Average(trainer.model, on_training_device(build_transformer()), 0.998)
    muon, adamw = _optimizers(trainer, learning_rate)
    state = {
        "model": trainer.model,
        "average": average,
        "aligner": trainer.aligner,
        "muon": muon,
        "adamw": adamw,
    }
    run = TrainingRun(folder / ("flow" if rank == 0 else f"flow-rank{rank}"), state, save_seconds=180)
    trainer.seed(rank, run.step)
    parameters = [*trainer.model.parameters(), *trainer.aligner.parameters()]
    recent: list[list[float]] = []
    for step in run.steps(steps):
        factor = warmup_cosine(step, steps, warmup=150)
        trainer.half_share = 0.7 if step < 0.65 * steps else 0.0
        trainer.hard_share = 0.0 if step < 0.85 * steps else 0.6
        for optimizer in (muon, adamw):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * factor
            optimizer.zero_grad(set_to_none=False)
        share = edits / (generations + edits)
        drawn, drawn_aligned = trainer.generation_losses(generations)
        ((1 - share) * (drawn + 0.5 * drawn_aligned)).backward()
        edited, edited_aligned = trainer.edit_losses(edits)
        (share * (edited + 0.5 * edited_aligned)).backward()
        if world > 1:
            _average_gradients(parameters, world)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        muon.step()
        adamw.step()
        average.update(trainer.model, step)
        recent.append([drawn.item(), edited.item(), drawn_aligned.item(), edited_aligned.item()])
        if step % 50 == 49 and rank == 0:
            means = dict(
                zip(("draw", "edit", "draw_align", "edit_align"), np.mean(recent, axis=0), strict=True)
            )
            recent.clear()
            samples = (step + 1) * world * (generations + edits)
            run.log(**{name: round(mean, 4) for name, mean in means.items()}, samples=samples)


def _average_gradients(parameters: list[torch.nn.Parameter], world: int) -> None:
    """Make every process's gradients the mean over all processes."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = _flatten_dense_tensors(gradients)
    dist.all_reduce(flat)
    flat /= world
    for gradient, mean in zip(gradients, _unflatten_dense_tensors(flat, gradients), strict=True):
        gradient.copy_(mean)


def init_processes(rank: int, world: int, port: int = 29511) -> None:
    """Join `world` local processes (loopback only)."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    dist.init_process_group("gloo", rank=rank, world_size=world)


def load_transformer(folder: Path, scale: torch.Tensor) -> Flux3Transformer2DModel:
    """The averaged weights of the flow run, frozen, on the CPU; `scale` (768,) of the text is folded in."""
    transformer = build_transformer()
    transformer.load_state_dict(averaged_weights(folder / "flow"))
    with torch.no_grad():
        transformer.context_embedder.weight.mul_(scale)
    return transformer.eval().requires_grad_(False)
