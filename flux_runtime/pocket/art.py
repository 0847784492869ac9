"""How the storybook world looks: SVG markup of its backdrops, objects, characters and falling weather.

Knows names only (of settings, kinds, colours), no scenes. Coordinates are pixels of a 256 x 256 canvas.
"""

from __future__ import annotations

INK = "#2b2d42"
PAINT = {"red": "#e63946", "blue": "#2f6fed", "yellow": "#ffd23f", "green": "#2fb457", "purple": "#8e44c9"}
SHADE = {"red": "#b3202d", "blue": "#1d49ab", "yellow": "#dda312", "green": "#1b7f39", "purple": "#5f2590"}


# ---- backdrops ---------------------------------------------------------------------------------------------

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


def backdrop(setting: str, weather: str) -> str:
    """The place under the light and the sky of the weather."""
    veil, strength = _VEIL[weather]
    snow = '<path d="M0 206q40 -12 84 -3t90 0t82 -2v60H0z" fill="#fff"/>' if weather == "snowy" else ""
    return f"""
        <rect width="256" height="256" fill="{_SKY[setting]}"/>
        {_SCENERY[setting]}
        {snow}
        <rect width="256" height="256" fill="{veil}" opacity="{strength}"/>
        {_OVERHEAD[weather]}
    """


def _cloud(x: int, y: int, fill: str) -> str:
    return f'<path d="M{x} {y}h58a15 15 0 0 0 -6 -29a21 21 0 0 0 -39 -6a17 17 0 0 0 -13 35z" fill="{fill}"/>'


_RAYS = "".join(
    f'<path d="M222 4v-10" stroke="#ffc61a" stroke-width="4" transform="rotate({angle} 222 34)"/>'
    for angle in range(0, 360, 45)
)
_STARS = "".join(
    f'<circle cx="{x}" cy="{y}" r="2.2" fill="#fff"/>'
    for x, y in (
        *((20, 18), (52, 40), (88, 14), (30, 66), (180, 18)),
        *((168, 50), (196, 74), (8, 100), (242, 92), (110, 34)),
    )
)
_OVERHEAD = {
    "sunny": f'<circle cx="222" cy="34" r="20" fill="#ffd93b" stroke="#ffb300" stroke-width="3"/>{_RAYS}',
    "rainy": _cloud(6, 46, "#7c8798") + _cloud(186, 44, "#7c8798"),
    "snowy": _cloud(6, 46, "#ffffff") + _cloud(186, 44, "#ffffff"),
    "night": f'<path d="M228 12a24 24 0 1 0 16 40a20 20 0 0 1 -16 -40z" fill="#fdf3c0"/>{_STARS}',
}


def _bush(x: int) -> str:
    leaves = "q-14 -34 4 -44q2 14 6 18q2 -24 14 -30q4 20 0 30q12 -12 20 -6q-2 22 -14 32z"
    return f'<path d="M{x} 196{leaves}" fill="#3fae54"/>'


def _tower(column: int, columns: int, top: int, fill: str) -> str:
    """A house on the 16 px grid of the latents, one window a cell."""
    windows = "".join(
        f'<rect x="{x + 4}" y="{y + 4}" width="8" height="9" fill="#fff3a8"/>'
        for y in range(top + 4, 180, 16)
        for x in range(column * 16, (column + columns) * 16, 16)
    )
    size = f'width="{columns * 16}" height="{200 - top}"'
    return f'<rect x="{column * 16}" y="{top}" {size} fill="{fill}"/>{windows}'


def _tree(x: int, y: int, scale: float) -> str:
    return f"""
        <g transform="translate({x} {y}) scale({scale})">
            <rect x="-5" y="-20" width="10" height="24" fill="#7a4a26"/>
            <path d="M0 -118L32 -66H16L40 -34H18L44 0H-44L-18 -34H-40L-16 -66H-32z" fill="#1f8a4c"
                transform="translate(0 -14)"/>
        </g>
    """


_SCENERY = {
    "greenhouse": f"""
        <rect y="196" width="256" height="60" fill="#b98a5e"/>
        <path d="M0 196h256" stroke="#8f6538" stroke-width="4"/>
        <path d="M4 256V84L128 8L252 84V256M4 84H252M66 46V196M128 8V196M190 46V196M4 140H252"
            stroke="#ffffff" stroke-width="5" fill="none"/>
        {"".join(_bush(x) for x in (8, 46, 84, 128, 170, 212))}
    """,
    "beach": """
        <rect y="118" width="256" height="62" fill="#2a8fd0"/>
        <path d="M0 128q32 -10 64 0t64 0t64 0t64 0" stroke="#e8f7ff" stroke-width="3" fill="none"/>
        <path d="M0 172q64 -14 128 0t128 0v84H0z" fill="#f6dc97"/>
        <path d="M58 196q-6 -60 -22 -96" stroke="#8a5a2b" stroke-width="9" fill="none"/>
        <g fill="#2fa35a">
            <path d="M36 100q-30 -20 -44 6q24 -10 44 0z"/>
            <path d="M36 100q34 -22 50 4q-26 -10 -50 2z"/>
            <path d="M36 100q-4 -34 -32 -30q22 8 30 32z"/>
            <path d="M36 100q6 -36 34 -30q-24 8 -32 32z"/>
        </g>
    """,
    "city": f"""
        {_tower(0, 3, 76, "#7b8fb5")}
        {_tower(3, 2, 108, "#94a5c6")}
        {_tower(5, 3, 60, "#6a7ea6")}
        {_tower(8, 3, 108, "#94a5c6")}
        {_tower(11, 2, 76, "#7b8fb5")}
        {_tower(13, 3, 92, "#6a7ea6")}
        <rect y="196" width="256" height="60" fill="#6c6f7a"/>
        <path d="M0 240h256" stroke="#f4f4f4" stroke-width="5" stroke-dasharray="26 18"/>
        <rect y="192" width="256" height="8" fill="#b9bcc6"/>
    """,
    "forest": f"""
        <path d="M0 150q64 -22 128 -4t128 -6v60H0z" fill="#8fd08a"/>
        {_tree(22, 198, 1.05)}
        {_tree(76, 186, 0.8)}
        {_tree(128, 178, 0.72)}
        {_tree(184, 188, 0.84)}
        {_tree(236, 198, 1.1)}
        <path d="M0 194q64 -8 128 0t128 0v70H0z" fill="#58b04e"/>
    """,
    "mars": """
        <path d="M0 190L40 120L74 160L112 108L160 176L206 116L256 180V256H0z" fill="#c8643a"/>
        <path d="M0 192q64 -12 128 0t128 -2v66H0z" fill="#a8431f"/>
        <g fill="#8a3416">
            <ellipse cx="42" cy="232" rx="24" ry="7"/>
            <ellipse cx="196" cy="240" rx="30" ry="8"/>
            <ellipse cx="120" cy="216" rx="16" ry="4"/>
        </g>
        <circle cx="44" cy="40" r="15" fill="#fbe0c2"/>
        <ellipse cx="44" cy="40" rx="28" ry="6" fill="none" stroke="#e58d52" stroke-width="4"/>
    """,
}


def _tiled(tile: str) -> str:
    """Repeat 32 px markup over the canvas. One period a token keeps falling weather cheap for the VAE."""
    return "".join(
        f'<g transform="translate({x} {y})">{tile}</g>' for y in range(0, 256, 32) for x in range(0, 256, 32)
    )


# What falls before everything else, by weather.
FALLING = {
    "rainy": _tiled(
        '<path d="M12 3l-4 13M28 17l-4 13" stroke="#d4ecff" stroke-width="2.6" stroke-linecap="round"/>'
    ),
    "snowy": _tiled(
        '<circle cx="9" cy="8" r="3.6" fill="#fff"/><circle cx="24" cy="24" r="4.2" fill="#fff"/>'
    ),
}


# ---- objects -----------------------------------------------------------------------------------------------

_FLYING = ("bird", "balloon", "star")
_PETALS = "".join(
    f'<ellipse cx="0" cy="-15" rx="9.5" ry="12" fill="{{fill}}" transform="rotate({angle})"/>'
    for angle in range(0, 360, 60)
)
# Around their own centre, facing right; {fill} and {shade} are the object's colour, light and dark.
_KINDS = {
    "flower": f"""
        <path d="M0 -6V34" stroke="#2d8a3e" stroke-width="6"/>
        <path d="M0 22q16 -14 22 0q-12 8 -22 4z" fill="#3fb554"/>
        <g transform="translate(0 -8)">{_PETALS}<circle r="8.5" fill="#fff2b0"/></g>
    """,
    "bird": """
        <path d="M-24 -2q10 -22 32 -14q14 4 12 16q-2 16 -22 18q-16 0 -22 -20z" fill="{fill}"/>
        <path d="M-22 2l-10 -14l18 6z" fill="{shade}"/>
        <path d="M-8 -2q14 -4 14 10q-14 8 -20 -2z" fill="{shade}"/>
        <path d="M20 -8l12 4l-12 6z" fill="#ff9f1c"/>
        <circle cx="12" cy="-7" r="4" fill="#fff"/>
        <circle cx="13" cy="-7" r="2" fill="#111" stroke="none"/>
        <path d="M-4 18v8M4 18v8" stroke="#ff9f1c" stroke-width="3"/>
    """,
    "balloon": """
        <path d="M0 14q-8 20 2 40" fill="none" stroke="#555" stroke-width="2.5"/>
        <ellipse cy="-10" rx="21" ry="25" fill="{fill}"/>
        <path d="M-5 20l5 -6l5 6z" fill="{shade}"/>
        <ellipse cx="-8" cy="-18" rx="5" ry="8" fill="#fff" opacity="0.7" stroke="none"/>
    """,
    "ball": """
        <circle cy="8" r="25" fill="{fill}"/>
        <path d="M-24 4q24 14 48 0M0 -17q-14 25 0 50M0 -17q14 25 0 50" fill="none" stroke="#fff"
            stroke-width="4"/>
        <circle cy="8" r="25" fill="none"/>
    """,
    "mushroom": """
        <path d="M-9 6h18q-4 18 5 28h-28q9 -10 5 -28z" fill="#fff4e0"/>
        <path d="M-28 8q0 -34 28 -34t28 34q-28 9 -56 0z" fill="{fill}"/>
        <g fill="#fff" stroke="none">
            <circle cx="-12" cy="-4" r="5.5"/>
            <circle cx="9" cy="-11" r="6"/>
            <circle cx="15" cy="3" r="4"/>
        </g>
    """,
    "star": """
        <path d="M0 -29L8.5 -9.5L29 -8L13.5 6L18.5 27L0 15.5L-18.5 27L-13.5 6L-29 -8L-8.5 -9.5z"
            fill="{fill}" stroke="{shade}" stroke-width="3.5"/>
    """,
}


def thing(kind: str, color: str, side: str) -> str:
    """An object in its place on one side, facing the middle; some kinds fly."""
    x, flip = (37, 1) if side == "left" else (219, -1)
    y = 112 if kind in _FLYING else 212
    return f"""
        <g transform="translate({x} {y}) scale({flip} 1)" stroke="{INK}" stroke-width="2.5"
            stroke-linejoin="round">
            {_KINDS[kind].format(fill=PAINT[color], shade=SHADE[color])}
        </g>
    """


# ---- characters --------------------------------------------------------------------------------------------

# Fur and its lighter parts; for the robot, metal and its darker parts.
_FUR = {
    "robot": ("#8fa8c4", "#5d7591"),
    "cat": ("#f59331", "#ffd7a3"),
    "dog": ("#96663b", "#d8ab7b"),
    "rabbit": ("#e9e6ee", "#ffb3c6"),
}
_TAILS = {"cat": "M100 184q-34 4 -28 -30", "dog": "M102 182q-20 0 -24 -18"}
_HELMET = """
    <circle cx="128" cy="94" r="47" fill="#bfe4ff" opacity="0.35"/>
    <circle cx="128" cy="94" r="47" fill="none" stroke="#ffffff" stroke-width="8"/>
    <circle cx="128" cy="94" r="51" fill="none" stroke="#7f8aa0" stroke-width="2"/>
    <path d="M97 72q10 -18 28 -20" stroke="#fff" stroke-width="5" fill="none" stroke-linecap="round"/>
"""


def character(character: str, outfit: str, action: str) -> str:
    """The character in the middle, with what the action needs in its hands."""
    fur, light = _FUR[character]
    suited = outfit == "space suit"
    limb, glove = ("#f4f6fb", "#9aa5b8") if suited else (fur, fur)

    def arm(path: str, x: int, y: int) -> str:
        """An arm along the path, its hand at (x, y)."""
        return f"""
            <path d="{path}" stroke="{INK}" stroke-width="17" stroke-linecap="round" fill="none"/>
            <path d="{path}" stroke="{limb}" stroke-width="13" stroke-linecap="round" fill="none"/>
            <circle cx="{x}" cy="{y}" r="8" fill="{glove}" stroke="{INK}" stroke-width="2"/>
        """

    body = _tail(character, suited) + _legs(limb, glove) + _torso(character, limb, light, suited)
    head = f"""
        <g stroke="{INK}" stroke-width="2.2" stroke-linejoin="round">
            {_head(character, asleep=action == "sleeping")}
        </g>
        {_HELMET if suited else ""}
    """
    resting = arm("M104 140q-12 18 -10 34", 94, 176)
    match action:
        case "sleeping":
            return f"""
                <rect x="68" y="206" width="124" height="22" rx="11" fill="#3f7fd6" stroke="{INK}"
                    stroke-width="2.5"/>
                <g transform="translate(256 0) scale(-1 1)">
                    <g transform="translate(232 98) rotate(90) scale(0.76)">
                        {body}{resting}{arm("M152 140q12 18 10 34", 162, 176)}{head}
                    </g>
                </g>
                {_ZZZ}
            """
        case "watering plants":
            return body + head + resting + arm("M152 140q10 6 16 8", 168, 150) + _WATERING_CAN
        case "playing guitar":
            arms = arm("M104 140q-10 16 4 28", 112, 172) + arm("M152 140q18 4 22 4", 176, 141)
            return body + head + _GUITAR + arms
        case "reading":
            return body + head + _BOOK + _paw(84, 164, glove) + _paw(172, 164, glove)
        case "holding an umbrella":
            lowered = f'<g transform="translate(0 6)">{head}</g>'
            return body + _UMBRELLA + lowered + resting + arm("M152 142q12 10 18 6", 172, 148)
    raise ValueError(f"unknown action {action!r}")


def _paw(x: int, y: int, fill: str) -> str:
    return f'<circle cx="{x}" cy="{y}" r="9" fill="{fill}" stroke="{INK}" stroke-width="2"/>'


def _tail(character: str, suited: bool) -> str:
    if suited or character not in _TAILS:
        return ""
    fur, path = _FUR[character][0], _TAILS[character]
    return f'<path d="{path}" stroke="{fur}" stroke-width="9" fill="none" stroke-linecap="round"/>'


def _legs(limb: str, foot: str) -> str:
    return "".join(
        f"""
            <rect x="{x}" y="182" width="20" height="40" rx="8" fill="{limb}" stroke="{INK}"
                stroke-width="2.5"/>
            <rect x="{x - 2}" y="212" width="24" height="13" rx="6" fill="{foot}" stroke="{INK}"
                stroke-width="2"/>
        """
        for x in (106, 130)
    )


def _torso(character: str, fill: str, light: str, suited: bool) -> str:
    if suited:
        front = """
            <rect x="112" y="146" width="32" height="24" rx="4" fill="#2f6fed"/>
            <circle cx="121" cy="158" r="4" fill="#ffd23f"/>
            <circle cx="135" cy="158" r="4" fill="#e63946"/>
        """
    elif character == "robot":
        front = """
            <rect x="110" y="140" width="36" height="28" rx="5" fill="#22304a"/>
            <circle cx="128" cy="154" r="8" fill="#3ff0e0"/>
        """
    else:
        front = f'<ellipse cx="128" cy="160" rx="17" ry="23" fill="{light}"/>'
    return f"""
        <rect x="99" y="124" width="58" height="66" rx="18" fill="{fill}" stroke="{INK}"
            stroke-width="2.5"/>
        {front}
    """


def _head(character: str, *, asleep: bool) -> str:
    fur, light = _FUR[character]
    if character == "robot":
        if asleep:
            lamps = '<path d="M109 96h12M135 96h12" stroke="#3ff0e0" stroke-width="3.5"/>'
        else:
            lamps = """
                <circle cx="115" cy="96" r="6" fill="#3ff0e0"/>
                <circle cx="141" cy="96" r="6" fill="#3ff0e0"/>
            """
        return f"""
            <path d="M128 68V52" stroke="{INK}" stroke-width="4"/>
            <circle cx="128" cy="50" r="6" fill="#e63946"/>
            <rect x="94" y="66" width="68" height="58" rx="12" fill="{fur}"/>
            <rect x="102" y="82" width="52" height="28" rx="10" fill="#22304a"/>
            {lamps}
            <rect x="88" y="88" width="7" height="16" rx="3" fill="{light}"/>
            <rect x="161" y="88" width="7" height="16" rx="3" fill="{light}"/>
        """
    if asleep:
        eyes = f'<path d="M110 96q6 6 12 0M134 96q6 6 12 0" stroke="{INK}" stroke-width="3.5" fill="none"/>'
    else:
        eyes = f"""
            <g fill="{INK}"><circle cx="116" cy="94" r="5"/><circle cx="140" cy="94" r="5"/></g>
            <g fill="#fff"><circle cx="118" cy="92" r="1.8"/><circle cx="142" cy="92" r="1.8"/></g>
        """
    face = f'<ellipse cx="128" cy="96" rx="35" ry="31" fill="{fur}"/>'
    if character == "cat":
        return f"""
            <path d="M96 88L96 48L122 70zM160 88L160 48L134 70z" fill="{fur}"/>
            <path d="M101 76V58L114 69zM155 76V58L142 69z" fill="#ffb3b8"/>
            {face}
            <ellipse cx="128" cy="109" rx="16" ry="11" fill="{light}"/>
            {eyes}
            <path d="M124 103h8l-4 5z" fill="#e4572e"/>
            <path d="M112 108l-22 -4M112 112l-22 4M144 108l22 -4M144 112l22 4" stroke="{INK}"
                stroke-width="2"/>
        """
    if character == "dog":
        return f"""
            {face}
            <path d="M100 74q-22 4 -20 44q14 4 20 -12zM156 74q22 4 20 44q-14 4 -20 -12z" fill="#6b4423"/>
            <ellipse cx="128" cy="110" rx="19" ry="14" fill="{light}"/>
            {eyes}
            <ellipse cx="128" cy="104" rx="7" ry="5" fill="#1d1d24"/>
            <path d="M128 109v5" stroke="#1d1d24" stroke-width="2"/>
            <path d="M124 115h8v7q-4 4 -8 0z" fill="#f2657a"/>
        """
    return f"""
        <ellipse cx="112" cy="50" rx="10" ry="31" fill="{fur}"/>
        <ellipse cx="144" cy="50" rx="10" ry="31" fill="{fur}"/>
        <ellipse cx="112" cy="52" rx="5" ry="22" fill="{light}"/>
        <ellipse cx="144" cy="52" rx="5" ry="22" fill="{light}"/>
        {face}
        {eyes}
        <circle cx="108" cy="107" r="6" fill="{light}"/>
        <circle cx="148" cy="107" r="6" fill="{light}"/>
        <path d="M124 104h8l-4 5z" fill="#ff7a9c"/>
        <rect x="124" y="110" width="8" height="8" fill="#fff"/>
    """


# ---- what the actions need ---------------------------------------------------------------------------------

_ZED = "M136 128h18l-18 20h18M160 100h14l-14 16h14M178 76h10l-10 12h10"
_ZZZ = f"""
    <path d="{_ZED}" fill="none" stroke="#fff" stroke-width="9" stroke-linejoin="round"/>
    <path d="{_ZED}" fill="none" stroke="#3d3f8f" stroke-width="5" stroke-linejoin="round"/>
"""
_WATERING_CAN = f"""
    <g stroke="{INK}" stroke-width="2.5">
        <path d="M160 150h26v24h-26z" fill="#19a7a0"/>
        <path d="M186 156l14 -9v7l-12 14z" fill="#19a7a0"/>
        <path d="M164 150q8 -14 18 0" fill="none" stroke-width="4"/>
        <path d="M170 206h34l-5 22h-24z" fill="#c8643a"/>
        <path d="M187 206v-16M187 198q-14 -2 -13 -14q12 1 13 12M187 196q13 -2 13 -12q-12 0 -13 12"
            fill="#3fb554"/>
    </g>
    <path d="M200 154q-4 12 -5 22M195 156q-5 10 -7 22M204 154q0 12 -2 24" stroke="#2d9cff"
        stroke-width="3" fill="none" stroke-linecap="round"/>
"""
_GUITAR = f"""
    <g transform="rotate(-24 128 162)" stroke="{INK}" stroke-width="2.5">
        <rect x="140" y="156" width="66" height="10" fill="#7a4a26"/>
        <rect x="200" y="151" width="14" height="20" rx="3" fill="#4d2d14"/>
        <path d="M92 161q0 -24 24 -22q10 4 16 4t14 6q6 12 0 24q-8 6 -14 6t-16 4q-24 2 -24 -22z"
            fill="#d9822b"/>
        <circle cx="124" cy="161" r="9" fill="#4d2d14"/>
        <path d="M100 152v18" stroke-width="4"/>
    </g>
"""
_BOOK = f"""
    <g stroke="{INK}" stroke-width="2.5" stroke-linejoin="round">
        <path d="M82 138q24 -8 46 4q22 -12 46 -4v44q-24 -8 -46 4q-22 -12 -46 -4z" fill="#c62839"/>
        <path d="M88 138q22 -6 40 4v38q-18 -10 -40 -4z" fill="#fffdf2"/>
        <path d="M168 138q-22 -6 -40 4v38q18 -10 40 -4z" fill="#fffdf2"/>
    </g>
    <path d="M95 148q14 -2 26 4M95 157q14 -2 26 4M95 166q14 -2 26 4
        M161 148q-14 -2 -26 4M161 157q-14 -2 -26 4M161 166q-14 -2 -26 4"
        stroke="#8b8fa3" stroke-width="2.5"/>
"""
_UMBRELLA = f"""
    <path d="M172 168V50" stroke="{INK}" stroke-width="5"/>
    <g stroke="{INK}" stroke-width="2.5">
        <path d="M66 58q8 -52 62 -52t62 52q-10 -12 -20 0q-11 -12 -21 0q-10 -12 -21 0q-10 -12 -21 0
            q-10 -12 -20 0q-11 -12 -21 0z" fill="#ff5fa2"/>
        <path d="M107 58q2 -40 21 -52q19 12 21 52q-10 -12 -21 0q-10 -12 -21 0z" fill="#ffc2dc"/>
    </g>
"""
