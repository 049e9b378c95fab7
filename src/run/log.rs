//! The log: an event in words.

use crate::lab::{Event, Level};
use crate::lora::Amount;
use crate::recipe::Mode;

/// The log's line for an event of a run in this mode; none for those that are too many to list. `waiting` is the part of
/// the time in which the last training's steps waited for their batches, in [0, 1], where it is known.
pub(super) fn describe(event: &Event, mode: Mode, waiting: Option<f64>) -> Option<(Level, String)> {
    let percent = |x: f64| format!("{:.1} %", 100.0 * x);
    let text = match event {
        Event::RunStarted {
            recipe,
            device,
            backbone,
            ..
        } => {
            let rank = match recipe.lora.mode {
                Mode::Full => "full rank".into(),
                Mode::FullReset => "full rank, reset before each task".into(),
                Mode::Merge | Mode::Drop => format!("rank {}", recipe.lora.rank),
            };
            format!(
                "{} on {device}: {} with {} parameters, {rank}, seed {}",
                recipe.name, backbone.architecture, backbone.parameters, recipe.seed
            )
        }
        Event::Advance { automatic: true } => "automatic: step and merge by themselves".into(),
        Event::Advance { automatic: false } => "manual: each step and merge waits for a key".into(),
        Event::TaskStarted {
            index,
            step_id,
            steps,
            trainable,
            ..
        } => {
            format!("task {index}, {step_id}: {steps} steps, {trainable} trainable parameters")
        }
        Event::Step { loss, step, .. } if !loss.is_finite() => {
            return Some((Level::Warning, format!("the loss of step {step} is {loss}")));
        }
        Event::Context { .. } | Event::Step { .. } | Event::Watched { .. } => return None,
        Event::Paused => "paused".into(),
        Event::Checkpoint { step, file, .. } => format!("checkpoint of step {step}: {file}"),
        Event::Trained { index, seconds, .. } => {
            let waiting = waiting.map_or(String::new(), |share| {
                format!(", waiting for data {}", percent(share))
            });
            format!("task {index} trained in {seconds:.1} s{waiting}")
        }
        Event::Merged { index, .. } if mode == Mode::Drop => {
            format!("task {index} stored: only its own head uses the adapter")
        }
        Event::Merged {
            index,
            update_total,
            ..
        } if mode.is_full() => {
            format!("task {index} kept: ‖ΔW‖/‖W‖ {update_total:.3}")
        }
        Event::Merged {
            index,
            amount,
            update_total,
            fidelity,
            agreement,
            ..
        } => format!(
            "task {index} merged{}: ‖ΔW‖/‖W‖ {update_total:.3}, logits within {fidelity:.1e} of the adapter's{}",
            with(*amount),
            agreement.map_or(String::new(), |a| format!(
                ", right {} and {} of {}",
                a.merged, a.adapter, a.images
            ))
        ),
        Event::Reweighed { index, amount, .. } => {
            format!(
                "the merge of task {index} changed to {amount}: rows from {index} on are measured anew"
            )
        }
        Event::PreviewBegan {
            row,
            quick,
            amounts,
            ..
        } => {
            let extent = if *quick {
                " on a few images of each class"
            } else {
                ""
            };
            format!(
                "preview of {} amounts of task {row}'s update{extent}",
                amounts.len()
            )
        }
        Event::Previewed { amount, sets, .. } => {
            let sets = sets
                .iter()
                .map(|s| format!("{} {}", s.test_set, percent(s.counts.accuracy())));
            format!("{amount}: {}", sets.collect::<Vec<_>>().join(", "))
        }
        Event::PreviewEnded => "end of the preview".into(),
        Event::Evaluated {
            index,
            test_set,
            counts,
            ..
        } => {
            format!("row {index}: {test_set} {}", percent(counts.accuracy()))
        }
        Event::Probed { index, seconds, .. } => format!("row {index}: probed in {seconds:.1} s"),
        Event::Measured { index, .. } => format!("row {index} is complete"),
        Event::Discarded { .. } => "adapter discarded".into(),
        Event::Undone { index } => format!("row {index} undone"),
        Event::Skipped { index, step_id } => format!("task {index}, {step_id}, skipped"),
        Event::Resumed {
            training: Some(_),
            from_step,
        } => format!("going on from step {from_step}"),
        Event::Resumed { training: None, .. } => "going on".into(),
        Event::Note { level, message } => return Some((*level, message.clone())),
        Event::Stopped => "stopped".into(),
        Event::Failed { message } => return Some((Level::Error, message.clone())),
        Event::Finished => "finished".into(),
    };
    Some((Level::Info, text))
}

fn with(amount: Amount) -> String {
    if amount.is_whole() {
        String::new()
    } else {
        format!(" with {amount}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diverged_loss_is_a_warning_and_other_steps_are_silent() {
        let step = |loss| Event::Step {
            training: 1,
            step: 7,
            loss,
            lr: 1e-3,
            correct: 0,
            images: 32,
            seconds: 0.1,
            waited: None,
        };
        assert_eq!(describe(&step(0.5), Mode::Merge, None), None);
        let (level, text) = describe(&step(f32::NAN), Mode::Merge, None).unwrap();
        assert_eq!(
            (level, text.as_str()),
            (Level::Warning, "the loss of step 7 is NaN")
        );
    }

    #[test]
    fn a_note_keeps_its_level() {
        let note = Event::Note {
            level: Level::Warning,
            message: "merge: there is no trained adapter to merge".into(),
        };
        let (level, text) = describe(&note, Mode::Merge, None).unwrap();
        assert_eq!(level, Level::Warning);
        assert!(text.starts_with("merge:"));
    }

    #[test]
    fn the_end_of_a_training_says_how_long_its_steps_waited_where_that_is_known() {
        let trained = Event::Trained {
            index: 2,
            training: 3,
            adapter: String::new(),
            head: String::new(),
            sha256: Default::default(),
            seconds: 12.34,
        };
        let text = |waiting| describe(&trained, Mode::Merge, waiting).unwrap().1;
        assert_eq!(
            text(Some(0.069)),
            "task 2 trained in 12.3 s, waiting for data 6.9 %"
        );
        assert_eq!(text(None), "task 2 trained in 12.3 s");
    }
}
