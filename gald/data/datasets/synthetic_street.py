"""Draws one street of `gald.data.datasets.synthetic`: sky, two rows of facades, two halves of ground, small things."""

import numpy as np
from PIL import Image, ImageDraw

from gald.data.labels import Label, label_table
from gald.images.io import Color

BASE = {  # in the order in which a growing class count adds them
    label.name: label.color
    for label in label_table(
        """road 128 64 128, pole 220 220 120, sky 70 130 180, water 20 70 200, building 110 60 60, sign 250 170 30,
        car 0 0 142, person 220 20 60, wall 200 150 150, vegetation 60 160 60, pavement 244 35 232"""
    )
}
# the region that takes the place of one that is not among the classes asked for
INSTEAD = dict.fromkeys(("sky", "water", "building", "pavement"), "road") | {
    "wall": "building",
    "vegetation": "building",
}
# strength of a region's noise, 0 to 255
TEXTURE = {"road": 6, "water": 6, "building": 14, "wall": 14, "vegetation": 30, "sky": 3, "pavement": 10}

Point = tuple[float | int, float | int]  # (x, y) in pixels


class Scene:
    """One picture in the making: colours and train ids are drawn side by side."""

    def __init__(self, rng: np.random.Generator, size: tuple[int, int], labels: tuple[Label, ...]) -> None:
        self.rng, (self.height, self.width) = rng, size
        self.colors = {label.name: label.color for label in labels}
        self.ids = {label.name: i for i, label in enumerate(labels)}
        self.image = Image.new("RGB", (self.width, self.height))
        self.mask = Image.new("L", (self.width, self.height))
        self.pens = ImageDraw.Draw(self.image), ImageDraw.Draw(self.mask)
        self.horizon = self._between(0.38, 0.5) * self.height
        self.warm, self.sun_left = bool(rng.integers(2)), bool(rng.integers(2))  # the two far cues

    def draw(self) -> tuple[np.ndarray, np.ndarray]:
        """Return uint8 picture (H, W, 3) and train ids (H, W)."""
        self._sky()
        self._facades()
        self._vegetation()
        self._ground()
        for thing in ("car", "person", "pole"):
            if thing in self.ids:
                for depth in sorted(self.rng.uniform(0.15, 1.0, self.rng.integers(1, 5))):
                    getattr(self, f"_{thing}")(float(depth))
        return self._textured(), np.array(self.mask)

    def _between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def _near(self, color: Color, spread: int = 18) -> Color:
        red, green, blue = (color + self.rng.integers(-spread, spread + 1, 3)).clip(0, 255).tolist()
        return red, green, blue

    def _shape(self, kind: str, place: list[Point], name: str, color: Color) -> None:
        while name not in self.ids:
            name = INSTEAD[name]
        for pen, fill in zip(self.pens, (color, self.ids[name]), strict=True):
            getattr(pen, kind)([(round(x), round(y)) for x, y in place], fill=fill)

    def _sky(self) -> None:
        tint = self._near((235, 170, 120) if self.warm else (130, 175, 235))
        self._shape("rectangle", [(0, 0), (self.width, self.height)], "sky", tint)
        x = self._between(0.03, 0.2) if self.sun_left else self._between(0.8, 0.97)
        y, radius = self._between(0.04, 0.14) * self.height, max(1.0, self.height / 16)
        x *= self.width
        self._shape("ellipse", [(x - radius, y - radius), (x + radius, y + radius)], "sky", (255, 250, 215))

    def _facades(self) -> None:
        color, x = self._near((150, 125, 115)), 0.0
        middle = self._between(0.4, 0.6) * self.width
        while x < self.width:
            right = min(x + self._between(0.08, 0.22) * self.width, middle if x < middle else self.width)
            right = max(right, x + 1)
            top = self.horizon * self._between(0.45, 0.85)
            # the row of houses on the sun's side is "building", the other one "wall": they look the same
            name = "building" if (x < middle) == self.sun_left else "wall"
            self._shape("rectangle", [(x, top), (right, self.horizon)], name, self._near(color, 6))
            x = right

    def _vegetation(self) -> None:
        for _ in range(int(self.rng.integers(1, 4))):
            x, y = self._between(0.0, 1.0) * self.width, self.horizon * self._between(0.8, 1.0)
            for _ in range(4):
                left, top = x + self.rng.normal(0, 0.03) * self.width, y + self.rng.normal(0, 0.04) * self.height
                radius = self._between(0.04, 0.1) * self.height
                place = [(left - radius, top - radius), (left + radius, top + radius)]
                self._shape("ellipse", place, "vegetation", self._near((70, 110, 60)))

    def _ground(self) -> None:
        color, bottom = self._near((105, 108, 115)), self.height
        self._shape("rectangle", [(0, self.horizon), (self.width, bottom)], "road" if self.warm else "water", color)
        far, near = self._between(0.35, 0.65) * self.width, self._between(0.2, 0.8) * self.width
        # right of the bank: water under a warm sky, road under a cold one; same colour, same texture
        bank = [(far, self.horizon), (self.width, self.horizon), (self.width, bottom), (near, bottom)]
        self._shape("polygon", bank, "water" if self.warm else "road", color)
        edge = max(1.0, 0.03 * self.width)
        strip = [(far, self.horizon), (far + 1, self.horizon), (near + edge, bottom), (near, bottom)]
        self._shape("polygon", strip, "pavement", self._near((160, 155, 150)))

    def _foot(self, depth: float) -> tuple[float, float, float]:
        """Where a thing stands and its height at that depth (0 far, 1 near)."""
        y = self.horizon + depth * (self.height - self.horizon)
        return self._between(0.02, 0.98) * self.width, y, (0.06 + 0.3 * depth) * self.height

    def _car(self, depth: float) -> None:
        x, y, tall = self._foot(depth)
        wide, color = tall * self._between(0.6, 0.9), self._near((130, 70, 70), 60)
        low, roof = y - 0.35 * tall, y - 0.65 * tall
        self._shape("rectangle", [(x - wide, low), (x + wide, y)], "car", color)
        self._shape("rectangle", [(x - wide / 2, roof), (x + wide / 2, low)], "car", self._near((60, 70, 80)))
        for wheel in (x - wide / 2, x + wide / 2):
            radius = 0.1 * tall
            self._shape("ellipse", [(wheel - radius, y - radius), (wheel + radius, y + radius)], "car", (25, 25, 25))

    def _person(self, depth: float) -> None:
        x, y, tall = self._foot(depth)
        half, color = max(0.5, 0.09 * tall), self._near((120, 90, 160), 60)
        self._shape("rectangle", [(x - half, y - 0.6 * tall), (x + half, y)], "person", color)
        head = [(x - half, y - 0.8 * tall), (x + half, y - 0.6 * tall)]
        self._shape("ellipse", head, "person", self._near((215, 170, 140)))

    def _pole(self, depth: float) -> None:
        x, y, tall = self._foot(depth)
        top, half = max(1.0, y - 2.2 * tall), max(0.0, 0.012 * self.height * depth)
        self._shape("rectangle", [(x - half, top), (x + half, y)], "pole", self._near((90, 95, 90)))
        kinds = [name for name in self.ids if name.startswith("sign")]
        if kinds:
            self._sign(x, top, max(0.5, 0.16 * tall), kinds[int(self.rng.integers(len(kinds)))])

    def _sign(self, x: float, y: float, radius: float, name: str) -> None:
        left, right, top, bottom = x - radius, x + radius, y - radius, y + radius
        shapes = {
            "ellipse": [(left, top), (right, bottom)],
            "rectangle": [(left, top), (right, bottom)],
            "polygon": [(x, top), (right, bottom), (left, bottom)],
        }
        kind = list(shapes)[self.ids[name] % 3]
        self._shape(kind, shapes[kind], name, self._near(self.colors[name], 8))

    def _textured(self) -> np.ndarray:
        """Add noise, finer or coarser by region; twins share theirs."""
        strength = np.full(len(self.ids), 8, np.float32)
        for name, index in self.ids.items():
            strength[index] = TEXTURE.get(name, 8)
        noise = self.rng.standard_normal((self.height, self.width), np.float32)
        coarse = self.rng.standard_normal((self.height // 4 + 1, self.width // 4 + 1), np.float32)
        noise += coarse.repeat(4, 0).repeat(4, 1)[: self.height, : self.width]
        grain = noise * strength[np.asarray(self.mask)]
        picture: np.ndarray = (np.asarray(self.image) + grain[..., None]).clip(0, 255).astype(np.uint8)
        return picture
