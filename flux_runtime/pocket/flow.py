"""Pocket's flow transformer: an unmodified, small `Flux3Transformer2DModel` taught to draw and to edit together.

Flow matching on the analytic latents, text from the frozen Qwen3-VL, and representation alignment (REPA, Yu et al. 2024)
with that same model's visual tokens as teacher. Edits weigh the tokens that change. Two processes of one thread each
average their gradients (gloo), or one process on a GPU.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from diffusers import Flux3Transformer2DModel
from transformers import PreTrainedTokenizerFast, Qwen3VLForConditionalGeneration

from flux_runtime.flow_matching import (
    euler_step,
    guided_velocity,
    interpolate,
    sigma_schedule,
    training_sigmas,
    velocity_target,
)
from flux_runtime.pocket.changes import Change, apply_change, random_change
from flux_runtime.pocket.instructions import canonical_instruction, instruction
from flux_runtime.pocket.language import canonical_prompt, caption, stated_attributes
from flux_runtime.pocket.language_model import build_language_model, loosen, see
from flux_runtime.pocket.planning import partial
from flux_runtime.pocket.progress import Average, TrainingRun, training_device, warmup_cosine
from flux_runtime.pocket.splits import may_train_on, training_scene
from flux_runtime.pocket.tokenizer import load_tokenizer
from flux_runtime.pocket.vae import CHANNELS, LatentBasis, fit_basis
from flux_runtime.pocket.vocabulary import LANGUAGES
from flux_runtime.pocket.world import Layout, Scene, draw_array, random_layout

OUT_LAYERS = (0, 2, 4)  # hidden states of the language model that condition the drawing
PAD_MULTIPLE = 8
ROPE_SCALE = 0.5
SHIFT = 1.5
GRID = 8  # image tokens a side at 256 px
TEACHER_BLOCK = 2  # the joint block whose image tokens are aligned with the eyes


def build_transformer() -> Flux3Transformer2DModel:
    return Flux3Transformer2DModel(
        in_channels=4 * CHANNELS,
        cond_in_channels=4 * CHANNELS,
        num_layers=1,
        num_single_layers=8,
        attention_head_dim=64,
        num_attention_heads=4,
        joint_attention_dim=256 * len(OUT_LAYERS),
        timestep_channels=256,
        mlp_ratio=3.0,
        axes_dims_rope=(16, 16, 16, 16),
        rope_theta=100,
    )


def load_language_model(folder: Path, tokenizer: PreTrainedTokenizerFast) -> Qwen3VLForConditionalGeneration:
    """The averaged weights of the language run, frozen."""
    model = build_language_model(tokenizer)
    saved = torch.load(folder / "language-model" / "last.pt", weights_only=True, map_location="cpu")[
        "average"
    ]
    model.load_state_dict(
        {key.removeprefix("model."): value for key, value in saved.items() if key.startswith("model.")}
    )
    return model.eval().requires_grad_(False)


def image_ids(l: int = 0) -> torch.Tensor:  # noqa: E741 - the axis is called l in FLUX.3
    """Position ids (t, h, w, l) of the 64 image tokens, (64, 4)."""
    rows, columns = torch.meshgrid(torch.arange(GRID), torch.arange(GRID), indexing="ij")
    zeros = torch.zeros(GRID * GRID)
    return torch.stack([zeros, rows.flatten() * ROPE_SCALE, columns.flatten() * ROPE_SCALE, zeros + l], dim=1)


def text_ids(length: int) -> torch.Tensor:
    return F.pad(torch.arange(length, dtype=torch.float32)[:, None], (3, 0))


def encode_text(
    model: Qwen3VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, prompts: list[str]
) -> torch.Tensor:
    """Prompt embeds (B, L, 768) exactly as `Flux3TextEncoderStep` makes them, for several prompts in one window."""
    chats = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
        )
        for prompt in prompts
    ]
    batch = tokenizer(
        chats, padding=True, pad_to_multiple_of=PAD_MULTIPLE, padding_side="right", return_tensors="pt"
    ).to(model.device)
    mask = batch["attention_mask"]
    positions = (
        torch.arange(mask.shape[1], device=mask.device)[None].expand(mask.shape).masked_fill(mask == 0, 1)
    )
    states = model.model.language_model(
        input_ids=batch["input_ids"],
        attention_mask=mask,
        position_ids=positions,
        output_hidden_states=True,
        use_cache=False,
    ).hidden_states
    return torch.stack([states[layer] for layer in OUT_LAYERS], dim=2).flatten(2)


def pack(codes: torch.Tensor) -> torch.Tensor:
    """Latents (B, 32, 16, 16) -> image tokens (B, 64, 128)."""
    return F.pixel_unshuffle(codes, 2).flatten(2).transpose(1, 2)


def unpack(tokens: torch.Tensor) -> torch.Tensor:
    """Image tokens (B, 64, 128) -> latents (B, 32, 16, 16)."""
    return F.pixel_shuffle(tokens.transpose(1, 2).unflatten(2, (GRID, GRID)), 2)


# ---- training pairs ------------------------------------------------------------------------------------------------

# Types that took longest in earlier runs are drawn more often.
EDIT_WEIGHTS = {
    "weather": 1.0,
    "setting": 1.2,
    "action": 1.2,
    "character": 1.5,
    "outfit": 0.9,
    "add": 1.3,
    "remove": 0.9,
    "recolor": 1.2,
    "replace": 1.2,
}


def training_pair(index: int) -> tuple[Scene, Change, Scene, Layout]:
    """Pair number `index` of the pool: (source, change, target, layout), the same every time."""
    rng = random.Random(f"pair {index}")
    while True:
        type_ = rng.choices(list(EDIT_WEIGHTS), weights=list(EDIT_WEIGHTS.values()))[0]
        scene = training_scene(rng)
        if (type_ == "add" and len(scene.things) == 2) or (
            type_ in ("remove", "recolor", "replace") and not scene.things
        ):
            continue
        change = random_change(rng, scene, type_)
        target = apply_change(scene, change)
        if may_train_on(target):
            return scene, change, target, random_layout(rng)


class Pool:
    """Latents and teacher features of both pictures of each pair, memory-mapped so that processes share them."""

    def __init__(self, folder: Path, pairs: int) -> None:
        self.folder, self.pairs = folder, pairs
        folder.mkdir(parents=True, exist_ok=True)

    def open(self) -> None:
        tokens = GRID * GRID
        self.codes = self._map("codes", (2 * self.pairs, tokens, 4 * CHANNELS))
        self.features = self._map("features", (2 * self.pairs, tokens, 256))

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
        """Draw and encode this process's share; a marker file says how far it came."""
        marker = self.folder / f"filled-{self.pairs}-{part}-of-{parts}"
        done = int(marker.read_text()) if marker.exists() else 0
        mine = range(part, self.pairs, parts)
        for at in range(done, len(mine), chunk):
            indices = mine[at : at + chunk]
            pictures, rows = [], []
            for index in indices:
                source, _, target, layout = training_pair(index)
                pictures += [draw_array(source, layout), draw_array(target, layout)]
                rows += [2 * index, 2 * index + 1]
            images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).mul(2).sub(1).contiguous()
            images = images.to(model.device)
            self.codes[rows] = pack(basis.to(model.device).encode(images)).half().cpu().numpy()
            with torch.autocast(model.device.type, torch.bfloat16):
                self.features[rows] = see(model, images).half().cpu().numpy()
            marker.write_text(str(at + len(indices)))


def prompt_for(rng: random.Random, scene: Scene) -> str:
    """A caption of the scene: whole or partial, canonical or a person's, English or Chinese."""
    stated = stated_attributes(scene)
    if rng.random() < 0.2:
        stated = partial(rng, scene)
    if rng.random() < 0.5:
        return canonical_prompt(stated)
    return loosen(rng, caption(rng, stated, rng.choice(LANGUAGES)))


def instruction_for(rng: random.Random, change: Change, scene: Scene) -> str:
    if rng.random() < 0.5:
        return canonical_instruction(change)
    text = instruction(rng, change, rng.choice(LANGUAGES), scene if rng.random() < 0.6 else None)
    text = loosen(rng, text)
    return f"edit the image: {text}" if rng.random() < 0.1 else text


class Aligner(torch.nn.Module):
    """The small MLP between the transformer's image tokens and the teacher's visual tokens; dropped after training."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(width, 512), torch.nn.SiLU(), torch.nn.Linear(512, 256)
        )

    def forward(self, states: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        return 1 - F.cosine_similarity(self.layers(states).float(), features, dim=-1).mean()


class Trainer:
    """One process's part of the training; `step` draws its own batch and returns its losses."""

    def __init__(self, folder: Path, pool: Pool, seed: int) -> None:
        self.tokenizer, self.pool = load_tokenizer(folder), pool
        self.language_model = load_language_model(folder, self.tokenizer)
        self.rng = random.Random(f"flow {seed}")
        self.generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(0)
        self.device = training_device()
        self.language_model.to(self.device)
        self.model = build_transformer().to(self.device)
        self.aligner = Aligner().to(self.device)
        sample = torch.from_numpy(pool.features[:400].astype(np.float32)).to(self.device)
        self.feature_mean, self.feature_std = sample.mean((0, 1)), sample.std((0, 1)) + 1e-3
        self.text_scale = text_scale(self.language_model, self.tokenizer)
        self.half_share = 0.0  # how many batches train on half of the image tokens
        self._states: torch.Tensor | None = None
        self.model.single_transformer_blocks[TEACHER_BLOCK].register_forward_hook(self._keep)

    def _keep(
        self, module: torch.nn.Module, inputs: object, output: tuple[torch.Tensor, torch.Tensor]
    ) -> None:
        self._states = output[1]

    def texts(self, prompts: list[str], drop: float = 0.1) -> torch.Tensor:
        prompts = ["" if self.rng.random() < drop else prompt for prompt in prompts]
        with torch.autocast(self.device.type, torch.bfloat16):
            return encode_text(self.language_model, self.tokenizer, prompts).float() * self.text_scale

    def losses(
        self,
        data: torch.Tensor,
        text: torch.Tensor,
        features: torch.Tensor,
        weight: torch.Tensor,
        reference: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Flow and alignment loss of one batch: data, reference (B, 64, 128), features (B, 64, 256), weight (B, 64)."""
        ids, context_ids = image_ids(), image_ids(-1)
        if (
            self.rng.random() < self.half_share
        ):  # half of the tokens, the same for the whole batch, at half of the work
            kept = torch.randperm(GRID * GRID, generator=self.generator)[: GRID * GRID // 2].sort().values
            data, features, weight, ids, context_ids = (
                data[:, kept],
                features[:, kept],
                weight[:, kept],
                ids[kept],
                context_ids[kept],
            )
            reference = None if reference is None else reference[:, kept]
        noise = torch.randn(data.shape, generator=self.generator)
        sigma = training_sigmas(len(data), generator=self.generator)
        data, noise, sigma, text, features, weight = (
            t.to(self.device) for t in (data, noise, sigma, text, features, weight)
        )
        with torch.autocast(self.device.type, torch.bfloat16):
            velocity = self.model(
                hidden_states=interpolate(data, noise, sigma),
                encoder_hidden_states=text,
                timestep=sigma,
                img_ids=ids.to(self.device),
                txt_ids=text_ids(text.shape[1]).to(self.device),
                image_cond_hidden_states=None if reference is None else reference.to(self.device),
                image_cond_ids=None if reference is None else context_ids.to(self.device),
                return_dict=False,
            )[0]
            assert self._states is not None
            aligned = self.aligner(
                self._states[:, : data.shape[1]], (features - self.feature_mean) / self.feature_std
            )
        error = (velocity.float() - velocity_target(data, noise)).square().mean(-1)  # (B, tokens)
        return (error * weight).sum() / weight.sum(), aligned

    def generation_losses(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        rows = [self.rng.randrange(2 * self.pool.pairs) for _ in range(count)]
        scenes = [training_pair(row // 2)[2 * (row % 2)] for row in rows]
        data, features = self._read(rows)
        weight = torch.ones(count, GRID, GRID)
        for i, scene in enumerate(scenes):  # small things would drown in the mean
            if scene.left:
                weight[i, 2:, :2] = 2.5
            if scene.right:
                weight[i, 2:, -2:] = 2.5
        return self.losses(
            data,
            self.texts([prompt_for(self.rng, scene) for scene in scenes]),
            features,
            weight.flatten(1),
            None,
        )

    def edit_losses(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        pairs = [self.rng.randrange(self.pool.pairs) for _ in range(count)]
        prompts = []
        for index in pairs:
            source, change, _, _ = training_pair(index)
            prompts.append(instruction_for(self.rng, change, source))
        source, _ = self._read([2 * index for index in pairs])
        target, features = self._read([2 * index + 1 for index in pairs])
        changed = (target - source).abs().mean(-1) > 0.02
        weight = 1 + 3 * changed.float()
        # references arrive through the conv encoder, which is close to the exact codes but not equal
        reference = source + 0.04 * torch.randn(source.shape, generator=self.generator)
        return self.losses(target, self.texts(prompts), features, weight, reference)

    def _read(self, rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(self.pool.codes[rows].astype(np.float32)), torch.from_numpy(
            self.pool.features[rows].astype(np.float32)
        )


@torch.no_grad()
def text_scale(model: Qwen3VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast) -> torch.Tensor:
    """Factors (768,) that bring each stacked layer to unit RMS; folded into `context_embedder` when weights are saved.

    Without them the embeddings layer, which alone keeps every word's identity, is drowned by the deeper ones.
    """
    rng = random.Random("text scale")
    states = encode_text(
        model, tokenizer, [canonical_prompt(stated_attributes(training_scene(rng))) for _ in range(32)]
    )
    layers = states.unflatten(-1, (len(OUT_LAYERS), 256))
    return (1 / layers.square().mean((0, 1, 3)).sqrt())[:, None].expand(-1, 256).flatten()


def _optimizers(trainer: Trainer, learning_rate: float) -> list[torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024) for the matrices of the blocks, AdamW for everything else."""
    blocks = [p for name, p in trainer.model.named_parameters() if "blocks" in name and p.ndim == 2]
    chosen = {id(p) for p in blocks}
    rest = [p for p in [*trainer.model.parameters(), *trainer.aligner.parameters()] if id(p) not in chosen]
    return [
        torch.optim.Muon(
            blocks,
            lr=learning_rate,
            weight_decay=0.01,
            momentum=0.95,
            ns_steps=4,
            adjust_lr_fn="match_rms_adamw",
        ),
        torch.optim.AdamW(rest, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


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
    tokenizer, basis = load_tokenizer(folder), fit_basis(folder)
    pool = Pool(folder / "pool", pairs)
    pool.open()
    pool.fill(load_language_model(folder, tokenizer).to(training_device()), basis, rank, world)
    if world > 1:
        dist.barrier()
    trainer = Trainer(folder, pool, seed=rank)
    average = Average(trainer.model, build_transformer().to(trainer.device), 0.999)
    muon, adamw = _optimizers(trainer, learning_rate)
    run = TrainingRun(
        folder / ("flow" if rank == 0 else f"flow-rank{rank}"),
        {
            "model": trainer.model,
            "average": average,
            "aligner": trainer.aligner,
            "muon": muon,
            "adamw": adamw,
        },
        save_seconds=180,
    )
    trainer.rng = random.Random(f"flow {rank} from {run.step}")
    trainer.generator.manual_seed(1000 * run.step + rank)
    parameters = [*trainer.model.parameters(), *trainer.aligner.parameters()]
    recent: list[list[float]] = []
    for step in run.steps(steps):
        factor = warmup_cosine(step, steps, warmup=150)
        trainer.half_share = 0.7 if step < 0.65 * steps else 0.0
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
            means = np.mean(recent, axis=0)
            recent.clear()
            run.log(
                draw=round(means[0], 4),
                edit=round(means[1], 4),
                draw_align=round(means[2], 4),
                edit_align=round(means[3], 4),
                samples=(step + 1) * world * (generations + edits),
            )


def _average_gradients(parameters: list[torch.nn.Parameter], world: int) -> None:
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch._utils._flatten_dense_tensors(gradients)
    dist.all_reduce(flat)
    flat /= world
    for gradient, mean in zip(gradients, torch._utils._unflatten_dense_tensors(flat, gradients), strict=True):
        gradient.copy_(mean)


def init_processes(rank: int, world: int, port: int = 29511) -> None:
    """Join `world` local processes (loopback only)."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    dist.init_process_group("gloo", rank=rank, world_size=world)


# ---- sampling while training ---------------------------------------------------------------------------------------


class Sampler:
    """Batched sampling for quick looks and for the learning curve; people are served by the runtime's own loop."""

    def __init__(
        self,
        transformer: Flux3Transformer2DModel,
        language_model: Qwen3VLForConditionalGeneration,
        tokenizer: PreTrainedTokenizerFast,
        scale: torch.Tensor,
    ) -> None:
        self.transformer, self.language_model, self.tokenizer, self.scale = (
            transformer,
            language_model,
            tokenizer,
            scale,
        )

    @torch.no_grad()
    def sample(
        self,
        prompts: list[str],
        *,
        reference: torch.Tensor | None = None,
        steps: int = 8,
        guidance: float = 2.0,
        seed: int = 0,
        on_step: Callable[[int], None] | None = None,
    ) -> torch.Tensor:
        """Latents (B, 32, 16, 16) for prompts, or for instructions over reference latents of the same shape."""
        count = len(prompts)
        text = (
            encode_text(self.language_model, self.tokenizer, [*prompts, *[""] * count]).float() * self.scale
        )
        x = torch.randn(count, GRID * GRID, 4 * CHANNELS, generator=torch.Generator().manual_seed(seed))
        context = None if reference is None else pack(reference).repeat(2, 1, 1)
        sigmas = sigma_schedule(steps, shift=SHIFT)
        for i in range(steps):
            with torch.autocast("cpu", torch.bfloat16):
                velocity = self.transformer(
                    hidden_states=x.repeat(2, 1, 1), encoder_hidden_states=text, timestep=torch.full((2 * count,), sigmas[i]), img_ids=image_ids(), txt_ids=text_ids(text.shape[1]),
                    image_cond_hidden_states=context, image_cond_ids=None if context is None else image_ids(-1), return_dict=False,
                )[0].float()  # fmt: skip
            x = euler_step(x, guided_velocity(*velocity.chunk(2), guidance), sigmas[i], sigmas[i + 1])
            if on_step:
                on_step(i)
        return unpack(x)


def load_sampler(folder: Path) -> Sampler:
    tokenizer = load_tokenizer(folder)
    language_model = load_language_model(folder, tokenizer)
    transformer = build_transformer()
    saved = torch.load(folder / "flow" / "last.pt", weights_only=True, map_location="cpu")["average"]
    transformer.load_state_dict(
        {key.removeprefix("model."): value for key, value in saved.items() if key.startswith("model.")}
    )
    return Sampler(transformer.eval(), language_model, tokenizer, text_scale(language_model, tokenizer))
