//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// A terminal lab bench for forgetting in continual learning with merged LoRA.
///
/// Without a command: the bench, on its set-up screen.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Examples:
  pentimento                                             the bench
  pentimento run demo --out R --seed 1                   a run without a screen
  pentimento run demo --set lora.rank=1 --out R1         the same with another rank
  pentimento open R                                      the screens over a run
  pentimento export R                                    matrix.csv, per_class.csv, metrics.json, summary.md

Exit codes: 0 done, 1 a failure of this program, 2 a mistake in what it was given,
130 or 143 ended by a signal (the run can be resumed).")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a preset from its first task to its last, with log lines instead of screens
    Run(RunArgs),
    /// Open the screens over an existing run
    Open {
        /// The run's folder
        run: PathBuf,
        #[command(flatten)]
        device: DeviceArgs,
    },
    /// Go on with an interrupted run, with log lines
    Resume {
        /// The run's folder
        run: PathBuf,
        #[command(flatten)]
        device: DeviceArgs,
        /// How what happens is written
        #[arg(long, value_enum, default_value_t = Log::Plain)]
        log: Log,
    },
    /// Write matrix.csv, per_class.csv, metrics.json and summary.md of a run
    Export {
        /// The run's folder
        run: PathBuf,
        /// Where to; without it the run's own export/
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Train a backbone from scratch and store it in timm's hub layout
    Pretrain {
        /// A pretraining preset's name or TOML file
        #[arg(value_name = "PRESET|FILE.toml")]
        recipe: String,
        /// An absent or empty folder for config.json and model.safetensors
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Root of all randomness, instead of the preset's
        #[arg(long)]
        seed: Option<u64>,
        #[command(flatten)]
        device: DeviceArgs,
        /// Change a key of the preset, for example train.epochs=2
        #[arg(long = "set", value_name = "KEY=VALUE")]
        overrides: Vec<String>,
    },
    /// List the presets
    Presets,
    /// Tell what this binary and this machine can do
    Doctor,
    /// Print a completion script
    Completions {
        /// For this shell
        shell: Shell,
    },
}

/// `pentimento run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A preset's name or TOML file
    #[arg(value_name = "PRESET|FILE.toml")]
    pub recipe: String,
    /// An absent or empty folder; without it runs/PRESET-sSEED-N
    #[arg(long, value_name = "RUN")]
    pub out: Option<PathBuf>,
    /// Root of all randomness, instead of the preset's
    #[arg(long)]
    pub seed: Option<u64>,
    /// Where to compute
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Change a key of the preset, for example lora.rank=4; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// How what happens is written; with json, standard output is exactly the journal's lines
    #[arg(long, value_enum, default_value_t = Log::Plain)]
    pub log: Log,
}

/// Where to compute.
#[derive(Debug, Args)]
pub struct DeviceArgs {
    /// auto, cpu or cuda:N; auto is the first GPU if this binary can use one
    #[arg(long, default_value = "auto")]
    pub device: String,
}

/// How what happens is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Log {
    /// For people
    Plain,
    /// The journal's lines
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_run_takes_any_number_of_overrides() {
        let cli = Cli::parse_from([
            "pentimento",
            "run",
            "demo",
            "--set",
            "lora.rank=4",
            "--set",
            "train.lr=1e-3",
        ]);
        let Some(Command::Run(args)) = cli.command else {
            panic!("{cli:?}");
        };
        assert_eq!(args.overrides, ["lora.rank=4", "train.lr=1e-3"]);
        assert_eq!(
            (args.device.device.as_str(), args.log),
            ("auto", Log::Plain)
        );
    }
}
