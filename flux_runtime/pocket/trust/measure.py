"""How far the third course is: plans, whole scenes, and from which probability on a plan can be trusted.

The language model only, without the assistant around it: what a person gets is measured by `evaluate`.

    python -m flux_runtime.pocket.trust.measure runs/pocket/trust/last.pt
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import PreTrainedTokenizerFast, Qwen3VLForConditionalGeneration

from flux_runtime.interface import PlanRequest, PlanResult, ToolCall
from flux_runtime.pocket.evaluation import TOOLS
from flux_runtime.pocket.language import canonical_prompt
from flux_runtime.pocket.plan_labels import labelled_messages, plan_is_right
from flux_runtime.pocket.planning import state_line
from flux_runtime.pocket.trust.course import shipped_language_model
from flux_runtime.pocket.trust.lessons import WHOLE_SCENE
from flux_runtime.pocket.vocabulary import LANGUAGES
from flux_runtime.pocket.world import ATTRIBUTES, COLORS, KINDS, SIDES, Thing
from flux_runtime.runtime import LocalRuntime

_HELD_OUT = Path(__file__).parent.parent / "held_out"


class Reader:
    """Greedy decoding of one message after another, in float32 on the CPU."""

    def __init__(self, model: Qwen3VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast) -> None:
        self.model, self.tokenizer = model.eval(), tokenizer
        self._end = tokenizer.get_vocab()["<|im_end|>"]

    @torch.inference_mode()
    def says(self, system: str, message: str, *, seed: int | None = None, limit: int = 160) -> str:
        """The model's turn after a state line and a message; sampled if there is a seed."""
        messages = [{"role": "system", "content": system}, {"role": "user", "content": message}]
        chat = str(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
        ids = torch.tensor([self.tokenizer(chat).input_ids])
        if seed is not None:
            torch.manual_seed(seed)
        out = self.model.generate(  # pyright: ignore[reportAttributeAccessIssue]
            input_ids=ids,
            max_new_tokens=limit,
            do_sample=seed is not None,
            eos_token_id=self._end,
            pad_token_id=0,
        )
        return str(self.tokenizer.decode(out[0, ids.shape[1] :])).removesuffix("<|im_end|>").lower()


def read_calls(raw: str) -> PlanResult:
    """The calls in what the model said, or its words."""
    calls = []
    for part in raw.split("<tool_call>")[1:]:
        try:
            body = json.loads(part.split("</tool_call>")[0])
            calls.append(ToolCall(name=body["name"], arguments=body["arguments"]))
        except (ValueError, KeyError, TypeError):
            return PlanResult(calls=(), text="", raw=raw, seconds=0)
    return PlanResult(calls=tuple(calls), text="" if calls else raw.strip(), raw=raw, seconds=0)


def plans(reader: Reader) -> dict[str, float]:
    """Share of the held-out planning messages that are planned right, by language."""
    found = {}
    for language in LANGUAGES:
        rows = labelled_messages(language)
        right = [
            plan_is_right(row, read_calls(reader.says(state_line(row["images"]), row["say"])), language)
            for row in rows
        ]
        found[language] = round(sum(right) / len(right), 3)
    return found


def whole_scenes(reader: Reader, seeds: int = 1) -> dict[str, float]:
    """Share of the everyday prompts whose completion is canonical and keeps all that they state."""
    sets = yaml.safe_load((_HELD_OUT / "everyday.yaml").read_text("utf-8"))
    kept, whole, different = [], [], set[str]()
    for row in sets["en"]:
        stated = {key: _thing(value) if key in SIDES else value for key, value in row["scene"].items()}
        prompt = canonical_prompt(stated)
        for seed in range(seeds):
            said = reader.says(WHOLE_SCENE, prompt, seed=seed)
            scene = parse(said)
            different.add(said)
            whole.append(scene is not None)
            kept.append(
                scene is not None and all(scene.get(key, "none") == value for key, value in stated.items())
            )
    return {"whole": _mean(whole), "kept": _mean(kept), "different": len(different) / len(whole)}


def parse(prompt: str) -> dict[str, Any] | None:
    """The whole scene of a canonical prompt; None if it is none."""
    head, *rest = prompt.strip().split(", ")
    things = {}
    for part in rest[1:]:
        words = part.split()
        if len(words) != 6 or words[1] not in COLORS or words[2] not in KINDS or words[5] not in SIDES:
            return None
        things[words[5]] = Thing(words[2], words[1])
    for character in ATTRIBUTES["character"]:
        for outfit in ("none", "space suit"):
            for action in ATTRIBUTES["action"]:
                for setting in ATTRIBUTES["setting"]:
                    stated = {"character": character, "action": action, "setting": setting}
                    if outfit != "none":
                        stated["outfit"] = outfit
                    wanted = canonical_prompt(stated)
                    known = rest and rest[0] in ATTRIBUTES["weather"]
                    if known and head in (wanted, canonical_prompt({**stated, "outfit": outfit})):
                        return {**stated, "weather": rest[0], **things}
    return None


def sureness(model: str = "pocket") -> list[dict[str, float]]:
    """For thresholds of a plan's probability, what each does on the messages of `held_out/dev.yaml`.

    Of the plans that act, `done` is the share above the threshold, `right` that of those which are right;
    `right_asked` and `wrong_asked` count plans below it, which would only be offered.
    """
    sets = yaml.safe_load((_HELD_OUT / "dev.yaml").read_text("utf-8"))
    acting: list[tuple[float, bool]] = []
    runtime = LocalRuntime(model)
    try:
        for language in LANGUAGES:
            for row in sets[language]:
                numbers = tuple(range(1, row["images"] + 1))
                said = runtime.plan(PlanRequest(message=row["say"], images=numbers, tools=TOOLS))
                if said.calls and said.calls[0].name != "clarify":
                    right = row["tool"] != "chat" and plan_is_right(row, said, language)
                    acting.append((said.probability or 0.0, right))
    finally:
        runtime.close()
    rows = []
    for threshold in (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        done = [right for probability, right in acting if probability >= threshold]
        asked = [right for probability, right in acting if probability < threshold]
        shares = {"done": round(len(done) / len(acting), 3), "right": _mean(done)}
        counts = {"right_asked": sum(asked), "wrong_asked": len(asked) - sum(asked)}
        rows.append({"from": threshold, **shares, **counts})
    return rows


def _thing(text: str) -> Thing:
    color, kind = text.split()
    return Thing(kind, color)


def _mean(hits: list[bool]) -> float:
    return round(sum(hits) / max(1, len(hits)), 3)


if __name__ == "__main__":
    language_model, words = shipped_language_model()
    if len(sys.argv) > 1:
        trained = torch.load(sys.argv[1], weights_only=True)["average"]
        language_model.load_state_dict(trained, strict=False)
    measured = Reader(language_model, words)
    print("plans", plans(measured), flush=True)
    print("whole scenes", whole_scenes(measured), flush=True)
    for row in sureness():
        print("sure from", row, flush=True)
