"""Lessons about what trips an assistant up: denial, several wishes, other talk, prompts that leave much open.

Texts only; questions about pictures are in pictures.py. The ways to say them are data in wordings.yaml. No
message of a held-out set is ever given out.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from typing import Any

from flux_runtime.pocket.changes import Change, apply_change, random_change
from flux_runtime.pocket.instructions import canonical_instruction, instruction
from flux_runtime.pocket.language import (
    article,
    canonical_prompt,
    caption,
    name,
    place,
    place_en,
    stated_attributes,
)
from flux_runtime.pocket.lessons import loosen
from flux_runtime.pocket.planning import PlanExample, partial, plan_example, tool_call
from flux_runtime.pocket.questions import Question, ask, canonical_question, random_question
from flux_runtime.pocket.splits import may_train_on, training_scene
from flux_runtime.pocket.trust.counting import COUNT_ASKED, count_words
from flux_runtime.pocket.trust.never_taught import is_held_out
from flux_runtime.pocket.trust.phrases import INSTRUCTION_WAYS, PLANNING, QUESTION_WAYS, TRUST
from flux_runtime.pocket.trust.tellings import told
from flux_runtime.pocket.vocabulary import LANGUAGES, Language, plain, ways, wordings
from flux_runtime.pocket.world import ATTRIBUTES, CHARACTERS, COLORS, KINDS, SIDES, Scene, Thing

Lesson = Callable[[random.Random, Language], PlanExample]

WHOLE_SCENE = "whole scene"
"""The state line under which a prompt that leaves things open is completed."""

_INSTRUCTIONS = wordings("instructions")


def trust_example(rng: random.Random) -> PlanExample:
    """One lesson of any kind, in either language; never near a held-out message."""
    return _fair(rng, LESSONS)


def told_example(rng: random.Random) -> PlanExample:
    """A plan of one step, or talk, in free words; never near a held-out message."""
    return _fair(rng, TOLD)


def conditioning_text(rng: random.Random) -> str:
    """What the flow transformer is given: a canonical prompt or instruction."""
    scene = training_scene(rng)
    if rng.random() < 0.4:
        return canonical_instruction(random_change(rng, scene))
    return canonical_prompt(stated_attributes(scene) if rng.random() < 0.7 else partial(rng, scene))


def _fair(rng: random.Random, lessons: Mapping[Lesson, float]) -> PlanExample:
    while True:
        language = rng.choice(LANGUAGES)
        example = rng.choices(list(lessons), weights=list(lessons.values()))[0](rng, language)
        message = _hasty(rng, example.message, language) if example.system != WHOLE_SCENE else example.message
        if not is_held_out(message):
            return PlanExample(example.system, loosen(rng, message), example.target)


def _hasty(rng: random.Random, message: str, language: Language) -> str:
    """At times without punctuation or articles, as people type on a phone."""
    if rng.random() < 0.2:
        message = re.sub(
            r"[,.;:，。；：、]\s*", " " if language == "en" else rng.choice(("", " ")), message
        ).strip()
    if language == "en" and rng.random() < 0.12:
        message = re.sub(r"\b(a|an|the) ", "", message)
    if language == "zh" and rng.random() < 0.12:
        message = re.sub("一(?=[只个条朵颗张幅])", "", message, count=1)
    return message or "?"


def whole_scene_example(rng: random.Random, language: Language) -> PlanExample:
    """A prompt that leaves things open, in canonical words or not, and a whole scene that keeps all it says.

    What is left open is drawn evenly, so that the model learns a distribution and the seed can choose;
    clothes that nobody mentioned are rare, as people mean it.
    """
    while True:
        scene = training_scene(rng)
        stated = partial(rng, scene)
        things = {side: thing for side, thing in stated.items() if isinstance(thing, Thing)}
        outfit = stated.get("outfit") or ("space suit" if rng.random() < 0.08 else "none")
        attributes = {key: str(outfit) if key == "outfit" else getattr(scene, key) for key in ATTRIBUTES}
        whole = Scene(**attributes, left=things.get("left"), right=things.get("right"))
        if may_train_on(whole):
            break
    full = {key: getattr(whole, key) for key in ATTRIBUTES if key != "outfit" or outfit != "none"} | things
    if stated.get("outfit") == "none":
        full["outfit"] = "none"
    asked = canonical_prompt(stated) if rng.random() < 0.6 else caption(rng, stated, language)
    return PlanExample(WHOLE_SCENE, asked, canonical_prompt(full))


def _instruction(rng: random.Random, change: Change, language: Language, scene: Scene | None = None) -> str:
    """One of all ways to ask for the edit."""
    return instruction(rng, change, language, scene, INSTRUCTION_WAYS[language][change.type])


def _ask(rng: random.Random, question: Question, language: Language, scene: Scene | None = None) -> str:
    """One of all ways to ask."""
    options = QUESTION_WAYS[language]["at_side" if question.about in SIDES else question.about]
    return ask(rng, question, language, scene, options)


# ---- plans of one step, in free words ----------------------------------------------------------------------


def told_drawing(rng: random.Random, language: Language) -> PlanExample:
    """A wish to draw, told freely."""
    text, stated = told(rng, language)
    call = tool_call("generate_image", prompt=canonical_prompt(stated))
    kind = rng.random()
    if kind < 0.06:
        text = rng.choice(PLANNING[language]["draw_another"]).format(what=text)
    elif kind < 0.1:
        text = rng.choice(PLANNING[language]["draw"]).format(what=text)
    return _planned(rng, language, text, call)


def plainly(rng: random.Random, language: Language) -> PlanExample:
    """One or two things in few words, as most first prompts are."""
    scene = training_scene(rng)
    keys = rng.sample(["character", "action", "setting", "weather"], rng.choice((1, 1, 2, 2, 3)))
    if rng.random() < 0.6:
        keys.append("character")
    stated: dict[str, str | Thing] = {key: getattr(scene, key) for key in ATTRIBUTES if key in keys}
    if "character" in stated and rng.random() < 0.2:
        stated["outfit"] = rng.choice(("space suit", "none"))
    stated = {key: stated[key] for key in ATTRIBUTES if key in stated}
    text = caption(rng, stated, language)
    if rng.random() < 0.5:
        text = rng.choice(PLANNING[language]["draw"]).format(what=text)
    return _planned(rng, language, text, tool_call("generate_image", prompt=canonical_prompt(stated)))


def told_edit(rng: random.Random, language: Language) -> PlanExample:
    """An edit in any of all ways, of the current picture or of one that is named."""
    scene = training_scene(rng)
    change = random_change(rng, scene)
    text = _instruction(rng, change, language, scene if rng.random() < 0.5 else None)
    wanted = {"instruction": canonical_instruction(change)}
    return _about_a_picture(rng, language, text, "edit_image", wanted)


def told_question(rng: random.Random, language: Language) -> PlanExample:
    """A question in any of all ways, about the current picture or one that is named."""
    scene = training_scene(rng)
    question = random_question(rng, scene)
    text = _ask(rng, question, language, scene)
    return _about_a_picture(
        rng, language, text, "answer_question", {"question": canonical_question(question, language)}
    )


def _about_a_picture(
    rng: random.Random, language: Language, text: str, tool: str, wanted: dict[str, str]
) -> PlanExample:
    numbers, line = _state(rng, least=1)
    image = "last"
    if rng.random() < 0.25:
        image, said = _named(rng, numbers, language)
        options = ways(PLANNING[language]["placed"], "ask" if tool == "answer_question" else "edit")
        text = rng.choice(options).format(said=said, text=text.rstrip("?？。."))
    elif rng.random() < 0.1:
        last = rng.choice(PLANNING[language]["last"])
        options = ways(PLANNING[language]["placed"], "ask" if tool == "answer_question" else "edit")
        text = rng.choice(options).format(said=last, text=text.rstrip("?？。."))
    text = _polite(rng, _led(rng, text, language), language)
    return PlanExample(line, _ended(rng, text, language), tool_call(tool, image=image, **wanted))


def told_undo(rng: random.Random, language: Language) -> PlanExample:
    """The last change is to be taken back."""
    return _planned(rng, language, rng.choice(PLANNING[language]["undo"]), tool_call("undo"))


def talk(rng: random.Random, language: Language) -> PlanExample:
    """A greeting, thanks, a call for help and the like."""
    topic = rng.choice(PLANNING[language]["chat"])
    return _planned(rng, language, rng.choice(topic["says"]), topic["reply"])


def says_too_little(rng: random.Random, language: Language) -> PlanExample:
    """A wish that nothing can be made of."""
    return _planned(
        rng, language, rng.choice(TRUST[language]["vague"]), tool_call("clarify", about="unclear")
    )


def cannot_draw(rng: random.Random, language: Language) -> PlanExample:
    """A wish to draw what it has never seen."""
    text = rng.choice(TRUST[language]["cannot_draw"])
    return _planned(rng, language, text, tool_call("clarify", about="unknown"))


# ---- what is denied, and what is kept ---------------------------------------------------------------------


def denied_drawing(rng: random.Random, language: Language) -> PlanExample:
    """Something in a wish to draw is named only to say that it shall not be there."""
    stated = partial(rng, training_scene(rng))
    key, denied = _something_else(rng, stated, language)
    said = dict(stated)  # what only the denial says is not said before
    if key == "outfit":
        stated["outfit"] = "none"
    if not said:
        said = {"character": rng.choice(CHARACTERS)}
        stated = {**said, **stated}
    what = caption(rng, said, language)
    if key == "object" and rng.random() < 0.4:
        what, stated = told(rng, language)
        there = {thing.kind for thing in stated.values() if isinstance(thing, Thing)}
        denied = _object_words(rng, [kind for kind in KINDS if kind not in there], language)
    text = rng.choice(TRUST[language]["denied_draw"]).format(what=what, **{"not": denied})
    if rng.random() < 0.4:
        text = rng.choice(PLANNING[language]["draw"]).format(what=text)
    return _planned(rng, language, text, tool_call("generate_image", prompt=canonical_prompt(stated)))


def _something_else(rng: random.Random, stated: dict[str, Any], language: Language) -> tuple[str, str]:
    """An attribute's name, or "object", and words for a value of it that is not stated."""
    keys = ["object", "object", "weather", "setting"]
    if "character" in stated:
        keys += ["character", "character"] + (["outfit"] * 3 if "outfit" not in stated else [])
    key = rng.choice(keys)
    if key == "outfit":
        return key, name(rng, "space suit", language)
    if key == "object":
        there = {thing.kind for thing in stated.values() if isinstance(thing, Thing)}
        return key, _object_words(rng, [kind for kind in KINDS if kind not in there], language)
    value = rng.choice([value for value in ATTRIBUTES[key] if value != stated.get(key)])
    return key, _value_words(rng, key, value, language)


def _object_words(rng: random.Random, kinds: list[str], language: Language) -> str:
    """A noun for an object of one of the kinds, at times with a colour."""
    kind, color = rng.choice(kinds), rng.choice(COLORS) if rng.random() < 0.3 else None
    if language == "zh":
        return (plain(color, "zh") + "的" if color else "") + name(rng, kind, "zh")
    noun = f"{color} {kind}" if color else name(rng, kind, "en")
    return rng.choice((noun, article(noun), f"{noun}s", f"any {noun}", f"any {noun}s"))


def _value_words(rng: random.Random, key: str, value: str, language: Language) -> str:
    """A noun or an adjective for an attribute's value."""
    if key == "weather":
        options = _INSTRUCTIONS[language]["weather_words"][value]
        usable = [word for group in ("noun", "adjective") if group in options for word in options[group]]
        return rng.choice(usable or [plain(value, language)])
    if key == "setting" and rng.random() < 0.5:
        return place(value, language)
    if key == "setting" and language == "en":
        return place_en(rng, value)
    noun = name(rng, value, language)
    return article(noun) if language == "en" and key == "character" else noun


def denied_edit(rng: random.Random, language: Language) -> PlanExample:
    """One value instead of another: the second is denied, the first is wanted."""
    if rng.random() < 0.25:
        color, other = rng.sample(COLORS, 2)
        change = Change("recolor", color, rng.choice(KINDS))
        text = rng.choice(TRUST[language]["denied_color"]).format(
            a=_instruction(rng, change, language), old=plain(other, language), new=plain(color, language)
        )
        return _edited(rng, language, text, change)
    key = rng.choice(("weather", "weather", "setting", "action", "character"))
    new, old = rng.sample(ATTRIBUTES[key], 2)
    words = {
        "new": _instruction(rng, Change(key, new), language),
        "old": _instruction(rng, Change(key, old), language),
        "newvalue": _value_words(rng, key, new, language),
        "oldvalue": _value_words(rng, key, old, language),
    }
    return _edited(
        rng, language, rng.choice(TRUST[language]["denied_edit"]).format(**words), Change(key, new)
    )


def cleared_up(rng: random.Random, language: Language) -> PlanExample:
    """The weather is to end, and nothing is said of what comes then: the sun."""
    text = rng.choice(TRUST[language]["clear_up"][rng.choice(("rainy", "snowy", "night"))])
    return _edited(rng, language, text, Change("weather", "sunny"))


def kept(rng: random.Random, language: Language) -> PlanExample:
    """An edit with words about what must stay; an object may be named only to keep it."""
    scene = training_scene(rng)
    change = random_change(rng, scene)
    spoken = {change.target, getattr(change.value, "kind", change.value)}
    keep = [rng.choice(words) for key, words in TRUST[language]["kept"].items() if key != change.type]
    kinds = [thing.kind for thing in scene.things.values() if thing.kind not in spoken]
    if kinds and not {"left", "right"} & spoken:
        kind = name(rng, rng.choice(kinds), language)
        keep += [f"the {kind}" if language == "en" else kind] * 3
    if change.type != "character":
        who = name(rng, scene.character, language)
        keep.append(f"the {who}" if language == "en" else who)
    text = _instruction(rng, change, language, scene if rng.random() < 0.5 else None)
    text = rng.choice(TRUST[language]["keep"]).format(a=text, keep=rng.choice(keep))
    return _edited(rng, language, text, change)


def left_alone(rng: random.Random, language: Language) -> PlanExample:
    """Nothing is to be done."""
    return _planned(rng, language, rng.choice(TRUST[language]["leave_it"]), TRUST[language]["left"])


# ---- several wishes ---------------------------------------------------------------------------------------


def several_wishes(rng: random.Random, language: Language) -> PlanExample:
    """Two or three wishes in one message; after the first, each is about what the one before made."""
    numbers, line = _state(rng)
    images = len(numbers)
    scene = training_scene(rng)
    orders = [("edit", "ask"), ("edit", "edit"), ("edit", "edit"), ("undo", "edit"), ("ask", "edit")]
    if rng.random() < 0.2:
        orders = [("edit", "edit", "edit"), ("edit", "edit", "ask")]
    drawn = [("generate", "edit"), ("generate", "ask"), ("generate", "generate"), ("generate", "edit", "ask")]
    order = rng.choice(orders if images and rng.random() < 0.65 else drawn)
    texts, calls, used = [], [], set[str]()
    image, said = _named(rng, numbers, language) if images else ("last", None)
    for at, kind in enumerate(order):
        text, call, scene = _wish(rng, kind, scene, language, "last" if at else image, used)
        if at == 0 and said and kind in ("edit", "ask"):
            text = f"{text}（{said}）" if language == "zh" else f"{text} in {said}"
        texts.append(text.rstrip("?？.。!！ "))
        calls.append(call)
    pattern = rng.choice(TRUST[language]["two" if len(texts) == 2 else "three"])
    message = pattern.format(**dict(zip("abc", texts, strict=False)))
    return PlanExample(line, _ended(rng, message, language), "\n".join(calls))


def _wish(
    rng: random.Random, kind: str, scene: Scene, language: Language, image: str, used: set[str]
) -> tuple[str, str, Scene]:
    """One wish in words, its call, and the scene after it."""
    if kind == "undo":
        return rng.choice(PLANNING[language]["undo"]), tool_call("undo"), scene
    if kind == "generate":
        scene = training_scene(rng)
        stated = partial(rng, scene)
        wish = rng.choice(PLANNING[language]["draw"]).format(what=caption(rng, stated, language))
        return wish, tool_call("generate_image", prompt=canonical_prompt(stated)), scene
    if kind == "ask":
        question = random_question(rng, scene)
        text = _ask(rng, question, language, scene)
        if language == "en" and rng.random() < 0.4:
            text = f"tell me {text}"
        elif language == "zh" and rng.random() < 0.4:
            text = f"告诉我{text}"
        asked = canonical_question(question, language)
        return text, tool_call("answer_question", image=image, question=asked), scene
    change = random_change(rng, scene)
    while change.type in used:
        change = random_change(rng, scene)
    used.add(change.type)
    text = _instruction(rng, change, language, scene if rng.random() < 0.4 else None)
    call = tool_call("edit_image", image=image, instruction=canonical_instruction(change))
    return text, call, apply_change(scene, change)


# ---- which picture ----------------------------------------------------------------------------------------


def other_picture(rng: random.Random, language: Language) -> PlanExample:
    """An edit of, or a question about, a picture named by what it shows, or by where it stands."""
    numbers, line = _state(rng, least=2)
    scene = training_scene(rng)
    image, said = _named(rng, numbers, language)
    words = ways(PLANNING[language]["placed"], "ask" if rng.random() < 0.35 else "edit")
    asks = words is PLANNING[language]["placed"].get("ask")
    if asks:
        question = random_question(rng, scene)
        text = _ask(rng, question, language, scene).rstrip("?？")
        asked = canonical_question(question, language)
        call = tool_call("answer_question", image=image, question=asked)
    else:
        change = random_change(rng, scene)
        text = _instruction(rng, change, language)
        call = tool_call("edit_image", image=image, instruction=canonical_instruction(change))
    return PlanExample(line, _ended(rng, rng.choice(words).format(said=said, text=text), language), call)


def _named(rng: random.Random, numbers: list[int], language: Language) -> tuple[str, str]:
    """(the tool's image argument, what the person calls the picture)."""
    phrases, kind = TRUST[language], rng.random()
    if kind < 0.3:
        words = {
            "who": name(rng, rng.choice(CHARACTERS), language),
            "kind": name(rng, rng.choice(KINDS), language),
            "where": _value_words(rng, "setting", rng.choice(ATTRIBUTES["setting"]), language),
            "weather": _value_words(rng, "weather", rng.choice(ATTRIBUTES["weather"]), language),
        }
        said = rng.choice(phrases["described"]).format(**words)
        return said, said
    if kind < 0.5 and len(numbers) > 1:
        return f"#{numbers[-2]}", rng.choice(phrases["before_last"])
    if kind < 0.6 and len(numbers) == 2:
        return f"#{numbers[0]}", rng.choice(phrases["other"])
    if kind < 0.8:
        n = rng.choice(numbers)
        return f"#{n}", rng.choice(PLANNING[language]["numbered"]).format(n=n)
    n = rng.randint(1, min(max(numbers), 10))
    nth = PLANNING[language]["ordinals"][n - 1]
    return f"#{n}", rng.choice(PLANNING[language]["counted"]).format(nth=nth)


def out_of_reach(rng: random.Random, language: Language) -> PlanExample:
    """What no tool does: going back to a picture, moving a figure into another one, comparing two."""
    numbers, line = _state(rng, least=2)
    (_, said), (_, other) = (_named(rng, numbers, language) for _ in range(2))
    words = {"said": said, "other": other, "who": name(rng, rng.choice(CHARACTERS), language)}
    text = rng.choice(TRUST[language][rng.choice(("back", "back", "move_into", "compare"))]).format(**words)
    return PlanExample(line, _ended(rng, text, language), tool_call("clarify", about="unknown"))


# ---- what it cannot do, or is not for ---------------------------------------------------------------------


def cannot_change(rng: random.Random, language: Language) -> PlanExample:
    """A change that the model has never learned."""
    phrases = TRUST[language]
    words = {
        "kind": name(rng, rng.choice(KINDS), language),
        "who": name(rng, rng.choice(CHARACTERS), language),
        "thing": rng.choice(PLANNING[language]["unknown"]),
        **{key: rng.choice(options) for key, options in phrases["fill"].items()},
    }
    text = rng.choice(phrases["cannot_change"]).format(**words)
    return _planned(rng, language, text, tool_call("clarify", about="unknown"), least=1)


def many(rng: random.Random, language: Language) -> PlanExample:
    """More figures or things of a kind than it can draw; the words that ask for them are named."""
    who, other = rng.sample(CHARACTERS, 2)
    kind = rng.choice(KINDS)
    words = {"who": plain(who, language), "other": plain(other, language), "kind": plain(kind, language)}
    words |= {"one": "个" if who == "robot" else "只", "otherone": "个" if other == "robot" else "只"}
    if language == "en":
        words |= {"whos": TRUST["en"]["whos"][who], "kinds": TRUST["en"]["kinds"][kind]}
    pattern = rng.choice(TRUST[language]["many"])
    where = place(rng.choice(ATTRIBUTES["setting"]), language)
    text, about = pattern.format(where=where, **words), pattern.replace(" {where}", "").replace("{where}", "")
    wish = rng.choice(PLANNING[language]["draw"]).format(what=text)
    return _planned(rng, language, wish, tool_call("clarify", about=about.format(**words)))


def off_topic(rng: random.Random, language: Language) -> PlanExample:
    """Talk about anything but pictures."""
    phrases = TRUST[language]
    fill = {key: rng.choice(options) for key, options in phrases["off_topic_words"].items()}
    return _planned(rng, language, rng.choice(phrases["off_topic"]).format(**fill), phrases["only_pictures"])


def noise(rng: random.Random, language: Language) -> PlanExample:
    """Markup, code, single characters and the like, at times repeated."""
    text = rng.choice(TRUST[language]["noise"]) * rng.choice((1, 1, 1, 2, 3, 8))
    return PlanExample(_state(rng)[1], text, tool_call("clarify", about="unclear"))


def unknown_there(rng: random.Random, language: Language) -> PlanExample:
    """A question whether something is there that the model has never seen is a question all the same."""
    _, line = _state(rng, least=1)
    thing = rng.choice(PLANNING[language]["unknown"])
    text = rng.choice(TRUST[language]["is_there"]).format(thing=thing)
    asked = TRUST[language]["exists_asked"].format(thing=thing)
    return PlanExample(line, text, tool_call("answer_question", image="last", question=asked))


def how_many(rng: random.Random, language: Language) -> PlanExample:
    """A question how many there are of one kind."""
    words = count_words(rng.choice(KINDS), language)
    text, asked = (
        rng.choice(TRUST[language]["count_kind"]).format(**words),
        COUNT_ASKED[language].format(**words),
    )
    call = tool_call("answer_question", image="last", question=asked)
    return _planned(rng, language, text, call, least=1)


def rambling(rng: random.Random, language: Language) -> PlanExample:
    """A wish with small talk around it."""
    example = plan_example(rng, language)
    while "clarify" in example.target or not example.target.startswith("<tool_call>"):
        example = plan_example(rng, language)
    talk = rng.sample(TRUST[language]["small_talk"], rng.randint(1, 3))
    at = rng.randint(0, len(talk)) if rng.random() < 0.3 else len(talk)
    pieces = [*talk[:at], example.message, *talk[at:]]
    mark = rng.choice(("，", "。")) if language == "zh" else rng.choice((", ", ". ", ", ", " - "))
    return PlanExample(example.system, mark.join(pieces), example.target)


LESSONS: dict[Lesson, float] = {
    whole_scene_example: 5,
    denied_drawing: 7,
    denied_edit: 6,
    cleared_up: 0.7,
    kept: 2,
    left_alone: 1,
    several_wishes: 6,
    other_picture: 4,
    out_of_reach: 0.7,
    cannot_change: 1.5,
    many: 1.5,
    off_topic: 1.5,
    noise: 0.7,
    unknown_there: 1,
    how_many: 0.6,
    rambling: 1.5,
}


TOLD: dict[Lesson, float] = {
    told_drawing: 9,
    plainly: 4,
    told_edit: 6,
    told_question: 5,
    told_undo: 0.7,
    talk: 1.6,
    says_too_little: 0.7,
    cannot_draw: 1.2,
}


_KNOWN = {
    told_drawing: 6,
    told_edit: 6,
    told_question: 4,
    told_undo: 1,
    talk: 2,
    denied_edit: 1,
    kept: 1,
    how_many: 1,
    several_wishes: 2,
    left_alone: 1,
}
"""Lessons that name nothing from outside the world."""


def known_message(rng: random.Random) -> str:
    """A message of which every word is known."""
    return _fair(rng, _KNOWN).message


def _state(rng: random.Random, *, least: int = 0) -> tuple[list[int], str]:
    """Numbers of pictures and the line that shows them: at most the last few of what may be hundreds."""
    shown = rng.choice([n for n in (0, 1, 1, 2, 2, 3, 4, 5) if n >= least])
    before = rng.choice((0, 0, 0, rng.randint(1, 20), rng.randint(20, 400))) if shown else 0
    numbers = list(range(before + 1, before + shown + 1))
    return numbers, "images: " + (" ".join(f"#{n}" for n in numbers) or "none")


def _planned(
    rng: random.Random, language: Language, text: str, target: str, *, least: int = 0
) -> PlanExample:
    return PlanExample(_state(rng, least=least)[1], _ended(rng, _led(rng, text, language), language), target)


def _edited(rng: random.Random, language: Language, text: str, change: Change) -> PlanExample:
    call = tool_call("edit_image", image="last", instruction=canonical_instruction(change))
    return _planned(rng, language, text, call, least=1)


def _polite(rng: random.Random, text: str, language: Language) -> str:
    if rng.random() > 0.12:
        return text
    polite = rng.choice(PLANNING[language]["polite"])
    return text.rstrip("?.") + rng.choice((" ", ", ")) + polite if language == "en" else text + polite


def _led(rng: random.Random, text: str, language: Language) -> str:
    return rng.choice(PLANNING[language]["lead"]) + text if rng.random() < 0.12 else text


_ASKING = (
    "can ",
    "could ",
    "would ",
    "may ",
    "is it possible",
    "how about",
    "what about",
    "what if",
    "why not",
)
_ASKING_ZH = ("能不能", "可以", "可不可以", "能否", "可否", "要不", "能", "怎么样", "行吗", "好吗", "不")


def _ended(rng: random.Random, text: str, language: Language) -> str:
    if text.endswith(("?", "？", ".", "。", "!", "！")):
        return text
    asking = text.startswith(_ASKING_ZH) if language == "zh" else text.startswith(_ASKING)
    if asking and rng.random() < 0.6:
        return text + ("？" if language == "zh" else "?")
    return text + rng.choice(("", "", "", ".", "!") if language == "en" else ("", "", "", "。", "！"))
