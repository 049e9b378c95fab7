//! A made-up journal: the demo's five tasks with figures of the kind that such runs have.

use std::path::PathBuf;

use pentimento::data::Class;
use pentimento::lab::{
    Agreement, BackboneSummary, Event, JOURNAL_VERSION, Level, Memory, Preview, Record, TestSet,
};
use pentimento::lora::{Amount, UpdateNorm};
use pentimento::measure::{Contextual, Counts};
use pentimento::recipe::Recipe;
use pentimento::ui::Environment;
use pentimento::ui::setup::Choice;

const TASKS: [(&str, &str); 5] = [
    ("parity", "digits"),
    ("lower-thirds", "lower"),
    ("upper-thirds", "upper"),
    ("greek", ""),
    ("cyrillic", ""),
];
/// Steps of a task.
pub const STEPS: usize = 600;
/// Test images a class of the foundation.
const IMAGES: u32 = 75;

/// The recipe of the journal.
pub fn recipe() -> Recipe {
    let mut text = String::from(
        "name = 'demo'\ndescription = 'A ViT learns five tasks on characters'\n\
         backbone.source = 'bundled:glyph-vit'\nfoundation.data = 'bundled:latin'\nlora.rank = 16\n\
         [train]\nsteps = 600\nbatch_size = 32\nlr = 1e-3\nweight_decay = 1e-2\nwarmup = 0.1\n",
    );
    for (id, context) in TASKS {
        text.push_str(&format!("[[task]]\nid = '{id}'\ndata = 'bundled:{id}'\n"));
        if !context.is_empty() {
            text.push_str(&format!("context = ['{context}']\n"));
        }
    }
    toml::from_str(&text).unwrap()
}

fn choice(value: &str, group: &'static str, note: &str) -> Choice {
    Choice {
        value: value.into(),
        group,
        note: note.into(),
    }
}

/// A set-up screen that knows two presets, a file and a run, two bundled and two cached backbones, and counts parameters
/// as the bundled ones have them.
pub fn environment() -> Environment {
    Environment {
        start: recipe(),
        presets: Box::new(|| {
            vec![
                choice("demo", "preset", "A ViT learns five tasks on characters"),
                choice("demo-resnet", "preset", "The same with a ResNet"),
                choice("mine.toml", "file", "\u{1b}[31mred\u{202e} and more"),
                choice("runs/demo-s3-1", "run", "the settings of this run"),
            ]
        }),
        open: Box::new(|what| {
            let mut recipe = recipe();
            match what {
                "demo" => {}
                "demo-resnet" => {
                    recipe.name = "demo-resnet".into();
                    recipe.description = "The same with a ResNet".into();
                    recipe.backbone.source = "bundled:glyph-resnet".into();
                }
                "mine.toml" => recipe.name = "mine".into(),
                "runs/demo-s3-1" => recipe.seed = 3,
                other => {
                    return Err(pentimento::Error::input(format!(
                        "no preset and no file is called {other}"
                    )));
                }
            }
            Ok(recipe)
        }),
        backbones: Box::new(|| {
            vec![
                choice("bundled:glyph-vit", "bundled", "in the program"),
                choice("bundled:glyph-resnet", "bundled", "in the program"),
                choice(
                    "hub:timm/resnet50.a1_in1k",
                    "cached",
                    "102 MB on this machine",
                ),
                choice(
                    "hub:timm/vit_base_patch16_224.augreg_in1k",
                    "cached",
                    "346 MB on this machine",
                ),
            ]
        }),
        data: ["latin", "parity", "greek", "hebrew"]
            .map(|name| format!("bundled:{name}"))
            .to_vec(),
        preview: Box::new(preview),
        folder: Box::new(|recipe| {
            PathBuf::from(format!("runs/{}-s{}-1", recipe.name, recipe.seed))
        }),
        devices: vec!["auto".into(), "cpu".into()],
    }
}

fn preview(recipe: &Recipe) -> pentimento::Result<Option<Preview>> {
    recipe.validate()?;
    let source = &recipe.backbone.source;
    if recipe.lora.rank > 96 {
        return Err(pentimento::Error::input(format!(
            "lora.rank is {}, but no module of the backbone is wider than 96: choose a smaller one",
            recipe.lora.rank
        )));
    }
    if source.starts_with("hub:somebody/") {
        return Ok(None);
    }
    let of_hub = source.starts_with("hub:");
    let (architecture, parameters) = match source.as_str() {
        "bundled:glyph-vit" => ("vit_tiny_patch16_224", 679_200),
        "bundled:glyph-resnet" => ("resnet26d", 360_572),
        _ => ("vit_base_patch16_224", 85_798_656),
    };
    let batch = recipe.train.batch_size;
    let adapter_parameters = recipe.lora.rank * 6 * (96 + 288);
    Ok(Some(Preview {
        architecture: architecture.into(),
        parameters,
        targets: (0..6).map(|i| format!("blocks.{i}.attn.qkv")).collect(),
        adapter_parameters,
        input: if of_hub { [3, 224, 224] } else { [1, 32, 32] },
        memory: Memory {
            weights: 4 * parameters,
            trained: 16 * adapter_parameters,
            activations: batch * if of_hub { 160_000_000 } else { 1_400_000 },
        },
        here: !source.ends_with("dino"),
    }))
}

/// Writes a journal event by event.
pub struct Journal {
    /// What was written.
    pub records: Vec<Record>,
    foundation: Vec<Class>,
    drop: Vec<f64>,
    right: Vec<u32>,
    row: usize,
    training: u32,
    clock: i64,
    random: u64,
}

impl Journal {
    /// The demo on Latin characters, begun.
    pub fn latin() -> Self {
        let group = |c: char| match c {
            '0'..='9' => "digits",
            'a'..='z' => "lower",
            _ => "upper",
        };
        let classes = ('0'..='9')
            .chain('a'..='z')
            .chain('A'..='Z')
            .map(|c| Class {
                name: c.into(),
                group: group(c).into(),
            });
        Self::with(classes.collect(), "latin")
    }

    /// The same run over a foundation of other classes.
    pub fn with(foundation: Vec<Class>, id: &str) -> Self {
        let n = foundation.len();
        let mut journal = Self {
            records: Vec::new(),
            foundation,
            drop: vec![0.0; n],
            right: Vec::new(),
            row: 0,
            training: 0,
            clock: 1_790_000_000_000,
            random: 7,
        };
        let mut test_sets = vec![TestSet {
            id: id.into(),
            classes: journal.foundation.clone(),
            images: n * IMAGES as usize,
            train_images: 0,
        }];
        test_sets.extend(TASKS.map(|(id, _)| {
            TestSet {
                id: id.into(),
                classes: (0..3)
                    .map(|i| Class {
                        name: format!("{id} {i}"),
                        group: String::new(),
                    })
                    .collect(),
                images: 900,
                train_images: 4000,
            }
        }));
        journal.write(Event::RunStarted {
            version: "0.1.0".into(),
            recipe: Box::new(recipe()),
            recipe_hash: "5f1c".into(),
            device: "cpu".into(),
            automatic: true,
            backbone: BackboneSummary {
                architecture: "vit_tiny_patch16_224".into(),
                parameters: 679_200,
                targets: (0..6).map(|i| format!("blocks.{i}.attn.qkv")).collect(),
                adapter_parameters: 36_864,
                weights_sha256: "ab".into(),
            },
            test_sets,
            ancestry: Vec::new(),
        });
        journal
    }

    /// Another seed, and every class loses so much from the start.
    pub fn seeded(mut self, seed: u64, lost: f64) -> Self {
        if let Event::RunStarted { recipe, .. } = &mut self.records[0].event {
            recipe.seed = seed;
        }
        self.drop.iter_mut().for_each(|drop| *drop += lost);
        self.random += seed;
        self
    }

    /// Appends an event, a little later.
    pub fn write(&mut self, event: Event) {
        self.clock += match event {
            Event::Step { .. } => 20,
            _ => 350,
        };
        let time = jiff::Timestamp::from_millisecond(self.clock).unwrap();
        self.records.push(Record {
            v: JOURNAL_VERSION,
            seq: self.records.len() as u64,
            time: format!("{time:.3}"),
            event,
        });
    }

    /// A number in [0, 1): the same every time.
    fn uniform(&mut self) -> f64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 40) as f64 / (1u64 << 24) as f64
    }

    /// Right answers a class of `images` images, by what the classes have lost.
    fn foundation_counts(&mut self, images: u32) -> Counts {
        let n = self.foundation.len();
        let correct = (0..n).map(|class| {
            let accuracy = 0.985 - self.drop[class] - 0.03 * self.uniform();
            (accuracy.clamp(0.0, 1.0) * f64::from(images)).round() as u32
        });
        let correct = correct.collect();
        Counts {
            correct,
            total: vec![images; n],
        }
    }

    fn task_counts(&mut self, images: u32, accuracy: f64) -> Counts {
        let right = (accuracy * f64::from(images)).round() as u32;
        Counts {
            correct: vec![right; 3],
            total: vec![images; 3],
        }
    }

    /// Measures the present row on everything learned so far.
    pub fn measure(&mut self) {
        let index = self.row;
        let counts = self.foundation_counts(IMAGES);
        let before = std::mem::replace(&mut self.right, counts.correct.clone());
        let less = |a: &[u32], b: &[u32]| -> Vec<u32> {
            a.iter().zip(b).map(|(a, b)| a.saturating_sub(*b)).collect()
        };
        let after = counts.correct.clone();
        let id = match &self.records[0].event {
            Event::RunStarted { test_sets, .. } => test_sets[0].id.clone(),
            _ => unreachable!(),
        };
        self.evaluated(
            index,
            &id,
            counts,
            less(&before, &after),
            less(&after, &before),
        );
        for (column, (id, _)) in TASKS.iter().enumerate().take(index) {
            let counts = self.task_counts(300, 0.985 - 0.03 * (index - column - 1) as f64);
            self.evaluated(index, id, counts, vec![3; 3], vec![1; 3]);
        }
        let contextual = (index > 0).then(|| Contextual {
            groups: vec![
                ("digits".into(), 0.021),
                ("lower".into(), 0.282),
                ("upper".into(), 0.034),
            ],
            in_context: 0.282,
            rest: 0.028,
            p_one_sided: 0.0016,
            p_two_sided: 0.0031,
            rho: 0.41,
            rho_p: 0.0008,
            effects: Vec::new(),
        });
        self.write(Event::Measured { index, contextual });
    }

    fn evaluated(
        &mut self,
        index: usize,
        id: &str,
        counts: Counts,
        new_errors: Vec<u32>,
        new_hits: Vec<u32>,
    ) {
        let n = counts.correct.len();
        let wrong = (0..n).map(|class| match counts.total[class] - counts.correct[class] {
            0 => Vec::new(),
            missing => vec![
                ((class + 1) % n, missing.div_ceil(2)),
                ((class + n - 1) % n, missing / 3),
            ],
        });
        let wrong = wrong.collect();
        let new_hits = if index == 0 { vec![0; n] } else { new_hits };
        let new_errors = if index == 0 { vec![0; n] } else { new_errors };
        self.write(Event::Evaluated {
            index,
            test_set: id.into(),
            counts,
            new_errors,
            new_hits,
            wrong,
            lost: Vec::new(),
            file: format!("predictions/{index:03}-{id}.bin"),
            sha256: "cd".into(),
            seconds: 1.3,
        });
    }

    /// Begins the next task.
    pub fn begin(&mut self) {
        self.training += 1;
        let (id, context) = TASKS[self.row];
        self.write(Event::TaskStarted {
            index: self.row + 1,
            step_id: id.into(),
            training: self.training,
            steps: STEPS,
            steps_per_epoch: 125,
            batch_size: 32,
            trainable: 37_155,
        });
        let n = self.foundation.len();
        let classes = (0..n).filter(|c| self.foundation[*c].group == context);
        let classes: Vec<usize> = classes.collect();
        let similarity = (0..n).map(|c| match classes.contains(&c) {
            true => 0.8 + 0.003 * c as f32,
            false => 0.2 - 0.004 * c as f32,
        });
        let similarity = similarity.collect();
        self.write(Event::Context {
            training: self.training,
            similarity,
            classes,
            wordnet: None,
            clip: None,
        });
    }

    /// Takes steps up to `to`, watching every 50.
    pub fn train(&mut self, from: usize, to: usize) {
        let context = TASKS[self.row].1;
        let n = self.foundation.len();
        let four = |right: Vec<u32>| Counts {
            correct: right,
            total: vec![4; n],
        };
        let start = four(vec![4; n]);
        let now = self.drop.iter().map(|d| (4.0 * (0.985 - d)).round() as u32);
        let before = four(now.collect());
        for step in from + 1..=to {
            let progress = step as f64 / STEPS as f64;
            let noise = self.uniform() - 0.5;
            let loss = 1.1 * (-5.0 * progress).exp() + 0.06 + 0.25 * noise * (1.1 - progress);
            let accuracy = (1.0 - 0.6 * (-6.0 * progress).exp() + 0.06 * noise).clamp(0.0, 1.0);
            let lr =
                1e-3 * (progress / 0.1).min(0.5 + 0.5 * (std::f64::consts::PI * progress).cos());
            self.write(Event::Step {
                training: self.training,
                step,
                loss: loss.max(0.01) as f32,
                lr,
                correct: (32.0 * accuracy) as usize,
                images: 32,
                seconds: if step < 4 { 0.4 } else { 0.0174 },
                waited: Some(0.0012),
            });
            for class in 0..self.foundation.len() {
                let hit = self.foundation[class].group == context;
                let most = if hit { 0.55 } else { 0.08 };
                self.drop[class] += most * (0.3 + ((class * 7) % 10) as f64 / 10.0) / STEPS as f64;
            }
            if step.is_multiple_of(50) {
                let foundation = self.foundation_counts(4);
                let task = self.task_counts(60, 0.985 - 0.5 * (-6.0 * progress).exp());
                self.write(Event::Watched {
                    training: self.training,
                    step,
                    foundation,
                    before: before.clone(),
                    start: start.clone(),
                    task,
                });
            }
        }
    }

    /// All steps are taken.
    pub fn trained(&mut self) {
        let (index, id) = (self.row + 1, TASKS[self.row].0);
        self.write(Event::Trained {
            index,
            training: self.training,
            adapter: format!("adapters/{:03}-{id}", self.training),
            head: format!("heads/{:03}-{id}.safetensors", self.training),
            sha256: Default::default(),
            seconds: 12.4,
        });
    }

    /// Merges and measures; what was lost by earlier tasks comes back in part.
    pub fn merge(&mut self) {
        self.row += 1;
        self.write(Event::Merged {
            index: self.row,
            training: self.training,
            amount: Amount::WHOLE,
            update: (0..6)
                .map(|i| UpdateNorm {
                    module: format!("blocks.{i}.attn.qkv"),
                    relative: 0.4,
                })
                .collect(),
            update_total: 0.31 + 0.12 * self.row as f64,
            fidelity: 3.8e-6,
            agreement: Some(Agreement {
                images: 64,
                adapter: 63,
                merged: 63,
            }),
        });
    }

    /// Whole tasks up to and with `row`.
    pub fn tasks(&mut self, row: usize) {
        if self.records.len() == 1 {
            self.measure();
        }
        while self.row < row {
            self.begin();
            self.train(0, STEPS);
            self.trained();
            self.merge();
            self.measure();
        }
    }

    /// Takes the last merge back.
    pub fn undo(&mut self) {
        let index = self.row;
        self.write(Event::Undone { index });
        self.write(Event::Advance { automatic: false });
        self.row -= 1;
    }

    /// A warning, as a refused command makes one.
    pub fn warn(&mut self, message: &str) {
        self.write(Event::Note {
            level: Level::Warning,
            message: message.into(),
        });
    }
}
