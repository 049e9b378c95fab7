use std::path::PathBuf;

use super::super::actions::Action;
use super::super::picker::TaskChange;
use super::super::typing::Typed;
use super::*;
use crate::lab::Memory;
use crate::recipe::Budget;

fn recipe() -> Recipe {
    let mut text = String::from(
        "name = 'demo'\nbackbone.source = 'bundled:glyph-vit'\nfoundation.data = 'bundled:latin'\n\
         lora.rank = 16\n[train]\nsteps = 600\nbatch_size = 32\nlr = 1e-3\nweight_decay = 1e-2\n\
         warmup = 0.1\n",
    );
    for id in [
        "parity",
        "lower-thirds",
        "upper-thirds",
        "greek",
        "cyrillic",
    ] {
        text.push_str(&format!("[[task]]\nid = '{id}'\ndata = 'bundled:{id}'\n"));
    }
    toml::from_str(&text).unwrap()
}

fn choice(value: &str, group: &'static str) -> Choice {
    Choice {
        value: value.into(),
        group,
        note: String::new(),
    }
}

fn form() -> SetUp {
    SetUp::new(Environment {
        start: recipe(),
        presets: Box::new(|| {
            let presets = ["demo", "broken", "other"].map(|name| choice(name, "preset"));
            let mut all = presets.to_vec();
            all.push(choice("runs/demo-s9-1", RUN));
            all
        }),
        open: Box::new(|what| match what {
            "broken" => Err(Error::input("this is not TOML")),
            "runs/demo-s9-1" => Ok(Recipe {
                seed: 9,
                ..recipe()
            }),
            other => Ok(Recipe {
                name: other.into(),
                ..recipe()
            }),
        }),
        backbones: Box::new(|| {
            vec![
                choice("bundled:glyph-vit", "bundled"),
                choice("hub:timm/x", "cached"),
            ]
        }),
        data: ["latin", "greek", "hebrew"]
            .map(|d| format!("bundled:{d}"))
            .to_vec(),
        preview: Box::new(|recipe| {
            recipe.validate()?;
            Ok(Some(Preview {
                architecture: "vit".into(),
                parameters: 1000,
                targets: vec!["blocks.0.attn.qkv".into()],
                adapter_parameters: 4 * recipe.lora.rank,
                input: [1, 32, 32],
                memory: Memory::default(),
                here: true,
            }))
        }),
        folder: Box::new(|recipe| PathBuf::from("runs").join(&recipe.name)),
        devices: vec!["auto".into(), "cpu".into()],
    })
}

fn go_to(form: &mut SetUp, field: Field) {
    form.fit(100);
    let at = form.fields().iter().position(|f| *f == field).unwrap();
    form.go(-100);
    form.go(at as isize);
}

fn write(form: &mut SetUp, text: &str) -> Result<Typed, String> {
    form.edit();
    type_anew(form, text)
}

fn type_anew(form: &mut SetUp, text: &str) -> Result<Typed, String> {
    let prompt = form.prompt().unwrap().clone();
    let line = form.line().unwrap();
    line.edit(Action::EraseLine);
    let taken = text.chars().filter(|c| prompt.takes(*c));
    taken.for_each(|c| line.put(c));
    form.accept()
}

#[test]
fn an_untouched_form_is_its_preset() {
    assert_eq!(form().recipe().unwrap(), recipe());
}

#[test]
fn the_rank_moves_the_trainable_parameters() {
    let mut form = form();
    go_to(&mut form, Field::Rank);
    let parameters = |form: &SetUp| form.preview().unwrap().unwrap().adapter_parameters;
    let at_16 = parameters(&form);
    form.change(true).unwrap();
    assert_eq!((form.draft().lora.rank, parameters(&form)), (32, 2 * at_16));
    (0..9).for_each(|_| form.change(false).unwrap());
    assert_eq!((form.draft().lora.rank, parameters(&form)), (0, 0));
}

#[test]
fn tasks_are_left_out_moved_split_and_removed_with_their_length() {
    let mut form = form();
    go_to(&mut form, Field::Task(0));
    form.on_task(TaskChange::Later).unwrap();
    form.change(true).unwrap();
    form.go(-1);
    form.toggle().unwrap();
    let ids = |form: &SetUp| {
        let tasks = form.recipe().unwrap().tasks;
        tasks.into_iter().map(|t| t.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&form), ["parity", "upper-thirds", "greek", "cyrillic"]);
    assert_eq!(
        form.recipe().unwrap().train.steps,
        Some(Budget::Each(vec![800, 600, 600, 600]))
    );
    go_to(&mut form, Field::Task(1));
    form.on_task(TaskChange::Split).unwrap();
    assert_eq!(ids(&form)[..3], ["parity-1", "parity-2", "upper-thirds"]);
    for _ in 0..9 {
        let _ = form.on_task(TaskChange::Remove);
    }
    assert!(form.preview().unwrap_err().contains("has no task"));
    assert_eq!(form.field(), Field::Foundation);
    assert!(form.on_task(TaskChange::Split).is_err());
    assert!(form.request().is_err());
    // What was opened can be taken in again.
    form.list_tasks();
    form.choose().unwrap();
    assert_eq!(ids(&form), ["parity"]);
    assert_eq!(form.field(), Field::Task(0));
}

#[test]
fn values_are_typed() {
    let mut form = form();
    go_to(&mut form, Field::Seed);
    write(&mut form, "4x2").unwrap();
    assert_eq!(form.draft().seed, 42);
    go_to(&mut form, Field::Folder);
    write(&mut form, "mine\u{1b}").unwrap();
    assert_eq!(form.request().unwrap().folder, Some(PathBuf::from("mine")));
    go_to(&mut form, Field::Lr);
    write(&mut form, "3e-4").unwrap();
    assert_eq!(
        (form.draft().train.lr, form.number(Field::Lr)),
        (3e-4, Some(3e-4))
    );
    go_to(&mut form, Field::Alpha);
    write(&mut form, "8").unwrap();
    assert_eq!(form.draft().lora.alpha, Some(8.0));
    write(&mut form, "").unwrap();
    assert_eq!(form.draft().lora.alpha, None);
    go_to(&mut form, Field::Key);
    write(&mut form, "measure.probe.when=end").unwrap();
    assert_eq!(
        form.recipe().unwrap().measure.probe.when,
        crate::recipe::ProbeWhen::End
    );
    go_to(&mut form, Field::Advance);
    assert!(!form.edit());
}

#[test]
fn what_cannot_be_is_said_at_once_and_typing_goes_on() {
    let mut form = form();
    go_to(&mut form, Field::BatchSize);
    assert!(write(&mut form, "").unwrap_err().contains("whole number"));
    assert!(form.prompt().is_some());
    form.cancel();
    write(&mut form, "0").unwrap();
    assert!(
        form.preview()
            .unwrap_err()
            .contains("`train.batch_size` must be 1 to")
    );
    write(&mut form, "8").unwrap();
    go_to(&mut form, Field::Key);
    for (typed, want) in [
        ("lora.rnak=2", "did you mean `lora.rank`"),
        ("rank", "wants KEY=VALUE"),
        ("lora.rank=x", "must be a whole number"),
    ] {
        assert!(
            write(&mut form, typed).unwrap_err().contains(want),
            "{typed}"
        );
    }
    assert!(form.preview().is_ok());
    go_to(&mut form, Field::Targets);
    write(&mut form, "(").unwrap();
    assert!(form.preview().unwrap_err().contains("is no regex"));
}

#[test]
fn presets_files_and_runs_are_opened_and_broken_ones_passed_over() {
    let mut form = form();
    let problem = form.change(true).unwrap_err();
    assert!(problem.contains("not TOML"));
    assert_eq!(form.opened().0, "other");
    form.change(true).unwrap();
    assert_eq!(form.opened().0, "demo");
    assert!(form.list());
    form.go_in_list(100);
    assert_eq!(form.choose(), Ok(Field::Preset));
    assert_eq!((form.opened().0, form.draft().seed), ("runs/demo-s9-1", 9));
    form.list();
    form.go_in_list(-2);
    assert!(form.choose().is_err());
    assert!(form.picker().is_some());
    assert_eq!(form.draft().seed, 9);
}

#[test]
fn a_preset_is_called_as_its_file() {
    let mut form = form();
    let save = |form: &mut SetUp, text: &str| {
        form.save();
        type_anew(form, text)
    };
    for (typed, path) in [("mine", "mine.toml"), ("a/b.toml", "a/b.toml")] {
        let Ok(Typed::Save(to, recipe)) = save(&mut form, typed) else {
            panic!("{typed} is not saved");
        };
        assert_eq!(to, PathBuf::from(path));
        assert_eq!(
            Some(recipe.name.as_str()),
            to.file_stem().and_then(|s| s.to_str())
        );
    }
    for (typed, want) in [
        ("x.txt", "TOML file"),
        ("", "TOML file"),
        ("ü", "cannot name files"),
    ] {
        let refused = save(&mut form, typed).unwrap_err();
        assert!(refused.contains(want), "{typed}: {refused}");
    }
}

#[test]
fn a_backbone_is_chosen_with_nothing_left_of_the_one_before() {
    let mut form = form();
    go_to(&mut form, Field::Key);
    write(&mut form, "backbone.image_size=48").unwrap();
    go_to(&mut form, Field::Backbone);
    form.change(true).unwrap();
    assert_eq!(
        form.draft().backbone,
        BackboneRecipe::from_argument("hub:timm/x")
    );
    form.show_found(vec![choice("hub:timm/y", "hub")]);
    assert_eq!(form.choose(), Ok(Field::Backbone));
    assert_eq!(form.draft().backbone.source, "hub:timm/y");
    form.change(true).unwrap();
    assert_eq!(form.draft().backbone.source, "bundled:glyph-vit");
}

#[test]
fn epochs_instead_of_steps() {
    let mut form = form();
    go_to(&mut form, Field::Budget);
    form.toggle().unwrap();
    let train = form.recipe().unwrap().train;
    assert_eq!((train.epochs, train.steps), (Some(Budget::All(10)), None));
}

#[test]
fn parts_fold_where_they_do_not_fit() {
    let mut form = form();
    form.fit(15);
    assert_eq!(form.fields().len(), 13);
    form.fit(100);
    go_to(&mut form, Field::Lr);
    form.fit(15);
    assert_eq!(form.field(), Field::Part(Part::Training));
    form.toggle().unwrap();
    assert!(form.is_open(Part::Training) && !form.is_open(Part::Run));
    form.change(false).unwrap();
    assert!(!form.is_open(Part::Training));
}
