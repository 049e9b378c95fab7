//! The command line.

use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::export::{Artefact, Format};
use crate::measure::Forgetting;
use crate::recipe::{MOST_RANK, Precision};
use crate::report::{self, StudyLog};
use crate::speed::Work;

/// A terminal lab bench for forgetting: train LoRA task after task, merge each, see what is lost.
///
/// Without a command: the bench, on its set-up screen.
#[derive(Debug, Parser)]
#[command(
    name = "pentimento",
    version,
    propagate_version = true,
    max_term_width = 100
)]
#[command(after_help = "\
Examples:
  pentimento                                        the bench
  pentimento run demo --out R --seed 1              a run without a screen
  pentimento run demo --set lora.rank=1 --out R1    the same with another rank
  pentimento open R                                 the screens over a run
  pentimento resume R                               go on where a run was interrupted
  pentimento export R                               its matrix, classes, metrics and summary
  pentimento report runs --out report               what the rank did, over many runs

Exit codes: 0 done; 1 a failure of this program or of the machine; 2 a mistake in what it was given, a training \
that diverged by it included; 129, 130 or 143 ended by \
a signal, and the run can be resumed.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a preset from its first task to its last, with log lines instead of screens
    #[command(after_help = "\
Examples:
  pentimento run demo
  pentimento run demo-resnet --out R --seed 3 --device cpu
  pentimento run demo --set lora.rank=4 --set train.epochs=2 --set task.3.context=lower
  pentimento run demo --set 'train.steps=[300, 300, 300, 600, 600]'
  pentimento run my.toml --log json > events.jsonl

Any key of a preset can be set; list entries go by their number from 0. A value is read as TOML, and \
as a string if it is none. `pentimento presets demo` explains every key. The run's export/ is written \
at its end.

Ctrl-C twice or SIGTERM stops the run with a checkpoint, once more at once. When its terminal goes, the run goes \
on, unless the settings say otherwise (`pentimento keys --help`).")]
    Run(RunArgs),
    /// Open the screens over an existing run, or over a sweep
    #[command(after_help = "Example:\n  pentimento open runs/demo-s0-1")]
    Open {
        /// The run's folder, or the sweep's
        run: PathBuf,
    },
    /// Bring the backbone and the data of a preset from the hub, for a machine without a network
    #[command(after_help = "\
Examples:
  pentimento fetch paper-vit-short        on a login node
  HF_HUB_OFFLINE=1 pentimento run paper-vit-short    on a compute node

Files go to the cache that Python's huggingface_hub uses too: HF_HOME, or ~/.cache/huggingface. What is there \
already is not fetched again. HF_TOKEN opens what is gated, HF_ENDPOINT names another hub.")]
    Fetch {
        /// A preset's name or a TOML file
        #[arg(value_name = "PRESET|FILE.toml")]
        recipe: String,
        /// Change a key of the preset, such as backbone.source=hub:timm/resnet50.a1_in1k; may be given again
        #[arg(long = "set", value_name = "KEY=VALUE")]
        overrides: Vec<String>,
    },
    /// Begin a run with the first rows of another one, and go on with another rank, order, mode or seed
    #[command(after_help = "\
Examples:
  pentimento branch runs/demo-s0-1 --at parity --set lora.rank=1
  pentimento branch runs/demo-s0-1 --at 2 --seed 7 --out R

The branch has a folder of its own that needs nothing of its parent's. With nothing changed it repeats what its \
parent did, bit for bit.")]
    Branch(BranchArgs),
    /// Go on with an interrupted run, with log lines
    #[command(after_help = "\
Example:
  pentimento resume runs/demo-s0-1

The run goes on from its last checkpoint, with the recipe that it was started with.")]
    Resume {
        /// The run's folder
        run: PathBuf,
        /// auto, cpu or cuda:N; without it the device that the run was begun on
        #[arg(long, value_parser = device)]
        device: Option<String>,
        /// How what happens is written; with json, standard output is exactly the journal's lines
        #[arg(long, value_enum, default_value_t = Log::Plain)]
        log: Log,
    },
    /// Write the figures of a run: matrix.csv, per_class.csv, lost.csv, metrics.json, summary.md, or chosen tables and figures
    #[command(after_help = "\
Examples:
  pentimento export runs/demo-s0-1
  pentimento export runs/demo-s0-1 --out figures
  pentimento export runs/demo-s0-1 --format latex,svg --out paper
  pentimento export runs/demo-s0-1 --format png --only matrix,loss --wide --out talk
  pentimento export runs/demo-s0-1 --backbone merged    the network as it is now, for timm")]
    Export {
        /// The run's folder
        run: PathBuf,
        /// Where to; without it the run's own export/
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Tables and figures in these formats instead, with export.json on how they were made
        #[arg(long, value_enum, value_delimiter = ',', value_name = "FORMATS")]
        format: Vec<Format>,
        /// Of those only these
        #[arg(
            long,
            value_enum,
            value_delimiter = ',',
            value_name = "ARTEFACTS",
            requires = "format"
        )]
        only: Vec<Artefact>,
        /// Figures as wide as a page, 174 mm, instead of a column, 84 mm
        #[arg(long, requires = "format")]
        wide: bool,
        /// Instead of the figures the backbone with all that was merged, in timm's hub layout, into this absent or
        /// empty folder
        #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "format"])]
        backbone: Option<PathBuf>,
    },
    /// Compare many runs by backbone, rank and seed: one page with figures, tables and tests of the differences
    #[command(after_help = "\
Examples:
  pentimento report runs --out report
  pentimento report sweep-vit sweep-resnet --out report --forgetting max-before
  pentimento report runs --out report --study paper=logs.json,backbone=glyph-vit,rank=16,seed=0

Each DIR is a run's folder, or holds runs up to three levels below it, as a sweep's folder does. Runs that differ by nothing but rank and seed are \
a series; means are over seeds, differences are paired by seed and need three seeds that both sides have. Unfinished \
and damaged runs are named in the report and in no mean.

A log for --study is of the study's own program: JSON lines with a step and Avalanche's metrics, \
Top1_Acc_Exp/eval_phase/test_stream/TaskNNN/ExpNNN. It is drawn dashed and in no test. Behind its file: backbone=NAME lays it over \
the series of that backbone, rank=N (0: frozen, or full) gives it a place on the axis of ranks, and seed=N a seed.")]
    Report(ReportArgs),
    /// Measure a backbone on a data set, outside any run
    #[command(after_help = "\
Examples:
  pentimento eval --backbone resnet50 --data photos --split test --logits out.safetensors
  pentimento eval --backbone hub:timm/resnet18.a1_in1k --data imagenet:/data/imagenet --split val
  pentimento eval --backbone runs/demo-s0-1 --data bundled:latin --classes latin.csv

A folder of class folders holds SPLIT/CLASS/*.jpg, or CLASS/*.jpg with --split all. Labels follow label_names in the \
backbone's config.json where it has them, else the sorted names of the class folders.")]
    Eval(EvalArgs),
    /// List a backbone's modules, and which of them get an adapter
    #[command(after_help = "\
Examples:
  pentimento inspect bundled:glyph-vit
  pentimento inspect hub:timm/resnet50.a1_in1k --targets conv3 --rank 4
  pentimento inspect my-backbone --targets 'blocks\\.[0-5]\\..*'
  pentimento inspect runs/demo-s0-1 --rank 4

Of a run these are the modules that it trains, as its own recipe has them where --targets and --rank do not say otherwise.")]
    Inspect {
        /// bundled:NAME, hub:OWNER/NAME, a folder in timm's hub layout, or a run's folder
        backbone: String,
        /// A regex on the whole of a module's name, or default, qkv, all-linear, conv3, all-conv [default: default]
        #[arg(long)]
        targets: Option<String>,
        /// Rank of the adapters, 1 to 8192 [default: 16]
        #[arg(long, value_parser = rank(), allow_negative_numbers = true)]
        rank: Option<usize>,
    },
    /// Train a backbone from scratch and store it in timm's hub layout
    #[command(after_help = "\
Examples:
  pentimento pretrain glyph-vit --out vit
  pentimento pretrain presets/glyph-resnet.toml --out resnet --set train.epochs=2
  pentimento run demo --set backbone.source=path:vit")]
    Pretrain {
        /// A pretraining preset's name or TOML file
        #[arg(value_name = "PRESET|FILE.toml")]
        recipe: String,
        /// An absent or empty folder for config.json and model.safetensors
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Root of all randomness, instead of the preset's
        #[arg(long, value_name = "N", value_parser = seed())]
        seed: Option<u64>,
        #[command(flatten)]
        device: DeviceArgs,
        /// Change a key of the preset, such as train.epochs=2; may be given again
        #[arg(long = "set", value_name = "KEY=VALUE")]
        overrides: Vec<String>,
    },
    /// Do a grid of runs: presets, backbones, modes, ranks, seeds, and any other key
    #[command(after_help = "\
Examples:
  pentimento sweep demo --ranks 1,4,16 --seeds 1,2 --out S
  pentimento sweep demo demo-resnet --ranks 1,4,16 --seeds 1,2,3 --out S
  pentimento sweep demo --ranks 4 --set train.lr=1e-3,1e-4 --out S --dry-run
  pentimento sweep --out S                          go on with what is not finished
  pentimento sweep --out S --status                 how far each run is
  pentimento open S                                 the same as a screen
  pentimento sweep paper-vit-short --ranks 1,4,16 --seeds 1,2,3 --out S --engine slurm --partition gpu --gres gpu:1 \
--time 12:00:00 --cpus 8
  pentimento sweep --out S --cancel                 take back what is queued or at work

S/runs/ID are ordinary runs; what they have in common, such as the accuracy of the untouched backbone, is computed once. \
What is finished is not run again, what was interrupted goes on, and a failed run is tried once more. With other axes \
the same command adds runs. One process is at work in each slot; a slot is a GPU, or a fair share of the processor's \
threads. Ctrl-C twice or SIGTERM stops all of them with a checkpoint.")]
    Sweep(SweepArgs),
    /// Do one run of a sweep, as `sweep` has its processes do it
    #[command(hide = true)]
    SweepRun(SweepRunArgs),
    /// List the presets, or print one
    #[command(after_help = "\
Examples:
  pentimento presets
  pentimento presets demo              every key that there is, explained
  pentimento presets demo > my.toml    a start for one of your own")]
    Presets {
        /// The preset to print, as TOML
        name: Option<String>,
    },
    /// Print the keys in force, as a settings file says them, and where that file is
    #[command(after_help = "\
Examples:
  pentimento keys
  pentimento keys >> ~/.config/pentimento/config.toml    a start for keys of your own

The settings file is $XDG_CONFIG_HOME/pentimento/config.toml, else ~/.config/pentimento/config.toml, or \
PENTIMENTO_CONFIG. It may say:
  theme = \"colour-blind\"      or dark, light, high-contrast; PENTIMENTO_THEME is the last word
  marker = \"ascii\"            or braille, dots; PENTIMENTO_MARKER is the last word
  pictures = \"blocks\"         or sixel, kitty, iterm; or auto (as without it): pixels on terminals known to take them
  mouse = \"auto\"              on outside tmux; or true, false (as without it)
  hangup = \"stop\"           a run stops with a checkpoint when its terminal goes; or go-on (as without it)
  [keys]
  step = \"S\"                  an action and its key or keys, wherever it has one
  [keys.matrix]
  preview-lambdas = [\"v\", \"F5\"]

NO_COLOR leaves all colours out. COLORTERM, TERM and COLORFGBG say what the terminal shows.")]
    Keys,
    /// Tell what this binary and this machine can do, or what of a run's folder is whole
    #[command(after_help = "\
Examples:
  pentimento doctor
  pentimento doctor runs/demo-s0-1
  pentimento doctor runs/demo-s0-1 --repair

Of a run every problem is named with its file and its place, then what is whole and what to do; nothing is written. \
The exit code is 2 where there is a problem. --repair cuts a damaged journal off before the damage and keeps the \
damaged one beside it; it deletes nothing but halves of files.")]
    Doctor {
        /// A run's folder
        run: Option<PathBuf>,
        /// Save of the run what can be saved
        #[arg(long, requires = "run")]
        repair: bool,
    },
    /// Measure how fast a training step and inference are here, and what their time goes to
    #[command(after_help = "\
Examples:
  pentimento bench
  pentimento bench vit_base_patch16_224 --batch-size 32 --rank 16 --threads 8
  pentimento bench hub:timm/resnet50.a1_in1k --targets conv3 --device cuda:0 --precision bf16
  pentimento bench bundled:glyph-vit --json > figures.json
  pentimento bench --loading PHOTOS --threads 8

Images are noise and the rate is the median of some rounds, after two that do not count; a last round is taken apart \
into operations. Inference is of the backbone and a head without an adapter, as after a merge; a training step is \
forward, loss, backward and AdamW's step on an adapter and a head. Memory is the most that the process held so far, so \
that of inference is measured first.

A file given by --inputs holds images, f32 by image, channel, row and column, labels, i64 by image, head.weight and \
head.bias, and MODULE.lora_A and MODULE.lora_B of every module that is trained: what another program can be given too, \
whose losses must agree with those of --json. benches/side_by_side/run does that with PyTorch.

With --loading no backbone is at work: every picture of a folder of class folders is decoded, cut at random, resized, \
flipped by half and normalised as BACKBONE takes it, once a round. Training waits for its data where this is slower than \
a training step.")]
    Bench(BenchArgs),
    /// Print a completion script
    #[command(after_help = "\
Example:
  pentimento completions bash > ~/.local/share/bash-completion/completions/pentimento")]
    Completions {
        /// For this shell
        shell: Shell,
    },
}

/// `pentimento run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A preset's name (`pentimento presets` lists them) or a TOML file
    #[arg(value_name = "PRESET|FILE.toml")]
    pub recipe: String,
    /// An absent or empty folder; without it runs/PRESET-sSEED-N
    #[arg(long, value_name = "RUN")]
    pub out: Option<PathBuf>,
    /// Root of all randomness, instead of the preset's
    #[arg(long, value_name = "N", value_parser = seed())]
    pub seed: Option<u64>,
    /// Where to compute.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Change a key of the preset, such as lora.rank=4; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// How what happens is written; with json, standard output is exactly the journal's lines
    #[arg(long, value_enum, default_value_t = Log::Plain)]
    pub log: Log,
}

/// `pentimento sweep`
#[derive(Debug, Args)]
pub struct SweepArgs {
    /// Presets by name, or TOML files; without one the runs that the sweep has
    #[arg(value_name = "PRESET|FILE.toml")]
    pub presets: Vec<String>,
    /// The sweep's folder: a new one, or one that has a sweep
    #[arg(long, value_name = "S")]
    pub out: PathBuf,
    /// Ranks, as in 1,4,16
    #[arg(long, value_name = "N,N", value_delimiter = ',', requires = "presets")]
    pub ranks: Vec<usize>,
    /// Seeds, as in 1,2,3
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = seed(), requires = "presets")]
    pub seeds: Vec<u64>,
    /// Backbones, as in bundled:glyph-vit,hub:timm/resnet50.a1_in1k
    #[arg(
        long,
        value_name = "SOURCE,SOURCE",
        value_delimiter = ',',
        requires = "presets"
    )]
    pub backbones: Vec<String>,
    /// Modes, of merge, drop, full, full_reset
    #[arg(
        long,
        value_name = "MODE,MODE",
        value_delimiter = ',',
        requires = "presets"
    )]
    pub modes: Vec<String>,
    /// Change a key of the presets; several values, as in train.lr=1e-3,1e-4, are an axis; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE,VALUE", requires = "presets")]
    pub overrides: Vec<String>,
    /// Print the grid with an estimate of its time from a step that is measured here, and do nothing
    #[arg(long, conflicts_with = "status")]
    pub dry_run: bool,
    /// Print how far each run is, and do nothing
    #[arg(long)]
    pub status: bool,
    /// Who does the runs: processes on this machine, or Slurm
    #[arg(long, value_enum, default_value_t = Engine::Local)]
    pub engine: Engine,
    /// Look on until all runs are over, instead of leaving them to Slurm
    #[arg(long, requires = "engine")]
    pub wait: bool,
    /// Cancel what Slurm has queued or at work of these runs, and stop those at work on this machine with a checkpoint
    #[arg(long, conflicts_with_all = ["dry_run", "status"])]
    pub cancel: bool,
    /// Slurm's account, instead of that in the preset's table slurm; likewise the next ones
    #[arg(long, requires = "engine", value_name = "NAME")]
    pub account: Option<String>,
    /// Slurm's partition
    #[arg(long, requires = "engine", value_name = "NAME")]
    pub partition: Option<String>,
    /// Slurm's generic resources of each run, as in gpu:1
    #[arg(long, requires = "engine", value_name = "GRES")]
    pub gres: Option<String>,
    /// Time for each run, as in 4:00:00; one that is not finished by then is queued again and goes on
    #[arg(long, requires = "engine", value_name = "TIME")]
    pub time: Option<String>,
    /// Slurm's CPUs of each run
    #[arg(long, requires = "engine", value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=4096))]
    pub cpus: Option<usize>,
    /// Memory of each run, as in 32G
    #[arg(long, requires = "engine", value_name = "SIZE")]
    pub mem: Option<String>,
    /// Any other option of sbatch, as in --sbatch=--constraint=h100; may be given again
    #[arg(
        long,
        requires = "engine",
        value_name = "OPTION",
        allow_hyphen_values = true
    )]
    pub sbatch: Vec<String>,
    /// Runs at a time: on this machine, or of a job array
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1024))]
    pub slots: Option<usize>,
    /// auto, cpu, or GPUs, as in cuda:0,cuda:1; auto is every GPU that this binary can use, or else the CPU
    #[arg(long, default_value = "auto", value_delimiter = ',', value_parser = device)]
    pub device: Vec<String>,
}

/// Who does the runs of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// Processes on this machine
    Local,
    /// Job arrays of Slurm
    Slurm,
}

/// One run of a sweep.
#[derive(Debug, Args)]
pub struct SweepRunArgs {
    /// The sweep's folder
    pub sweep: PathBuf,
    /// The run's name
    pub run: String,
    /// Threads that compute; all without it
    #[arg(long)]
    pub threads: Option<usize>,
    /// Runs that are at work beside it on this machine
    #[arg(long, default_value_t = 0)]
    pub beside: usize,
    /// The process that it is to end with
    #[arg(long)]
    pub parent: Option<u32>,
    /// Where to compute.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// `pentimento branch`
#[derive(Debug, Args)]
pub struct BranchArgs {
    /// The folder of the run whose first rows are taken over
    pub run: PathBuf,
    /// The last task that they have in common, by its id or its number; 0: none, the untouched backbone
    #[arg(long, value_name = "TASK")]
    pub at: String,
    /// An absent or empty folder; without it runs/PRESET-sSEED-N
    #[arg(long, value_name = "RUN")]
    pub out: Option<PathBuf>,
    /// Root of all randomness, instead of the parent's
    #[arg(long, value_name = "N", value_parser = seed())]
    pub seed: Option<u64>,
    /// auto, cpu or cuda:N; without it the device that the parent was begun on
    #[arg(long, value_parser = device)]
    pub device: Option<String>,
    /// Change a key of the parent's recipe, such as lora.rank=4; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// How what happens is written; with json, standard output is exactly the journal's new lines
    #[arg(long, value_enum, default_value_t = Log::Plain)]
    pub log: Log,
}

/// `pentimento report`
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// A run's folder, or one that holds runs up to three levels below
    #[arg(value_name = "DIR", required = true)]
    pub runs: Vec<PathBuf>,
    /// An absent or empty folder, or one with an earlier report, which is replaced
    #[arg(long, value_name = "REPORT")]
    pub out: PathBuf,
    /// These kinds of files alone
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FORMATS")]
    pub format: Vec<report::Format>,
    /// The definition of forgetting in figures and differences; runs.csv has all three
    #[arg(long, value_enum, default_value_t = Forgetting::FirstLast)]
    pub forgetting: Forgetting,
    /// The study's own result log, to lay over the runs; may be given again
    #[arg(long, value_name = "LABEL=FILE[,backbone=NAME][,rank=N][,seed=N]", value_parser = StudyLog::parse)]
    pub study: Vec<StudyLog>,
}

/// `pentimento eval`
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// A folder in timm's hub layout, a run's folder, or bundled:NAME, hub:OWNER/NAME
    #[arg(long, value_name = "DIR|SOURCE")]
    pub backbone: String,
    /// A head of a run, heads/NNN-STEP.safetensors; without it the pretrained classifier
    #[arg(long, value_name = "FILE")]
    pub head: Option<PathBuf>,
    /// A folder of class folders, or a source such as parquet:DIR, bundled:latin
    #[arg(long, value_name = "FOLDER|SOURCE")]
    pub data: String,
    /// The split to measure; all for class folders without splits
    #[arg(long, default_value = "test")]
    pub split: String,
    /// Which data set, where the source holds several
    #[arg(long)]
    pub config: Option<String>,
    /// Write logits, f32 by image and class, and labels, i64 by image
    #[arg(long, value_name = "FILE.safetensors")]
    pub logits: Option<PathBuf>,
    /// Write a line for each image: label, prediction, confidence
    #[arg(long, value_name = "FILE.csv")]
    pub predictions: Option<PathBuf>,
    /// Write a line for each class: images, right answers, accuracy
    #[arg(long, value_name = "FILE.csv")]
    pub classes: Option<PathBuf>,
    /// Images a batch; changes speed only
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub batch_size: u16,
    /// Where to compute.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// `pentimento bench`
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// timm's name of an architecture, which gets random weights, or bundled:NAME, hub:OWNER/NAME, or a folder in
    /// timm's hub layout
    #[arg(default_value = "vit_small_patch16_224")]
    pub backbone: String,
    /// Side of the square images, instead of the backbone's own
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub image_size: Option<u16>,
    /// What products are computed in
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    pub precision: Precision,
    /// A regex on the whole of a module's name, or default, qkv, all-linear, conv3, all-conv
    #[arg(long, default_value = "default")]
    pub targets: String,
    /// Rank of the adapter, 1 to 8192
    #[arg(long, default_value_t = 16, value_parser = rank(), allow_negative_numbers = true)]
    pub rank: usize,
    /// Dropout on the adapter's input, at least 0 and below 1
    #[arg(long, default_value_t = 0.1, value_parser = dropout, allow_negative_numbers = true)]
    pub dropout: f64,
    /// Classes of the head
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    pub classes: u16,
    /// Images a batch
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    pub batch_size: u16,
    /// Rounds that count
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: u16,
    /// Measure this alone
    #[arg(long, value_enum)]
    pub only: Option<Work>,
    /// Threads that compute, instead of one for each processor
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// The batch, and what the adapter and the head begin with
    #[arg(long, value_name = "FILE.safetensors", conflicts_with_all = ["batch_size", "classes"])]
    pub inputs: Option<PathBuf>,
    /// Measure instead how fast these pictures become batches: a folder of class folders, or a source as in a recipe
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["inputs", "only", "precision", "targets", "rank", "dropout", "classes", "device"])]
    pub loading: Option<String>,
    /// Do a round for each line of standard input, `train` or `inference`, or with --loading `loading`, and answer with a
    /// line of JSON
    #[arg(long, conflicts_with_all = ["rounds", "only", "json"])]
    pub on_request: bool,
    /// Write everything that was measured as JSON, with every sample
    #[arg(long)]
    pub json: bool,
    /// Where to compute.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// Where to compute.
#[derive(Debug, Args)]
pub struct DeviceArgs {
    /// auto, cpu or cuda:N; auto is the first GPU if this binary can use one
    #[arg(long, default_value = "auto", value_parser = device)]
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

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(self.description()))
    }
}

impl ValueEnum for report::Format {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(self.description()))
    }
}

impl ValueEnum for Forgetting {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(self.definition()))
    }
}

impl ValueEnum for Artefact {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(self.description()))
    }
}

impl ValueEnum for Precision {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::F32, Self::Bf16]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

impl ValueEnum for Work {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

/// TOML, in which a run keeps its seed, has no larger whole numbers.
fn seed() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(..=i64::MAX as u64)
}

fn rank() -> clap::builder::RangedU64ValueParser<usize> {
    clap::builder::RangedU64ValueParser::new().range(1..=MOST_RANK as u64)
}

fn dropout(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err("dropout is a share of at least 0 and below 1".into()),
    }
}

fn device(text: &str) -> Result<String, String> {
    let numbered = |n: &str| !n.is_empty() && n.len() <= 3 && n.bytes().all(|b| b.is_ascii_digit());
    match text {
        "auto" | "cpu" => Ok(text.into()),
        _ if text.strip_prefix("cuda:").is_some_and(numbered) => Ok(text.into()),
        "cuda" => Err("name the GPU by its number, as in cuda:0".into()),
        _ => Err("a device is auto, cpu or cuda:N".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(arguments: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("pentimento").chain(arguments.split_whitespace()))
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_is_the_bench() {
        assert!(parse("").unwrap().command.is_none());
    }

    #[test]
    fn a_run_takes_any_number_of_overrides() {
        let cli = parse("run demo --set lora.rank=4 --set train.lr=1e-3").unwrap();
        let Some(Command::Run(args)) = cli.command else {
            panic!("{cli:?}");
        };
        assert_eq!(args.overrides, ["lora.rank=4", "train.lr=1e-3"]);
        assert_eq!(
            (args.device.device.as_str(), args.log),
            ("auto", Log::Plain)
        );
        assert_eq!((args.seed, args.out), (None, None));
    }

    #[test]
    fn devices_are_auto_cpu_and_numbered_gpus() {
        for good in ["auto", "cpu", "cuda:0", "cuda:12"] {
            assert_eq!(device(good).as_deref(), Ok(good));
        }
        for bad in ["", "gpu", "cuda:", "cuda:x", "CPU", "cuda:-1"] {
            assert_eq!(device(bad), Err("a device is auto, cpu or cuda:N".into()));
        }
        assert!(device("cuda").unwrap_err().contains("cuda:0"));
    }

    #[test]
    fn formats_and_artefacts_are_lists() {
        let cli = parse("export R --format csv,svg --only matrix,per-class --wide").unwrap();
        let Some(Command::Export {
            format, only, wide, ..
        }) = cli.command
        else {
            panic!("{cli:?}");
        };
        assert_eq!(format, [Format::Csv, Format::Svg]);
        assert_eq!(only, [Artefact::Matrix, Artefact::PerClass]);
        assert!(wide);
        for bad in [
            "--format pdf",
            "--only matrix",
            "--wide",
            "--format csv --backbone B",
        ] {
            assert!(parse(&format!("export R {bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn seeds_are_what_a_manifest_can_hold() {
        assert!(parse("run demo --seed 9223372036854775807").is_ok());
        for bad in ["9223372036854775808", "-1", "x"] {
            assert_eq!(
                parse(&format!("run demo --seed={bad}"))
                    .unwrap_err()
                    .exit_code(),
                2
            );
        }
    }

    #[test]
    fn every_command_has_a_line_of_help() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{argument:?}");
            }
        }
    }
}
