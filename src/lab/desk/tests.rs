use std::io;
use std::sync::mpsc::channel;

use super::*;

/// Keeps events and nothing else, where its disk takes them.
struct Events {
    folder: RunFolder,
    events: Vec<Event>,
    /// Numbers of the system's errors, the next last.
    refusals: Vec<i32>,
    said: Vec<String>,
}

impl Recorder for Events {
    fn record(&mut self, event: Event) -> Result<()> {
        if let Some(number) = self.refusals.pop() {
            return Err(Error::io("journal.jsonl")(io::Error::from_raw_os_error(
                number,
            )));
        }
        self.events.push(event);
        Ok(())
    }
    fn in_place(&self) -> Result<()> {
        Ok(())
    }
    fn settle(&mut self) -> Result<()> {
        Err(Error::input("no figures"))
    }
    fn standstill(&mut self, why: String) {
        self.said.push(why);
    }
    fn folder(&self) -> &RunFolder {
        &self.folder
    }
    fn snapshot(&mut self) -> Result<String> {
        Ok(String::new())
    }
    fn pulse(&mut self, _: Pulse) {}
}

/// A desk between two tasks of an automatic run, with these commands waiting.
fn desk(folder: &std::path::Path, commands: &[Command]) -> Desk<Events> {
    let (sender, receiver) = channel();
    commands.iter().for_each(|c| sender.send(*c).unwrap());
    let events = Events {
        folder: RunFolder::create(folder).unwrap(),
        events: Vec::new(),
        refusals: Vec::new(),
        said: Vec::new(),
    };
    let mut desk = Desk::new(receiver, events, true);
    desk.state = State::Measured(1);
    (desk.next, desk.undoable) = (Some(2), true);
    desk
}

#[test]
fn a_pause_between_two_tasks_holds_until_the_run_is_to_go_on() {
    let dir = tempfile::tempdir().unwrap();
    // While it stands still an undo is refused, with a word; then it goes on, and the stop is heard.
    let commands = [
        Command::Pause,
        Command::Undo,
        Command::Resume,
        Command::Stop,
    ];
    let mut desk = desk(dir.path(), &commands);
    assert_eq!(desk.glance().unwrap(), Some(Request::Stop));
    assert!(!desk.paused);
    let events = desk.recorder.events;
    assert!(matches!(
        events.as_slice(),
        [
            Event::Paused,
            Event::Note { .. },
            Event::Resumed { training: None, .. }
        ]
    ));
}

#[test]
fn every_command_that_waits_is_heard_before_the_next_task() {
    let dir = tempfile::tempdir().unwrap();
    let commands = [Command::Merge(Amount::WHOLE), Command::Automatic(false)];
    let mut desk = desk(dir.path(), &commands);
    assert_eq!(desk.glance().unwrap(), Some(Request::Look));
    assert!(!desk.automatic);
}

/// ENOSPC, twice, then EROFS: three attempts, two sentences, and the events as if nothing had been.
#[test]
fn a_disk_that_refuses_is_waited_for_and_what_came_meanwhile_is_heard_after() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = desk(dir.path(), &[]);
    let (sender, receiver) = channel();
    sender.send(Command::Automatic(false)).unwrap();
    desk.commands = receiver;
    desk.recorder.refusals = vec![30, 28, 28];
    desk.record(Event::Finished).unwrap();
    let said = &desk.recorder.said;
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].contains("stands still")
            && said[0].contains("journal.jsonl: No space left on device"),
        "{said:?}"
    );
    assert!(said[1].contains("Read-only file system"), "{said:?}");
    let [
        Event::Finished,
        Event::Note { message, .. },
        Event::Note {
            message: export, ..
        },
    ] = desk.recorder.events.as_slice()
    else {
        panic!("{:?}", desk.recorder.events);
    };
    assert!(
        message.starts_with("stood still for 3 s and went on: journal.jsonl: "),
        "{message}"
    );
    assert_eq!(export, "the export is not written: no figures");
    sender.send(Command::Stop).unwrap();
    assert_eq!(desk.glance().unwrap(), Some(Request::Look));
    assert_eq!(desk.glance().unwrap(), Some(Request::Stop));
}

#[test]
fn a_run_that_stands_still_is_left_at_once_with_the_error_and_the_way_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = desk(dir.path(), &[Command::Stop]);
    desk.recorder.refusals = vec![28; 3];
    let error = desk.note(Level::Info, "one").unwrap_err();
    assert_eq!(error.exit_code(), 1);
    let text = error.to_string();
    assert!(
        text.contains("No space left on device") && text.contains("`pentimento resume "),
        "{text}"
    );
    // What is journaled on the way out is tried once.
    let begun = Instant::now();
    assert!(desk.note(Level::Info, "two").is_err());
    assert!(begun.elapsed() < RETRY);
    desk.recorder.refusals.clear();
    desk.note(Level::Info, "three").unwrap();
    assert_eq!(desk.recorder.events.len(), 1);
}

#[test]
fn what_waiting_does_not_mend_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = desk(dir.path(), &[]);
    let refused: Result<()> = desk.persist(|_| Err(Error::input("no such head")));
    assert_eq!(refused.unwrap_err().to_string(), "no such head");
    assert!(desk.recorder.said.is_empty());
}
