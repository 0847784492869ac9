"""`make pocket`: pocket from nothing, in one resumable command or stage by stage.

    python -m flux_runtime.pocket.recipe                # everything; says how long each row of stages took
    python -m flux_runtime.pocket.recipe flow assemble  # only these stages, from the others' checkpoints

Stages keep their checkpoints in `runs/pocket/` (ignored by git); Ctrl-C and start again to go on. The
configuration is written beside the weights.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

WEIGHTS = Path(__file__).parent / "weights"
# Stages of one row do not need each other and share the cores.
ROWS = (("decoder", "language"), ("encoder", "judge"), ("answers",), ("flow",), ("assemble",), ("evaluate",))
STAGES = tuple(stage for row in ROWS for stage in row)


@dataclass(frozen=True)
class Recipe:
    """Optimiser steps a stage, and what a step holds."""

    decoder_steps: int = 2900
    decoder_batch: int = 8
    encoder_steps: int = 900
    encoder_batch: int = 8
    language_steps: int = 2500
    language_images: int = 12
    language_texts: int = 32
    answers_steps: int = 3720
    answers_images: int = 6
    answers_texts: int = 48
    judge_steps: int = 1000
    judge_batch: int = 32
    flow_steps: int = 2380
    flow_generations: int = 10
    flow_edits: int = 24
    flow_pairs: int = 20000
    flow_processes: int = 2


CPU = Recipe()
GPU = replace(
    CPU,
    decoder_batch=64,
    encoder_batch=64,
    language_images=128,
    language_texts=256,
    answers_images=128,
    answers_texts=256,
    judge_batch=256,
    flow_steps=8000,
    flow_generations=224,
    flow_edits=320,
    flow_pairs=100_000,
    flow_processes=1,
)


def run_stage(stage: str, folder: Path, recipe: Recipe, rank: int = 0) -> None:
    """One stage in this process."""
    match stage:
        case "decoder":
            from flux_runtime.pocket.vae import train_decoder

            train_decoder(folder, recipe.decoder_steps, recipe.decoder_batch)
        case "encoder":
            from flux_runtime.pocket.vae import train_encoder

            train_encoder(folder, recipe.encoder_steps, recipe.encoder_batch)
        case "language":
            from flux_runtime.pocket.language_model import train_language_model

            train_language_model(folder, recipe.language_steps, recipe.language_images, recipe.language_texts)
        case "answers":
            from flux_runtime.pocket.answers import train_answers

            train_answers(folder, recipe.answers_steps, recipe.answers_images, recipe.answers_texts)
        case "judge":
            from flux_runtime.pocket.judge import train_judge

            train_judge(folder, recipe.judge_steps, recipe.judge_batch)
        case "flow":
            from flux_runtime.pocket.flow import train_flow
            from flux_runtime.pocket.progress import join_processes

            if recipe.flow_processes > 1:
                join_processes(rank, recipe.flow_processes)
            train_flow(
                folder,
                recipe.flow_steps,
                generations=recipe.flow_generations,
                edits=recipe.flow_edits,
                pairs=recipe.flow_pairs,
            )
        case "assemble":
            from flux_runtime.pocket.assemble import assemble

            assemble(folder, WEIGHTS)
            (WEIGHTS / "recipe.json").write_text(json.dumps(asdict(recipe), indent=2) + "\n")
        case "evaluate":
            from flux_runtime.pocket.evaluation import evaluate

            report = evaluate("pocket", sheets=folder / "sheets")
            (WEIGHTS / "evaluation.json").write_text(json.dumps(report, indent=2) + "\n")
            print(json.dumps(report, indent=2))


def run_row(stages: tuple[str, ...], folder: Path, recipe: Recipe) -> None:
    """Stages side by side, each a process; the flow as many processes as the recipe says.

    Raises SystemExit where a stage failed; its own message is above.
    """
    count = {stage: recipe.flow_processes if stage == "flow" else 1 for stage in stages}
    jobs = [(stage, rank) for stage in stages for rank in range(count[stage])]
    threads = max(1, (os.cpu_count() or 1) // len(jobs))
    command = [sys.executable, "-m", __spec__.name, "--alone", "--folder", str(folder)]
    running = [
        subprocess.Popen(
            [*command, "--rank", str(rank), stage], env={**os.environ, "OMP_NUM_THREADS": str(threads)}
        )
        for stage, rank in jobs
    ]
    try:
        failed = [job for job, process in zip(jobs, running, strict=True) if process.wait()]
    except KeyboardInterrupt:
        for process in running:
            process.wait()
        raise SystemExit("Stopped; checkpoints are kept. Start again to go on.") from None
    if failed:
        raise SystemExit(f"The stage {failed[0][0]!r} failed; its message is above.")


def main() -> None:
    """Run the named stages, or all of them, one row after the other."""
    parser = argparse.ArgumentParser(description="Train pocket from nothing; resumable.")
    parser.add_argument(
        "stages", nargs="*", metavar="STAGE", help=f"which of {', '.join(STAGES)}; all of them when left out"
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("runs/pocket"), help="where checkpoints and logs go"
    )
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--rank", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    unknown = [stage for stage in given.stages if stage not in STAGES]
    if unknown:
        parser.error(f"there is no stage {unknown[0]!r}; stages are {', '.join(STAGES)}")
    recipe = GPU if torch.cuda.is_available() else CPU
    if given.alone:
        for number in (signal.SIGINT, signal.SIGTERM):  # both let the stage save and stop
            signal.signal(number, signal.default_int_handler)
        run_stage(given.stages[0], given.folder, recipe, given.rank)
        return
    given.folder.mkdir(parents=True, exist_ok=True)
    from flux_runtime.pocket.tokenizer import load_tokenizer
    from flux_runtime.pocket.vae import fit_basis

    fit_basis(given.folder)  # what several stages share is made before they start side by side
    load_tokenizer(given.folder)
    wanted = set(given.stages or STAGES)
    for row in ROWS:
        stages = tuple(stage for stage in row if stage in wanted)
        if stages:
            began = time.perf_counter()
            print(f"== {' and '.join(stages)}", flush=True)
            run_row(stages, given.folder, recipe)
            print(f"== {' and '.join(stages)}: {(time.perf_counter() - began) / 60:.1f} minutes", flush=True)


if __name__ == "__main__":
    main()
