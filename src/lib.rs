//! pentimento: a terminal lab bench for the question of Soutif-Cormerais et al. (CoLLAs 2024): when a
//! pretrained vision backbone learns task after task through LoRA, and each LoRA is merged into the
//! weights, what does it forget, and how does the rank decide that?
//!
//! Modules are listed in the order in which they may import one another: each only those above it.

#![forbid(unsafe_code)]

pub mod error;
pub mod files;
pub mod random;
pub mod secrets;

pub mod answers;
pub mod crash;
pub mod cuda;
pub mod float;
pub mod folder;
pub mod memory;
pub mod progress;
pub mod shared;
pub mod signals;

pub mod hub;

pub mod clip;
pub mod wordnet;

pub mod recipe;

pub mod data;

pub mod ops;

pub mod backbone;

pub mod lora;

pub mod train;

pub mod measure;

pub mod lab;

pub mod run;

pub mod export;

pub mod control;
pub mod session;

pub mod eval;
pub mod speed;

pub mod sweep;

pub mod report;

pub mod ui;

pub mod cli;
pub mod headless;

pub use error::{Error, Result};
