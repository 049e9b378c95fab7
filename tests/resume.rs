//! A run that is cut off goes on, and ends as if it had not been.

mod common;

use std::fs;
use std::path::Path;

use assert_cmd::Command as Program;
use common::{Driver, assert_same, automatic, manual, outcome, run, short};
use pentimento::lab::{Command, Event, State};
use pentimento::lora::Amount;
use pentimento::progress::Nobody;
use pentimento::run::{Manifest, RunView};
use pentimento::session::{Reopen, Session};

fn go_on(folder: &Path) -> pentimento::run::RunView {
    let mut lab =
        Driver::new(Session::reopen(folder, &automatic(), Reopen::GoOn, &mut Nobody).unwrap());
    while lab.next().is_some() {}
    assert!(lab.session.join().is_none());
    lab.view
}

/// Copies a run as a power cut would leave it: the journal ends after `lines` lines and half of the next.
fn cut(run: &Path, to: &Path, lines: usize) {
    for (name, bytes) in common::files(run) {
        let target = to.join(&name);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    }
    let journal = fs::read_to_string(run.join("journal.jsonl")).unwrap();
    let mut kept: String = journal
        .lines()
        .take(lines)
        .map(|l| format!("{l}\n"))
        .collect();
    if let Some(next) = journal.lines().nth(lines) {
        kept.push_str(&next[..next.len() / 2]);
    }
    fs::write(to.join("journal.jsonl"), kept).unwrap();
    let _ = fs::remove_dir_all(to.join("export"));
}

/// Six training and three test pictures of each of two classes, and a recipe that learns them.
fn pictures(folder: &Path, overrides: &[&str]) -> pentimento::recipe::Recipe {
    for i in 0..18_u8 {
        let split = if i < 12 { "train" } else { "test" };
        let path = folder.join(format!(
            "{split}/{}/{i:02}.png",
            ["cat", "dog"][usize::from(i % 2)]
        ));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let at = |x, y| image::Rgb([14 * i, 5 * x as u8, 7 * y as u8]);
        image::RgbImage::from_fn(37, 29, at).save(path).unwrap();
    }
    let source = format!("task.1.data=folder:{}", folder.display());
    let own = [
        source.as_str(),
        "task.1.id=pictures",
        "train.augment.crop_scale=[0.3, 1]",
        "train.augment.flip=0.5",
        "train.augment.jitter=[0.4, 0.4, 0.4]",
        "train.steps=3",
    ];
    let mut recipe = short(&own.iter().chain(overrides).copied().collect::<Vec<_>>());
    recipe.arrange(&[1]);
    recipe
}

#[test]
fn pictures_on_disk_give_the_same_bytes_whatever_loads_them_and_are_refused_when_they_changed() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let [one, three] = ["one", "three"].map(|name| dir.path().join(name));
    run(pictures(&data, &["data.workers=1"]), &one);
    run(
        pictures(&data, &["data.workers=3", "data.cache_mb=0"]),
        &three,
    );
    assert_same(&outcome(&one), &outcome(&three));

    let refused = || {
        let error = Session::reopen(&one, &automatic(), Reopen::Hold, &mut Nobody)
            .err()
            .unwrap();
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    };
    let rename = |from: &str, to: &str| {
        for split in ["train", "test"] {
            fs::rename(data.join(split).join(from), data.join(split).join(to)).unwrap();
        }
    };
    rename("dog", "wolf");
    let text = refused();
    assert!(
        text.contains("the classes of pictures changed since")
            && text.contains("\"wolf\" stands where \"dog\" stood"),
        "{text}"
    );
    rename("wolf", "dog");
    let other = data.join("test/dog/13.png");
    fs::copy(data.join("test/dog/15.png"), &other).unwrap();
    let text = refused();
    assert!(text.contains("its SHA-256 differs"), "{text}");
    fs::write(&other, b"no picture").unwrap();
    let text = refused();
    assert!(
        text.contains("1 of the 18 images of folder:") && text.contains("13.png"),
        "{text}"
    );

    // Allowed, it is named in the journal.
    let view = run(
        pictures(&dir.path().join("more"), &[]),
        &dir.path().join("sound"),
    );
    assert!(
        !view
            .log
            .iter()
            .any(|line| format!("{line:?}").contains("left out"))
    );
    let more = dir.path().join("more");
    let recipe = pictures(&more, &["data.bad_images=1"]);
    fs::write(more.join("train/cat/00.png"), b"").unwrap();
    let view = run(recipe, &dir.path().join("allowed"));
    let log = format!("{:?}", view.log);
    assert!(
        log.contains("1 of the 18 images of folder:") && log.contains("00.png: it is empty"),
        "{log}"
    );
}

#[test]
fn groups_that_are_given_make_contexts_and_are_refused_when_they_changed() {
    let dir = tempfile::tempdir().unwrap();
    let [file, one, other] = ["groups.csv", "one", "other"].map(|name| dir.path().join(name));
    let put = |vowels: &str| {
        let lines = vowels.chars().map(|c| format!("{c},vowels\n"));
        let text = format!("class,group\n{}1,primes\n", lines.collect::<String>());
        fs::write(&file, text).unwrap();
    };
    put("AEIOU");
    let groups = format!("foundation.groups=file:{}", file.display());
    let set = [
        groups.as_str(),
        "task.0.context=vowels",
        "train.steps=1",
        "train.watch_every=0",
        "foundation.per_class=2",
        "task.0.per_class=4",
        "task.1.per_class=1",
    ];
    let view = run(short(&set), &one);
    let vowels = |view: &RunView| -> Vec<String> {
        let classes = &view.started.as_ref().unwrap().test_sets[0].classes;
        let context = view.trainings[0].context.iter();
        context.map(|&c| classes[c].name.clone()).collect()
    };
    assert_eq!(vowels(&view), ["A", "E", "I", "O", "U"]);
    let contextual = view.rows[1].contextual.as_ref().unwrap();
    let named: Vec<&str> = contextual.groups.iter().map(|(g, _)| g.as_str()).collect();
    assert_eq!(named, ["primes", "vowels"]);
    let table = fs::read_to_string(one.join("export/per_class.csv")).unwrap();
    assert_eq!(table.matches(",A,vowels,").count(), 3, "{table}");

    let hash = |run: &Path| {
        let manifest = Manifest::read(&run.join("manifest.json")).unwrap();
        let mut hashes = manifest.data.into_iter().map(|f| f.sha256);
        (hashes.next().unwrap(), hashes.collect::<Vec<_>>())
    };
    put("AEIOUY");
    let refused = |session: pentimento::Result<Session>| {
        let error = session.err().unwrap();
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        assert!(
            text.contains("the classes of latin changed since")
                && text.contains("they are in other groups"),
            "{text}"
        );
    };
    let (how, nobody) = (automatic(), &mut Nobody);
    refused(Session::reopen(&one, &how, Reopen::Hold, nobody));
    refused(Session::branch(
        &one,
        1,
        short(&set),
        Some(&other),
        &how,
        nobody,
    ));
    let view = run(short(&set), &other);
    assert_eq!(vowels(&view).len(), 6);
    assert_ne!(hash(&one).0, hash(&other).0);
    assert_eq!(hash(&one).1, hash(&other).1);
    put("AEIOU");
    let session = Session::reopen(&one, &how, Reopen::Hold, nobody).unwrap();
    Driver::new(session).stop();
}

#[test]
fn a_run_cut_off_anywhere_ends_with_the_straight_runs_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let straight = dir.path().join("straight");
    // Checkpoints stay only while they are needed, so the cuts below fall back to a task's beginning.
    run(short(&["train.steps=3"]), &straight);
    let kinds: Vec<String> = fs::read_to_string(straight.join("journal.jsonl"))
        .unwrap()
        .lines()
        .map(|l| {
            let value: serde_json::Value = serde_json::from_str(l).unwrap();
            value["kind"].as_str().unwrap().to_owned()
        })
        .collect();
    // After the row of a task was begun, after a training, in the middle of one, and at the very end.
    let after = |kind: &str, nth: usize| {
        kinds
            .iter()
            .enumerate()
            .filter(|(_, k)| *k == kind)
            .nth(nth)
            .map(|(i, _)| i + 1)
            .unwrap()
    };
    for (name, lines) in [
        ("merged", after("Merged", 0)),
        ("trained", after("Trained", 1)),
        ("finished", kinds.len()),
    ] {
        let folder = dir.path().join(name);
        cut(&straight, &folder, lines);
        let view = go_on(&folder);
        assert_eq!(view.state, State::Finished, "{name}");
        assert_same(&outcome(&straight), &outcome(&folder));
    }
    // Opened to be looked at, it shows at once where it would go on.
    let folder = dir.path().join("looked-at");
    cut(&straight, &folder, after("Step", 1));
    let mut lab =
        Driver::new(Session::reopen(&folder, &automatic(), Reopen::Hold, &mut Nobody).unwrap());
    assert_eq!(lab.view.trainings[0].points.len(), 2);
    lab.until(|e| matches!(e, Event::Paused));
    assert_eq!(lab.view.trainings[0].points.len(), 0);
    lab.stop();
}

#[test]
fn a_stop_inside_a_training_goes_on_from_its_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let straight = dir.path().join("straight");
    run(short(&["train.steps=6"]), &straight);
    let folder = dir.path().join("stopped");
    let recipe = short(&["train.steps=6"]);
    let mut lab =
        Driver::new(Session::create(recipe, Some(&folder), &automatic(), &mut Nobody).unwrap());
    lab.until(|e| {
        matches!(
            e,
            Event::Step {
                training: 2,
                step: 3,
                ..
            }
        )
    });
    let view = lab.stop();
    assert!(view.stopped);
    // What is there to be read is never older than the run.
    let matrix = fs::read_to_string(folder.join("export/matrix.csv")).unwrap();
    assert!(matrix.contains("\n1,parity,"), "{matrix}");
    let checkpoint = view.trainings[1].checkpoint.clone().unwrap();
    assert!(checkpoint.step >= 3, "{checkpoint:?}");
    let view = go_on(&folder);
    let steps: Vec<usize> = view.trainings[1].points.iter().map(|p| p.step).collect();
    assert_eq!(steps, [1, 2, 3, 4, 5, 6]);
    assert_same(&outcome(&straight), &outcome(&folder));
    // Nothing is left of what was only needed to go on.
    assert_eq!(fs::read_dir(folder.join("checkpoints")).unwrap().count(), 0);
}

#[test]
fn an_opened_run_stands_still_until_it_is_told_to_go_on_and_is_not_opened_twice() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    let mut lab =
        Driver::new(Session::create(short(&[]), Some(&folder), &manual(), &mut Nobody).unwrap());
    lab.measured(0);
    lab.send(Command::Step);
    lab.until(|e| matches!(e, Event::Step { step: 2, .. }));
    let second = Session::reopen(&folder, &manual(), Reopen::Hold, &mut Nobody)
        .err()
        .unwrap();
    assert_eq!(second.exit_code(), 2);
    lab.stop();
    let mut lab =
        Driver::new(Session::reopen(&folder, &manual(), Reopen::Hold, &mut Nobody).unwrap());
    lab.until(|e| matches!(e, Event::Paused));
    lab.send(Command::Resume);
    lab.trained();
    lab.stop();

    // An adapter that is not the one that was trained would give other figures without a word.
    let file = folder.join("adapters/001-parity/adapter_model.safetensors");
    let kept = fs::read(&file).unwrap();
    let mut changed = kept.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&file, changed).unwrap();
    let session = Session::reopen(&folder, &manual(), Reopen::Hold, &mut Nobody).unwrap();
    let error = session.join().unwrap();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("SHA-256 differs"), "{error}");
    fs::write(&file, kept).unwrap();

    // Where a run waits for its user it needs no pause: the merge can come at once.
    let mut lab =
        Driver::new(Session::reopen(&folder, &manual(), Reopen::Hold, &mut Nobody).unwrap());
    lab.send(Command::Merge(Amount::WHOLE));
    lab.measured(1);
    assert!(!lab.stop().paused);

    // Without a screen nobody steps by hand: the rest goes by itself, and is told from where it goes on.
    let assert = Program::new(env!("CARGO_BIN_EXE_pentimento"))
        .arg("resume")
        .arg(&folder)
        .assert()
        .code(0);
    let told = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(told.starts_with("going on\n"), "{told}");
    assert!(
        told.contains("hebrew 5/5  loss ") && told.ends_with("finished\n"),
        "{told}"
    );
}

/// A command that is there before the lab looks between two pieces of work is a request, not an interruption.
#[test]
fn a_merge_that_waits_for_the_lab_is_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    let mut lab =
        Driver::new(Session::create(short(&[]), Some(&folder), &manual(), &mut Nobody).unwrap());
    lab.measured(0);
    lab.send(Command::Step);
    lab.trained();
    lab.stop();
    let mut lab =
        Driver::new(Session::reopen(&folder, &manual(), Reopen::GoOn, &mut Nobody).unwrap());
    // The lab is still loading what the run has stored.
    lab.send(Command::Merge(Amount::WHOLE));
    lab.measured(1);
    lab.stop();
}

#[test]
fn a_signal_stops_a_run_with_its_exit_code_and_a_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = dir.path().join("short.toml");
    fs::write(&recipe, common::SHORT).unwrap();
    let folder = dir.path().join("run");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_pentimento"))
        .args([
            "run",
            recipe.to_str().unwrap(),
            "--set",
            "train.steps=400",
            "--out",
        ])
        .arg(&folder)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let journal = folder.join("journal.jsonl");
    let stepped = || fs::read_to_string(&journal).is_ok_and(|t| t.contains(r#""kind":"Step""#));
    for _ in 0..60_000 {
        if stepped() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let pid = child.id().to_string();
    std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status()
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let text = fs::read_to_string(&journal).unwrap();
    assert!(text.contains(r#""kind":"Stopped""#) && text.contains(r#""kind":"Checkpoint""#));
}

#[test]
fn folders_that_are_no_run_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [
        vec!["resume", "no-such-folder"],
        vec!["export", "."],
        vec!["resume", "."],
    ] {
        let assert = Program::new(env!("CARGO_BIN_EXE_pentimento"))
            .args(&arguments)
            .current_dir(dir.path())
            .assert()
            .code(2);
        let stderr = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(
            stderr.contains("folder") || stderr.contains("holds no run"),
            "{stderr}"
        );
    }
}
