"""PyTorch's side: a timm model with PEFT's LoRA, answering on standard output what is asked on standard input.

A line `train` or `inference` asks for a round, `losses N` for the losses of N steps without dropout; each is answered
with one line of JSON, as `pentimento bench --on-request` does. A training step is forward, loss, backward and AdamW's
step on adapter and head, with the batch's way to the device; inference is of the model without an adapter.
"""

import argparse
import json
import re
import sys
import time
import warnings

import torch
import torch.nn.functional as F

# As in src/speed/mod.rs, which says why.
LEARNING_RATE = 1e-4
WEIGHT_DECAY = 1e-2


def peak_memory():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return None


class Side:
    def __init__(self, args):
        import timm
        from safetensors.torch import load_file

        self.device = torch.device(args.device)
        self.bf16 = args.precision == "bf16"
        self.inputs = load_file(args.inputs)
        classes = self.inputs["head.bias"].numel()
        model = timm.create_model(f"local-dir:{args.backbone}", pretrained=True, num_classes=classes)
        with torch.no_grad():
            classifier = model.get_classifier()
            classifier.weight.copy_(self.inputs["head.weight"])
            classifier.bias.copy_(self.inputs["head.bias"])
        self.model = model.eval().to(self.device)
        self.args = args
        self.adapted = None
        self.images, self.labels = self.inputs["images"], self.inputs["labels"]
        if self.device.type == "cuda":
            self.images, self.labels = self.images.pin_memory(), self.labels.pin_memory()

    def adapt(self):
        """The model with the adapter of the inputs, and its optimiser."""
        from peft import LoraConfig, get_peft_model

        head = "fc" if hasattr(self.model, "fc") else "head"
        modules = sorted({re.escape(n.rsplit(".", 1)[0]) for n in self.inputs if ".lora_" in n})
        config = LoraConfig(
            r=self.args.rank,
            lora_alpha=2 * self.args.rank,
            lora_dropout=self.args.dropout,
            target_modules="|".join(modules),
            modules_to_save=[head],
        )
        self.adapted = get_peft_model(self.model, config)
        # BatchNorm keeps its running statistics, as in the study; dropout is the adapter's alone.
        self.adapted.eval()
        self.dropouts = []
        trained = []
        with torch.no_grad():
            for name, module in self.adapted.named_modules():
                if hasattr(module, "lora_A"):
                    plain = name.removeprefix("base_model.model.")
                    for part in ("lora_A", "lora_B"):
                        getattr(module, part)["default"].weight.copy_(self.inputs[f"{plain}.{part}"])
                    module.lora_dropout.train()
                    self.dropouts += [m for m in module.lora_dropout.values() if isinstance(m, torch.nn.Dropout)]
        for parameter in self.adapted.parameters():
            if parameter.requires_grad:
                trained.append(parameter)
        self.optimiser = torch.optim.AdamW(trained, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)

    def loss(self, model):
        x = self.images.to(self.device, non_blocking=True)
        labels = self.labels.to(self.device, non_blocking=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            return F.cross_entropy(model(x), labels)

    def step(self):
        loss = self.loss(self.adapted)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return loss

    @torch.inference_mode()
    def infer(self):
        # PEFT puts its layers into the model itself, so a process that has trained cannot infer without them.
        assert self.adapted is None, "training and inference are for processes of their own"
        return self.loss(self.model)

    def synchronize(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def round(self, work):
        if work == "train" and self.adapted is None:
            self.adapt()
        self.synchronize()
        begun = time.perf_counter()
        loss = self.step() if work == "train" else self.infer()
        loss = loss.item()
        self.synchronize()
        seconds = time.perf_counter() - begun
        gpu = None
        if self.device.type == "cuda":
            free, total = torch.cuda.mem_get_info(self.device)
            gpu = total - free
        return {"work": work, "seconds": seconds, "loss": loss, "peak_memory": peak_memory(), "gpu_memory": gpu}

    def losses(self, count):
        if self.adapted is None:
            self.adapt()
        for dropout in self.dropouts:
            dropout.p = 0.0
        losses = [self.step().item() for _ in range(count)]
        for dropout in self.dropouts:
            dropout.p = self.args.dropout
        return losses


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--inputs", required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--rank", type=int, required=True)
    parser.add_argument("--dropout", type=float, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.precision == "tf32":
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
    else:
        torch.backends.cudnn.allow_tf32 = False
    # Nothing but answers goes to standard output.
    answers, sys.stdout = sys.stdout, sys.stderr
    warnings.simplefilter("ignore")
    side = Side(args)
    print(json.dumps({"after_loading": peak_memory()}), file=answers, flush=True)
    for line in sys.stdin:
        ask = line.split()
        if ask[0] == "losses":
            answer = {"losses": side.losses(int(ask[1]))}
        else:
            answer = side.round(ask[0])
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
