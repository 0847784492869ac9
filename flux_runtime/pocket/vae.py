"""Pocket's VAE: an analytic latent (PCA of 16 px cells) that conv networks are then taught to read and write.

Fitting the basis takes seconds, so the flow can train on exact codes while the decoder (codes -> pixels) and
the encoder (pixels -> codes) of the unmodified `AutoencoderKLFlux2` are trained as two independent
regressions.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl_flux2 import AutoencoderKLFlux2

from flux_runtime.pocket.progress import M, TrainingRun, averaged_weights, training_device
from flux_runtime.pocket.splits import training_scene
from flux_runtime.pocket.world import Layout, Scene, draw_array, random_layout

CELL = 16  # pixels a latent cell, the stride of the five-level VAE
CHANNELS = 32  # latent channels a cell; 2 x 2 cells make one token of 128


def build_vae() -> AutoencoderKLFlux2:
    """The unmodified class with five small levels, untrained."""
    return AutoencoderKLFlux2(
        block_out_channels=(16, 32, 64, 96, 128),
        decoder_block_out_channels=(16, 32, 64, 128, 160),
        down_block_types=("DownEncoderBlock2D",) * 5,
        up_block_types=("UpDecoderBlock2D",) * 5,
        layers_per_block=1,
        latent_channels=CHANNELS,
        norm_num_groups=8,
        sample_size=256,
    )


class LatentBasis(torch.nn.Module):
    """Linear codes of 16 px cells: (B, 3, H, W) pixels in [-1, 1] <-> (B, 32, H/16, W/16).

    Principal components scaled by the square root of their standard deviation, so that the strong ones stay
    stronger without drowning the rest; then by one factor that makes the mean variance 1.
    """

    mean: torch.Tensor
    encode_weight: torch.Tensor
    decode_weight: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3 * CELL * CELL))
        self.register_buffer("encode_weight", torch.zeros(CHANNELS, 3 * CELL * CELL))
        self.register_buffer("decode_weight", torch.zeros(3 * CELL * CELL, CHANNELS))

    def fit(self, images: torch.Tensor) -> None:
        """Take the basis from the cells of images (B, 3, H, W)."""
        cells = F.unfold(images, CELL, stride=CELL).transpose(1, 2).flatten(0, 1)  # (cells, 768)
        self.mean.copy_(cells.mean(0))
        centred = cells - self.mean
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
        values, vectors = values.flip(0)[:CHANNELS], vectors.flip(1)[:, :CHANNELS]
        scale = values.sqrt().sqrt()  # code = component / std ** 0.5, of variance std
        scale = scale * (values / scale**2).mean().sqrt()
        self.encode_weight.copy_(vectors.T / scale[:, None])
        self.decode_weight.copy_(vectors * scale)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Codes of images."""
        height, width = images.shape[-2] // CELL, images.shape[-1] // CELL
        cells = F.unfold(images, CELL, stride=CELL).transpose(1, 2) - self.mean
        return (cells @ self.encode_weight.T).transpose(1, 2).unflatten(2, (height, width))

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Images of codes, as well as a linear map can."""
        height, width = codes.shape[-2] * CELL, codes.shape[-1] * CELL
        cells = codes.flatten(2).transpose(1, 2) @ self.decode_weight.T + self.mean
        return F.fold(cells.transpose(1, 2), (height, width), CELL, stride=CELL)


def rendered(drawings: Iterable[tuple[Scene, Layout]]) -> torch.Tensor:
    """Drawings as a batch of pictures, (B, 3, 256, 256) in [-1, 1]."""
    pixels = np.stack([draw_array(scene, layout) for scene, layout in drawings])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).mul(2).sub(1).contiguous()


def _training_images(rng: random.Random, count: int) -> torch.Tensor:
    """Freshly drawn scenes, (count, 3, 256, 256) in [-1, 1]."""
    return rendered((training_scene(rng), random_layout(rng)) for _ in range(count))


def _crops(images: torch.Tensor, rng: random.Random, size: int) -> torch.Tensor:
    """A random square of each image, its corner on the grid of latent cells."""
    last = (images.shape[-1] - size) // CELL
    corners = [(rng.randint(0, last) * CELL, rng.randint(0, last) * CELL) for _ in images]
    return torch.stack(
        [image[:, y : y + size, x : x + size] for image, (y, x) in zip(images, corners, strict=True)]
    )


def fit_basis(folder: Path, images: int = 800) -> LatentBasis:
    """The basis of the run, fitted once and kept in `<folder>/basis.pt`."""
    basis, path = LatentBasis(), folder / "basis.pt"
    if path.exists():
        basis.load_state_dict(torch.load(path, weights_only=True))
    else:
        folder.mkdir(parents=True, exist_ok=True)
        basis.fit(_training_images(random.Random("latent basis"), images))
        torch.save(basis.state_dict(), path)
    return basis


def psnr(ours: torch.Tensor, target: torch.Tensor) -> float:
    """Peak signal-to-noise ratio in dB of pixels in [-1, 1], clamped, over all given images."""
    return float(10 * torch.log10(4 / F.mse_loss(ours.clamp(-1, 1), target)))


class _Decoder(torch.nn.Module):
    def __init__(self, vae: AutoencoderKLFlux2) -> None:
        super().__init__()
        assert vae.post_quant_conv is not None
        self.post_quant_conv, self.decoder = vae.post_quant_conv, vae.decoder

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.post_quant_conv(codes))


class _Encoder(torch.nn.Module):
    def __init__(self, vae: AutoencoderKLFlux2) -> None:
        super().__init__()
        assert vae.quant_conv is not None
        self.quant_conv, self.encoder = vae.quant_conv, vae.encoder

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.quant_conv(self.encoder(images)).chunk(2, dim=1)[0]  # the mean, what `mode()` returns


def _for_training(half: M) -> M:
    """The half of the VAE on the training device, in the memory layout in which convolutions are fastest."""
    half.to(training_device(), memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return half


def _channels_last(images: torch.Tensor) -> torch.Tensor:
    return images.contiguous(memory_format=torch.channels_last)


def _training_run(folder: Path, half: torch.nn.Module, steps: int, learning_rate: float) -> TrainingRun:
    optimizer = torch.optim.AdamW(half.parameters(), learning_rate, betas=(0.9, 0.98), weight_decay=1e-4)
    return TrainingRun(folder, half, [optimizer], steps, averaged=half)


def train_decoder(folder: Path, steps: int, batch: int = 8, learning_rate: float = 2e-3) -> None:
    """Teach the decoder to turn codes, a little noised as the flow's will be, into pixels.

    128 px crops first (four times the steps for the same work), whole pictures for the last sixth.
    """
    device = training_device()
    basis = fit_basis(folder).to(device)
    torch.manual_seed(0)
    run = _training_run(folder / "vae-decoder", _for_training(_Decoder(build_vae())), steps, learning_rate)
    test = _training_images(random.Random("decoder test"), 24).to(device)
    for step in run.steps():
        if step < steps * 5 // 6:
            images = _crops(_training_images(run.rng, batch), run.rng, 128)
        else:
            images = _training_images(run.rng, max(1, batch // 4))
        images = images.to(device)
        codes = basis.encode(images)
        codes = codes + torch.rand(len(codes), 1, 1, 1, device=device) * 0.12 * torch.randn_like(codes)
        with torch.autocast(device.type, torch.bfloat16):
            output = run.module(_channels_last(codes))
        difference = output.float() - images
        loss = difference.square().mean() + 0.05 * difference.abs().mean()
        run.descend(loss)
        if step % 100 == 99:
            with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
                decoded = run.average(_channels_last(basis.encode(test))).float()
            run.log(
                loss=round(loss.item(), 5),
                psnr=round(psnr(decoded, test), 2),
                linear=round(psnr(basis.decode(basis.encode(test)), test), 2),
            )


def train_encoder(folder: Path, steps: int, batch: int = 16, learning_rate: float = 2e-3) -> None:
    """Teach the encoder to read the codes off the pixels."""
    device = training_device()
    basis = fit_basis(folder).to(device)
    torch.manual_seed(1)
    run = _training_run(folder / "vae-encoder", _for_training(_Encoder(build_vae())), steps, learning_rate)
    test = _training_images(random.Random("encoder test"), 24).to(device)
    for step in run.steps():
        images = _training_images(run.rng, batch).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            output = run.module(_channels_last(images))
        loss = F.mse_loss(output.float(), basis.encode(images))
        run.descend(loss)
        if step % 100 == 99:
            with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
                codes = run.average(_channels_last(test)).float()
            run.log(
                loss=round(loss.item(), 5),
                code_mse=round(float(F.mse_loss(codes, basis.encode(test))), 5),
                linear_psnr=round(psnr(basis.decode(codes), test), 2),
            )


def assemble_vae(folder: Path) -> AutoencoderKLFlux2:
    """The trained halves in one model.

    Codes come normalised, so the batch norm on packed latents keeps its mean of 0 and variance of 1.
    """
    vae = build_vae()
    for name, half in (("vae-decoder", _Decoder(vae)), ("vae-encoder", _Encoder(vae))):
        half.load_state_dict(averaged_weights(folder / name))
    return vae.eval()
