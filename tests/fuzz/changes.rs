//! Changes of the kinds that files suffer.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// One change, at a place from 0 to 1 of what there is.
#[derive(Clone, Debug)]
pub enum Change {
    /// These bits are turned over.
    Flip(f64, u8),
    /// So many bytes are gone.
    Lose(f64, usize),
    /// All behind is gone.
    Cut(f64),
    /// These bytes are put in between.
    Insert(f64, Vec<u8>),
    /// So many bytes stand there twice.
    Repeat(f64, usize),
    /// The next number is another one.
    Number(f64, &'static str),
    /// Two stretches of this length are exchanged.
    Exchange(f64, f64, usize),
}

/// Numbers that something may believe.
const NUMBERS: [&str; 10] = [
    "0",
    "-1",
    "1",
    "2",
    "255",
    "4294967295",
    "9223372036854775807",
    "18446744073709551615",
    "1e308",
    "0.5",
];

/// A few changes; `words` are put in whole.
pub fn changes(words: &'static [&'static str]) -> impl Strategy<Value = Vec<Change>> {
    let place = || 0.0..1.0_f64;
    let any_bytes = vec(any::<u8>(), 1..8).boxed();
    let inserted = match words {
        [] => any_bytes,
        words => {
            prop_oneof![1 => any_bytes, 3 => select(words).prop_map(|w| w.as_bytes().to_vec())]
                .boxed()
        }
    };
    let change = prop_oneof![
        3 => (place(), any::<u8>()).prop_map(|(at, bits)| Change::Flip(at, bits)),
        2 => (place(), 1..40_usize).prop_map(|(at, n)| Change::Lose(at, n)),
        1 => place().prop_map(Change::Cut),
        4 => (place(), inserted).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => (place(), 1..200_usize).prop_map(|(at, n)| Change::Repeat(at, n)),
        4 => (place(), select(&NUMBERS[..])).prop_map(|(at, n)| Change::Number(at, n)),
        1 => (place(), place(), 1..60_usize).prop_map(|(a, b, n)| Change::Exchange(a, b, n)),
    ];
    vec(change, 1..6)
}

/// The bytes with these changes, one after another.
pub fn apply(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for change in changes {
        let length = bytes.len();
        let place = |at: &f64| (at * length as f64) as usize;
        match change {
            Change::Flip(at, bits) => {
                if let Some(byte) = bytes.get_mut(place(at)) {
                    *byte ^= bits;
                }
            }
            Change::Lose(at, n) => drop(bytes.drain(place(at)..(place(at) + n).min(length))),
            Change::Cut(at) => bytes.truncate(place(at)),
            Change::Insert(at, more) => {
                drop(bytes.splice(place(at)..place(at), more.iter().copied()))
            }
            Change::Repeat(at, n) => {
                let part = bytes[place(at)..(place(at) + n).min(length)].to_vec();
                drop(bytes.splice(place(at)..place(at), part));
            }
            Change::Number(at, number) => {
                let is_digit = |b: &u8| b.is_ascii_digit();
                if let Some(from) = bytes[place(at)..].iter().position(is_digit) {
                    let from = from + place(at);
                    let n = bytes[from..].iter().take_while(|b| is_digit(b)).count();
                    drop(bytes.splice(from..from + n, number.bytes()));
                }
            }
            Change::Exchange(a, b, n) => {
                let (a, b) = (place(a).min(place(b)), place(a).max(place(b)));
                let n = (*n).min(b - a).min(length - b);
                for i in 0..n {
                    bytes.swap(a + i, b + i);
                }
            }
        }
    }
    bytes
}
