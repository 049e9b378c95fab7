//! What stands on the command line.

use super::{Cases, Place};

const ARGUMENTS: &[(&str, &[&str])] = &[
    ("a command that is none", &["rnu"]),
    (
        "a command with a terminal's bytes",
        &["r\u{1b}[31mun\u{9b}2J"],
    ),
    ("no preset", &["run"]),
    ("an option that is none", &["run", "demo", "--rank", "4"]),
    (
        "an option with a terminal's bytes",
        &["run", "demo", "--\u{1b}]0;x\u{7}"],
    ),
    ("a preset that is none", &["run", "deom"]),
    (
        "a preset with a terminal's bytes",
        &["run", "de\u{1b}[31mmo"],
    ),
    ("a preset that turns the line", &["run", "de\u{202e}mo"]),
    ("a device that is none", &["run", "demo", "--device", "tpu"]),
    (
        "a device that this binary lacks",
        &["run", "demo", "--device", "cuda:0"],
    ),
    ("a seed below zero", &["run", "demo", "--seed", "-1"]),
    ("a seed of text", &["run", "demo", "--seed", "\u{1b}[31m"]),
    ("a log of no kind", &["run", "demo", "--log", "xml"]),
    (
        "an override without a value",
        &["run", "demo", "--set", "lora.rank"],
    ),
    ("an override of no key", &["run", "demo", "--set", "=4"]),
    (
        "an override of an unknown key",
        &["run", "demo", "--set", "lora.rnak=4"],
    ),
    (
        "an override of a task that is not there",
        &["run", "demo", "--set", "task.9.id=x"],
    ),
    (
        "an override of a task by its name",
        &["run", "demo", "--set", "task.parity.id=x"],
    ),
    (
        "an override with a terminal's bytes",
        &["run", "demo", "--set", "lora.\u{1b}[31m=4"],
    ),
    (
        "an override that overflows",
        &["run", "demo", "--set", "lora.rank=99999999999999999999"],
    ),
    ("a pretraining that is to be run", &["run", "glyph-vit"]),
    (
        "an experiment that is to be pretrained",
        &["pretrain", "demo", "--out", "W"],
    ),
    ("a preset that is to be printed", &["presets", "\u{1b}c"]),
    ("a shell that is none", &["completions", "dos"]),
    (
        "a rank below zero",
        &["inspect", "bundled:glyph-vit", "--rank", "-4"],
    ),
    (
        "targets that are no regex",
        &["inspect", "bundled:glyph-vit", "--targets", "("],
    ),
    (
        "targets that match nothing",
        &["inspect", "bundled:glyph-vit", "--targets", "\u{1b}[31m"],
    ),
    ("a backbone that is nowhere", &["inspect", "nowhere"]),
    ("a backbone of half a name", &["inspect", "hub:timm"]),
    (
        "a backbone that is not in the cache",
        &["inspect", "hub:timm/resnet50.a1_in1k"],
    ),
    (
        "a model that is not in the cache",
        &["fetch", "demo", "--set", "backbone.source=hub:timm/x"],
    ),
    (
        "a batch of nothing",
        &[
            "eval",
            "--backbone",
            "m",
            "--data",
            "d",
            "--batch-size",
            "0",
        ],
    ),
    (
        "a file for two outputs",
        &[
            "eval",
            "--backbone",
            "m",
            "--data",
            "d",
            "--logits",
            "a",
            "--classes",
            "a",
        ],
    ),
    (
        "a file in no folder",
        &["eval", "--backbone", "m", "--data", "d", "--logits", "no/a"],
    ),
    (
        "a folder for a file",
        &["eval", "--backbone", "m", "--data", "d", "--logits", "/tmp"],
    ),
    (
        "data that is nowhere",
        &[
            "eval",
            "--backbone",
            "bundled:glyph-vit",
            "--data",
            "nowhere",
            "--device",
            "cpu",
        ],
    ),
    ("a format that is none", &["export", "R", "--format", "pdf"]),
    (
        "a table that is none",
        &["export", "R", "--format", "csv", "--only", "map"],
    ),
    ("a run that is not there", &["export", "R"]),
    ("a branch of nowhere", &["branch", "R", "--at", "parity"]),
    (
        "a run that is to be resumed and is not there",
        &["resume", "R\u{1b}[31m"],
    ),
    ("a bench without a terminal", &[]),
    (
        "an architecture that is none",
        &["bench", "vit_small_patch17"],
    ),
    (
        "an architecture with a terminal's bytes",
        &["bench", "vit\u{1b}[31m"],
    ),
    (
        "images that a patch does not divide",
        &["bench", "vit_tiny_patch16_224", "--image-size", "50"],
    ),
    (
        "targets that this architecture lacks",
        &[
            "bench",
            "resnet18",
            "--image-size",
            "32",
            "--targets",
            "conv3",
        ],
    ),
    ("a dropout of everything", &["bench", "--dropout", "1"]),
    ("a dropout below zero", &["bench", "--dropout", "-0.1"]),
    ("no threads", &["bench", "--threads", "0"]),
    ("no rounds", &["bench", "--rounds", "0"]),
    ("a precision that is none", &["bench", "--precision", "f16"]),
    ("a work that is none", &["bench", "--only", "both"]),
    (
        "a batch given twice",
        &["bench", "--inputs", "x", "--batch-size", "3"],
    ),
    (
        "rounds counted and asked for",
        &["bench", "--on-request", "--rounds", "3"],
    ),
];

#[test]
fn what_is_wrong_on_the_command_line_is_said() {
    let mut cases = Cases::of("arguments");
    for (what, arguments) in ARGUMENTS {
        cases.refused(what, &Place::new(), arguments);
    }
    cases.end(52);
}
