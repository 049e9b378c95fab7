//! What time goes to which operation, for whoever asks.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use candle_core::Device;

/// Which part of a training step an operation was at work in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// From inputs to outputs.
    Forward,
    /// From gradients of outputs to gradients of inputs.
    Backward,
    /// From gradients to parameters.
    Update,
}

impl Phase {
    /// `forward`, `backward`, `update`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
            Self::Update => "update",
        }
    }
}

/// What an operation took in one phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// How often it was called.
    pub calls: usize,
    /// By the wall clock.
    pub time: Duration,
}

/// What each operation took, by its name and phase.
pub type Account = BTreeMap<(&'static str, Phase), Spent>;

thread_local! {
    /// None where nobody asks, and while an operation is at work: what it is made of is its own.
    static OPEN: RefCell<Option<Account>> = const { RefCell::new(None) };
}

/// Does the work and accounts what of it each operation of this thread took, with the threads that helped it. Results
/// are the same bits as without. A GPU is waited for after each operation, so that there the whole takes longer.
pub fn account<T>(work: impl FnOnce() -> T) -> (T, Account) {
    OPEN.set(Some(Account::new()));
    let done = work();
    (done, OPEN.take().unwrap_or_default())
}

/// Does the work of an operation, and accounts it if somebody asked.
pub(crate) fn timed<T>(
    name: &'static str,
    phase: Phase,
    device: &Device,
    work: impl FnOnce() -> T,
) -> T {
    let Some(mut account) = OPEN.take() else {
        return work();
    };
    // What a failing device says is said again by the next operation.
    let _ = device.synchronize();
    let begun = Instant::now();
    let done = work();
    let _ = device.synchronize();
    let spent = account.entry((name, phase)).or_default();
    spent.calls += 1;
    spent.time += begun.elapsed();
    OPEN.set(Some(account));
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_within_another_is_a_part_of_it() {
        let run = |name, work: &dyn Fn()| timed(name, Phase::Forward, &Device::Cpu, work);
        let ((), account) = account(|| {
            run("outer", &|| run("inner", &|| {}));
            run("inner", &|| {});
            run("outer", &|| {});
        });
        let calls: Vec<_> = account.iter().map(|((n, _), s)| (*n, s.calls)).collect();
        assert_eq!(calls, [("inner", 1), ("outer", 2)]);
        run("outer", &|| {});
        assert!(OPEN.take().is_none(), "nobody asked any more");
    }
}
