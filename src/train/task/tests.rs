use super::*;
use candle_core::Device;

use crate::recipe::{LwfRecipe, Mode, Precision};
use crate::train::testing;

const STEPS: usize = 12;

fn bytes(trainer: &TaskTrainer) -> Vec<u8> {
    trainer.checkpoint().unwrap()
}

fn run(trainer: &mut TaskTrainer, steps: std::ops::Range<usize>) -> Vec<StepReport> {
    steps
        .map(|s| trainer.step(&testing::batch(s)).unwrap())
        .collect()
}

#[test]
fn a_checkpoint_goes_on_bit_for_bit() {
    for backbone in testing::backbones() {
        let mut straight = testing::trainer(&backbone, 4, STEPS);
        run(&mut straight, 0..5);
        let checkpoint = bytes(&straight);
        let rest = run(&mut straight, 5..10);
        let mut restored = testing::trainer(&backbone, 4, STEPS);
        restored.restore(&checkpoint).unwrap();
        assert_eq!(restored.steps_done(), 5);
        assert_eq!(bytes(&restored), checkpoint);
        assert_eq!(run(&mut restored, 5..10), rest);
        assert_eq!(bytes(&restored), bytes(&straight));
    }
}

#[test]
fn threads_do_not_change_the_bits() {
    for backbone in testing::backbones() {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let mut trainer = testing::trainer(&backbone, 4, STEPS);
                (run(&mut trainer, 0..3), bytes(&trainer))
            })
        };
        assert!(on(1) == on(2));
    }
}

#[test]
fn it_learns_and_only_what_it_should() {
    for backbone in testing::backbones() {
        for (rank, most) in [(0, 0.95), (4, 0.8)] {
            let mut trainer = testing::trainer(&backbone, rank, 60);
            let before = backbone
                .features(&testing::images(0), &Pass::eval())
                .unwrap();
            let batch = testing::batch(0);
            let first = trainer.step(&batch).unwrap();
            let mut last = first;
            for _ in 1..60 {
                last = trainer.step(&batch).unwrap();
            }
            assert_eq!((first.step, last.step), (1, 60));
            assert!(last.loss < most * first.loss, "{first:?} {last:?}");
            assert!(last.correct >= first.correct);
            assert!(trainer.step(&batch).is_err(), "a step too many");
            let after = backbone
                .features(&testing::images(0), &Pass::eval())
                .unwrap();
            assert_eq!(
                before.to_vec2::<f32>().unwrap(),
                after.to_vec2::<f32>().unwrap()
            );
        }
    }
}

#[test]
fn a_fresh_adapter_changes_no_logit() {
    for backbone in testing::backbones() {
        let x = testing::images(3);
        let logits = |rank| {
            let trainer = testing::trainer(&backbone, rank, STEPS);
            trainer.logits(&x).unwrap().to_vec2::<f32>().unwrap()
        };
        assert_eq!(logits(4), logits(0));
    }
}

#[test]
fn rank_0_trains_the_head_alone() {
    let backbone = &testing::backbones()[0];
    let mut trainer = testing::trainer(backbone, 0, STEPS);
    assert!(trainer.adapter().unwrap().is_none());
    assert_eq!(trainer.trainable(), 5 * (backbone.dim() + 1));
    let before = trainer.head().unwrap();
    run(&mut trainer, 0..1);
    let after = trainer.head().unwrap();
    assert_ne!(
        before.weight.to_vec2::<f32>().unwrap(),
        after.weight.to_vec2::<f32>().unwrap()
    );
}

#[test]
fn the_adapter_handed_out_is_that_of_the_moment() {
    let backbone = &testing::backbones()[0];
    let mut trainer = testing::trainer(backbone, 4, STEPS);
    let x = testing::images(1);
    run(&mut trainer, 0..2);
    let (adapter, head) = (trainer.adapter().unwrap().unwrap(), trainer.head().unwrap());
    let now = trainer.logits(&x).unwrap().to_vec2::<f32>().unwrap();
    run(&mut trainer, 2..4);
    assert_ne!(trainer.logits(&x).unwrap().to_vec2::<f32>().unwrap(), now);
    let deltas = adapter.deltas(backbone.layers()).unwrap();
    let pass = Pass {
        deltas: Some(&deltas),
        ..Pass::eval()
    };
    let features = backbone.features(&x, &pass).unwrap();
    assert!(!features.track_op(), "evaluation keeps no graph");
    assert_eq!(
        head.logits(&features).unwrap().to_vec2::<f32>().unwrap(),
        now
    );
}

#[test]
fn the_key_decides_every_draw() {
    let backbone = &testing::backbones()[0];
    let end = |key| {
        let mut trainer = testing::trainer_with(backbone, 4, STEPS, 1e-2, key);
        run(&mut trainer, 0..2);
        bytes(&trainer)
    };
    assert!(end(Key::new(1)) == end(Key::new(1)));
    assert!(end(Key::new(1)) != end(Key::new(2)));
}

#[test]
fn divergence_is_told_with_step_and_learning_rate() {
    for backbone in &testing::backbones() {
        let mut trainer = testing::trainer_with(backbone, 4, STEPS, 1e38, Key::new(1));
        let (step, error) = (1..=STEPS)
            .find_map(|s| Some((s, trainer.step(&testing::batch(s)).err()?)))
            .unwrap();
        // At once, not only when the last step looks at the parameters.
        assert!(step < STEPS, "{step}");
        let text = error.to_string();
        assert!(matches!(error, Error::Diverged(_)), "{text}");
        assert_eq!(error.exit_code(), 2);
        assert!(
            text.contains("step ")
                && text.contains("learning rate 1.0")
                && text.contains("gradient"),
            "{text}"
        );
    }
}

/// All that a task trains decays, the head's bias too, by lr · weight decay · value a step.
#[test]
fn weight_decay_is_on_everything() {
    let values = |trainer: &TaskTrainer| {
        let mut state = trainer.optimiser.state().unwrap();
        state.retain(|name, _| name.starts_with("value."));
        state
    };
    for backbone in &testing::backbones() {
        let after = |weight_decay| {
            let key = Key::new(1);
            let mut trainer =
                testing::trainer_that_decays(backbone, 4, STEPS, 1e-2, weight_decay, key);
            let before = values(&trainer);
            let lr = trainer.step(&testing::batch(0)).unwrap().lr;
            (before, values(&trainer), lr)
        };
        let (before, with, lr) = after(0.5);
        let (_, without, _) = after(0.0);
        assert!(before.len() > 2);
        for (name, before) in &before {
            let sets = [before, &without[name], &with[name]].map(numbers);
            for (i, p) in sets[0].iter().enumerate() {
                let decayed = f64::from(sets[1][i]) - f64::from(sets[2][i]);
                let want = lr * 0.5 * f64::from(*p);
                assert!(
                    (decayed - want).abs() < 1e-6,
                    "{name}[{i}]: {decayed} {want}"
                );
            }
        }
    }
}

#[test]
fn a_foreign_checkpoint_is_refused() {
    let backbones = testing::backbones();
    let mut trainer = testing::trainer(&backbones[0], 4, STEPS);
    let mine = bytes(&trainer);
    for other in [
        bytes(&testing::trainer(&backbones[0], 3, STEPS)),
        bytes(&testing::trainer(&backbones[0], 0, STEPS)),
        bytes(&testing::trainer(&backbones[1], 4, STEPS)),
        mine[..mine.len() / 2].to_vec(),
        Vec::new(),
    ] {
        assert!(matches!(trainer.restore(&other), Err(Error::Input(_))));
    }
    assert_eq!(bytes(&trainer), mine);
}

/// The target modules of a recipe at full rank.
fn at_full_rank(json: &str, key: Key) -> (Weights, TaskTrainer) {
    let (config, weights) = testing::model(json);
    let backbone = Arc::new(Backbone::new(&config, &weights).unwrap());
    let start = Start {
        weights: weights.clone(),
        ..Start::from(backbone)
    };
    let trainer = testing::trainer_from(start, Mode::Full, 0, STEPS, 1e-2, 0.0, key);
    (weights, trainer)
}

#[test]
fn at_full_rank_the_modules_themselves_are_trained_and_the_callers_left_alone() {
    // qkv of two blocks of width 24 with biases; conv3 of four bottlenecks, without.
    let conv3 = 4 * 8 * 8 + 4 * 8 * 8 + 2 * (4 * 12 * 12);
    for (json, modules) in [(testing::VIT, 2 * (24 * 72 + 72)), (testing::RESNET, conv3)] {
        let (weights, mut trainer) = at_full_rank(json, Key::new(1));
        let head = 5 * (trainer.backbone.dim() + 1);
        assert_eq!(trainer.trainable(), modules + head);
        let copies: Vec<_> = weights.values().map(numbers).collect();
        let before = trainer.logits(&testing::images(0)).unwrap();
        run(&mut trainer, 0..3);
        assert!(weights.values().map(numbers).eq(copies));
        let Some(Update::Dense(dense)) = trainer.update().unwrap() else {
            panic!("no modules");
        };
        assert_eq!(dense.parameters(), modules);
        for (name, tensor) in &dense.weights {
            assert_ne!(numbers(tensor), numbers(&weights[name]), "{name}");
        }
        // What is handed out computes what the trainer does, and stays as it is.
        let mut merged = weights.clone();
        dense.replace_in(&mut merged);
        let backbone = Backbone::new(trainer.backbone.config(), &merged).unwrap();
        let features = backbone
            .features(&testing::images(0), &Pass::eval())
            .unwrap();
        let logits = trainer.head().unwrap().logits(&features).unwrap();
        let now = trainer.logits(&testing::images(0)).unwrap();
        assert_eq!(numbers(&logits), numbers(&now));
        assert_ne!(numbers(&now), numbers(&before));
        let kept: Vec<_> = dense.weights.values().map(numbers).collect();
        run(&mut trainer, 3..4);
        assert!(dense.weights.values().map(numbers).eq(kept));
        assert!(trainer.adapter().unwrap().is_none());
    }
}

/// In bf16 a step is that of f32 but for the rounding of products, with everything that is trained kept in f32.
#[test]
fn products_in_bf16_train_f32_parameters_as_those_of_f32_do() {
    let lr = 1e-3;
    for json in [testing::VIT, testing::RESNET] {
        for mode in [Mode::Merge, Mode::Full] {
            let at = |precision| {
                let (mut config, weights) = testing::model(json);
                config.precision = precision;
                let backbone = Arc::new(Backbone::new(&config, &weights).unwrap());
                let start = Start {
                    weights,
                    ..Start::from(backbone)
                };
                let key = Key::new(3);
                let mut trainer = testing::trainer_from(start, mode, 4, 60, lr, 0.0, key);
                let values = |trainer: &TaskTrainer| -> Vec<f32> {
                    let tensors = match trainer.update().unwrap().unwrap() {
                        Update::LowRank(adapter) => adapter
                            .modules
                            .values()
                            .flat_map(|pair| [pair.a.clone(), pair.b.clone()])
                            .collect::<Vec<_>>(),
                        Update::Dense(dense) => dense.weights.values().cloned().collect(),
                    };
                    tensors.iter().flat_map(numbers).collect()
                };
                let before = values(&trainer);
                let reports = run(&mut trainer, 0..60);
                let logits = trainer.logits(&testing::images(0)).unwrap();
                (reports, numbers(&logits), before, values(&trainer))
            };
            let (wide, wide_logits, before, wide_after) = at(Precision::F32);
            let (narrow, narrow_logits, _, narrow_after) = at(Precision::Bf16);
            assert_ne!(wide_logits, narrow_logits, "nothing was rounded");
            for (a, b) in wide.iter().zip(&narrow) {
                assert!((a.loss - b.loss).abs() < 0.02 * a.loss, "{a:?} {b:?}");
            }
            // The parameters went the same way, but where their gradient is 0 (a key's bias) and AdamW makes steps of
            // what rounding left; and their last bits are not those of a bf16.
            let moved = |after: &[f32]| -> Vec<f32> {
                after.iter().zip(&before).map(|(a, b)| a - b).collect()
            };
            let (a, b) = (moved(&wide_after), moved(&narrow_after));
            let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>();
            let cosine = dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt();
            assert!(cosine > 0.97, "{json} {mode:?}: {cosine}");
            let all = narrow_after.len();
            let finer = narrow_after.iter().filter(|v| v.to_bits() & 0xffff != 0);
            assert!(finer.count() * 2 > all);
        }
    }
}

#[test]
fn a_checkpoint_at_full_rank_goes_on_bit_for_bit() {
    for json in [testing::VIT, testing::RESNET] {
        let (_, mut straight) = at_full_rank(json, Key::new(1));
        run(&mut straight, 0..2);
        let checkpoint = bytes(&straight);
        run(&mut straight, 2..4);
        let (_, mut restored) = at_full_rank(json, Key::new(1));
        restored.restore(&checkpoint).unwrap();
        run(&mut restored, 2..4);
        assert!(bytes(&restored) == bytes(&straight));
    }
}

/// A head that returns goes on from its values, which stay the caller's.
#[test]
fn a_head_that_is_given_is_gone_on_with() {
    let backbone = &testing::backbones()[0];
    let head = Head::initialise(5, backbone.dim(), Key::new(9), &Device::Cpu).unwrap();
    let start = Start {
        head: Some(head.clone()),
        ..Start::from(Arc::clone(backbone))
    };
    let mut trainer = testing::trainer_from(start, Mode::Merge, 4, STEPS, 1e-2, 0.01, Key::new(1));
    assert_eq!(
        numbers(&trainer.head().unwrap().weight),
        numbers(&head.weight)
    );
    let kept = numbers(&head.weight);
    run(&mut trainer, 0..1);
    assert_ne!(numbers(&trainer.head().unwrap().weight), kept);
    assert_eq!(numbers(&head.weight), kept);
}

/// Where the loss of the first step leaves the finite numbers, and where that of the second does.
#[test]
fn a_training_that_diverges_names_its_gradients_and_keeps_no_state() {
    let backbone = &testing::backbones()[0];
    let told = |error: Error| match error {
        Error::Diverged(text) => text,
        other => panic!("{other:?}"),
    };
    let mut trainer = testing::trainer_with(backbone, 4, STEPS, 1e30, Key::new(1));
    let good = trainer.checkpoint().unwrap();
    let text = loop {
        match trainer.step(&testing::batch(0)) {
            Ok(report) => assert!(report.step < STEPS),
            Err(error) => break told(error),
        }
    };
    let step = format!(
        "finite at step {}, learning rate ",
        trainer.steps_done() + 1
    );
    assert!(text.contains(&step), "{text}");
    assert!(
        text.contains("gradient") && text.contains(", of "),
        "{text}"
    );
    assert!(
        text.contains("lower train.lr or raise train.warmup"),
        "{text}"
    );

    // Parameters that are none any more must not take the place of good ones.
    let mut trainer = testing::trainer_with(backbone, 4, STEPS, 1e38, Key::new(1));
    let wild = (0..STEPS).find_map(|_| {
        let step = trainer.step(&testing::batch(0));
        step.and_then(|_| trainer.checkpoint()).err()
    });
    told(wild.unwrap());
    trainer.restore(&good).unwrap();
    assert_eq!(trainer.steps_done(), 0);
    assert!(trainer.step(&testing::batch(0)).unwrap().loss.is_finite());
}

#[test]
fn the_largest_gradient_is_found_among_those_that_are_none() {
    let parameter = |name: &str, values: &[f32]| Parameter {
        name: name.into(),
        var: Var::from_tensor(&Tensor::new(values, &Device::Cpu).unwrap()).unwrap(),
        decay: false,
    };
    let of = |first: f64, second: f64| {
        let (a, b) = (parameter("a", &[1.0, 2.0]), parameter("b", &[3.0]));
        let optimiser = AdamW::new(vec![a.clone(), b.clone()], 0.0).unwrap();
        let loss = |p: &Parameter, by: f64| (p.var.sum_all().unwrap() * by).unwrap();
        let grads = (loss(&a, first) + loss(&b, second))
            .unwrap()
            .backward()
            .unwrap();
        optimiser.largest_gradient(&grads).unwrap()
    };
    assert_eq!(of(-5.0, 4.0), "the largest gradient is 5.000e0, of a");
    let text = of(f64::NAN, 4.0);
    assert_eq!(
        text,
        "1 of 2 gradients are not finite, that of a first, and the largest of the others is 4.000e0, of b"
    );
    // Whose sum alone is more than an f32 holds is finite.
    assert_eq!(of(3e38, 1.0), "the largest gradient is 3.000e38, of a");
    assert_eq!(of(f64::NAN, f64::INFINITY), "no gradient is finite");
}

/// With a heavy teacher an adapter moves the old head's answers less.
#[test]
fn a_teacher_holds_the_old_answers() {
    for backbone in testing::backbones() {
        let old = Head::initialise(7, backbone.dim(), Key::new(9), &Device::Cpu).unwrap();
        let moved = |alpha: Option<f64>| {
            let teacher = alpha.map(|alpha| Teacher {
                backbone: Arc::clone(&backbone),
                heads: vec![old.clone()],
                lwf: LwfRecipe {
                    alpha,
                    temperature: 2.0,
                },
            });
            let start = Start {
                teacher,
                ..Start::from(Arc::clone(&backbone))
            };
            let mut trainer =
                testing::trainer_from(start, Mode::Merge, 4, 40, 1e-2, 0.0, Key::new(1));
            for _ in 0..40 {
                trainer.step(&testing::batch(0)).unwrap();
            }
            let (now, deltas) = trainer.model().unwrap();
            let answers = |backbone: &Backbone, deltas: Option<&Deltas>| {
                let pass = Pass {
                    deltas,
                    ..Pass::eval()
                };
                let features = backbone.features(&testing::images(0), &pass).unwrap();
                numbers(&old.logits(&features).unwrap())
            };
            let before = answers(&backbone, None);
            let after = answers(&now, deltas.as_ref());
            before
                .iter()
                .zip(&after)
                .map(|(b, a)| (b - a).abs())
                .fold(0.0, f32::max)
        };
        let (free, held) = (moved(None), moved(Some(200.0)));
        assert!(held < 0.5 * free, "{held} {free}");
    }
}

fn numbers(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}
