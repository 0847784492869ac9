"""Who can say what a picture shows, other than the model that drew it.

A model folder may ship a judge (`judge/model.safetensors`): a classifier, trained apart from the model, that
reads the storybook world off pixels. It is loaded only when somebody asks for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from PIL import Image

from flux_runtime.catalogue import find_model

Reading = dict[str, str]
"""subject, outfit, action, setting, weather, left and right, in canonical English: `red ball`, `none`."""

PictureJudge = Callable[[Image.Image], Reading]


def find_judge(name_or_path: str | os.PathLike[str] | None = None) -> PictureJudge | None:
    """The judge that ships with a model, or None where there is none.

    Raises:
        UnknownModel: there is no such model here.
    """
    file = find_model(name_or_path) / "judge" / "model.safetensors"
    if not file.is_file():
        return None
    from flux_runtime.pocket.judge import image_batch, load_judge
    from flux_runtime.pocket.world import ATTRIBUTES, SIDES

    judge = load_judge(file)

    def read(picture: Image.Image) -> Reading:
        (scene,) = judge.read(image_batch([picture]))
        shown = {"subject" if key == "character" else key: getattr(scene, key) for key in ATTRIBUTES}
        things = {side: scene.things.get(side) for side in SIDES}
        return shown | {side: f"{it.color} {it.kind}" if it else "nothing" for side, it in things.items()}

    return read
