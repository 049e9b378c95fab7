//! Updates of Linear and Conv2d layers, of low rank (adapters) or full, the stack that they form, PEFT's file format.
//!
//! Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (arXiv 2106.09685), with the semantics of
//! Hugging Face's PEFT (github.com/huggingface/peft): a layer's output becomes `layer(x) + s·B(A(dropout(x)))`
//! with s = alpha/rank, or alpha/√rank (rsLoRA). Merged, the weight becomes `W + s·BA`.

mod adapter;
mod amount;
mod delta;
mod dense;
mod listing;
mod norm;
mod patterns;
pub mod peft;
mod stack;
mod targets;
mod tensors;
mod truncate;
mod update;

pub use adapter::{Adapter, LowRank};
pub use amount::Amount;
pub use dense::{DENSE_FILE, Dense};
pub use listing::{TargetModule, target_modules};
pub use norm::UpdateNorm;
pub use stack::{Entry, Stack};
pub use targets::{adapted, default_targets, select};
pub(crate) use tensors::from_safetensors;
pub use update::Update;

#[cfg(test)]
mod testing;
