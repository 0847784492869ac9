"""Twelve first prompts that a stranger would type, four seeds each, on one uncurated sheet.

python -m flux_runtime.pocket.first_prompts docs/images/first-prompts.png
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from flux_runtime.interface import GenerateRequest, PlanRequest
from flux_runtime.pocket.evaluation import TOOLS
from flux_runtime.runtime import LocalRuntime

PROMPTS = (
    "a robot",
    "a cat on mars",
    "the beach at night",
    "rabbit in the rain",
    "a dog playing guitar",
    "an astronaut",
    "a red flower on the left, a blue bird on the right",
    "一只猫",
    "下雪的森林",
    "机器人在看书",
    "城市夜景",
    "左边是红花，右边是蓝鸟",
)
SEEDS = 4
SIDE = 128  # pixels of a picture on the sheet


def sheet() -> Image.Image:
    """One row a prompt; a prompt that is not planned as a drawing stays grey."""
    result = Image.new("RGB", (SEEDS * SIDE, len(PROMPTS) * SIDE), "lightgrey")
    runtime = LocalRuntime("pocket")
    try:
        for row, prompt in enumerate(PROMPTS):
            calls = runtime.plan(PlanRequest(message=prompt, tools=TOOLS)).calls
            if [call.name for call in calls] != ["generate_image"]:
                continue
            wanted, able = str(calls[0].arguments["prompt"]), runtime.capabilities
            for seed in range(SEEDS):
                request = GenerateRequest(prompt=wanted, seed=seed, upsample=able.upsampler)
                drawn = runtime.generate(request).image.resize((SIDE, SIDE))
                result.paste(drawn, (seed * SIDE, row * SIDE))
    finally:
        runtime.close()
    return result


if __name__ == "__main__":
    sheet().quantize(256).save(Path(sys.argv[1]), optimize=True)
