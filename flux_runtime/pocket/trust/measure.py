"""How far the third course is: plans, turns on which trust is lost, and whole scenes.

Planner and answerer only, without the assistant around them: what a person gets is measured by `evaluate`.

    python -m flux_runtime.pocket.trust.measure runs/pocket/trust/last.pt
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
import yaml
from PIL import Image
from transformers import PreTrainedTokenizerFast, Qwen3VLForConditionalGeneration

from flux_runtime.interface import PlanResult, ToolCall
from flux_runtime.pocket.changes import Change
from flux_runtime.pocket.instructions import canonical_instruction
from flux_runtime.pocket.judge import image_batch
from flux_runtime.pocket.language import canonical_prompt
from flux_runtime.pocket.language_model import see
from flux_runtime.pocket.lessons import QuestionPacker
from flux_runtime.pocket.plan_labels import labelled_messages, plan_is_right
from flux_runtime.pocket.planning import state_line
from flux_runtime.pocket.trust.course import shipped_language_model
from flux_runtime.pocket.trust.lessons import WHOLE_SCENE
from flux_runtime.pocket.vocabulary import LANGUAGES
from flux_runtime.pocket.world import ATTRIBUTES, COLORS, KINDS, SIDES, Scene, Thing, draw

_HELD_OUT = Path(__file__).parent.parent / "held_out"
_NAMES = {"generate_image": "generate", "edit_image": "edit", "answer_question": "ask"}


class Reader:
    """Greedy decoding of one message after another, in float32 on the CPU."""

    def __init__(self, model: Qwen3VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast) -> None:
        self.model, self.tokenizer = model.eval(), tokenizer
        self._packer = QuestionPacker(tokenizer)
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

    @torch.inference_mode()
    def answers(self, picture: Image.Image, question: str, limit: int = 48) -> str:
        """The model's answer about a picture."""
        packed = self._packer.pack([[(question, "")]])
        ids = packed.ids[:, :-1]  # without the answer's own end
        embeds = self.model.model.language_model.embed_tokens(ids)
        embeds[:, self._packer.image_at] = see(self.model, image_batch([picture]))
        said: list[int] = []
        positions = packed.positions[:, :, : ids.shape[1]]
        while len(said) < limit:
            hidden = self.model.model.language_model(
                inputs_embeds=embeds, position_ids=positions
            ).last_hidden_state
            token = int(self.model.lm_head(hidden[:, -1]).argmax())
            if token == self._end:
                break
            said.append(token)
            embeds = torch.cat(
                [embeds, self.model.model.language_model.embed_tokens(torch.tensor([[token]]))], 1
            )
            positions = torch.cat([positions, positions[:, :, -1:] + 1], 2)
        return str(self.tokenizer.decode(said))


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


def trust(reader: Reader, *, show: bool = False) -> dict[str, float]:
    """Share of turns that are planned as they should be, by kind."""
    sets = yaml.safe_load((_HELD_OUT / "trust.yaml").read_text("utf-8"))
    by_kind = defaultdict(list)
    for language in LANGUAGES:
        for row in sets[language]:
            names = row.get("pictures", [])
            result = read_calls(reader.says(state_line(len(names)), row["say"]))
            right = turn_is_right(row, result, [sets["pictures"][name] for name in names], reader)
            by_kind[row["kind"]].append(right)
            if show and not right:
                print("   ", row["kind"], row["say"], "=>", result.raw[:160].replace("\n", " "), flush=True)
    everything = [hit for hits in by_kind.values() for hit in hits]
    return {**{kind: _mean(hits) for kind, hits in by_kind.items()}, "all": _mean(everything)}


def turn_is_right(
    row: dict[str, Any], result: PlanResult, pictures: list[dict[str, Any]], reader: Reader
) -> bool:
    """Whether a plan does what its row says; an answer is asked of the drawn picture."""
    calls = [(_NAMES.get(call.name, call.name), call.arguments) for call in result.calls]
    tool = "plan" if len(calls) > 1 else calls[0][0] if calls else "chat" if result.text else "clarify"
    if tool not in row["tool"]:
        return False
    if tool == "plan" and [name for name, _ in calls] != row["tools"]:
        return False
    for name, arguments in calls:
        if name == "generate" and "scene" in row and not _draws(row["scene"], arguments):
            return tool == "plan" and row["tools"].count("generate") > 1
    edits = [arguments.get("instruction") for name, arguments in calls if name == "edit"]
    if edits and "change" in row and edits[0] not in _instructions(row["change"]):
        return False
    if (
        tool in ("edit", "ask")
        and "source" in row
        and _source(calls[0][1].get("image", ""), pictures) != row["source"]
    ):
        return False
    if tool == "ask" and "answer" in row and "source" in row:
        picture = draw(_scene(pictures[row["source"] - 1]))
        said = reader.answers(picture, row["say"]).lower()
        return any(str(word) in said for word in row["answer"])
    return True


def _draws(scene: dict[str, Any], arguments: dict[str, Any]) -> bool:
    stated = {key: _thing(value) if key in SIDES else value for key, value in scene.items()}
    without = {key: value for key, value in stated.items() if (key, value) != ("outfit", "none")}
    return arguments.get("prompt") in (canonical_prompt(stated), canonical_prompt(without))


def _instructions(change: dict[str, Any]) -> set[str]:
    if "recolor" in change:
        return {canonical_instruction(Change("recolor", change["color"], change["recolor"]))}
    ((key, values),) = change.items()
    values = values if isinstance(values, list) else [values]
    return {canonical_instruction(Change(key, value)) for value in values}


def _source(named: str, pictures: list[dict[str, Any]]) -> int | None:
    """The number of the picture that an image argument means."""
    if named in ("last", "attached", ""):
        return len(pictures)
    if named.startswith("#"):
        return int(named[1:]) if named[1:].isdigit() else None
    chinese = {"机器人": "robot", "猫": "cat", "狗": "dog", "兔": "rabbit", "火星": "mars", "森林": "forest"}
    words = named + " ".join(english for word, english in chinese.items() if word in named)
    scores = [sum(str(value).split()[-1] in words for value in picture.values()) for picture in pictures]
    best = max(scores, default=0)
    return scores.index(best) + 1 if best and scores.count(best) == 1 else None


def _scene(stated: dict[str, Any]) -> Scene:
    things = {side: _thing(stated[side]) for side in SIDES if side in stated}
    attributes = {key: value for key, value in stated.items() if key not in SIDES}
    return Scene(**attributes, left=things.get("left"), right=things.get("right"))


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
    print("trust", trust(measured, show=True), flush=True)
