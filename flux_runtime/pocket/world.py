"""The storybook world that pocket is trained on and judged by: what a scene is, and how it is drawn.

Knows nothing of language (see language.py) or of models. Never used to answer a person: only the training recipe, the
evaluation and the tests draw with it.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import resvg_py
from PIL import Image

SIZE = 256  # pixels a side
CHARACTERS = ("robot", "cat", "dog", "rabbit")
OUTFITS = ("none", "space suit")
ACTIONS = ("watering plants", "playing guitar", "reading", "holding an umbrella", "sleeping")
SETTINGS = ("greenhouse", "beach", "city", "forest", "mars")
WEATHERS = ("sunny", "rainy", "snowy", "night")
KINDS = ("flower", "bird", "balloon", "ball", "mushroom", "star")
COLORS = ("red", "blue", "yellow", "green", "purple")
SIDES = ("left", "right")

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "character": CHARACTERS,
    "outfit": OUTFITS,
    "action": ACTIONS,
    "setting": SETTINGS,
    "weather": WEATHERS,
}


@dataclass(frozen=True)
class Thing:
    """One object beside the character."""

    kind: str
    color: str


@dataclass(frozen=True)
class Layout:
    """What varies between two drawings of the same scene: the backdrop mirrored, the objects raised by 16 px."""

    mirror: bool = False
    left_raised: bool = False
    right_raised: bool = False


@dataclass(frozen=True)
class Scene:
    """Everything that can be said about a picture of the world."""

    character: str
    outfit: str
    action: str
    setting: str
    weather: str
    left: Thing | None = None
    right: Thing | None = None

    @property
    def things(self) -> dict[str, Thing]:
        """The objects by side."""
        return {side: thing for side in SIDES if (thing := getattr(self, side)) is not None}

    def with_thing(self, side: str, thing: Thing | None) -> Scene:
        return replace(self, left=thing) if side == "left" else replace(self, right=thing)


def random_scene(rng: random.Random) -> Scene:
    """A scene with every attribute drawn evenly; none, one or two objects of different kinds (1 : 2 : 2)."""
    sides = rng.choices(((), ("left",), ("right",), SIDES), weights=(1, 1, 1, 2))[0]
    kinds = rng.sample(KINDS, len(sides))
    things = {side: Thing(kind, rng.choice(COLORS)) for side, kind in zip(sides, kinds, strict=True)}
    return Scene(*(rng.choice(values) for values in ATTRIBUTES.values()), **things)


def random_layout(rng: random.Random) -> Layout:
    return Layout(rng.random() < 0.5, rng.choice((False, True)), rng.choice((False, True)))


# ---- drawing -------------------------------------------------------------------------------------------------------

INK = "#2b2d42"
PAINT = {"red": "#e63946", "blue": "#2f6fed", "yellow": "#ffd23f", "green": "#2fb457", "purple": "#8e44c9"}
SHADE = {"red": "#b3202d", "blue": "#1d49ab", "yellow": "#dda312", "green": "#1b7f39", "purple": "#5f2590"}


@cache
def _layer(body: str) -> np.ndarray:
    """Rasterise SVG markup to premultiplied RGBA (256, 256, 4) float32 in [0, 1]."""
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIZE}" height="{SIZE}" viewBox="0 0 256 256">{body}</svg>'
    rgba = (
        np.asarray(Image.open(io.BytesIO(resvg_py.svg_to_bytes(svg_string=svg))).convert("RGBA"), np.float32)
        / 255
    )
    rgba = rgba.copy()
    rgba[..., :3] *= rgba[..., 3:]
    return rgba


def _over(canvas: np.ndarray, layer: np.ndarray, dy: int = 0) -> None:
    """Composite a premultiplied layer, moved up by `-dy` pixels, onto the RGB canvas in place."""
    part = layer[-dy:]
    canvas = canvas[: SIZE + dy]
    canvas *= 1 - part[..., 3:]
    canvas += part[..., :3]


def draw(scene: Scene, layout: Layout = Layout()) -> Image.Image:
    """The scene as a (256, 256) RGB picture."""
    return Image.fromarray((draw_array(scene, layout) * 255 + 0.5).astype(np.uint8))


def draw_array(scene: Scene, layout: Layout = Layout()) -> np.ndarray:
    """The scene as (256, 256, 3) float32 in [0, 1]."""
    canvas = np.zeros((SIZE, SIZE, 3), np.float32)
    backdrop = _layer(_backdrop(scene.setting, scene.weather))
    _over(canvas, backdrop[:, ::-1] if layout.mirror else backdrop)
    for side, thing in scene.things.items():
        _over(canvas, _layer(_object(thing, side)), -16 if getattr(layout, f"{side}_raised") else 0)
    _over(canvas, _layer(_character(scene.character, scene.outfit, scene.action)))
    if scene.weather in _FALLING:
        _over(canvas, _layer(_FALLING[scene.weather]))
    return np.clip(canvas, 0, 1)


_SKY = {
    "greenhouse": "#cfeefa",
    "beach": "#8fd3ff",
    "city": "#a9cdf5",
    "forest": "#b7e6f7",
    "mars": "#f7b27a",
}
_VEIL = {
    "sunny": ("#000", 0.0),
    "rainy": ("#46566e", 0.5),
    "snowy": ("#f4f8ff", 0.42),
    "night": ("#0b1033", 0.72),
}
_CLOUD = "M{x} {y}h58a15 15 0 0 0 -6 -29a21 21 0 0 0 -39 -6a17 17 0 0 0 -13 35z"


def _backdrop(setting: str, weather: str) -> str:
    veil, strength = _VEIL[weather]
    parts = [f'<rect width="256" height="256" fill="{_SKY[setting]}"/>', _SCENERY[setting]]
    if weather == "snowy":
        parts.append('<path d="M0 206q40 -12 84 -3t90 0t82 -2v60H0z" fill="#fff"/>')
    parts.append(f'<rect width="256" height="256" fill="{veil}" opacity="{strength}"/>')
    if weather == "sunny":
        rays = "".join(
            f'<path d="M222 4v-10" stroke="#ffc61a" stroke-width="4" transform="rotate({a} 222 34)"/>'
            for a in range(0, 360, 45)
        )
        parts.append(
            f'<circle cx="222" cy="34" r="20" fill="#ffd93b" stroke="#ffb300" stroke-width="3"/>{rays}'
        )
    elif weather == "night":
        parts.append('<path d="M228 12a24 24 0 1 0 16 40a20 20 0 0 1 -16 -40z" fill="#fdf3c0"/>')
        stars = (
            (20, 18),
            (52, 40),
            (88, 14),
            (30, 66),
            (180, 18),
            (168, 50),
            (196, 74),
            (8, 100),
            (242, 92),
            (110, 34),
        )
        parts.append("".join(f'<circle cx="{x}" cy="{y}" r="2.2" fill="#fff"/>' for x, y in stars))
    else:
        fill = "#7c8798" if weather == "rainy" else "#ffffff"
        parts.append(
            f'<path d="{_CLOUD.format(x=6, y=46)}" fill="{fill}"/><path d="{_CLOUD.format(x=186, y=44)}" fill="{fill}"/>'
        )
    return "".join(parts)


def _tree(x: int, y: int, scale: float) -> str:
    return (
        f'<g transform="translate({x} {y}) scale({scale})"><rect x="-5" y="-20" width="10" height="24" fill="#7a4a26"/>'
        '<path d="M0 -118L32 -66H16L40 -34H18L44 0H-44L-18 -34H-40L-16 -66H-32z" transform="translate(0 -14)" fill="#1f8a4c"/></g>'
    )


def _tower(column: int, columns: int, top: int, fill: str) -> str:
    """A house on the 16 px grid of the latents, one window a cell."""
    windows = "".join(
        f'<rect x="{x + 4}" y="{y + 4}" width="8" height="9" fill="#fff3a8"/>'
        for y in range(top + 4, 180, 16)
        for x in range(column * 16, (column + columns) * 16, 16)
    )
    return f'<rect x="{column * 16}" y="{top}" width="{columns * 16}" height="{200 - top}" fill="{fill}"/>{windows}'


_SCENERY = {
    "greenhouse": (
        '<rect y="196" width="256" height="60" fill="#b98a5e"/><path d="M0 196h256" stroke="#8f6538" stroke-width="4"/>'
        '<g stroke="#ffffff" stroke-width="5" fill="none"><path d="M4 256V84L128 8L252 84V256M4 84H252M66 46V196M128 8V196M190 46V196M4 140H252"/></g>'
        + "".join(
            f'<path d="M{x} 196q-14 -34 4 -44q2 14 6 18q2 -24 14 -30q4 20 0 30q12 -12 20 -6q-2 22 -14 32z" fill="#3fae54"/>'
            for x in (8, 46, 84, 128, 170, 212)
        )
    ),
    "beach": (
        '<rect y="118" width="256" height="62" fill="#2a8fd0"/><path d="M0 128q32 -10 64 0t64 0t64 0t64 0" stroke="#e8f7ff" stroke-width="3" fill="none"/>'
        '<path d="M0 172q64 -14 128 0t128 0v84H0z" fill="#f6dc97"/>'
        '<path d="M58 196q-6 -60 -22 -96" stroke="#8a5a2b" stroke-width="9" fill="none"/>'
        '<g fill="#2fa35a"><path d="M36 100q-30 -20 -44 6q24 -10 44 0z"/><path d="M36 100q34 -22 50 4q-26 -10 -50 2z"/><path d="M36 100q-4 -34 -32 -30q22 8 30 32z"/><path d="M36 100q6 -36 34 -30q-24 8 -32 32z"/></g>'
    ),
    "city": (
        _tower(0, 3, 76, "#7b8fb5")
        + _tower(3, 2, 108, "#94a5c6")
        + _tower(5, 3, 60, "#6a7ea6")
        + _tower(8, 3, 108, "#94a5c6")
        + _tower(11, 2, 76, "#7b8fb5")
        + _tower(13, 3, 92, "#6a7ea6")
        + '<rect y="196" width="256" height="60" fill="#6c6f7a"/><path d="M0 240h256" stroke="#f4f4f4" stroke-width="5" stroke-dasharray="26 18"/>'
        '<rect y="192" width="256" height="8" fill="#b9bcc6"/>'
    ),
    "forest": (
        '<path d="M0 150q64 -22 128 -4t128 -6v60H0z" fill="#8fd08a"/>'
        + _tree(22, 198, 1.05)
        + _tree(76, 186, 0.8)
        + _tree(128, 178, 0.72)
        + _tree(184, 188, 0.84)
        + _tree(236, 198, 1.1)
        + '<path d="M0 194q64 -8 128 0t128 0v70H0z" fill="#58b04e"/>'
    ),
    "mars": (
        '<path d="M0 190L40 120L74 160L112 108L160 176L206 116L256 180V256H0z" fill="#c8643a"/>'
        '<path d="M0 192q64 -12 128 0t128 -2v66H0z" fill="#a8431f"/>'
        '<g fill="#8a3416"><ellipse cx="42" cy="232" rx="24" ry="7"/><ellipse cx="196" cy="240" rx="30" ry="8"/><ellipse cx="120" cy="216" rx="16" ry="4"/></g>'
        '<circle cx="44" cy="40" r="15" fill="#fbe0c2"/><ellipse cx="44" cy="40" rx="28" ry="6" fill="none" stroke="#e58d52" stroke-width="4"/>'
    ),
}


def _tiled(tile: str) -> str:
    """Repeat 32 px by 32 px markup over the canvas. One period a token keeps falling weather cheap for the VAE."""
    return "".join(
        f'<g transform="translate({x} {y})">{tile}</g>' for y in range(0, 256, 32) for x in range(0, 256, 32)
    )


_FALLING = {
    "rainy": _tiled(
        '<path d="M12 3l-4 13M28 17l-4 13" stroke="#d4ecff" stroke-width="2.6" stroke-linecap="round"/>'
    ),
    "snowy": _tiled(
        '<circle cx="9" cy="8" r="3.6" fill="#fff"/><circle cx="24" cy="24" r="4.2" fill="#fff"/>'
    ),
}


def _object(thing: Thing, side: str) -> str:
    fill, shade = PAINT[thing.color], SHADE[thing.color]
    x = 37 if side == "left" else 219
    flying = thing.kind in ("bird", "balloon", "star")
    y = 112 if flying else 212
    flip = -1 if side == "right" else 1
    return (
        f'<g transform="translate({x} {y}) scale({flip} 1)" stroke="{INK}" stroke-width="2.5" stroke-linejoin="round">'
        + (_KIND[thing.kind].format(fill=fill, shade=shade))
        + "</g>"
    )


_PETALS = "".join(
    f'<ellipse cx="0" cy="-15" rx="9.5" ry="12" fill="{{fill}}" transform="rotate({a})"/>'
    for a in range(0, 360, 60)
)
_KIND = {
    "flower": '<path d="M0 -6V34" stroke="#2d8a3e" stroke-width="6"/><path d="M0 22q16 -14 22 0q-12 8 -22 4z" fill="#3fb554"/>'
    '<g transform="translate(0 -8)">' + _PETALS + '<circle r="8.5" fill="#fff2b0"/></g>',
    "bird": '<path d="M-24 -2q10 -22 32 -14q14 4 12 16q-2 16 -22 18q-16 0 -22 -20z" fill="{fill}"/>'
    '<path d="M-22 2l-10 -14l18 6z" fill="{shade}"/><path d="M-8 -2q14 -4 14 10q-14 8 -20 -2z" fill="{shade}"/>'
    '<path d="M20 -8l12 4l-12 6z" fill="#ff9f1c"/><circle cx="12" cy="-7" r="4" fill="#fff"/><circle cx="13" cy="-7" r="2" fill="#111" stroke="none"/>'
    '<path d="M-4 18v8M4 18v8" stroke="#ff9f1c" stroke-width="3"/>',
    "balloon": '<path d="M0 14q-8 20 2 40" fill="none" stroke="#555" stroke-width="2.5"/><ellipse cy="-10" rx="21" ry="25" fill="{fill}"/>'
    '<path d="M-5 20l5 -6l5 6z" fill="{shade}"/><ellipse cx="-8" cy="-18" rx="5" ry="8" fill="#fff" opacity="0.7" stroke="none"/>',
    "ball": '<circle cy="8" r="25" fill="{fill}"/><path d="M-24 4q24 14 48 0M0 -17q-14 25 0 50M0 -17q14 25 0 50" fill="none" stroke="#fff" stroke-width="4"/>'
    '<circle cy="8" r="25" fill="none"/>',
    "mushroom": '<path d="M-9 6h18q-4 18 5 28h-28q9 -10 5 -28z" fill="#fff4e0"/><path d="M-28 8q0 -34 28 -34t28 34q-28 9 -56 0z" fill="{fill}"/>'
    '<g fill="#fff" stroke="none"><circle cx="-12" cy="-4" r="5.5"/><circle cx="9" cy="-11" r="6"/><circle cx="15" cy="3" r="4"/></g>',
    "star": '<path d="M0 -29L8.5 -9.5L29 -8L13.5 6L18.5 27L0 15.5L-18.5 27L-13.5 6L-29 -8L-8.5 -9.5z" fill="{fill}" stroke="{shade}" stroke-width="3.5"/>',
}

_FUR = {
    "robot": ("#8fa8c4", "#5d7591"),
    "cat": ("#f59331", "#ffd7a3"),
    "dog": ("#96663b", "#d8ab7b"),
    "rabbit": ("#e9e6ee", "#ffb3c6"),
}


def _head(character: str, asleep: bool) -> str:
    fur, light = _FUR[character]
    if asleep:
        eyes = f'<path d="M110 96q6 6 12 0M134 96q6 6 12 0" stroke="{INK}" stroke-width="3.5" fill="none"/>'
    else:
        eyes = f'<g fill="{INK}"><circle cx="116" cy="94" r="5"/><circle cx="140" cy="94" r="5"/></g><g fill="#fff"><circle cx="118" cy="92" r="1.8"/><circle cx="142" cy="92" r="1.8"/></g>'
    if character == "robot":
        lamps = (
            ""
            if asleep
            else '<circle cx="115" cy="96" r="6" fill="#3ff0e0"/><circle cx="141" cy="96" r="6" fill="#3ff0e0"/>'
        )
        shut = '<path d="M109 96h12M135 96h12" stroke="#3ff0e0" stroke-width="3.5"/>' if asleep else ""
        return (
            f'<path d="M128 68V52" stroke="{INK}" stroke-width="4"/><circle cx="128" cy="50" r="6" fill="#e63946"/>'
            f'<rect x="94" y="66" width="68" height="58" rx="12" fill="{fur}"/><rect x="102" y="82" width="52" height="28" rx="10" fill="#22304a"/>{lamps}{shut}'
            f'<rect x="88" y="88" width="7" height="16" rx="3" fill="{light}"/><rect x="161" y="88" width="7" height="16" rx="3" fill="{light}"/>'
        )
    face = f'<ellipse cx="128" cy="96" rx="35" ry="31" fill="{fur}"/>'
    if character == "cat":
        return (
            f'<path d="M96 88L96 48L122 70zM160 88L160 48L134 70z" fill="{fur}"/><path d="M101 76V58L114 69zM155 76V58L142 69z" fill="#ffb3b8"/>{face}'
            f'<ellipse cx="128" cy="109" rx="16" ry="11" fill="{light}"/>{eyes}<path d="M124 103h8l-4 5z" fill="#e4572e"/>'
            f'<g stroke="{INK}" stroke-width="2"><path d="M112 108l-22 -4M112 112l-22 4M144 108l22 -4M144 112l22 4"/></g>'
        )
    if character == "dog":
        return (
            f'{face}<path d="M100 74q-22 4 -20 44q14 4 20 -12zM156 74q22 4 20 44q-14 4 -20 -12z" fill="#6b4423"/>'
            f'<ellipse cx="128" cy="110" rx="19" ry="14" fill="{light}"/>{eyes}<ellipse cx="128" cy="104" rx="7" ry="5" fill="#1d1d24"/>'
            '<path d="M128 109v5" stroke="#1d1d24" stroke-width="2"/><path d="M124 115h8v7q-4 4 -8 0z" fill="#f2657a"/>'
        )
    return (
        f'<ellipse cx="112" cy="50" rx="10" ry="31" fill="{fur}"/><ellipse cx="144" cy="50" rx="10" ry="31" fill="{fur}"/>'
        f'<ellipse cx="112" cy="52" rx="5" ry="22" fill="{light}"/><ellipse cx="144" cy="52" rx="5" ry="22" fill="{light}"/>{face}{eyes}'
        f'<circle cx="108" cy="107" r="6" fill="{light}"/><circle cx="148" cy="107" r="6" fill="{light}"/><path d="M124 104h8l-4 5z" fill="#ff7a9c"/><rect x="124" y="110" width="8" height="8" fill="#fff"/>'
    )


def _arm(path: str, color: str, glove: str, hand: tuple[int, int]) -> str:
    return (
        f'<path d="{path}" stroke="{INK}" stroke-width="17" stroke-linecap="round" fill="none"/><path d="{path}" stroke="{color}" stroke-width="13" stroke-linecap="round" fill="none"/>'
        f'<circle cx="{hand[0]}" cy="{hand[1]}" r="8" fill="{glove}" stroke="{INK}" stroke-width="2"/>'
    )


def _character(character: str, outfit: str, action: str) -> str:
    fur, light = _FUR[character]
    suited = outfit == "space suit"
    limb, glove = ("#f4f6fb", "#9aa5b8") if suited else (fur, fur)
    legs = "".join(
        f'<rect x="{x}" y="182" width="20" height="40" rx="8" fill="{limb}" stroke="{INK}" stroke-width="2.5"/><rect x="{x - 2}" y="212" width="24" height="13" rx="6" fill="{glove}" stroke="{INK}" stroke-width="2"/>'
        for x in (106, 130)
    )
    tail = {
        "cat": f'<path d="M100 184q-34 4 -28 -30" stroke="{fur}" stroke-width="9" fill="none" stroke-linecap="round"/>',
        "dog": f'<path d="M102 182q-20 0 -24 -18" stroke="{fur}" stroke-width="9" fill="none" stroke-linecap="round"/>',
    }
    torso = f'<rect x="99" y="124" width="58" height="66" rx="18" fill="{limb}" stroke="{INK}" stroke-width="2.5"/>'
    if suited:
        torso += '<rect x="112" y="146" width="32" height="24" rx="4" fill="#2f6fed"/><circle cx="121" cy="158" r="4" fill="#ffd23f"/><circle cx="135" cy="158" r="4" fill="#e63946"/>'
    elif character == "robot":
        torso += '<rect x="110" y="140" width="36" height="28" rx="5" fill="#22304a"/><circle cx="128" cy="154" r="8" fill="#3ff0e0"/>'
    else:
        torso += f'<ellipse cx="128" cy="160" rx="17" ry="23" fill="{light}"/>'
    helmet = ""
    if suited:
        helmet = '<circle cx="128" cy="94" r="47" fill="#bfe4ff" opacity="0.35"/><circle cx="128" cy="94" r="47" fill="none" stroke="#ffffff" stroke-width="8"/><circle cx="128" cy="94" r="51" fill="none" stroke="#7f8aa0" stroke-width="2"/><path d="M97 72q10 -18 28 -20" stroke="#fff" stroke-width="5" fill="none" stroke-linecap="round"/>'
    head = f'<g stroke="{INK}" stroke-width="2.2" stroke-linejoin="round">{_head(character, action == "sleeping")}</g>{helmet}'
    back = "" if suited else tail.get(character, "")
    rest = _arm("M104 140q-12 18 -10 34", limb, glove, (94, 176))
    if action == "sleeping":
        arms = rest + _arm("M152 140q12 18 10 34", limb, glove, (162, 176))
        lying = f'<g transform="translate(232 98) rotate(90) scale(0.76)">{back}{legs}{torso}{arms}{head}</g>'
        zed = f'<g fill="none" stroke="#fff" stroke-width="9" stroke-linejoin="round"><path d="{_ZED}"/></g><g fill="none" stroke="#3d3f8f" stroke-width="5" stroke-linejoin="round"><path d="{_ZED}"/></g>'
        mat = f'<rect x="68" y="206" width="124" height="22" rx="11" fill="#3f7fd6" stroke="{INK}" stroke-width="2.5"/>'
        return mat + f'<g transform="translate(256 0) scale(-1 1)">{lying}</g>' + zed
    if action == "watering plants":
        arms = rest + _arm("M152 140q10 6 16 8", limb, glove, (168, 150))
        prop = (
            f'<g stroke="{INK}" stroke-width="2.5"><path d="M160 150h26v24h-26z" fill="#19a7a0"/><path d="M186 156l14 -9v7l-12 14z" fill="#19a7a0"/><path d="M164 150q8 -14 18 0" fill="none" stroke-width="4"/>'
            '<path d="M170 206h34l-5 22h-24z" fill="#c8643a"/><path d="M187 206v-16M187 198q-14 -2 -13 -14q12 1 13 12M187 196q13 -2 13 -12q-12 0 -13 12" fill="#3fb554"/></g>'
            '<path d="M200 154q-4 12 -5 22M195 156q-5 10 -7 22M204 154q0 12 -2 24" stroke="#2d9cff" stroke-width="3" fill="none" stroke-linecap="round"/>'
        )
        return back + legs + torso + head + arms + prop
    if action == "playing guitar":
        guitar = (
            f'<g transform="rotate(-24 128 162)" stroke="{INK}" stroke-width="2.5"><rect x="140" y="156" width="66" height="10" fill="#7a4a26"/><rect x="200" y="151" width="14" height="20" rx="3" fill="#4d2d14"/>'
            '<path d="M92 161q0 -24 24 -22q10 4 16 4t14 6q6 12 0 24q-8 6 -14 6t-16 4q-24 2 -24 -22z" fill="#d9822b"/><circle cx="124" cy="161" r="9" fill="#4d2d14"/><path d="M100 152v18" stroke-width="4"/></g>'
        )
        return (
            back
            + legs
            + torso
            + head
            + guitar
            + _arm("M104 140q-10 16 4 28", limb, glove, (112, 172))
            + _arm("M152 140q18 4 22 4", limb, glove, (176, 141))
        )
    if action == "reading":
        book = (
            f'<g stroke="{INK}" stroke-width="2.5" stroke-linejoin="round"><path d="M82 138q24 -8 46 4q22 -12 46 -4v44q-24 -8 -46 4q-22 -12 -46 -4z" fill="#c62839"/><path d="M88 138q22 -6 40 4v38q-18 -10 -40 -4z" fill="#fffdf2"/><path d="M168 138q-22 -6 -40 4v38q18 -10 40 -4z" fill="#fffdf2"/></g>'
            '<g stroke="#8b8fa3" stroke-width="2.5"><path d="M95 148q14 -2 26 4M95 157q14 -2 26 4M95 166q14 -2 26 4M161 148q-14 -2 -26 4M161 157q-14 -2 -26 4M161 166q-14 -2 -26 4"/></g>'
        )
        return (
            back
            + legs
            + torso
            + head
            + book
            + f'<circle cx="84" cy="164" r="9" fill="{glove}" stroke="{INK}" stroke-width="2"/><circle cx="172" cy="164" r="9" fill="{glove}" stroke="{INK}" stroke-width="2"/>'
        )
    umbrella = f'<path d="M176 160V30" stroke="{INK}" stroke-width="5"/><g stroke="{INK}" stroke-width="2.5"><path d="M66 58q8 -52 62 -52t62 52q-10 -12 -20 0q-11 -12 -21 0q-10 -12 -21 0q-10 -12 -21 0q-10 -12 -20 0q-11 -12 -21 0z" fill="#ff5fa2"/><path d="M107 58q2 -40 21 -52q19 12 21 52q-10 -12 -21 0q-10 -12 -21 0z" fill="#ffc2dc"/></g>'
    pole = f'<path d="M172 168V50" stroke="{INK}" stroke-width="5"/>'
    umbrella = umbrella.replace(f'<path d="M176 160V30" stroke="{INK}" stroke-width="5"/>', "")
    lowered = f'<g transform="translate(0 6)">{head}</g>'
    return (
        back
        + legs
        + torso
        + pole
        + umbrella
        + lowered
        + rest
        + _arm("M152 142q12 10 18 6", limb, glove, (172, 148))
    )


_ZED = "M136 128h18l-18 20h18M160 100h14l-14 16h14M178 76h10l-10 12h10"
