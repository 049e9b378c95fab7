"""Both sides in turns: A B A B …, each in a process that stays alive, so that starting and warming up do not count.

`run` beside this file starts it with the packages that it needs.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
CLASSES = 100
# Rounds before those that count, and rounds of the processes whose memory is measured.
WARM_UP = 2
MEMORY_ROUNDS = 2
# Steps whose losses must agree, without dropout; and by how much they may differ, relatively.
LOSS_STEPS = 3
TOLERANCE = {"f32": 2e-3, "tf32": 2e-2, "bf16": 5e-2}
# Seconds that a quick comparison takes at most: rounds are left out before it takes longer.
QUICK_SECONDS = 11 * 60
FEWEST_ROUNDS = 2

# Model and targets, as ours names them and as a regular expression on timm's names; the study's come first. A ResNet-18
# has no conv3: the last convolution of its blocks is conv2.
STUDY = [
    ("vit_small_patch16_224", "qkv", r"blocks\..*\.attn\.qkv"),
    ("resnet50", "conv3", r"layer.*\..*\.conv3"),
    ("vit_tiny_patch16_224", "qkv", r"blocks\..*\.attn\.qkv"),
    ("resnet18", r"layer.*\..*\.conv2", r"layer.*\..*\.conv2"),
]
EVERY = [
    ("vit_small_patch16_224", "all-linear", None),
    ("resnet50", "all-conv", None),
    ("vit_tiny_patch16_224", "all-linear", None),
    ("resnet18", "all-conv", None),
]


def parse():
    parser = argparse.ArgumentParser(
        prog="benches/side_by_side/run",
        description="Training steps and inference of pentimento beside those of PyTorch with timm and PEFT.",
    )
    parser.add_argument("--pentimento", metavar="BINARY", help="a release build; without it one is built")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N (default: %(default)s)")
    parser.add_argument("--precision", choices=["f32", "tf32", "bf16"], default="f32",
                        help="tf32 is PyTorch's alone: ours stays in f32 (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="batches of 16, 5 rounds, at most 15 minutes on two cores")
    parser.add_argument("--only", metavar="PATTERN", default="",
                        help="a regular expression on MODEL WORK TARGETS, such as 'resnet50 train conv3'")
    parser.add_argument("--batch-size", type=int, help="images a batch (default: 32, the study's; quick: 16)")
    parser.add_argument("--rounds", type=int, help="pairs of rounds (default: 20; quick: 5)")
    parser.add_argument("--rank", type=int, default=16, help="of the adapters (default: %(default)s)")
    parser.add_argument("--dropout", type=float, default=0.1, help="on their input (default: %(default)s, the study's)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)),
                        help="of each side (default: %(default)s, one for each processor)")
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured")
    args = parser.parse_args()
    args.batch_size = args.batch_size or (16 if args.quick else 32)
    args.rounds = args.rounds or (5 if args.quick else 20)
    if not re.fullmatch(r"cpu|cuda:\d+", args.device):
        parser.error(f"a device is cpu or cuda:N, not {args.device}")
    if args.device == "cpu" and args.precision == "tf32":
        parser.error("tf32 is a precision of GPUs: take f32 or bf16 on the CPU")
    for name in ("batch_size", "rounds", "rank", "threads"):
        if getattr(args, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    if not 0 <= args.dropout < 1:
        parser.error("--dropout must be at least 0 and below 1")
    if not args.pentimento or not os.access(args.pentimento, os.X_OK):
        parser.error(f"--pentimento {args.pentimento} is no program: name a release build")
    try:
        args.only = re.compile(args.only)
    except re.error as error:
        parser.error(f"--only {args.only!r} is no regular expression: {error}")
    return args


def cases(only):
    """What is compared, in order: name, model, work, targets of ours, and the modules' pattern."""
    training = [(model, "train", targets, pattern) for model, targets, pattern in STUDY + EVERY]
    inference = [(model, "inference", "none", "") for model, *_ in STUDY]
    found = [
        (model, work, targets, pattern)
        for model, work, targets, pattern in training[:4] + inference + training[4:]
        if only.search(f"{model} {work} {targets}")
    ]
    if not found:
        print(f"run: --only {only.pattern!r} leaves nothing to compare: it is searched for in names such as "
              "'resnet50 train conv3'", file=sys.stderr)
        sys.exit(2)
    return found


def prepare_model(folder, name):
    """timm's model with random weights, in timm's hub layout."""
    import timm
    import torch

    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=CLASSES)
    if any(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules()):
        # As after a training: statistics of what passes by, and residual branches that count.
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None
                torch.nn.init.uniform_(module.weight, 0.4, 0.6)
        with torch.no_grad():
            model.train()(torch.randn(8, 3, 224, 224))
    timm.models.save_for_hf(model.eval(), folder, safe_serialization=True)
    return model


def prepare_inputs(file, model, pattern, args):
    """A batch, and what adapter and head begin with. B is not zero, so that every gradient counts from the first step."""
    import torch
    from safetensors.torch import save_file

    draw = torch.Generator().manual_seed(1)
    tensors = {
        "images": torch.randn(args.batch_size, 3, 224, 224, generator=draw),
        "labels": torch.randint(CLASSES, (args.batch_size,), generator=draw),
    }
    head = model.get_classifier()
    tensors["head.weight"], tensors["head.bias"] = head.weight.detach().clone(), head.bias.detach().clone()
    for name, module in model.named_modules():
        linear, conv = isinstance(module, torch.nn.Linear), isinstance(module, torch.nn.Conv2d)
        if module is head or not (linear or conv):
            continue
        if pattern is None:
            # All of one kind: a ViT's Linears, a ResNet's convolutions.
            chosen = linear if hasattr(model, "blocks") else conv
        else:
            chosen = re.fullmatch(pattern, name) is not None
        if not chosen:
            continue
        out, *rest = module.weight.shape
        fan_in = module.weight[0].numel()
        a = torch.empty(args.rank, *rest).uniform_(-(fan_in**-0.5), fan_in**-0.5, generator=draw)
        b = torch.randn(out, args.rank, *(1 for _ in rest[1:]), generator=draw) * 0.01
        tensors[f"{name}.lora_A"], tensors[f"{name}.lora_B"] = a, b
    save_file(tensors, file)


class Side:
    """A process that answers each line with a line of JSON."""

    def __init__(self, command, threads):
        env = {**os.environ, "OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"run: {self.process.args[0]} ended with {self.process.wait()} instead of an answer")
        return json.loads(line)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        if self.process.wait() and sys.exc_info()[0] is None:
            sys.exit(f"run: {self.process.args[0]} ended with {self.process.returncode}")


def ours(args, folder, inputs, targets, dropout):
    command = [args.pentimento, "bench", str(folder), "--on-request", "--inputs", str(inputs)]
    command += ["--device", args.device, "--threads", str(args.threads), "--rank", str(args.rank)]
    command += ["--dropout", str(dropout), "--precision", "bf16" if args.precision == "bf16" else "f32"]
    if targets != "none":
        command += ["--targets", targets]
    return Side(command, args.threads)


def theirs(args, folder, inputs):
    command = [sys.executable, str(HERE / "theirs.py"), "--backbone", str(folder), "--inputs", str(inputs)]
    command += ["--device", args.device, "--threads", str(args.threads), "--rank", str(args.rank)]
    command += ["--dropout", str(args.dropout), "--precision", args.precision]
    side = Side(command, args.threads)
    side.loaded = side.read()["after_loading"]
    return side


class GpuMemory:
    """The most of a GPU's memory in use while it is watched, above what was in use before, in bytes."""

    def __init__(self, device):
        self.query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-i", device.split(":")[1]]
        self.before = self.peak = self.used()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def used(self):
        return int(subprocess.run(self.query, capture_output=True, check=True, text=True).stdout) << 20

    def watch(self):
        while not self.stop.wait(0.05):
            self.peak = max(self.peak, self.used())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def memory(args, start, work):
    """The most that a process of its own held, which does this work alone: of the GPU, where there is one."""
    def rounds():
        with start() as side:
            return [side.ask(work) for _ in range(MEMORY_ROUNDS)][-1]["peak_memory"]

    if args.device == "cpu":
        return rounds()
    with GpuMemory(args.device) as gpu:
        rounds()
    return gpu.peak - gpu.before


def compare(args, folder, inputs, work, targets, deadline):
    """One case: seconds in pairs, memory of both, and how far the losses are apart."""
    pairs, losses = [], ([], [])
    with ours(args, folder, inputs, targets, args.dropout) as a, theirs(args, folder, inputs) as b:
        if work == "train":
            losses[1].extend(b.ask(f"losses {LOSS_STEPS}")["losses"])
        for _ in range(WARM_UP):
            a.ask(work), b.ask(work)
        while len(pairs) < args.rounds and (len(pairs) < FEWEST_ROUNDS or time.monotonic() < deadline):
            pair = a.ask(work), b.ask(work)
            pairs.append([sample["seconds"] for sample in pair])
            if work == "inference":
                for found, sample in zip(losses, pair):
                    found.append(sample["loss"])
    if work == "train":
        with ours(args, folder, inputs, targets, 0) as a:
            losses[0].extend(a.ask(work)["loss"] for _ in range(LOSS_STEPS))
    return {
        "seconds": pairs,
        "loaded": b.loaded,
        "memory": [
            memory(args, lambda: ours(args, folder, inputs, targets, args.dropout), work),
            memory(args, lambda: theirs(args, folder, inputs), work),
        ],
        "losses": losses,
        "difference": max(abs(a - b) / abs(b) for a, b in zip(*losses)),
    }


def quartiles(values):
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def row(result):
    ours_s, theirs_s = (statistics.median(s) for s in zip(*result["seconds"]))
    low, ratio, high = quartiles([a / b for a, b in result["seconds"]])
    ours_m, theirs_m = (m / 1e6 for m in result["memory"])
    targets = result["targets"].replace("layer.*\\..*\\.", "").replace("none", "")
    differ = "" if result["agree"] else " **too much**"
    return (
        f"| {result['model']} | {result['work']} | {targets} | {ours_s:.3f} | {theirs_s:.3f} "
        f"| **{ratio:.2f}** ({low:.2f}–{high:.2f}) | {ours_m:.0f} | {theirs_m:.0f} | {ours_m / theirs_m:.2f} "
        f"| {result['difference']:.0e}{differ} |"
    )


def computer():
    """Processors and memory, from what the system tells."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.*)", cpuinfo)
    vectors = next((f", {name}" for flag, name in [("avx512f", "AVX-512"), ("avx2", "AVX2")] if flag in cpuinfo), "")
    ram = int(re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())[1]) / 1e6
    return (
        f"{model[1] if model else platform.machine()}{vectors}, {len(os.sched_getaffinity(0))} processors, {ram:.0f} GB"
    )


def machine(args):
    """What the table was measured on, from what the system tells."""
    import peft
    import timm
    import torch

    gpu = f", {torch.cuda.get_device_name(args.device)}" if args.device != "cpu" else ""
    version = subprocess.run([args.pentimento, "--version"], capture_output=True, check=True, text=True).stdout.strip()
    return (
        f"{computer()}{gpu}, {platform.system()} {platform.release()}; {version}, torch {torch.__version__}, "
        f"timm {timm.__version__}, peft {peft.__version__}; {args.device}, {args.precision}, {args.threads} threads each, "
        f"batches of {args.batch_size} images of 224×224, rank {args.rank}, dropout {args.dropout}"
    )


def main():
    args = parse()
    found = cases(args.only)
    import torch

    torch.set_num_threads(args.threads)
    begun = time.monotonic()
    load = [os.getloadavg()[0]]
    if load[0] > 0.5:
        print(f"run: other programs are at work, the load average is {load[0]:.1f}; PyTorch's threads spin while they wait "
              "and suffer from it more than ours, so measure again without them", file=sys.stderr)
    results = []
    print(f"Measured on {machine(args)}.\n")
    memory_of = "GPU memory" if args.device != "cpu" else "memory"
    print(f"| model | work | adapter on | ours, s | PyTorch, s | ours ÷ PyTorch (quartiles) | {memory_of}, MB | PyTorch, MB "
          "| ratio | losses differ by |")
    print("|---|---|---|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    with tempfile.TemporaryDirectory(prefix="side-by-side-") as scratch:
        models = {}
        for i, (name, work, targets, pattern) in enumerate(found):
            folder = Path(scratch) / name
            if name not in models:
                models[name] = prepare_model(folder, name)
            inputs = Path(scratch) / "inputs.safetensors"
            prepare_inputs(inputs, models[name], pattern, args)
            # The rounds of a case end where its share of the time does, less what its memory takes to measure.
            now = time.monotonic()
            share = (QUICK_SECONDS - (now - begun)) / (len(found) - i)
            deadline = now + share / 2 if args.quick else float("inf")
            result = {"model": name, "work": work, "targets": targets}
            result |= compare(args, folder, inputs, work, targets, deadline)
            result["agree"] = result["difference"] <= TOLERANCE[args.precision]
            results.append(result)
            print(row(result), flush=True)
    load.append(os.getloadavg()[0])
    rounds = sorted({len(r["seconds"]) for r in results})
    print(f"\nMedians of {rounds[0] if len(rounds) == 1 else f'{rounds[0]} to {rounds[-1]}'} pairs of rounds in turns; the "
          f"load average was {load[0]:.1f} before and {load[1]:.1f} after {(time.monotonic() - begun) / 60:.1f} minutes.")
    loaded = statistics.median(r["loaded"] for r in results) / 1e6
    print(f"Memory is the most that a process held which did this work alone; of PyTorch's, {loaded:.0f} MB were there before "
          "the first batch, most of them its libraries'.")
    if args.json:
        Path(args.json).write_text(json.dumps({"machine": machine(args), "results": results}, indent=1) + "\n")
    if not all(r["agree"] for r in results):
        sys.exit("run: losses differ by more than rounding explains; the two sides do not compute the same")


if __name__ == "__main__":
    main()
