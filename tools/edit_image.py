"""Change an image as an instruction says. The model gets pixels, instruction and region, no history."""

from __future__ import annotations

from typing import Self

from PIL import Image
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from flux_runtime.interface import Box, Capabilities, EditRequest, ImageResult, Region
from flux_runtime.picture_check import Checked
from sessions.records import NewImage, Role
from tools.checked import drawn_and_checked, look_at, made_before, not_seen
from tools.contract import IMAGE_NAME, Asked, Command, Done, Tool, ToolArguments, ToolContext, ToolOutcome
from tools.generate_image import GenerateImage
from tools.wording import Language, Wording, language_of


class EditImage(ToolArguments):
    """Change something in an image and keep the rest as it is. Use it when the person wants an existing image
    different: other weather, another place, something added, removed or recoloured."""

    image: str = Field(min_length=1, description=IMAGE_NAME)
    instruction: str = Field(min_length=1, description="What to change, complete in itself, in English.")
    another_take: bool = Field(
        default=False, description="Whether the same change was made before and another take of it is wanted."
    )
    region: SkipJsonSchema[Box | None] = None
    """Pixels of the image; people give it on a picture, a planner never does."""

    @property
    def words(self) -> str:
        return self.instruction

    @property
    def image_names(self) -> tuple[str, ...]:
        return (self.image,)

    @property
    def box(self) -> Box | None:
        return self.region

    def within(self, box: Box) -> Self:
        return self.model_copy(update={"region": box})


def run(arguments: EditImage, context: ToolContext) -> ToolOutcome:
    """Change the first source, looking at the others; the result has its size."""
    made = made_before(arguments.instruction, context)
    if made:
        return made
    owner, sources, region = context.session.owner, context.sources, arguments.region
    words = arguments.instruction
    pictures = tuple(context.store.images.pixels(owner, source.id) for source in sources)

    if not context.commanded and sources[0].op == "upload" and _is_foreign(pictures[0], words, context):
        return ToolOutcome(checked=Checked("unsure"))

    def draw(seed: int) -> ImageResult:
        request = EditRequest(
            instruction=words,
            images=pictures,
            region=Region(box=region) if region else None,
            seed=seed,
            num_inference_steps=context.num_inference_steps,
            previews=context.previews,
        )
        return context.runtime.edit(
            request, envelope=context.envelope, on_event=context.on_event, cancel=context.cancel
        )

    result, checked = drawn_and_checked(draw, words, context, anew=arguments.another_take)
    roles: tuple[Role, ...] = ("base", *("reference" for _ in sources[1:]))
    shown_before = sources[0].caption
    new = NewImage(
        op="inpaint" if region else "edit",
        parents=tuple((source.id, role) for source, role in zip(sources, roles, strict=True)),
        prompt_used=words,
        caption=f"{shown_before}; {words}" if shown_before else words,
        region=region,
    )
    return context.keep(result, new, checked)


def _is_foreign(picture: Image.Image, words: str, context: ToolContext) -> bool:
    """Whether the model cannot tell what a stranger's picture shows: it would repaint it as another."""
    checked = look_at(picture, words, context)
    return checked is not None and checked.verdict == "unsure"


def _sentence(done: Done[EditImage], language: Language) -> str:
    if not done.made:
        foreign = Wording(
            "I cannot tell what #{source} shows, so a change would paint something else over it. I left it "
            "as it is. To change it all the same: /edit #{source} {text}",
            "我看不懂 #{source} 画的是什么，一改就会变成别的东西，所以没有动。"
            "一定要改的话：/改 #{source} {text}",
        )
        return foreign.say(language, source=done.sources[0], text=done.arguments.instruction)
    edited = Wording("Edited #{source} → #{n}{text}.", "已把 #{source} 改成 #{n}{text}。")
    text = _as_understood(done, language)
    said = edited.say(language, source=done.sources[0], n=done.made[0], text=text)
    if done.kept != 0:
        return said + not_seen(done, language)
    redrawn = Wording(
        " It had to be redrawn as a whole, so fine detail of #{source} is softer in it.",
        "整张图都重画了，所以 #{source} 的细节会变得柔和一些。",
    )
    return said + redrawn.say(language, source=done.sources[0]) + not_seen(done, language)


def _as_understood(done: Done[EditImage], language: Language) -> str:
    """The instruction; in Chinese only where it is not simply what the person typed."""
    text = done.arguments.instruction.strip().rstrip(".。")
    if language == "en" or language_of(text) == language:
        return f"{'：' if language == 'zh' else ': '}{text}" if text else ""
    typed = text.casefold() in done.typed.casefold()
    return "" if typed else Wording(": {text}", "，指令是：{text}").say(language, text=text)


def _lacks(able: Capabilities) -> Wording | None:
    if able.edit != "none":
        return None
    return Wording("The model {model} cannot change pictures.", "模型 {model} 不会修改图片。")


def _read(asked: Asked) -> EditImage:
    return EditImage(image=asked.names, instruction=asked.words, region=asked.region)


def _read_vary(asked: Asked) -> EditImage | GenerateImage | Wording:
    """How the image was made, once more: its prompt again, or its instruction to what it was edited from."""
    image = asked.stored[0] if asked.stored else None
    if image is None or image.op == "upload":
        return Wording(
            "{images} is a picture you gave me, so no prompt is known to draw it again. "
            "Say what to change in it.",
            "{images} 是你上传的图片，没有提示词可以重画。告诉我要改什么吧。",
        )
    if image.op in ("generate", "variation"):
        given = (image.receipt or {}).get("prompt_given")
        return GenerateImage(prompt=given or image.prompt_used, another_take_on=f"#{image.n}")
    parents = " ".join(f"#{parent.n}" for parent in image.parents)
    return EditImage(image=parents, instruction=image.prompt_used, region=image.region, another_take=True)


EDIT_IMAGE = Tool(
    name="edit_image",
    step="edit",
    effect="image",
    arguments=EditImage,
    run=run,
    sentence=_sentence,
    lacks=_lacks,
    offer=Wording("Shall I change {images}: “{text}”?", "要修改 {images}：“{text}”吗？"),
    commands=(
        Command(
            name="edit",
            chinese="改",
            icon="wand-sparkles",
            read=_read,
            wanting=Wording("What should change in {images}?", "{images} 要改哪里？"),
            menu=Wording("Change the current picture", "修改当前的画"),
            button=Wording("Edit #{n}", "修改 #{n}"),
            offered=lambda moment: moment.image is not None,
        ),
        Command(
            name="vary",
            chinese="再画",
            icon="dices",
            read=_read_vary,
            button=Wording("Vary #{n}", "再画一张 #{n}"),
            offered=lambda moment: moment.made,
        ),
    ),
)
