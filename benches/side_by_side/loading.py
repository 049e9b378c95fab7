"""Pictures to batches, one core on each side, in turns: decoded, cut at random, resized to 224, flipped, normalised.

`run --loading` beside this file starts it with the packages that it needs. Theirs is torchvision's transforms on Pillow's
images, as timm trains with them, in a process of its own (`--theirs FOLDER`) that answers each line with a line of JSON.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compare import Side, computer, quartiles

WARM_UP = 1
CLASSES = 4
# Of the photographs that are made where none are given: those of ImageNet are most often of this size.
WIDTH, HEIGHT = 500, 375
QUALITY = 90


def parse():
    parser = argparse.ArgumentParser(
        prog="benches/side_by_side/run --loading",
        description="Loading of pentimento beside that of torchvision and Pillow, images a second and core.",
    )
    parser.add_argument("--pentimento", metavar="BINARY", help="a release build; without it one is built")
    parser.add_argument("--data", metavar="FOLDER", help="a folder of class folders with JPEGs; without it, noise like photographs")
    parser.add_argument("--images", type=int, default=256, help="of them, where they are made (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=15, help="pairs of rounds (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="images a batch (default: %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured")
    parser.add_argument("--theirs", metavar="FOLDER", help=argparse.SUPPRESS)
    args = parser.parse_args()
    for name in ("images", "rounds", "batch_size"):
        if getattr(args, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    if not args.theirs and (not args.pentimento or not os.access(args.pentimento, os.X_OK)):
        parser.error(f"--pentimento {args.pentimento} is no program: name a release build")
    if args.data and not Path(args.data).is_dir():
        parser.error(f"--data {args.data} is no folder: name one of class folders")
    return args


def photograph(seed):
    """Noise whose amplitude falls with its frequency, as that of photographs does, less of it in the colours."""
    import numpy as np
    from PIL import Image

    draw = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(HEIGHT)[:, None] * HEIGHT, np.fft.rfftfreq(WIDTH)[None] * WIDTH)
    frequency[0, 0] = 1

    def layer(power, deviation):
        spectrum = np.fft.rfft2(draw.standard_normal((HEIGHT, WIDTH))) / frequency**power
        values = np.fft.irfft2(spectrum, s=(HEIGHT, WIDTH))
        return 128 + deviation * values / values.std()

    layers = np.stack([layer(1.0, 58), layer(1.4, 18), layer(1.4, 18)], -1)
    return Image.fromarray(layers.clip(0, 255).astype(np.uint8), "YCbCr").convert("RGB")


def theirs(args):
    import torch
    from PIL import Image
    from torchvision import transforms

    torch.set_num_threads(1)
    torch.manual_seed(0)
    files = sorted(p for p in Path(args.theirs).glob("*/*") if p.is_file())
    transform = transforms.Compose([
        transforms.RandomResizedCrop(224, interpolation=transforms.InterpolationMode.BICUBIC),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize([0.5] * 3, [0.5] * 3),
    ])

    def load(file):
        with open(file, "rb") as opened:
            return transform(Image.open(opened).convert("RGB"))

    for _ in sys.stdin:
        begun = time.perf_counter()
        order = torch.randperm(len(files)).tolist()
        for first in range(0, len(order), args.batch_size):
            torch.stack([load(files[i]) for i in order[first : first + args.batch_size]])
        print(json.dumps({"images": len(files), "seconds": time.perf_counter() - begun}), flush=True)


def compare(args, folder):
    batch = ["--batch-size", str(args.batch_size)]
    ours = [args.pentimento, "bench", "vit_base_patch16_224", "--loading", str(folder), "--threads", "1", "--on-request"]
    other = [sys.executable, __file__, "--theirs", str(folder)]
    with Side(ours + batch, 1) as a, Side(other + batch, 1) as b:
        pairs = [(a.ask("loading"), b.ask("loading")) for _ in range(WARM_UP + args.rounds)]
    for one, another in pairs:
        if one["images"] != another["images"]:
            sys.exit(f"run: ours found {one['images']} images and theirs {another['images']}: name a folder of JPEGs alone")
    return [[side["images"] / side["seconds"] for side in pair] for pair in pairs[WARM_UP:]]


def main():
    args = parse()
    if args.theirs:
        return theirs(args)
    import PIL
    import torchvision
    from PIL import features

    with tempfile.TemporaryDirectory(prefix="loading-") as scratch:
        folder = Path(args.data or scratch)
        if not args.data:
            for i in range(args.images):
                (folder / str(i % CLASSES)).mkdir(exist_ok=True)
                photograph(i).save(folder / str(i % CLASSES) / f"{i:05}.jpg", quality=QUALITY)
        files = [p for p in folder.glob("*/*") if p.is_file()]
        if not files:
            sys.exit(f"run: {folder} holds no class folder with a file: name a folder of class folders")
        mean = statistics.mean(p.stat().st_size for p in files) / 1e3
        load = os.getloadavg()[0]
        rates = compare(args, folder)
    version = subprocess.run([args.pentimento, "--version"], capture_output=True, check=True, text=True).stdout.strip()
    made = "" if args.data else f" of {WIDTH}×{HEIGHT}, quality {QUALITY}"
    facts = (
        f"{computer()}, {platform.system()} {platform.release()}; {version}, torchvision {torchvision.__version__}, Pillow "
        f"{PIL.__version__} with libjpeg-turbo {features.version('libjpeg_turbo')}; {len(files)} JPEGs{made}, {mean:.0f} kB each "
        f"in the mean, batches of {args.batch_size}"
    )
    low, ratio, high = quartiles([a / b for a, b in rates])
    ours, other = (statistics.median(side) for side in zip(*rates))
    print(f"Measured on {facts}.\n")
    print("| ours, images/s and core | torchvision and Pillow | ours ÷ theirs (quartiles) |")
    print("|---:|---:|---:|")
    print(f"| {ours:.0f} | {other:.0f} | **{ratio:.2f}** ({low:.2f}–{high:.2f}) |")
    print(f"\nMedians of {len(rates)} pairs of rounds in turns; the load average was {load:.1f} before.")
    if args.json:
        Path(args.json).write_text(json.dumps({"machine": facts, "rates": rates}, indent=1) + "\n")


if __name__ == "__main__":
    main()
