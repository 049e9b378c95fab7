//! What a recipe asks Slurm for.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// `[slurm]`: options of `sbatch` for each run of a sweep. They change no figure and are no part of a recipe's hash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlurmRecipe {
    /// `--account`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// `--partition`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// `--gres`, as in `gpu:1`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gres: Option<String>,
    /// `--time`, as in `12:00:00`. A run that is not finished by then is queued again and goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// `--cpus-per-task`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<usize>,
    /// `--mem`, as in `32G`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem: Option<String>,
    /// Any other option, as in `--constraint=h100`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl SlurmRecipe {
    /// Whether nothing is asked for.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses what cannot stand in a script for sbatch.
    ///
    /// # Errors
    /// [`Error::Input`] that names the key.
    pub fn validate(&self) -> Result<()> {
        super::validate::slurm(self).map_err(|fault| Error::input(fault.message))
    }

    /// What `other` asks for, and of this what it says nothing about; options of both.
    pub fn with(&self, other: &Self) -> Self {
        let or = |a: &Option<String>, b: &Option<String>| b.clone().or_else(|| a.clone());
        let mut options = self.options.clone();
        options.extend(other.options.iter().cloned());
        Self {
            account: or(&self.account, &other.account),
            partition: or(&self.partition, &other.partition),
            gres: or(&self.gres, &other.gres),
            time: or(&self.time, &other.time),
            cpus: other.cpus.or(self.cpus),
            mem: or(&self.mem, &other.mem),
            options,
        }
    }

    /// The options as sbatch takes them.
    pub fn arguments(&self) -> Vec<String> {
        let cpus = self.cpus.map(|n| n.to_string());
        [
            ("account", &self.account),
            ("partition", &self.partition),
            ("gres", &self.gres),
            ("time", &self.time),
            ("cpus-per-task", &cpus),
            ("mem", &self.mem),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("--{name}={}", value.as_ref()?)))
        .chain(self.options.iter().cloned())
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_has_the_last_word_on_what_a_preset_asks_for() {
        let preset = SlurmRecipe {
            partition: Some("gpu".into()),
            time: Some("4:00:00".into()),
            options: vec!["--constraint=h100".into()],
            ..SlurmRecipe::default()
        };
        let flags = SlurmRecipe {
            time: Some("1:00:00".into()),
            cpus: Some(8),
            options: vec!["--exclude=node7".into()],
            ..SlurmRecipe::default()
        };
        assert_eq!(
            preset.with(&flags).arguments(),
            [
                "--partition=gpu",
                "--time=1:00:00",
                "--cpus-per-task=8",
                "--constraint=h100",
                "--exclude=node7"
            ]
        );
        let own = SlurmRecipe {
            options: vec!["--array=1-5".into()],
            ..SlurmRecipe::default()
        };
        let refused = own.validate().unwrap_err().to_string();
        assert!(refused.contains("cannot have --array"), "{refused}");
        assert!(flags.validate().is_ok());
        assert!(SlurmRecipe::default().arguments().is_empty() && !flags.is_default());
    }
}
