//! Ranks and alphas that differ by module.

use regex::Regex;

use super::targets::reason;
use crate::backbone::Layer;
use crate::recipe::LoraRecipe;
use crate::{Error, Result};

const RANKS: &str = "lora.rank_pattern";
const ALPHAS: &str = "lora.alpha_pattern";

/// `lora.rank` and `lora.alpha` with the exceptions of `lora.rank_pattern` and `lora.alpha_pattern`, by PEFT's rule
/// (`get_pattern_key`): the first pattern P of which `(.*\.)?(P)` matches the whole name of a module counts. A recipe's
/// are in alphabetical order, in which PEFT writes them too.
pub(super) struct Patterns {
    ranks: Vec<Pattern<usize>>,
    alphas: Vec<Pattern<f64>>,
    rank: usize,
    alpha: f64,
}

struct Pattern<T> {
    text: String,
    regex: Regex,
    value: T,
}

impl Patterns {
    /// Compiles the recipe's patterns.
    ///
    /// # Errors
    /// [`Error::Input`] where one is no regular expression.
    pub(super) fn new(lora: &LoraRecipe) -> Result<Self> {
        let ranks = lora.rank_pattern.iter().map(|(p, rank)| (p, *rank));
        let alphas = lora.alpha_pattern.iter().map(|(p, alpha)| (p, *alpha));
        Self::compile(lora.rank, lora.alpha(), ranks, alphas)
    }

    /// The same of patterns in the order given.
    pub(super) fn compile<'a>(
        rank: usize,
        alpha: f64,
        ranks: impl Iterator<Item = (&'a String, usize)>,
        alphas: impl Iterator<Item = (&'a String, f64)>,
    ) -> Result<Self> {
        Ok(Self {
            ranks: compile(RANKS, ranks)?,
            alphas: compile(ALPHAS, alphas)?,
            rank,
            alpha,
        })
    }

    /// The rank of a module's update.
    pub(super) fn rank(&self, name: &str) -> usize {
        find(&self.ranks, name).unwrap_or(self.rank)
    }

    /// Its alpha.
    pub(super) fn alpha(&self, name: &str) -> f64 {
        find(&self.alphas, name).unwrap_or(self.alpha)
    }

    /// # Errors
    /// [`Error::Input`] where a pattern matches none of the adapted layers: it would change nothing without a word.
    pub(super) fn check(&self, layers: &[Layer]) -> Result<()> {
        let idle = |regex: &Regex| !layers.iter().any(|l| regex.is_match(&l.name));
        let rank = self.ranks.iter().find(|p| idle(&p.regex));
        let alpha = self.alphas.iter().find(|p| idle(&p.regex));
        let found = rank.map(|p| (RANKS, &p.text));
        let Some((key, text)) = found.or(alpha.map(|p| (ALPHAS, &p.text))) else {
            return Ok(());
        };
        Err(Error::input(format!(
            "{key} has {text:?}, which matches none of the {} modules that lora.targets chooses: a pattern matches a \
             whole name, or all of it that follows a dot",
            layers.len()
        )))
    }
}

fn compile<'a, T>(
    key: &str,
    patterns: impl Iterator<Item = (&'a String, T)>,
) -> Result<Vec<Pattern<T>>> {
    let compile = |(text, value): (&String, T)| {
        // Compiled alone first: an unbalanced bracket must not pair up with those put around it.
        let regex = Regex::new(text)
            .and_then(|_| Regex::new(&format!(r"\A(?:.*\.)?(?:{text})\z")))
            .map_err(|e| {
                Error::input(format!(
                    "{key} has {text:?}, which is not a regular expression ({})",
                    reason(&e)
                ))
            })?;
        Ok(Pattern {
            text: text.clone(),
            regex,
            value,
        })
    };
    patterns.map(compile).collect()
}

fn find<T: Copy>(patterns: &[Pattern<T>], name: &str) -> Option<T> {
    let found = patterns.iter().find(|p| p.regex.is_match(name))?;
    Some(found.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lora::testing;

    fn patterns(ranks: &[(&str, usize)]) -> Result<Patterns> {
        let lora = LoraRecipe {
            rank_pattern: ranks.iter().map(|(k, v)| ((*k).into(), *v)).collect(),
            alpha_pattern: [("proj".to_string(), 5.0)].into(),
            ..testing::recipe(4, 0.0)
        };
        Patterns::new(&lora)
    }

    /// The cases of PEFT's `get_pattern_key`.
    #[test]
    fn a_pattern_matches_a_whole_name_or_what_follows_a_dot() {
        let p = patterns(&[("qkv", 8), (r"^conv1", 2), (r"blocks\.1\.mlp\..*", 3)]).unwrap();
        for (name, rank) in [
            ("blocks.0.attn.qkv", 8),
            ("qkv", 8),
            ("blocks.0.attn.myqkv", 4),
            ("blocks.0.attn.qkv.x", 4),
            ("conv1", 2),
            ("layer1.0.conv1", 4),
            ("blocks.1.mlp.fc2", 3),
            ("blocks.0.mlp.fc2", 4),
        ] {
            assert_eq!(p.rank(name), rank, "{name}");
        }
        assert_eq!((p.alpha("a.proj"), p.alpha("a.qkv")), (5.0, 8.0));
    }

    #[test]
    fn of_several_that_match_the_first_in_the_alphabet_counts() {
        let p = patterns(&[("attn.qkv", 1), (r".*\.qkv", 2), ("qkv", 3)]);
        assert_eq!(p.unwrap().rank("blocks.0.attn.qkv"), 2);
    }

    #[test]
    fn a_pattern_that_does_nothing_or_is_none_is_refused() {
        let layers = testing::vit_layers();
        // `proj` of the alphas matches in both.
        let p = patterns(&[("conv1", 8)]).unwrap();
        let text = p.check(&layers).unwrap_err().to_string();
        assert!(text.contains("lora.rank_pattern has \"conv1\""), "{text}");
        patterns(&[("qkv", 8)]).unwrap().check(&layers).unwrap();
        let text = patterns(&[]).unwrap().check(&layers[1..2]);
        assert!(text.unwrap_err().to_string().contains("lora.alpha_pattern"));
        let text = patterns(&[("a)(b", 1)]).err().unwrap().to_string();
        assert!(text.contains("not a regular expression"), "{text}");
    }
}
