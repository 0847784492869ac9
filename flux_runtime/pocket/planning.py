"""Planning examples: what a person types, and the tool call that it should lead to. Training only.

The planner sees the message and the numbers of the pictures that exist. It rewrites drawing wishes into the
canonical English that the flow transformer knows best, and keeps questions in the person's language.
"""

from __future__ import annotations

import json
import random
import string
from dataclasses import dataclass

from flux_runtime.pocket.changes import random_change
from flux_runtime.pocket.instructions import canonical_instruction, instruction
from flux_runtime.pocket.language import canonical_prompt, caption
from flux_runtime.pocket.questions import ask, canonical_question, random_question
from flux_runtime.pocket.splits import training_scene
from flux_runtime.pocket.vocabulary import LANGUAGES, Language, plain, ways, wordings
from flux_runtime.pocket.world import ATTRIBUTES, Scene, Thing

PLANNER_TEMPLATE = (
    "images:{% for image in images %} #{{ image.number }}{% else %} none{% endfor %}"
    "{% if attached %} attached:{% for number in attached %} #{{ number }}{% endfor %}{% endif %}"
)
"""`state_line` as the runtime renders it."""

_PHRASES = wordings("planning")


@dataclass(frozen=True)
class PlanExample:
    """`system` is the state line, `message` the person's words, `target` the model's whole turn."""

    system: str
    message: str
    target: str


def state_line(images: int, attached: tuple[int, ...] = ()) -> str:
    """What the planner is told of the conversation: `images: none`, `images: #1 #2 attached: #2`."""
    line = "images: " + (" ".join(f"#{n}" for n in range(1, images + 1)) or "none")
    return f"{line} attached: {' '.join(f'#{n}' for n in attached)}" if attached else line


def tool_call(name: str, **arguments: str) -> str:
    """One call in Qwen's format."""
    body = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{body}\n</tool_call>"


def partial(rng: random.Random, scene: Scene) -> dict[str, str | Thing]:
    """A random part of what can be stated of a scene: from one attribute to all."""
    keys = [key for key in ATTRIBUTES if key != "outfit"]
    chosen = set(rng.sample(keys, rng.choice((1, 2, 2, 3, 3, 4, 4, 4))))
    if rng.random() < 0.8:
        chosen.add("character")
    if "character" in chosen and rng.random() < (0.7 if scene.outfit == "space suit" else 0.04):
        chosen.add("outfit")
    stated: dict[str, str | Thing] = {key: getattr(scene, key) for key in ATTRIBUTES if key in chosen}
    if "character" in chosen:
        stated.update({side: thing for side, thing in scene.things.items() if rng.random() < 0.8})
    return stated


def plan_example(rng: random.Random, language: Language | None = None, *, slips: bool = True) -> PlanExample:
    """One random message with its target; with `slips`, at times with one of the keyboard."""
    language = language or rng.choice(LANGUAGES)
    scene = training_scene(rng)
    images = rng.choice((0, 1, 1, 2, 3, 4, rng.randint(5, 24)))
    attached: tuple[int, ...] = (images,) if images and rng.random() < 0.08 else ()
    kinds = ("generate", "edit", "ask", "undo", "chat", "clarify")
    kind = rng.choices(kinds, weights=(34, 28, 18, 5, 9, 9))[0]
    if kind in ("edit", "ask") and not images:
        kind = "generate"
    phrases = _PHRASES[language]
    match kind:
        case "generate":
            stated = partial(rng, scene)
            wish = rng.choice(phrases["draw_another" if images and rng.random() < 0.4 else "draw"])
            text = wish.format(what=caption(rng, stated, language))
            target = tool_call("generate_image", prompt=canonical_prompt(stated))
        case "edit":
            change = random_change(rng, scene)
            reference, said = _reference(rng, images, language)
            text = instruction(rng, change, language, scene if rng.random() < 0.6 else None)
            text = _placed(rng, text, said, language, asking=False)
            if rng.random() < 0.05 and language == "en":
                text = f"edit the image: {text}"
            image = "attached" if said is None and attached else reference
            target = tool_call("edit_image", image=image, instruction=canonical_instruction(change))
        case "ask":
            question = random_question(rng, scene)
            reference, said = _reference(rng, images, language)
            text = _placed(rng, ask(rng, question, language, scene), said, language, asking=True)
            image = "attached" if said is None and attached else reference
            asked = canonical_question(question, language)
            target = tool_call("answer_question", image=image, question=asked)
        case "undo":
            text, target = rng.choice(phrases["undo"]), tool_call("undo")
        case "chat":
            topic = rng.choice(phrases["chat"])
            text, target = rng.choice(topic["says"]), topic["reply"]
        case _:
            text, about = _unclear(rng, scene, images, language)
            target = tool_call("clarify", about=about)
    return PlanExample(state_line(images, attached), _decorated(rng, text, language, slips=slips), target)


def _reference(rng: random.Random, images: int, language: Language) -> tuple[str, str | None]:
    """(the tool's image argument, how the person says it or None when left unsaid)."""
    phrases = _PHRASES[language]
    if rng.random() < 0.65:
        return "last", None if rng.random() < 0.7 else rng.choice(phrases["last"])
    n = rng.randint(1, images if rng.random() < 0.9 else images + 6)  # at times one that does not exist
    by_number = 0.5 if language == "en" else 0.4
    if rng.random() < by_number or n > len(phrases["ordinals"]):
        return f"#{n}", rng.choice(phrases["numbered"]).format(n=n)
    return f"#{n}", rng.choice(phrases["counted"]).format(nth=phrases["ordinals"][n - 1])


def _placed(rng: random.Random, text: str, said: str | None, language: Language, *, asking: bool) -> str:
    """The text with the picture named in it; as it is where the person leaves that unsaid."""
    if said is None:
        return text
    kind = "ask" if asking else "edit"
    if language == "zh":
        if not asking and text.startswith(("把", "让", "给", "在")):
            kind = "edit_by_verb"
        return rng.choice(ways(_PHRASES["zh"]["placed"], kind)).format(said=said, text=text)
    text = rng.choice(ways(_PHRASES["en"]["placed"], kind)).format(said=said, text=text.removesuffix("?"))
    return text + "?" if asking and rng.random() < 0.7 else text


def _decorated(rng: random.Random, text: str, language: Language, *, slips: bool) -> str:
    """The text as people type it: polite words around it, a full stop or none, a slip of the keyboard."""
    phrases = _PHRASES[language]
    if rng.random() < 0.25:
        text = rng.choice(phrases["lead"]) + text
    if language == "en":
        if rng.random() < 0.15:
            text = text.rstrip("?.") + rng.choice((" ", ", ")) + rng.choice(phrases["polite"])
        if rng.random() < 0.08 and slips:
            text = _typo(rng, text)
    elif rng.random() < 0.2 and not text.endswith(("？", "?")):
        text += rng.choice(phrases["polite"])
    if text.endswith(("？", "?", "。", ".")):
        return text
    return text + rng.choice(("", "", "", ".", "!") if language == "en" else ("", "", "", "。", "！"))


def _typo(rng: random.Random, text: str) -> str:
    """One slip of the keyboard in a longer Latin word."""
    words = text.split(" ")
    long = [i for i, word in enumerate(words) if len(word) > 4 and word.isascii() and word.isalpha()]
    if not long:
        return text
    i = rng.choice(long)
    word, at = words[i], rng.randrange(1, len(words[i]) - 1)
    left_out = word[:at] + word[at + 1 :]
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    doubled = word[:at] + word[at] + word[at:]
    words[i] = rng.choice((left_out, swapped, doubled))
    return " ".join(words)


def _unclear(rng: random.Random, scene: Scene, images: int, language: Language) -> tuple[str, str]:
    """A message that cannot be followed, and why: it is `unclear`, or about something `unknown`."""
    phrases, kind = _PHRASES[language], rng.random()
    if kind < 0.15:
        return rng.choice(phrases["vague"]), "unclear"
    if kind < 0.22:
        return _babble(rng, language), "unclear"
    thing = rng.choice(phrases["unknown"])
    if language == "en" and rng.random() < 0.25:
        thing = _nonsense_word(rng)
    words = {"thing": thing, "character": plain(scene.character, language)}
    if images and kind < 0.45:  # an edit with something from outside the world
        return rng.choice(phrases["unknown_edit"]).format(**words), "unknown"
    what, where = rng.choice(phrases["unknown_subject"]).format(**words), _surroundings(rng, scene, language)
    if language == "en":
        what = f"{what} {where}".strip()
    elif where and rng.random() < 0.7:
        what += f"在{where}"
    return rng.choice(phrases["draw"]).format(what=what), "unknown"


def _surroundings(rng: random.Random, scene: Scene, language: Language) -> str:
    """Some of where and in what weather the scene is, at times nothing."""
    stated = partial(rng, scene)
    if not stated.keys() & {"action", "setting", "weather"}:
        return ""
    kept = {key: stated[key] for key in ("setting", "weather") if key in stated and rng.random() < 0.6}
    return caption(rng, kept, language)


def _babble(rng: random.Random, language: Language) -> str:
    if language == "zh":
        return "".join(rng.choice("啦噜咕嘟哒叽呱嘻嘿呀哇嗒咚") for _ in range(rng.randint(3, 8)))
    return " ".join(_nonsense_word(rng) for _ in range(rng.randint(1, 4)))


def _nonsense_word(rng: random.Random) -> str:
    return "".join(rng.choice(string.ascii_lowercase) for _ in range(rng.randint(3, 8)))
