use super::*;

fn bench(architecture: &str, targets: &str) -> Bench {
    let request = Request {
        device: "cpu".into(),
        backbone: architecture.into(),
        image_size: Some(32),
        precision: Precision::F32,
        targets: targets.into(),
        rank: 2,
        dropout: 0.1,
        classes: 5,
        batch_size: 2,
        inputs: None,
    };
    Bench::open(request, &mut crate::progress::Nobody).unwrap()
}

/// Two steps taken with the clock and without: the same losses, and the operations that there are by name.
#[test]
fn a_clock_changes_no_bit_and_knows_every_operation() {
    for (architecture, targets, known) in [
        (
            "vit_tiny_patch16_224",
            "qkv",
            &[
                "attention",
                "layer_norm",
                "linear",
                "linear, trained",
                "norm and qkv",
                "projection and MLP",
            ][..],
        ),
        (
            "resnet18",
            r".*layer4\.1\.conv2",
            &[
                "conv2d 1×1",
                "conv2d 3×3",
                "factors",
                "linear, trained",
                "max_pool2d",
            ],
        ),
    ] {
        let (mut plain, mut timed) = (bench(architecture, targets), bench(architecture, targets));
        for step in 0..2 {
            let expected = plain.round(Work::Train).unwrap();
            let (sample, account) = ops::account(|| timed.round(Work::Train));
            let sample = sample.unwrap();
            assert_eq!(sample.loss.to_bits(), expected.loss.to_bits());
            for name in known.iter().chain(&["cross_entropy", "adamw"]) {
                assert!(account.keys().any(|(n, _)| n == name), "{step}: {name}");
            }
            let all: Duration = account.values().map(|spent| spent.time).sum();
            assert!(all.as_secs_f64() <= sample.seconds, "counted twice");
            let backward = account.keys().filter(|k| k.1 == ops::Phase::Backward);
            assert!(backward.count() > 4, "{account:?}");
        }
        let (_, account) = ops::account(|| plain.round(Work::Inference).unwrap());
        assert!(
            account
                .keys()
                .all(|(_, phase)| *phase == ops::Phase::Forward)
        );
    }
}
