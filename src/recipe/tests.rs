use super::*;

const SMALL: &str = r#"
name = "small"
[backbone]
source = "bundled:glyph-vit"
[lora]
rank = 4
[train]
steps = 10
batch_size = 32
lr = 1e-3
weight_decay = 0.01
warmup = 0.1
[foundation]
data = "bundled:latin"
[[task]]
id = "greek"
data = "bundled:greek"
[[task]]
id = "parity"
data = "bundled:parity"
context = ["digits"]
"#;

fn parse(text: &str, overrides: &[&str]) -> Result<Recipe> {
    let overrides: Vec<String> = overrides.iter().map(|s| s.to_string()).collect();
    Recipe::from_toml(text, "small.toml", &overrides)
}

fn set(overrides: &[&str]) -> Recipe {
    parse(SMALL, overrides).unwrap()
}

fn refusal(overrides: &[&str]) -> String {
    let error = parse(SMALL, overrides).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

#[test]
fn absent_keys_have_their_documented_defaults() {
    let recipe = set(&[]);
    assert_eq!(recipe.lora.alpha(), 8.0);
    assert_eq!(recipe.lora.targets, "default");
    assert_eq!(recipe.train.checkpoint_every, 200);
    assert_eq!(recipe.measure.permutations, 9_999);
    assert_eq!(recipe.train.augment, Augment::default());
    assert_eq!(recipe.budget(1), TaskBudget::Steps(10));
    assert_eq!(set(&["measure.batch_size=8"]).measure.permutations, 9_999);
}

#[test]
fn overrides_reach_every_kind_of_key() {
    let recipe = set(&[
        "lora.rank=16",
        "lora.mode=drop",
        "lora.alpha=3",
        r"lora.targets=blocks\.[0-2]\.attn\.qkv",
        "lora.dropout = 0.25",
        "lora.rslora=true",
        r"lora.rank_pattern.blocks\.0\.attn\.qkv=2",
        r#"lora.alpha_pattern={ "qkv|proj" = 1.5 }"#,
        "seed=7",
        "name=12",
        "train.augment.rotate=8",
        "measure.permutations=99",
        "task.0.context=upper",
        r#"task.1.context=["digits", "lower"]"#,
        "task.1.id=2nd",
        "backbone.source=path:my dir/x=y",
    ]);
    assert_eq!((recipe.lora.rank, recipe.lora.mode), (16, Mode::Drop));
    assert_eq!((recipe.lora.alpha(), recipe.lora.dropout), (3.0, 0.25));
    assert_eq!(recipe.lora.targets, r"blocks\.[0-2]\.attn\.qkv");
    assert!(recipe.lora.rslora);
    let pattern = |p: &str| p.to_string();
    assert_eq!(
        recipe.lora.rank_pattern,
        [(pattern(r"blocks\.0\.attn\.qkv"), 2)].into()
    );
    assert_eq!(
        recipe.lora.alpha_pattern,
        [(pattern("qkv|proj"), 1.5)].into()
    );
    assert_eq!((recipe.seed, recipe.name.as_str()), (7, "12"));
    assert_eq!(recipe.train.augment.rotate, 8.0);
    assert_eq!(recipe.measure.permutations, 99);
    assert_eq!(recipe.tasks[0].context, ["upper"]);
    assert_eq!(recipe.tasks[1].context, ["digits", "lower"]);
    assert_eq!(recipe.tasks[1].id, "2nd");
    assert_eq!(recipe.backbone.source, "path:my dir/x=y");
}

#[test]
fn epochs_and_steps_take_each_others_place() {
    let recipe = set(&["train.epochs=3"]);
    assert_eq!(
        (recipe.budget(0), &recipe.train.steps),
        (TaskBudget::Epochs(3), &None)
    );
    let recipe = set(&["train.epochs=3", "train.steps=[5, 6]"]);
    assert_eq!(recipe.budget(1), TaskBudget::Steps(6));
    assert_eq!(recipe.train.epochs, None);
    assert_eq!(TaskBudget::Epochs(3).steps(7), 21);
    let recipe = set(&["train.steps=[5, 6]", "train.steps.0=9"]);
    assert_eq!(recipe.train.steps, Some(Budget::Each(vec![9, 6])));
}

#[test]
fn the_index_after_the_last_appends() {
    let recipe = set(&["task.2.id=hebrew", "task.2.data=bundled:hebrew"]);
    assert_eq!(recipe.tasks.len(), 3);
    let text = refusal(&["task.3.id=hebrew"]);
    assert!(text.contains("`task` is a list of 2"), "{text}");
    assert!(refusal(&["task.2.id=hebrew"]).contains("`task.2.data` is missing"));
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known_one() {
    for (override_, want) in [
        (
            "lora.rnak=4",
            "--set lora.rnak=4: unknown key `lora.rnak`; did you mean `lora.rank`?",
        ),
        ("rank=4", "unknown key `rank`; did you mean `lora.rank`?"),
        ("task.1.ids=x", "did you mean `task.1.id`?"),
        (
            "train.augment.rotation=3",
            "did you mean `train.augment.rotate`?",
        ),
        (
            "measure.zzzzzz=3",
            "known here: measure.batch_size, measure.permutations",
        ),
        ("tasks.0.id=x", "did you mean `task`?"),
        ("lora.rank.x=3", "`lora.rank` holds one value and no `x`"),
        ("lora.rank", "wants KEY=VALUE"),
        ("=3", "unknown key"),
        (
            "train.steps.0=3",
            "`train.steps` is one number for all tasks",
        ),
        ("task.first.id=x", "`first` must be a number from 0"),
    ] {
        let text = refusal(&[override_]);
        assert!(text.contains(want), "{override_}: {text}");
    }
    let typo = SMALL.replace("batch_size", "batchsize");
    assert_eq!(
        parse(&typo, &[]).unwrap_err().to_string(),
        "small.toml, line 9: unknown key `train.batchsize`; did you mean `train.batch_size`?"
    );
}

#[test]
fn wrong_types_and_syntax_are_refused_with_their_place() {
    let text = parse(&SMALL.replace("rank = 4", "rank = \"four\""), &[]).unwrap_err();
    assert_eq!(
        text.to_string(),
        "small.toml, line 6: `lora.rank` must be a whole number of at least 0, not \"four\""
    );
    let text = parse(&SMALL.replace("rank = 4", "rank = "), &[]).unwrap_err();
    assert!(
        text.to_string()
            .starts_with("small.toml, line 6: this is not TOML"),
        "{text}"
    );
    let text = parse(&SMALL.replace("rank = 4", "rank = 4\nrank = 5"), &[]).unwrap_err();
    assert!(
        text.to_string()
            .starts_with("small.toml, line 7: this is not TOML"),
        "{text}"
    );
    let text = parse(&SMALL.replace("rank = 4", ""), &[]).unwrap_err();
    assert_eq!(
        text.to_string(),
        "small.toml, line 5: `lora.rank` is missing"
    );
    for (override_, want) in [
        (
            "lora.rank=-1",
            "--set lora.rank: `lora.rank` must be a whole number of at least 0, not -1",
        ),
        (
            "lora.mode=fully",
            "must be one of \"merge\", \"drop\", \"full\", \"full_reset\", not \"fully\"",
        ),
        ("train.lr=fast", "`train.lr` must be a number, not \"fast\""),
        (
            "train.steps=1.5",
            "a whole number, or a list of one for each task",
        ),
        ("task=3", "a list of tables, each headed [[task]]"),
        (
            "foundation=bundled:latin",
            "a table with the keys foundation.data, foundation.id",
        ),
        (
            "lora.rslora=1",
            "`lora.rslora` must be true or false, not 1",
        ),
        (
            "lora.rank_pattern.qkv=half",
            "`lora.rank_pattern.qkv` must be a whole number of at least 0",
        ),
        (
            "lora.rank_pattern=8",
            "a table of names, each with a whole number of at least 0",
        ),
        ("task.0.context=[1]", "a list of strings, not [1]"),
    ] {
        let text = refusal(&[override_]);
        assert!(text.contains(want), "{override_}: {text}");
    }
}

#[test]
fn impossible_values_are_refused_by_their_key() {
    for (override_, want) in [
        ("name=a/b", "`name` = \"a/b\" cannot name files"),
        ("name=..", "cannot name files"),
        ("task.0.id=", "cannot name files"),
        ("task.0.id=.", "cannot name files"),
        ("task.0.id=\u{3b1}", "cannot name files"),
        (
            "task.0.id=parity",
            "`task.1.id` = \"parity\" is the name that an earlier task has",
        ),
        ("task.0.id=latin", "is the name that the foundation has"),
        (
            "task.0.head=latin",
            "`task.0.head` = \"latin\" is the foundation's",
        ),
        ("task.0.head=a/b", "`task.0.head` = \"a/b\" cannot name"),
        ("task=[]", "at least one [[task]]"),
        (
            "task.0.data=hub:a",
            "`task.0.data` = \"hub:a\" names no data set of the hub",
        ),
        (
            "foundation.data=glyphs",
            "`foundation.data` = \"glyphs\" names no source",
        ),
        (
            "backbone.source=hub:timm",
            "`backbone.source` = \"hub:timm\" names no model of the hub",
        ),
        (
            "backbone.source=file:w.pth",
            "`backbone.architecture` is missing: a file of weights needs timm's name",
        ),
        (
            "backbone.pretrained_cfg={ crop_pct = 1.0 }",
            "`backbone.pretrained_cfg` is for `backbone.source = \"file:…\"` only",
        ),
        (
            "task.1.context=[\"digits\", \"digits\"]",
            "`task.1.context` names the group",
        ),
        (
            "train.steps=[1, 2, 3]",
            "`train.steps` lists 3 numbers for 2 tasks",
        ),
        ("train.steps=[1, 0]", "`train.steps.1` must be 1 to"),
        ("train.epochs=0", "`train.epochs` must be 1 to"),
        ("train.batch_size=0", "`train.batch_size` must be 1 to"),
        ("train.lr=0", "`train.lr` must be a positive number, not 0"),
        (
            "train.lr=nan",
            "`train.lr` must be a positive number, not NaN",
        ),
        (
            "train.lr=inf",
            "`train.lr` must be a positive number, not inf",
        ),
        (
            "train.weight_decay=-0.1",
            "`train.weight_decay` must be 0 to 100",
        ),
        ("train.warmup=1.5", "`train.warmup` must be 0 to 1, not 1.5"),
        ("train.warmup=nan", "`train.warmup` must be 0 to 1"),
        (
            "train.checkpoint_every=0",
            "`train.checkpoint_every` must be 1 to",
        ),
        (
            "train.augment.stroke=2",
            "`train.augment.stroke` must be 0 to 1",
        ),
        (
            "train.augment.scale=1",
            "`train.augment.scale` must be at least 0 and below 1",
        ),
        (
            "lora.dropout=1",
            "`lora.dropout` must be at least 0 and below 1, not 1",
        ),
        ("lora.alpha=0", "`lora.alpha` must be a positive number"),
        (
            "lora.alpha=1e30",
            "`lora.alpha` must be 0 to 1000000, not 1",
        ),
        ("lora.targets=", "`lora.targets` is empty"),
        (
            "lora.targets=(",
            "`lora.targets` = \"(\" is no regex: unclosed group",
        ),
        (
            "task.0.config=x",
            "`task.0.config` means nothing to bundled:greek: leave it out",
        ),
        (
            "foundation.train_split=a",
            "`foundation.train_split` means nothing to bundled:latin",
        ),
        ("task.0.per_class=0", "`task.0.per_class` must be 1 to"),
        (
            "task.0.classes=[\"a\", \"a\"]",
            "`task.0.classes` names the class \"a\" twice",
        ),
        (
            "task.0.part=[0.5, 0.5]",
            "`task.0.part` must be from where to where, not [0.5, 0.5]",
        ),
        (
            "task.0.part=[0.5]",
            "`task.0.part` must be a list of 2 numbers",
        ),
        ("task.0.part=[0, 1.5]", "`task.0.part.1` must be 0 to 1"),
        (
            "foundation.id=a/b",
            "`foundation.id` = \"a/b\" cannot name files",
        ),
        (
            "foundation.id=greek",
            "`task.0.id` = \"greek\" is the name that the foundation has",
        ),
        (
            "train.augment.crop_scale=[0.5, 0.4]",
            "`train.augment.crop_scale` must be the least, then the most",
        ),
        (
            "train.augment.crop_ratio=[1, 1]",
            "which `train.augment.crop_scale` asks for",
        ),
        (
            "train.augment.flip=2",
            "`train.augment.flip` must be 0 to 1",
        ),
        (
            "train.augment.jitter=[0, 0, 2]",
            "`train.augment.jitter.2` must be 0 to 1",
        ),
        ("data.workers=9999", "`data.workers` must be 0 to 1024"),
        (
            "lora.rank_pattern.(=1",
            "`lora.rank_pattern` = \"(\" is no regex: unclosed group",
        ),
        (
            "lora.rank_pattern.qkv=0",
            "`lora.rank_pattern.qkv` must be 1 to",
        ),
        (
            "lora.alpha_pattern.qkv=0",
            "`lora.alpha_pattern.qkv` must be a positive number",
        ),
        ("measure.batch_size=0", "`measure.batch_size` must be 1 to"),
        (
            "measure.permutations=0",
            "`measure.permutations` must be 1 to",
        ),
    ] {
        let text = refusal(&[override_]);
        assert!(text.contains(want), "{override_}: {text}");
    }
    let text = refusal(&["lora.rank=0", "lora.rank_pattern.qkv=8"]);
    assert!(text.contains("means nothing with `lora.rank` 0"), "{text}");
    for (set, want) in [
        ("lora.mode=drop", "means nothing in mode drop"),
        ("lora.rank=0", "changes no feature"),
        (
            "train.lwf.temperature=0",
            "`train.lwf.temperature` must be a positive number",
        ),
    ] {
        let text = refusal(&["train.lwf={}", set]);
        assert!(text.contains(want), "{text}");
    }
    let text = refusal(&["lora.mode=full", "lora.alpha_pattern.qkv=8"]);
    assert!(text.contains("trains modules at full rank"), "{text}");
    let both = SMALL.replace("steps = 10", "steps = 10\nepochs = 1");
    let text = parse(&both, &[]).unwrap_err().to_string();
    assert_eq!(
        text,
        "small.toml, line 9: `train.epochs` and `train.steps` are both given: keep one of the two"
    );
    let neither = SMALL.replace("steps = 10", "");
    let text = parse(&neither, &[]).unwrap_err().to_string();
    assert!(text.contains("both missing"), "{text}");
    let mut recipe = set(&[]);
    recipe.seed = u64::MAX;
    assert!(
        recipe
            .validate()
            .unwrap_err()
            .to_string()
            .starts_with("`seed` =")
    );
}

#[test]
fn a_recipe_survives_toml_and_json() {
    for recipe in [
        set(&[
            "train.steps=[1, 2]",
            "lora.alpha=0.1",
            "train.augment.shear=0.1",
        ]),
        set(&["train.epochs=2", "lora.mode=drop", "train.lr=1e-7"]),
        set(&[
            "task.1.head=greek",
            "task.1.data=bundled:greek",
            "task.1.context=[]",
        ]),
        set(&["lora.mode=full_reset", "train.lwf={}"]),
        set(&[
            "lora.rslora=true",
            r"lora.rank_pattern.blocks\.0\..*=2",
            "lora.alpha_pattern.qkv=2",
        ]),
    ] {
        let text = recipe.to_toml().unwrap();
        assert_eq!(parse(&text, &[]).unwrap(), recipe, "{text}");
        let json = serde_json::to_string(&recipe).unwrap();
        assert_eq!(serde_json::from_str::<Recipe>(&json).unwrap(), recipe);
    }
}

#[test]
fn the_hash_is_of_the_experiment_alone() {
    let hash = |overrides: &[&str]| set(overrides).hash().unwrap();
    let plain = hash(&[]);
    assert_eq!(plain, hash(&["seed=3", "name=other", "description=x"]));
    assert_eq!(plain, hash(&["lora.alpha=8"]));
    assert_ne!(plain, hash(&["lora.alpha=9"]));
    assert_ne!(plain, hash(&["task.0.id=other"]));
    // A change of this value orphans the hashes in every manifest and export: bump their version.
    assert_eq!(
        plain,
        "c9330ad9b9f841d5f61814d641a7950131e235bf792f3c54b19b2c54fbecb176"
    );
}

#[test]
fn tasks_are_rearranged_with_their_budgets() {
    let mut recipe = set(&["train.steps=[5, 6]"]);
    recipe.arrange(&[1, 0, 9]);
    assert_eq!(recipe.tasks[0].id, "parity");
    assert_eq!(
        (recipe.budget(0), recipe.budget(1)),
        (TaskBudget::Steps(6), TaskBudget::Steps(5))
    );
    recipe.arrange(&[0]);
    assert_eq!(
        (recipe.tasks.len(), recipe.budget(0)),
        (1, TaskBudget::Steps(6))
    );
    recipe.validate().unwrap();
}
