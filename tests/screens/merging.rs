//! Merges on trial, merges changed, and branches, by keys.

use pentimento::lab::{Amounts, Ask, Command, Event, PreviewedSet};
use pentimento::lora::Amount;
use pentimento::measure::Counts;
use pentimento::recipe::Mode;
use pentimento::ui::actions::{Key, Screen};
use pentimento::ui::{App, Effect};

use super::sample::Journal;
use super::*;

/// Right answers of 100 in each of 62 classes.
fn counts(correct: u32) -> Counts {
    Counts {
        correct: vec![correct; 62],
        total: vec![100; 62],
    }
}

/// Begins a preview of the third task's update and measures `done` of its five amounts.
fn preview(journal: &mut Journal, row: usize, done: usize) {
    let amounts = Amounts::Lambdas.list(16);
    journal.write(Event::PreviewBegan {
        index: 3,
        row,
        quick: true,
        amounts: amounts.clone(),
    });
    for (i, amount) in amounts.into_iter().enumerate().take(done) {
        let set = |id: &str, correct: u32, present: Option<u32>| PreviewedSet {
            test_set: id.into(),
            counts: counts(correct),
            present: present.map(counts),
        };
        journal.write(Event::Previewed {
            amount,
            sets: vec![
                set("latin", 90 - 10 * i as u32, Some(90)),
                set("upper-thirds", 50 + 10 * i as u32, None),
            ],
            seconds: 0.5,
        });
    }
    if done == 5 {
        journal.write(Event::PreviewEnded);
    }
}

fn trained() -> Journal {
    let mut journal = after(2);
    journal.begin();
    journal.train(1, 40);
    journal.trained();
    journal
}

fn on_matrix(journal: &Journal) -> App {
    let mut app = app(journal, Depth::True);
    keys(&mut app, "3");
    app
}

#[test]
fn a_preview_stands_below_the_matrix_and_what_is_chosen_is_taken() {
    let mut journal = trained();
    let mut app = on_matrix(&journal);
    let ask = |quick| {
        Effect::Send(Command::Preview(Ask {
            row: 3,
            amounts: Amounts::Lambdas,
            quick,
        }))
    };
    assert_eq!(keys(&mut app, "t"), [], "nothing is previewed yet");
    assert_eq!(keys(&mut app, "v"), [ask(true)]);
    preview(&mut journal, 3, 2);
    let mut app = on_matrix(&journal);
    snapshot("preview-under-way", &mut app, SIZES[0]);
    assert_eq!(keys(&mut app, "m"), [], "refused while it is under way");
    assert_eq!(app.on_key(Key::Esc), [Effect::Send(Command::EndPreview)]);
    let mut journal = trained();
    preview(&mut journal, 3, 5);
    let mut app = on_matrix(&journal);
    for size in SIZES {
        snapshot("preview", &mut app, size);
    }
    assert_eq!(keys(&mut app, "f"), []);
    let lost = text(&drawn(&mut app, SIZES[0]));
    assert!(
        lost.contains("points lost") && lost.contains("40.0") && lost.contains("new"),
        "{lost}"
    );
    // The newest is chosen first; asked again it is of all images.
    assert_eq!(
        keys(&mut app, "t"),
        [Effect::Send(Command::Merge(Amount::WHOLE))]
    );
    keys(&mut app, "[[");
    assert_eq!(
        keys(&mut app, "t"),
        [Effect::Send(Command::Merge(Amount::of(0.5)))]
    );
    keys(&mut app, "[[[[[[[");
    assert_eq!(
        keys(&mut app, "t"),
        [Effect::Send(Command::Merge(Amount::of(0.0)))]
    );
    assert_eq!(keys(&mut app, "v"), [ask(false)]);
    // Lower ranks were not asked for yet.
    let [Effect::Send(Command::Preview(ranks))] = keys(&mut app, "V")[..] else {
        panic!("no preview was asked for");
    };
    assert_eq!((ranks.amounts, ranks.quick), (Amounts::Ranks, true));
}

#[test]
fn an_earlier_merge_is_changed_after_a_question() {
    let mut journal = after(3);
    let mut app = on_matrix(&journal);
    keys(&mut app, "kk");
    let [Effect::Send(Command::Preview(ask))] = keys(&mut app, "v")[..] else {
        panic!("no preview was asked for");
    };
    assert_eq!((ask.row, ask.quick), (1, true));
    preview(&mut journal, 1, 5);
    let mut app = on_matrix(&journal);
    assert_eq!(keys(&mut app, "["), []);
    assert_eq!(keys(&mut app, "t"), []);
    let asked = text(&drawn(&mut app, SIZES[0]));
    assert!(
        asked.contains("Merge parity with λ = 0.75 instead?"),
        "{asked}"
    );
    let reweigh = Command::Reweigh(1, Amount::of(0.75));
    assert_eq!(keys(&mut app, "y"), [Effect::Send(reweigh)]);
}

#[test]
fn a_branch_is_set_up_from_the_cursors_row() {
    let mut app = on_matrix(&after(3));
    keys(&mut app, "k");
    assert_eq!(keys(&mut app, "B"), []);
    assert_eq!(app.screen, Screen::SetUp);
    let shown = text(&drawn(&mut app, SIZES[0]));
    assert!(shown.contains("after lower-thirds"), "{shown}");
    let request = app.set_up.request().unwrap();
    let (folder, at) = request.branch.unwrap();
    assert_eq!((folder.to_str().unwrap(), at), ("runs/demo-s0-1", 2));
    // Another preset is no branch any more.
    app.set_up.open("demo").unwrap();
    assert!(app.set_up.request().unwrap().branch.is_none());
}

#[test]
fn any_amount_can_be_typed_for_a_preview() {
    let mut app = on_matrix(&trained());
    keys(&mut app, "=0.6x");
    snapshot("preview-typed", &mut app, SIZES[0]);
    assert_eq!(app.on_key(Key::Enter), []);
    assert!(text(&drawn(&mut app, SIZES[0])).contains("is no amount of an update"));
    app.on_key(Key::Backspace);
    let amount = Amount::of(0.6);
    let ask = Ask {
        row: 3,
        amounts: Amounts::One(amount),
        quick: true,
    };
    assert_eq!(
        app.on_key(Key::Enter),
        [Effect::Send(Command::Preview(ask))]
    );
    // Asked for again it is of all images.
    let mut journal = trained();
    journal.write(Event::PreviewBegan {
        index: 3,
        row: 3,
        quick: true,
        amounts: vec![amount],
    });
    journal.write(Event::Previewed {
        amount,
        sets: Vec::new(),
        seconds: 0.5,
    });
    journal.write(Event::PreviewEnded);
    let mut app = on_matrix(&journal);
    keys(&mut app, "=.6");
    let whole = Ask {
        quick: false,
        ..ask
    };
    assert_eq!(
        app.on_key(Key::Enter),
        [Effect::Send(Command::Preview(whole))]
    );
    keys(&mut app, "=r2");
    assert_eq!(app.on_key(Key::Esc), []);
    assert_eq!(app.matrix.typed, None);
    // What makes no sense is not typed for.
    let mut nothing = on_matrix(&in_training());
    keys(&mut nothing, "=");
    assert_eq!(nothing.matrix.typed, None);
    assert!(nothing.toast.is_some());
}

#[test]
fn a_stored_adapter_has_no_amounts_to_preview() {
    let mut journal = trained();
    let Event::RunStarted { recipe, .. } = &mut journal.records[0].event else {
        panic!("a journal begins with its recipe");
    };
    recipe.lora.mode = Mode::Drop;
    let mut app = on_matrix(&journal);
    for key in ["v", "V", "="] {
        keys(&mut app, key);
        let said = text(&drawn(&mut app, SIZES[1]));
        assert!(
            said.contains("is stored for its own head, not merged"),
            "{said}"
        );
        assert!(!said.contains("vV preview"), "{said}");
    }
    assert_eq!(app.matrix.typed, None);
}
