//! Which layers get an adapter.

use std::collections::HashSet;

use regex::Regex;

use super::patterns::Patterns;
use crate::backbone::{Layer, LayerKind, is_vit};
use crate::recipe::LoraRecipe;
use crate::{Error, Result};

/// The most names that an error lists.
const LISTED: usize = 8;
const QKV: &str = r"blocks\..*\.attn\.qkv";
const CONV3: &str = r"layer.*\..*\.conv3";

/// Which modules `lora.targets` chooses.
enum Choice {
    /// Those whose whole name a regex matches.
    Regex(String),
    /// Every Linear but the classifier, as PEFT's `all-linear`.
    Linear,
    /// Every convolution.
    Conv,
}

/// The study's choice (Soutif-Cormerais et al., CoLLAs 2024) for timm's architecture name: the attention's qkv of
/// every block of a ViT, the last convolution of every bottleneck of a ResNet.
///
/// # Errors
/// [`Error::Input`] where the study has none for this architecture.
pub fn default_targets(architecture: &str) -> Result<&'static str> {
    if is_vit(architecture) {
        Ok(QKV)
    } else if architecture.contains("resnet") || architecture.contains("resnext") {
        Ok(CONV3)
    } else {
        Err(Error::input(format!(
            "there is no default for the modules of {architecture} that get an adapter: set lora.targets to a \
             regular expression on their names"
        )))
    }
}

impl Choice {
    /// See [`TARGET_NAMES`](crate::recipe::TARGET_NAMES); anything else is a regular expression.
    fn of(targets: &str, architecture: &str) -> Result<Self> {
        Ok(match targets {
            "default" => Self::Regex(default_targets(architecture)?.to_string()),
            "qkv" => Self::Regex(QKV.into()),
            "conv3" => Self::Regex(CONV3.into()),
            "all-linear" => Self::Linear,
            "all-conv" => Self::Conv,
            regex => Self::Regex(regex.into()),
        })
    }
}

/// The layers that a recipe's tasks change; none where the backbone is frozen.
///
/// # Errors
/// [`Error::Input`] as [`default_targets`] and [`select`], and where a pattern of rank or alpha matches none of them.
pub fn adapted(lora: &LoraRecipe, architecture: &str, layers: &[Layer]) -> Result<Vec<Layer>> {
    if lora.is_frozen() {
        return Ok(Vec::new());
    }
    let named = |keep: fn(&LayerKind) -> bool| -> Vec<Layer> {
        layers.iter().filter(|l| keep(&l.kind)).cloned().collect()
    };
    let targets = &lora.targets;
    let chosen = match Choice::of(targets, architecture)? {
        Choice::Regex(regex) => select(layers, &regex)?,
        Choice::Linear => {
            let chosen = named(|kind| matches!(kind, LayerKind::Linear { .. }));
            mergeable(chosen, layers, targets)?
        }
        Choice::Conv => {
            let chosen = named(|kind| matches!(kind, LayerKind::Conv2d { .. }));
            mergeable(chosen, layers, targets)?
        }
    };
    Patterns::new(lora)?.check(&chosen)?;
    Ok(chosen)
}

/// The layers whose whole name the regular expression matches, as PEFT's `re.fullmatch` has it, in their order.
///
/// # Errors
/// [`Error::Input`] where the expression is malformed, matches nothing, or matches a convolution whose adapter
/// PEFT could not merge or run (in groups, or dilated).
pub fn select(layers: &[Layer], regex: &str) -> Result<Vec<Layer>> {
    // Compiled alone first: an unbalanced bracket must not pair up with those put around it.
    let whole = Regex::new(regex)
        .and_then(|_| Regex::new(&format!(r"\A(?:{regex})\z")))
        .map_err(|e| {
            Error::input(format!(
                "lora.targets = {regex:?} is not a regular expression ({}): write one that matches whole module \
                 names",
                reason(&e)
            ))
        })?;
    let chosen: Vec<Layer> = layers
        .iter()
        .filter(|l| whole.is_match(&l.name))
        .cloned()
        .collect();
    mergeable(chosen, layers, regex)
}

/// The chosen layers, which must be some, and all such that PEFT could merge an adapter of theirs.
fn mergeable(chosen: Vec<Layer>, layers: &[Layer], targets: &str) -> Result<Vec<Layer>> {
    if chosen.is_empty() {
        return Err(Error::input(format!(
            "lora.targets = {targets:?} matches the whole name of no module of the backbone, whose names are like {}",
            examples(layers)
        )));
    }
    for layer in &chosen {
        if let LayerKind::Conv2d {
            dilation, groups, ..
        } = layer.kind
            && (dilation > 1 || groups > 1)
        {
            return Err(Error::input(format!(
                "lora.targets = {targets:?} matches {}, a convolution with {groups} groups and dilation {dilation}, \
                 whose adapter could not be merged as PEFT does: leave it out",
                layer.name
            )));
        }
    }
    Ok(chosen)
}

/// What a regular expression's error says, in one line.
pub(super) fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim().to_string()
}

/// Inputs of one output: in, or in·kh·kw.
pub(super) fn fan_in(layer: &Layer) -> usize {
    layer.weight_shape().iter().skip(1).product()
}

/// Width or channels of the output.
pub(super) fn outputs(layer: &Layer) -> usize {
    match layer.kind {
        LayerKind::Linear { outputs, .. } | LayerKind::Conv2d { outputs, .. } => outputs,
    }
}

/// A few names, one of each pattern that differs by more than numbers.
fn examples(layers: &[Layer]) -> String {
    let mut seen = HashSet::new();
    let mut names: Vec<&str> = layers
        .iter()
        .map(|l| l.name.as_str())
        .filter(|name| seen.insert(name.replace(|c: char| c.is_ascii_digit(), "")))
        .collect();
    let more = names.len() > LISTED;
    names.truncate(LISTED);
    format!("{}{}", names.join(", "), if more { ", …" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lora::testing;

    fn names(layers: &[Layer]) -> Vec<&str> {
        layers.iter().map(|l| l.name.as_str()).collect()
    }

    #[test]
    fn the_whole_name_must_match() {
        let layers = testing::vit_layers();
        let qkv = ["blocks.0.attn.qkv", "blocks.1.attn.qkv"];
        assert_eq!(
            names(&select(&layers, r"blocks\..*\.attn\.qkv").unwrap()),
            qkv
        );
        assert_eq!(names(&select(&layers, r".*\.qkv").unwrap()), qkv);
        // An alternation is anchored as a whole, not its ends.
        let both = select(&layers, r"blocks\.0\.attn\.qkv|blocks\.1\.attn\.proj").unwrap();
        assert_eq!(names(&both), ["blocks.0.attn.qkv", "blocks.1.attn.proj"]);
        for partial in ["qkv", r"blocks\.0", r"blocks\.0\.attn\.qk"] {
            assert!(select(&layers, partial).is_err(), "{partial}");
        }
        assert_eq!(select(&layers, ".*").unwrap().len(), layers.len());
    }

    #[test]
    fn no_match_names_modules_that_there_are() {
        let text = select(&testing::vit_layers(), "layer1.*")
            .unwrap_err()
            .to_string();
        for part in [
            "layer1.*",
            "patch_embed.proj",
            "blocks.0.attn.qkv",
            "blocks.0.mlp.fc1",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("blocks.1"), "{text}");
    }

    #[test]
    fn a_malformed_expression_is_one_clear_line() {
        for bad in ["a(b", "a)(b", "[", "*"] {
            let text = select(&testing::vit_layers(), bad).unwrap_err().to_string();
            assert!(
                text.contains("not a regular expression") && text.lines().count() == 1,
                "{text}"
            );
        }
    }

    #[test]
    fn convolutions_whose_adapters_cannot_be_merged_are_refused() {
        let mut layer = testing::conv("c", 8, 8, 3, 1, 1);
        for (d, g) in [(1, 4), (2, 1)] {
            if let LayerKind::Conv2d {
                dilation, groups, ..
            } = &mut layer.kind
            {
                (*dilation, *groups) = (d, g);
            }
            let text = select(&[layer.clone()], "c").unwrap_err().to_string();
            assert!(text.contains("groups"), "{text}");
        }
    }

    #[test]
    fn defaults_are_the_studys() {
        assert_eq!(
            default_targets("vit_base_patch16_224").unwrap(),
            r"blocks\..*\.attn\.qkv"
        );
        assert_eq!(default_targets("resnet50").unwrap(), r"layer.*\..*\.conv3");
        assert!(default_targets("convnext_tiny").is_err());
    }
}
