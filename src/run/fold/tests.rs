use super::*;
use crate::lab::{Level, Probes};
use crate::run::testing::*;

fn fold(events: impl IntoIterator<Item = Event>) -> RunView {
    RunView::replay(&records(events))
}

/// Row 0 and one task, learned, merged and measured.
fn one_task() -> Vec<Event> {
    vec![
        evaluated(0, "latin", 10),
        measured(0),
        started(1, 1, 3),
        step(1, 1),
        step(1, 2),
        checkpoint(1, 2),
        step(1, 3),
        trained(1, 1),
        merged(1, 1),
        evaluated(1, "latin", 8),
        evaluated(1, "task-1", 9),
        measured(1),
    ]
}

fn steps(training: &Training) -> Vec<usize> {
    training.points.iter().map(|p| p.step).collect()
}

#[test]
fn a_straight_run_goes_through_the_states_of_the_table() {
    let events = one_task();
    let mut view = RunView::default();
    assert_eq!(view.state, State::Idle);
    let mut states = Vec::new();
    for record in &records(events) {
        view.apply(record);
        if states.last() != Some(&view.state) {
            states.push(view.state);
        }
    }
    let table = [
        State::Measuring(0),
        State::Measured(0),
        State::Training(1),
        State::Trained(1),
        State::Measuring(1),
        State::Measured(1),
    ];
    assert_eq!(states, table);
    assert_eq!(view.accuracy(1, "latin"), Some(0.8));
    assert_eq!(view.accuracy(1, "task-1"), Some(0.9));
    assert_eq!(view.accuracy(0, "task-1"), None);
    assert_eq!((view.rows.len(), view.trainings.len()), (2, 1));
    assert_eq!(view.trainings[0].end, TrainingEnd::Merged);
    assert_eq!(view.rows[1].training, Some(1));
    assert_eq!(view.records, 12);
    let point = view.trainings[0].points[0];
    assert_eq!((point.accuracy, point.rate), (0.5, 64.0));
}

#[test]
fn undo_takes_the_row_away_and_the_same_task_is_next() {
    let mut view = fold(one_task());
    view.automatic = true;
    let mut more = vec![Event::Undone { index: 1 }];
    for record in &records(more.clone()) {
        view.apply(record);
    }
    assert_eq!(view.state, State::Measured(0));
    assert!(!view.automatic, "an undo must turn automatic manual");
    assert_eq!(
        (view.rows.len(), view.trainings[0].end),
        (1, TrainingEnd::Undone)
    );
    // Step again: a training of its own, and the void one stays for the record.
    more.extend([started(1, 2, 1), step(2, 1), trained(1, 2), merged(1, 2)]);
    more.extend([evaluated(1, "latin", 5), measured(1)]);
    let view = fold(one_task().into_iter().chain(more));
    assert_eq!(view.state, State::Measured(1));
    assert_eq!(view.accuracy(1, "latin"), Some(0.5));
    assert_eq!(view.accuracy(1, "task-1"), None);
    assert_eq!(view.rows[1].training, Some(2));
    let ends: Vec<TrainingEnd> = view.trainings.iter().map(|t| t.end).collect();
    assert_eq!(ends, [TrainingEnd::Undone, TrainingEnd::Merged]);
}

#[test]
fn an_undo_over_a_skipped_row_voids_both() {
    let skipped = Event::Skipped {
        index: 2,
        step_id: "task-2".into(),
    };
    let view = fold(
        one_task()
            .into_iter()
            .chain([skipped.clone(), Event::Undone { index: 2 }]),
    );
    assert_eq!((view.state, view.rows.len()), (State::Measured(1), 2));
    assert_eq!(view.trainings[0].end, TrainingEnd::Merged);
    let view = fold(
        one_task()
            .into_iter()
            .chain([skipped, Event::Undone { index: 1 }]),
    );
    assert_eq!((view.state, view.rows.len()), (State::Measured(0), 1));
    assert_eq!(view.trainings[0].end, TrainingEnd::Undone);
}

#[test]
fn discard_leaves_the_rows_and_is_open_no_more() {
    for more in [vec![], vec![Event::Paused], vec![step(2, 2), trained(2, 2)]] {
        let begun = [started(2, 2, 2), step(2, 1)];
        let view = fold(
            one_task()
                .into_iter()
                .chain(begun)
                .chain(more)
                .chain([Event::Discarded { training: 2 }]),
        );
        assert_eq!(view.state, State::Measured(1));
        assert!(view.open_training().is_none() && !view.paused);
        assert_eq!(view.rows.len(), 2);
        assert_eq!(view.training(2).unwrap().end, TrainingEnd::Discarded);
    }
}

#[test]
fn a_skipped_task_is_a_row_without_figures() {
    let skip = Event::Skipped {
        index: 2,
        step_id: "task-2".into(),
    };
    let view = fold(one_task().into_iter().chain([skip]));
    assert_eq!(view.state, State::Measured(2));
    assert!(view.rows[2].skipped && view.rows[2].complete);
    assert_eq!(view.last_complete().unwrap().index, 1);
    assert_eq!(view.accuracy(2, "latin"), None);
}

#[test]
fn a_resume_voids_the_later_steps_of_its_training_alone() {
    let killed = [
        started(2, 2, 5),
        step(2, 1),
        watched(2, 1),
        step(2, 2),
        checkpoint(2, 2),
        step(2, 3),
        watched(2, 3),
    ];
    let resume = Event::Resumed {
        training: Some(2),
        from_step: 2,
    };
    let view = fold(
        one_task()
            .into_iter()
            .chain(killed)
            .chain([resume, step(2, 3)]),
    );
    assert_eq!(view.state, State::Training(2));
    assert_eq!(steps(&view.trainings[1]), [1, 2, 3]);
    assert_eq!(view.trainings[1].watched.len(), 1);
    assert_eq!(view.trainings[1].checkpoint.as_ref().unwrap().step, 2);
    assert_eq!(steps(&view.trainings[0]), [1, 2, 3]);
}

#[test]
fn a_resume_from_before_the_last_checkpoint_voids_that_too() {
    let resume = |from_step| Event::Resumed {
        training: Some(1),
        from_step,
    };
    let learned = || one_task().into_iter().take(8);
    let view = fold(learned().chain([resume(3)]));
    assert_eq!(view.state, State::Trained(1));
    assert!(view.trainings[0].checkpoint.is_some());
    // Its adapter was lost: what is trained must be trained again.
    let view = fold(learned().chain([resume(0)]));
    assert_eq!(view.state, State::Training(1));
    assert!(view.trainings[0].points.is_empty() && view.trainings[0].checkpoint.is_none());
    assert!(view.trainings[0].head.is_empty());
    // A pause after the merge names the training that is done; nothing of it is void.
    let view = fold(
        one_task()
            .into_iter()
            .take(10)
            .chain([Event::Paused, resume(0)]),
    );
    assert_eq!((view.state, view.paused), (State::Measuring(1), false));
    assert_eq!(steps(&view.trainings[0]), [1, 2, 3]);
}

#[test]
fn a_failed_or_stopped_run_goes_on_where_it_was() {
    let failed = Event::Failed {
        message: "the disk is full".into(),
    };
    let resume = Event::Resumed {
        training: None,
        from_step: 0,
    };
    let events = one_task();
    for (records, resting) in [
        (0, State::Idle),
        (1, State::Measuring(0)),
        (2, State::Measured(0)),
        (9, State::Measuring(1)),
        (11, State::Measuring(1)),
        (12, State::Measured(1)),
    ] {
        let before = || events.iter().take(records).cloned();
        let view = fold(before().chain([failed.clone()]));
        assert_eq!(view.state, State::Failed);
        assert_eq!(view.failure.as_deref(), Some("the disk is full"));
        assert_eq!(view.log.last().unwrap().level, Level::Error);
        let view = fold(before().chain([failed.clone(), resume.clone()]));
        assert_eq!((view.state, view.failure), (resting, None));
        let view = fold(before().chain([Event::Paused, Event::Stopped]));
        assert!(view.stopped && view.paused);
        let view = fold(before().chain([Event::Stopped, resume.clone()]));
        assert_eq!((view.state, view.stopped), (resting, false));
    }
}

#[test]
fn rows_that_are_not_finished_are_known_as_such() {
    let view = fold(one_task().into_iter().take(10));
    assert_eq!((view.rows.len(), view.rows[1].complete), (2, false));
    assert_eq!(view.last_complete().unwrap().index, 0);
    assert_eq!(view.accuracy(1, "latin"), Some(0.8));
    assert!(fold([]).last_complete().is_none());
}

/// What steps took is summed up to each; a journal of before does not tell how long they waited.
#[test]
fn what_steps_took_is_summed_and_what_is_void_does_not_count() {
    let told = |number, waited| match step(1, number) {
        Event::Step {
            training,
            step,
            loss,
            lr,
            correct,
            images,
            seconds,
            ..
        } => Event::Step {
            training,
            step,
            loss,
            lr,
            correct,
            images,
            seconds,
            waited,
        },
        other => other,
    };
    let resumed = Event::Resumed {
        training: Some(1),
        from_step: 1,
    };
    let begun = [started(1, 1, 3), told(1, Some(0.125)), told(2, Some(0.4))];
    let view = fold(begun.into_iter().chain([resumed, told(2, Some(0.125))]));
    let spent = view.trainings[0].points[1].spent;
    assert_eq!((spent.seconds, spent.images), (1.0, 64));
    assert_eq!((spent.waiting(), spent.rate()), (Some(0.25), Some(64.0)));
    let last = spent.since(view.trainings[0].points[0].spent);
    assert_eq!(
        (last.seconds, last.images, last.waited),
        (0.5, 32, Some(0.125))
    );
    let view = fold([started(1, 1, 3), told(1, Some(0.1)), told(2, None)]);
    assert_eq!(view.trainings[0].points[1].spent.waiting(), None);
}

#[test]
fn a_loss_that_diverged_is_kept_and_told() {
    let diverged = Event::Step {
        training: 1,
        step: 1,
        loss: f32::NAN,
        lr: 1e-3,
        correct: 0,
        images: 0,
        seconds: 0.0,
        waited: None,
    };
    let view = fold([started(1, 1, 3), diverged, step(1, 2)]);
    let points = &view.trainings[0].points;
    assert!(points[0].loss.is_nan() && points[0].rate.is_nan() && points[1].loss == 0.5);
    assert_eq!(view.log.last().unwrap().level, Level::Warning);
}

#[test]
fn the_sample_is_the_run_that_it_says() {
    let view = sample_view();
    assert_eq!(view.state, State::Finished);
    assert!(view.automatic && !view.paused && view.failure.is_none());
    let ends: Vec<TrainingEnd> = view.trainings.iter().map(|t| t.end).collect();
    use TrainingEnd::{Discarded, Merged, Undone};
    assert_eq!(ends, [Merged, Discarded, Undone, Merged, Merged]);
    assert!(view.trainings.iter().all(|t| steps(t) == [1, 2, 3, 4]));
    let on_path: Vec<Option<u32>> = view.rows.iter().map(|r| r.training).collect();
    assert_eq!(on_path, [None, Some(1), Some(4), None, Some(5)]);
    assert!(view.rows[3].skipped);
    assert_eq!(view.rows[4].evaluations.len(), 4);
    assert_eq!(view.next_index(), None);
    assert_eq!(
        view.task_ids(),
        ["parity", "lower-thirds", "upper-thirds", "greek"]
    );
    assert_eq!(view.trainings[4].context, view.training(5).unwrap().context);
}

#[test]
fn every_prefix_of_a_journal_has_a_view_with_rows_in_order() {
    let sample = sample();
    let mut live = RunView::default();
    for length in 0..=sample.len() {
        let view = RunView::replay(&sample[..length]);
        assert_eq!(format!("{view:?}"), format!("{live:?}"), "{length}");
        assert!(view.rows.iter().enumerate().all(|(i, r)| r.index == i));
        assert!(
            view.open_training()
                .is_none_or(|t| t.index == view.rows.len())
        );
        let _ = (view.resting_state(), view.matrix());
        if let Some(record) = sample.get(length) {
            live.apply(record);
        }
    }
}

/// A journal from anywhere: records missing, twice, or out of order must not bring the program down.
#[test]
fn no_order_of_records_panics() {
    let sample = sample();
    let key = crate::random::Key::new(11);
    for round in 0..200 {
        let key = key.index(round);
        let mut view = RunView::default();
        for i in 0..sample.len() as u64 {
            view.apply(&sample[key.below(i, sample.len())]);
            let _ = (view.resting_state(), view.matrix(), view.next_index());
        }
    }
}

/// The format is fixed: each line of the sample is what this program would write.
#[test]
fn the_sample_comes_back_byte_for_byte() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/journal.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    for (line, record) in text.lines().zip(sample()) {
        assert_eq!(serde_json::to_string(&record).unwrap(), line);
    }
    assert_eq!(text.lines().count(), sample().len());
}

#[test]
fn probes_belong_to_their_row_and_go_with_it() {
    let probed = |index| Event::Probed {
        index,
        probes: Probes::default(),
        seconds: 1.0,
    };
    let mut events = one_task();
    events.insert(1, probed(0));
    events.insert(events.len() - 1, probed(1));
    let there =
        |view: &RunView| -> Vec<bool> { view.rows.iter().map(|r| r.probes.is_some()).collect() };
    let view = fold(events.clone());
    assert_eq!(there(&view), [true, true]);
    let stands = |view: &RunView| -> Vec<bool> {
        let standing = crate::run::standing(view);
        standing.rows.iter().map(|r| r.probed).collect()
    };
    assert_eq!(stands(&view), [true, true]);
    // Cut off while measuring, after the probes or before them.
    let last = events.len();
    assert_eq!(stands(&fold(events[..last - 1].to_vec())), [true, true]);
    assert_eq!(stands(&fold(events[..last - 2].to_vec())), [true, false]);
    events.push(Event::Undone { index: 1 });
    assert_eq!(there(&fold(events.clone())), [true]);
    // Learned again, it has none until it is probed again.
    events.extend([started(1, 2, 1), step(2, 1), trained(1, 2), merged(1, 2)]);
    assert_eq!(there(&fold(events)), [true, false]);
}
