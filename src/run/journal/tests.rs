use super::*;
use crate::lab::Level;
use std::fs;

fn note(message: &str) -> Event {
    Event::Note {
        level: Level::Info,
        message: message.into(),
    }
}

fn step(step: usize, loss: f32) -> Event {
    Event::Step {
        training: 1,
        step,
        loss,
        lr: 1e-3,
        correct: 3,
        images: 32,
        seconds: 0.02,
        waited: None,
    }
}

/// A journal of `n` records in a fresh folder.
fn sample(n: usize) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    let mut journal = Journal::create(&path).unwrap();
    for i in 0..n {
        journal.append(step(i + 1, 0.1 * i as f32)).unwrap();
    }
    (dir, path)
}

fn sentence(path: &Path) -> String {
    match read(path).unwrap_err() {
        Error::Input(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_appended_is_read_back() {
    let (_dir, path) = sample(0);
    fs::remove_file(&path).unwrap();
    let mut journal = Journal::create(&path).unwrap();
    let events = [
        note("a line\nand \"another\""),
        step(1, 0.1),
        Event::Paused,
        Event::Finished,
    ];
    let appended: Vec<Record> = events
        .iter()
        .map(|e| journal.append(e.clone()).unwrap())
        .collect();
    let reading = read(&path).unwrap();
    assert_eq!(reading.records, appended);
    assert_eq!(reading.torn, None);
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 4);
    for (i, record) in appended.iter().enumerate() {
        assert_eq!((record.v, record.seq), (JOURNAL_VERSION, i as u64));
        let time: jiff::Timestamp = record.time.parse().unwrap();
        assert!(
            record.time.ends_with('Z') && time.as_second() > 0,
            "{}",
            record.time
        );
    }
}

/// What a step waited for is in journals of now; those of before are read, and written, as they were.
#[test]
fn a_step_tells_how_long_it_waited_or_not() {
    let before = serde_json::to_string(&step(1, 0.5)).unwrap();
    assert!(!before.contains("waited"));
    let mut now = step(1, 0.5);
    if let Event::Step { waited, .. } = &mut now {
        *waited = Some(0.0125);
    }
    let text = serde_json::to_string(&now).unwrap();
    assert!(text.contains("\"waited\":0.0125"), "{text}");
    assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), now);
    assert_eq!(
        serde_json::from_str::<Event>(&before).unwrap(),
        step(1, 0.5)
    );
}

#[test]
fn a_diverged_loss_comes_back() {
    let (_dir, path) = sample(0);
    fs::remove_file(&path).unwrap();
    let mut journal = Journal::create(&path).unwrap();
    journal.append(step(1, f32::NAN)).unwrap();
    journal.append(step(2, f32::INFINITY)).unwrap();
    let records = read(&path).unwrap().records;
    assert!(matches!(records[0].event, Event::Step { loss, .. } if loss.is_nan()));
    assert!(matches!(records[1].event, Event::Step { loss, .. } if loss == f32::INFINITY));
}

#[test]
fn a_torn_last_line_is_dropped_reported_and_cut_off_by_the_next_writer() {
    let (_dir, path) = sample(3);
    let whole = fs::read(&path).unwrap();
    let second = whole.iter().position(|&b| b == b'\n').unwrap() + 1;
    let third = second + whole[second..].iter().position(|&b| b == b'\n').unwrap() + 1;
    for cut in third + 1..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let reading = read(&path).unwrap();
        assert_eq!(reading.records.len(), 2);
        let torn = reading.torn.unwrap();
        assert_eq!(
            (torn.line, torn.offset, torn.bytes),
            (3, third as u64, cut - third)
        );
        assert!(torn.to_string().contains("(3, at byte "), "{torn}");
    }
    let (mut journal, reading) = Journal::open(&path).unwrap();
    assert!(reading.torn.is_some());
    assert_eq!(journal.append(Event::Paused).unwrap().seq, 2);
    drop(journal);
    let reading = read(&path).unwrap();
    assert_eq!((reading.records.len(), reading.torn), (3, None));
    assert_eq!(reading.records[2].event, Event::Paused);
}

#[test]
fn a_last_line_without_its_beginning_is_torn() {
    let (_dir, path) = sample(2);
    let mut bytes = fs::read(&path).unwrap();
    let offset = bytes.len() as u64;
    bytes.extend([0; 20]);
    bytes.extend(b"econds\":0.02}\n");
    fs::write(&path, &bytes).unwrap();
    let reading = read(&path).unwrap();
    assert_eq!(reading.records.len(), 2);
    assert_eq!(reading.torn.unwrap().offset, offset);
}

#[test]
fn damage_is_refused_with_its_place() {
    let (_dir, path) = sample(4);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let at = lines[0].len() + lines[1].len() + 2;
    let with = |third: &str| {
        fs::write(&path, [lines[0], lines[1], third, lines[3], ""].join("\n")).unwrap();
        sentence(&path)
    };
    let place = format!("is damaged at line 3, byte {at}: ");
    for third in [
        "{\"v\":1",
        "",
        "null",
        "{\"v\":1,\"seq\":2}",
        "\0\0\0",
        "{\"seq\":2}",
    ] {
        let message = with(third);
        assert!(
            message.contains(&place) && message.contains("no record"),
            "{message}"
        );
        assert!(!message.contains("at line 1"), "{message}");
    }
    let unknown = with(&lines[2].replace("\"Step\"", "\"Dance\""));
    assert!(
        unknown.contains(&place) && unknown.contains("Dance"),
        "{unknown}"
    );
    let zero = with(&lines[2].replace("\"v\":1", "\"v\":0"));
    assert!(
        zero.contains(&place) && zero.contains("never was a version 0"),
        "{zero}"
    );
    // A line that is missing is found by the numbers.
    fs::write(&path, [lines[0], lines[2], lines[3], ""].join("\n")).unwrap();
    let gap = sentence(&path);
    assert!(gap.contains("line 2"), "{gap}");
    assert!(
        gap.contains("record 1 was expected and record 2 found"),
        "{gap}"
    );
    // Whole, but no record: not a torn line even in the last place.
    fs::write(&path, [lines[0], "{\"v\":1,\"seq\":1}", ""].join("\n")).unwrap();
    assert!(sentence(&path).contains("line 2"));
    assert!(Journal::open(&path).is_err());
}

#[test]
fn a_newer_version_is_refused_by_name() {
    let (_dir, path) = sample(1);
    let mut text = fs::read_to_string(&path).unwrap();
    text.push_str("{\"v\":7,\"seq\":1,\"time\":\"\",\"kind\":\"Dreamt\"}\n");
    fs::write(&path, text).unwrap();
    let message = sentence(&path);
    assert!(message.contains("version 7"), "{message}");
    assert!(message.contains("reads up to 1"), "{message}");
}

#[test]
fn an_empty_journal_has_no_records() {
    let (_dir, path) = sample(0);
    let reading = read(&path).unwrap();
    assert!(reading.records.is_empty() && reading.torn.is_none());
}

#[test]
fn a_journal_has_one_writer() {
    let (_dir, path) = sample(1);
    let (first, _) = Journal::open(&path).unwrap();
    let message = Journal::open(&path).unwrap_err().to_string();
    let own = format!("worked on by process {} on ", std::process::id());
    assert!(message.contains(&own), "{message}");
    assert_eq!(read(&path).unwrap().records.len(), 1);
    drop(first);
    assert_eq!(Journal::open(&path).unwrap().1.gone, None);
    assert_eq!(Journal::create(&path).unwrap_err().exit_code(), 2);
}

/// /dev/full takes nothing and cannot be cut: ENOSPC with half a line left behind.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_no_torn_line_and_what_comes_after_is_whole() {
    let (_dir, path) = sample(2);
    let (mut journal, _) = Journal::open(&path).unwrap();
    let full = OpenOptions::new().append(true).open("/dev/full").unwrap();
    let file = std::mem::replace(&mut journal.file, full);
    let error = journal.append(Event::Paused).unwrap_err();
    assert!(error.may_pass() && error.to_string().contains("No space left"));
    assert!(journal.torn);
    journal.file = file;
    journal.file.write_all(b"{\"v\":1,\"seq\":2,\"ti").unwrap();
    assert!(read(&path).unwrap().torn.is_some());
    assert_eq!(journal.append(Event::Paused).unwrap().seq, 2);
    assert_eq!(journal.append(Event::Finished).unwrap().seq, 3);
    let reading = read(&path).unwrap();
    assert_eq!((reading.records.len(), reading.torn), (4, None));
}

#[test]
fn a_folder_that_was_moved_or_replaced_is_not_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let path = run.join("journal.jsonl");
    fs::create_dir(&run).unwrap();
    let journal = Journal::create(&path).unwrap();
    journal.in_place().unwrap();
    let refused = || {
        let error = journal.in_place().unwrap_err();
        assert!(error.may_pass());
        error.to_string()
    };
    let away = dir.path().join("away");
    fs::rename(&run, &away).unwrap();
    assert!(refused().contains("not there any more"));
    fs::create_dir(&run).unwrap();
    fs::write(&path, "").unwrap();
    assert!(refused().contains("another file lies there"));
    fs::remove_dir_all(&run).unwrap();
    fs::rename(&away, &run).unwrap();
    journal.in_place().unwrap();
    fs::remove_file(&path).unwrap();
    refused();
}

#[test]
fn a_growing_journal_is_read_on_from_where_it_was_left() {
    let (_dir, path) = sample(2);
    let whole = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let mut follower = Follower::new(path.clone());
    let mut news = || {
        let advance = follower.advance()?;
        Ok::<_, Error>((advance.anew, advance.records.len()))
    };
    assert_eq!(news().unwrap(), (false, 0));
    let first = whole.iter().position(|&b| b == b'\n').unwrap() + 1;
    let mut file = File::create(&path).unwrap();
    file.write_all(&whole[..first + 5]).unwrap();
    assert_eq!(news().unwrap(), (false, 1));
    assert_eq!(news().unwrap(), (false, 0));
    file.write_all(&whole[first + 5..]).unwrap();
    assert_eq!(news().unwrap(), (false, 1));
    // Another journal in its place, as a repair puts it there.
    let repaired = path.with_extension("repaired");
    fs::write(&repaired, &whole[..first]).unwrap();
    fs::rename(&repaired, &path).unwrap();
    assert_eq!(news().unwrap(), (true, 1));
    // What was read before damage is given, then the damage is told again and again.
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(&whole[first..]).unwrap();
    file.write_all(b"{}\n{}\n").unwrap();
    assert_eq!(news().unwrap(), (false, 1));
    for _ in 0..2 {
        let text = news().unwrap_err().to_string();
        assert!(text.contains("damaged at line 3"), "{text}");
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(news().unwrap(), (true, 0));
}
