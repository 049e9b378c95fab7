//! The presets in the binary.

/// A preset in the binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// `demo`, …
    pub name: &'static str,
    /// Its TOML.
    pub text: &'static str,
}

/// The experiments; `demo` is first.
pub fn presets() -> &'static [Preset] {
    &[]
}

/// The pretrainings that made the bundled backbones.
pub fn pretrain_presets() -> &'static [Preset] {
    &[]
}
