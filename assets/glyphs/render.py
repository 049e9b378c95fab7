#!/usr/bin/env python3
"""Renders the glyph data sets from pinned Debian font packages.

    python render.py WORK            download, unpack and render; writes NAME.safetensors.xz, NAME.json
    python render.py WORK --check    the same into a temporary folder, then compare with the shipped files

`fonts.toml` next to this script names the packages (version, sha256, licence), the tasks and their
characters, and which families are one design. WORK keeps the downloads (WORK/debs) and the unpacked
packages (WORK/fonts), so a second run needs no network.
"""

import argparse
import hashlib
import json
import lzma
import re
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fontTools.ttLib import TTCollection, TTFont
from PIL import Image, ImageDraw, ImageFont
from safetensors.numpy import save

HERE = Path(__file__).resolve().parent
SIZE = 32  # side of an image, px
LINE = 26  # from the highest ascender to the lowest descender of RULER, px
ROOM = 30  # widest and tallest ink, px
OVER = 8  # supersampling; at this size hinting moves no edge that survives the averaging
LEVELS = 32  # of grey: finer ones cost half as much space again and show nothing
RULER = "bdhlkpqgyjQ"
DISTINCT = 0.75  # least share of different pictures in a face: below it are boxes or small capitals

WEIGHTS = {
    "thin": 100, "hairline": 100, "extralight": 200, "ultralight": 200, "light": 300,
    "regular": 400, "book": 400, "roman": 400, "normal": 400, "medium": 500, "semibold": 600,
    "demibold": 600, "demi": 600, "extrabold": 800, "ultrabold": 800, "heavy": 800, "black": 900,
    "bold": 700,
}  # fmt: skip
WEIGHT_WORD = re.compile("|".join(sorted(WEIGHTS, key=len, reverse=True)))
OTHER_WIDTH = re.compile("condensed|narrow|expanded|extended|wide")


@dataclass(frozen=True)
class Face:
    path: Path
    index: int  # position in a font collection
    family: str
    style: str
    name: str
    weight: int
    package: str
    cmap: frozenset


# ---- packages -------------------------------------------------------------------------------------


def fetch(package, work):
    """Downloads (unless it is there), verifies and unpacks one package; returns its font folder."""
    name, version, want = package["name"], package["version"], package["sha256"]
    debs, out = work / "debs", work / "fonts" / name
    debs.mkdir(parents=True, exist_ok=True)
    pattern = f"{name}_{version.replace(':', '%3a')}_*.deb"  # apt's way to write an epoch
    if not list(debs.glob(pattern)):
        subprocess.run(["apt-get", "download", "-qq", f"{name}={version}"], cwd=debs, check=True)
    (deb,) = debs.glob(pattern)
    got = hashlib.sha256(deb.read_bytes()).hexdigest()
    if got != want:
        sys.exit(f"{deb.name}: sha256 is {got}, fonts.toml says {want}")
    if not out.is_dir():
        half = out.with_name(f"{name}.part")
        half.mkdir(parents=True, exist_ok=True)
        subprocess.run(["dpkg-deb", "-x", deb, half], check=True)
        half.rename(out)  # so an interrupted run leaves no half package behind
    return out / "usr/share/fonts"


def faces_of(folder, package):
    """Every upright face of a package, of normal width, in a fixed order."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in {".ttf", ".otf", ".ttc", ".otc"} or path.is_symlink():
            continue
        collection = path.suffix.lower().endswith("c")
        count = len(TTCollection(path, lazy=True).fonts) if collection else 1
        for index in range(count):
            font = TTFont(path, fontNumber=index, lazy=True)
            if "fvar" in font:  # variable: the static instances are in the package too
                continue
            family, style, name = (
                next((n for i in ids if (n := font["name"].getDebugName(i))), "").strip()
                for ids in [(16, 1), (17, 2), (4, 1)]
            )
            stem = "" if collection else path.stem
            words = f"{stem} {style}".lower().replace(" ", "").replace("-", "")
            os2 = font["OS/2"]
            slanted = os2.fsSelection & 0x201 or font["post"].italicAngle != 0
            if slanted or re.search("italic|oblique", words) or OTHER_WIDTH.search(style.lower()):
                continue
            # A file's name says its weight more reliably than OS/2 does.
            word = WEIGHT_WORD.search(words)
            weight = WEIGHTS[word[0]] if word else os2.usWeightClass
            cmap = frozenset(font.getBestCmap() or ())
            yield Face(path, index, family, style, name, weight, package, cmap)


def pick_weights(faces, targets):
    """For each wanted weight the nearest face of a family, if one is near enough."""
    picked = []
    for target in targets:
        face = min(faces, key=lambda f: abs(f.weight - target))
        near = abs(face.weight - target) <= 100
        if face not in picked and (near or target == 400):
            picked.append(face)
    return sorted(picked, key=lambda f: f.weight)


# ---- pictures -------------------------------------------------------------------------------------


def span(font, text):
    """The highest and the lowest ink of a text relative to the baseline, y down."""
    boxes = [font.getbbox(c, anchor="ls") for c in text]
    return min(b[1] for b in boxes), max(b[3] for b in boxes)


def draw(font, char):
    """The ink of a character, cropped, and how far from the baseline its top is (y down).

    Not from `getbbox`, whose left and right are those of the advance where that is wider.
    """
    left, up, right, down = font.getbbox(char, anchor="ls")
    canvas = Image.new("L", (right - left + 2 * OVER, down - up + 2 * OVER))
    ImageDraw.Draw(canvas).text((OVER - left, OVER - up), char, fill=255, font=font, anchor="ls")
    box = canvas.getbbox()
    return (canvas.crop(box), up - OVER + box[1]) if box else (None, 0)


def render(face, text):
    """u8 [characters, 32, 32]: one scale and one baseline for the face, centred horizontally."""

    def load(size):
        return ImageFont.truetype(
            face.path, size, face.index, layout_engine=ImageFont.Layout.BASIC
        )

    ruler = RULER if all(ord(c) in face.cmap for c in RULER) else text
    top, bottom = span(load(1000), ruler)
    if top == bottom:  # glyphs without ink, or bitmaps only
        return np.zeros((len(text), SIZE, SIZE), np.uint8)
    scale = LINE / (bottom - top)  # px of the image per 1/1000 em
    side = SIZE * OVER
    baseline = round(side / 2 - scale * OVER * (top + bottom) / 2)
    pictures = []
    for char in text:
        size = 1000 * scale * OVER
        for _ in range(20):
            ink, up = draw(load(size), char)
            if ink is None or (ink.width <= ROOM * OVER and ink.height <= ROOM * OVER):
                break
            size *= min(0.98, ROOM * OVER / max(ink.size))
        canvas = Image.new("L", (side, side))
        if ink is not None:
            # What hangs out of the frame (as the breve of a capital can) moves, as little as it must.
            y = min(max(baseline + up, OVER), side - OVER - ink.height)
            canvas.paste(ink, ((side - ink.width) // 2, y))
        blocks = np.asarray(canvas, dtype=np.uint32).reshape(SIZE, OVER, SIZE, OVER).sum((1, 3))
        full = 255 * OVER * OVER
        level = (blocks * (LEVELS - 1) + full // 2) // full
        pictures.append((level * 255 // (LEVELS - 1)).astype(np.uint8))
    return np.stack(pictures)


# ---- data sets ------------------------------------------------------------------------------------


def slug(family):
    return re.sub("[^a-z0-9]+", "-", family.lower()).strip("-")


def build(task, families, config):
    """The tensors and the description of one task."""
    text = "".join(group["characters"] for group in task["groups"])
    design_of = {f: d for d, names in config["designs"].items() for f in names}
    candidates = []
    for family, faces in families.items():
        covering = [f for f in faces if all(ord(c) in f.cmap for c in text)]
        if not covering or family in task.get("skip", []):
            continue
        design = design_of.get(family, slug(family))
        split = "test" if design in config["test"] else "train"
        for face in pick_weights(covering, task["weights"]):
            pictures = render(face, text)
            if len({p.tobytes() for p in pictures}) < DISTINCT * len(text):
                print(f"  {task['name']}: {face.name} left out, too few distinct pictures")
                continue
            candidates.append((split, face, design, pictures))

    # Training first, so that a picture in both splits stays in training only.
    candidates.sort(key=lambda c: (c[0] != "train", c[2], c[1].family, c[1].weight))
    seen, trained = set(), set()
    listed, rows = [], {"train": [], "test": []}
    for split, face, design, pictures in candidates:
        kept = []
        for label, picture in enumerate(pictures):
            key = picture.tobytes()
            if (label, key) in seen or (split == "test" and key in trained) or not picture.any():
                continue
            seen.add((label, key))
            kept.append((label, picture))
        if not kept:
            continue
        rows[split] += [(label, len(listed), picture) for label, picture in kept]
        listed.append(
            {
                "face": face.path.stem if any(f["face"] == face.name for f in listed) else face.name,
                "family": face.family,
                "design": design,
                "split": split,
                "package": face.package,
            }
        )
        if split == "train":
            trained.update(picture.tobytes() for _, picture in kept)

    tensors = {}
    for split, found in rows.items():
        found.sort(key=lambda r: r[:2])  # by class: neighbours alike, so xz does better
        tensors[f"{split}.images"] = np.stack([r[2] for r in found])
        tensors[f"{split}.labels"] = np.array([r[0] for r in found], dtype=np.uint8)
        tensors[f"{split}.faces"] = np.array([r[1] for r in found], dtype=np.uint16)
    classes = [{"name": c, "group": g["name"]} for g in task["groups"] for c in g["characters"]]
    info = {"name": task["name"], "image_size": SIZE, "classes": classes, "faces": listed}
    return tensors, info


def write(folder, tensors, info):
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "pb": 0}]
    packed = lzma.compress(save(tensors), check=lzma.CHECK_CRC64, filters=filters)
    (folder / f"{info['name']}.safetensors.xz").write_bytes(packed)
    rows = {key: ",\n".join(f"    {json.dumps(r, ensure_ascii=False)}" for r in info[key])
            for key in ("classes", "faces")}  # fmt: skip
    (folder / f"{info['name']}.json").write_text(
        f'{{\n  "name": "{info["name"]}",\n  "image_size": {info["image_size"]},\n'
        f'  "classes": [\n{rows["classes"]}\n  ],\n  "faces": [\n{rows["faces"]}\n  ]\n}}\n',
        encoding="utf-8",
    )
    summary = {
        split: (
            len({f["family"] for f in info["faces"] if f["split"] == split}),
            len({f["design"] for f in info["faces"] if f["split"] == split}),
            len(tensors[f"{split}.labels"]),
        )
        for split in ("train", "test")
    }
    print(f"{info['name']}: families, designs, images {summary}, {len(packed)} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path, help="folder for the downloaded and unpacked packages")
    parser.add_argument("--check", action="store_true", help="compare with the shipped files")
    args = parser.parse_args()
    config = tomllib.loads((HERE / "fonts.toml").read_text(encoding="utf-8"))

    skip = re.compile(config["skip_families"])
    families = {}
    for package in config["package"]:
        for face in faces_of(fetch(package, args.work.resolve()), package["name"]):
            if not skip.search(face.family) and not re.search(config["skip_styles"], face.style):
                families.setdefault(face.family, []).append(face)
    families = dict(sorted(families.items()))

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if args.check else HERE
        for task in config["task"]:
            write(folder, *build(task, families, config))
        if not args.check:
            return
        wrong = [
            f.name
            for f in sorted(folder.iterdir())
            if not (HERE / f.name).is_file()
            or hashlib.sha256(f.read_bytes()).digest()
            != hashlib.sha256((HERE / f.name).read_bytes()).digest()
        ]
        if wrong:
            sys.exit(f"differ from the shipped files: {', '.join(wrong)}")
        print("every file is the shipped one, byte for byte")


if __name__ == "__main__":
    main()
