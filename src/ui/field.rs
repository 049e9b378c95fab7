//! The fields of the set-up form: what each is called, what it means, what it can be changed to.

/// A part of the form that can be folded away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// How a task is trained.
    Training,
    /// Where and how the run goes.
    Run,
}

/// A field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Which preset, file or run the form starts from.
    Preset,
    /// Which backbone.
    Backbone,
    /// What becomes of a task's update.
    Mode,
    /// Rank of the adapters.
    Rank,
    /// Which modules get an adapter.
    Targets,
    /// The heading of a part.
    Part(Part),
    /// Steps or epochs a task.
    Budget,
    /// Peak learning rate.
    Lr,
    /// Images a step.
    BatchSize,
    /// Scale of the adapters.
    Alpha,
    /// Dropout on the adapters' input.
    Dropout,
    /// AdamW's weight decay.
    WeightDecay,
    /// Share of the steps in which the learning rate rises.
    Warmup,
    /// Side of the input.
    ImageSize,
    /// Any other key of a preset.
    Key,
    /// What the backbone was pretrained on.
    Foundation,
    /// A task of the sequence, by its position.
    Task(usize),
    /// Root of all randomness.
    Seed,
    /// Automatic or step by step.
    Advance,
    /// Where tensors live.
    Device,
    /// Where the run is written.
    Folder,
}

/// Ranks that the left and right keys go through; others can be typed.
pub const RANKS: [f64; 8] = [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

impl Field {
    /// The fields before the first part.
    pub const MODEL: [Self; 5] = [
        Self::Preset,
        Self::Backbone,
        Self::Mode,
        Self::Rank,
        Self::Targets,
    ];

    /// The part that can hide it.
    pub fn part(self) -> Option<Part> {
        [Part::Training, Part::Run]
            .into_iter()
            .find(|part| part.fields().contains(&self))
    }

    /// What it is called, in at most nine columns; a task's and the budget's names are the form's to say.
    pub fn label(self) -> &'static str {
        match self {
            Self::Preset => "preset",
            Self::Backbone => "backbone",
            Self::Mode => "mode",
            Self::Rank => "rank",
            Self::Targets => "targets",
            Self::Part(Part::Training) => "training",
            Self::Budget => "steps",
            Self::Lr => "lr",
            Self::BatchSize => "batch",
            Self::Alpha => "alpha",
            Self::Dropout => "dropout",
            Self::WeightDecay => "decay",
            Self::Warmup => "warm-up",
            Self::ImageSize => "image",
            Self::Key => "any key",
            Self::Foundation => "task 0",
            Self::Task(_) => "task",
            Self::Part(Part::Run) => "run",
            Self::Seed => "seed",
            Self::Advance => "advance",
            Self::Device => "device",
            Self::Folder => "folder",
        }
    }

    /// What it decides, in at most two lines.
    pub fn help(self) -> &'static str {
        match self {
            Self::Preset => {
                "what the form starts from: {list} lists presets, TOML files and runs, {edit} types one; {save} saves what is set here"
            }
            Self::Backbone => {
                "the pretrained network that learns and forgets: {list} lists what is here, {search} searches the hub, {edit} types \
                 hub:OWNER/NAME or a folder"
            }
            Self::Mode => {
                "merge adds each task's update into the weights; drop keeps it for its own head; full trains the \
                 modules themselves"
            }
            Self::Rank => {
                "size of each task's update BA; at 0 the backbone is frozen and only heads learn"
            }
            Self::Targets => {
                "the modules that get an update: a name from the list ({list}), or a regex on whole names of timm's ({edit})"
            }
            Self::Part(Part::Training) => "how each task is trained; {toggle} shows or hides it",
            Self::Budget => "how long each task trains; {toggle} counts in epochs or steps",
            Self::Lr => "AdamW's peak learning rate; it falls to 0 by half a cosine",
            Self::BatchSize => "images a step of the optimiser; memory grows with it",
            Self::Alpha => "the update is scaled by alpha/rank; emptied, alpha is twice the rank",
            Self::Dropout => "share of the update's inputs left out at each step, 0 to below 1",
            Self::WeightDecay => "AdamW's decoupled weight decay; the study takes 0 at full rank",
            Self::Warmup => {
                "share of a task's steps over which the learning rate first rises, 0 to 1"
            }
            Self::ImageSize => {
                "side of the input in pixels; emptied, the one that the weights were trained for"
            }
            Self::Key => {
                "{edit} types KEY=VALUE as --set takes it: measure.probe.when=end, lora.rslora=true; presets demo \
                 explains all"
            }
            Self::Foundation => {
                "what the backbone was pretrained on: measured after each merge, never trained; as many classes as \
                 the backbone has"
            }
            Self::Task(_) => {
                "{toggle} leaves it out or takes it in, {add-task} adds one, {remove-task} removes it, {split-task} makes two halves, {earlier} and {later} move it, \
                 {left}{right} and {edit} change its length"
            }
            Self::Part(Part::Run) => {
                "seed, pace, device and place of the run; {toggle} shows or hides it"
            }
            Self::Seed => "root of all randomness: the same seed gives the same bits",
            Self::Advance => {
                "automatic trains and merges by itself; step by step waits for your keys"
            }
            Self::Device => "auto takes a GPU if this program and this machine have one",
            Self::Folder => {
                "journal, adapters and exports go here; the run can be opened again from it"
            }
        }
    }

    /// The key of a preset that it stands for, where that holds one value which is set as it is typed.
    pub fn key(self) -> Option<&'static str> {
        Some(match self {
            Self::Rank => "lora.rank",
            Self::Targets => "lora.targets",
            Self::Lr => "train.lr",
            Self::BatchSize => "train.batch_size",
            Self::Alpha => "lora.alpha",
            Self::Dropout => "lora.dropout",
            Self::WeightDecay => "train.weight_decay",
            Self::Warmup => "train.warmup",
            Self::ImageSize => "backbone.image_size",
            Self::Seed => "seed",
            _ => return None,
        })
    }

    /// Values that the left and right keys go through.
    pub fn ladder(self) -> &'static [f64] {
        match self {
            Self::Rank => &RANKS,
            Self::Lr => &[1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2],
            Self::BatchSize => &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0],
            Self::Alpha => &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0],
            Self::Dropout => &[0.0, 0.05, 0.1, 0.2, 0.3, 0.5],
            Self::WeightDecay => &[0.0, 1e-4, 1e-3, 1e-2, 5e-2, 1e-1],
            Self::Warmup => &[0.0, 0.05, 0.1, 0.2, 0.5],
            Self::ImageSize => &[
                32.0, 48.0, 64.0, 96.0, 112.0, 128.0, 160.0, 192.0, 224.0, 256.0, 288.0, 336.0,
                384.0, 448.0, 512.0,
            ],
            _ => &[],
        }
    }

    /// Whether a character may be typed into it.
    pub fn takes(self, c: char) -> bool {
        match self {
            Self::Rank
            | Self::BatchSize
            | Self::ImageSize
            | Self::Seed
            | Self::Budget
            | Self::Task(_) => c.is_ascii_digit(),
            Self::Lr | Self::Alpha | Self::Dropout | Self::WeightDecay | Self::Warmup => {
                c.is_ascii_digit() || ".e-".contains(c)
            }
            _ => !c.is_control(),
        }
    }

    /// Whether a list of choices can be opened on it.
    pub fn has_list(self) -> bool {
        matches!(
            self,
            Self::Preset
                | Self::Backbone
                | Self::Mode
                | Self::Targets
                | Self::Foundation
                | Self::Task(_)
        )
    }
}

impl Part {
    /// What it holds, from the top.
    pub fn fields(self) -> &'static [Field] {
        match self {
            Self::Training => &[
                Field::Budget,
                Field::Lr,
                Field::BatchSize,
                Field::Alpha,
                Field::Dropout,
                Field::WeightDecay,
                Field::Warmup,
                Field::ImageSize,
                Field::Key,
            ],
            Self::Run => &[Field::Seed, Field::Advance, Field::Device, Field::Folder],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::actions::{Bindings, Scope, Screen};
    use crate::ui::text::wrap;

    #[test]
    fn every_field_explains_itself_in_two_lines_of_a_small_screen() {
        let keys = Bindings::default();
        let parts = [Part::Training, Part::Run];
        let mut fields = Field::MODEL.to_vec();
        fields.extend([Field::Foundation, Field::Task(0)]);
        fields.extend(parts.map(Field::Part));
        fields.extend(parts.iter().flat_map(|part| part.fields()));
        for field in fields {
            let help = keys.fill(field.help(), Scope::On(Screen::SetUp));
            assert!(wrap(&help, 76).len() <= 2, "{field:?}");
            assert!(field.label().len() <= 9);
        }
    }
}
