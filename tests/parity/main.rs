//! Results of PyTorch, timm and PEFT, from `tests/fixtures` (see its README), against ours.

mod adamw;
mod backbone;
mod common;
mod full;
mod lora;
mod lwf;
mod ops;
mod oracle;
