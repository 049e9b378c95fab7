//! Adapters: low-rank updates of Linear and Conv2d layers, the stack that they form, PEFT's file format.

mod norm;

pub use norm::UpdateNorm;
