"""Draw an image from words. As another take on an image, it gets a seed that these words had not yet."""

from __future__ import annotations

from pydantic import Field

from flux_runtime.interface import Capabilities, GenerateRequest, ImageResult
from sessions.records import NewImage
from tools.checked import drawn_and_checked, made_before, not_seen
from tools.contract import Asked, Command, Done, Tool, ToolArguments, ToolContext, ToolOutcome
from tools.wording import Language, Wording


class GenerateImage(ToolArguments):
    """Draw a new image from a description. Use it whenever the person wants something drawn from scratch,
    also when images exist already: "another one", "a new picture", "再画一张"."""

    prompt: str = Field(min_length=1, description="What the image shows, complete in itself, in English.")
    another_take_on: str = Field(
        default="",
        description='Only if an image is wanted once more from the same words: which one, such as "#2".',
    )

    @property
    def words(self) -> str:
        return self.prompt

    @property
    def image_names(self) -> tuple[str, ...]:
        return (self.another_take_on,) if self.another_take_on else ()


def run(arguments: GenerateImage, context: ToolContext) -> ToolOutcome:
    """Draw the prompt; with a source, as a variation of it."""
    made = made_before(arguments.prompt, context)
    if made:
        return made

    def draw(seed: int) -> ImageResult:
        request = GenerateRequest(
            prompt=arguments.prompt,
            width=context.width,
            height=context.height,
            upsample=context.options.upsample and context.runtime.capabilities.upsampler,
            seed=seed,
            num_inference_steps=context.num_inference_steps,
            previews=context.previews,
        )
        return context.runtime.generate(
            request, envelope=context.envelope, on_event=context.on_event, cancel=context.cancel
        )

    result, checked = drawn_and_checked(draw, arguments.prompt, context, anew=bool(context.sources))
    new = NewImage(
        op="variation" if context.sources else "generate",
        parents=tuple((source.id, "base") for source in context.sources),
        prompt_used=result.receipt.prompt,
        caption=result.receipt.prompt,
    )
    return context.keep(result, new, checked)


def _sentence(done: Done[GenerateImage], language: Language) -> str:
    if done.sources:
        varied = Wording("Drew #{n}, another take on #{source}.", "照 #{source} 又画了一张：#{n}。")
        said = varied.say(language, n=done.made[0], source=done.sources[0])
    else:
        said = Wording("Drew #{n}{prompt}.", "画好了 #{n}{prompt}。").say(
            language, n=done.made[0], prompt=_if_other_words(done, language)
        )
    return said + not_seen(done, language)


def _if_other_words(done: Done[GenerateImage], language: Language) -> str:
    """The prompt that was drawn, where it is not simply what the person typed."""
    prompt = done.prompts[0].strip().rstrip(".。") if done.prompts else ""
    if prompt.casefold() in done.typed.casefold():
        return ""
    return Wording(": {prompt}", "，提示词是：{prompt}").say(language, prompt=prompt)


def _lacks(able: Capabilities) -> Wording | None:
    if able.generate:
        return None
    return Wording("The model {model} cannot draw new pictures.", "模型 {model} 不会画新图。")


def _read(asked: Asked) -> GenerateImage:
    return GenerateImage(prompt=asked.words)


GENERATE_IMAGE = Tool(
    name="generate_image",
    step="generate",
    effect="image",
    arguments=GenerateImage,
    run=run,
    sentence=_sentence,
    lacks=_lacks,
    offer=Wording("Shall I draw “{text}”?", "要画“{text}”吗？"),
    commands=(
        Command(
            name="generate",
            chinese="画",
            icon="image-plus",
            read=_read,
            about_image=False,
            wanting=Wording("What shall I draw?", "要画什么？"),
            menu=Wording("Draw a new picture", "画一幅新画"),
        ),
    ),
)
