//! How much of a task's update is merged.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::recipe::Mode;
use crate::{Error, Result};

/// The largest factor on an update.
const MOST: f64 = 2.0;

/// How much of a task's update is merged: all of it, a part of it, or what is left of it at a lower rank.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Amount {
    /// Factor λ on the update, from −2 to 2.
    pub lambda: f64,
    /// The best approximation of the update of this rank at most; absent: the update itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
}

impl Amount {
    /// The update as it was trained.
    pub const WHOLE: Self = Self {
        lambda: 1.0,
        rank: None,
    };

    /// The update times λ.
    pub fn of(lambda: f64) -> Self {
        Self { lambda, rank: None }
    }

    /// Whether it is the update as it was trained.
    pub fn is_whole(&self) -> bool {
        *self == Self::WHOLE
    }

    /// What makes no sense in a run of this mode.
    ///
    /// # Errors
    /// [`Error::Input`], in one sentence.
    pub fn check(self, mode: Mode) -> Result<()> {
        let lambda = self.lambda;
        let refusal = match mode {
            _ if self.is_whole() => return Ok(()),
            Mode::Drop => "a stored adapter is used whole, for its own head only".to_owned(),
            Mode::Full | Mode::FullReset if self.rank.is_some() => {
                "modules trained at full rank have no lower rank".to_owned()
            }
            Mode::Full | Mode::FullReset if lambda == 0.0 => return Ok(()),
            Mode::Full | Mode::FullReset => format!(
                "modules trained at full rank count whole or not at all: λ is 0 or 1, not {lambda}"
            ),
            Mode::Merge if !(-MOST..=MOST).contains(&lambda) => {
                format!("λ is from −2 to 2, not {lambda}")
            }
            Mode::Merge if self.rank == Some(0) => {
                "an update of rank 0 is none: take λ = 0".to_owned()
            }
            Mode::Merge => return Ok(()),
        };
        Err(Error::input(refusal))
    }
}

impl Default for Amount {
    fn default() -> Self {
        Self::WHOLE
    }
}

impl FromStr for Amount {
    type Err = Error;

    /// `0.6` is a λ, `r4` a rank, `0.6 r4` both, in any order.
    fn from_str(text: &str) -> Result<Self> {
        let refused = || {
            Error::input(format!(
                "{:?} is no amount of an update: type a λ as 0.6, a rank as r4, or both",
                text.trim()
            ))
        };
        let (mut lambda, mut rank) = (None, None);
        for word in text.split_whitespace() {
            let number = word.strip_prefix(['r', 'R']);
            let known = match number {
                Some(number) => rank
                    .replace(number.parse().map_err(|_| refused())?)
                    .is_some(),
                None => {
                    let value: f64 = word.parse().map_err(|_| refused())?;
                    lambda.replace(value).is_some() || !value.is_finite()
                }
            };
            if known {
                return Err(refused());
            }
        }
        match (lambda, rank) {
            (None, None) => Err(refused()),
            (lambda, rank) => Ok(Self {
                lambda: lambda.unwrap_or(1.0),
                rank,
            }),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rank {
            None => write!(f, "λ = {}", self.lambda),
            Some(rank) if self.lambda == 1.0 => write!(f, "rank {rank}"),
            Some(rank) => write!(f, "λ = {} of rank {rank}", self.lambda),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_takes_what_it_can_undo() {
        let at = |lambda, rank| Amount { lambda, rank };
        for (mode, amount, sound) in [
            (Mode::Merge, at(0.5, None), true),
            (Mode::Merge, at(-1.0, Some(2)), true),
            (Mode::Merge, at(2.5, None), false),
            (Mode::Merge, at(f64::NAN, None), false),
            (Mode::Merge, at(1.0, Some(0)), false),
            (Mode::Drop, Amount::WHOLE, true),
            (Mode::Drop, at(0.5, None), false),
            (Mode::Full, at(0.0, None), true),
            (Mode::Full, at(0.5, None), false),
            (Mode::FullReset, at(1.0, Some(2)), false),
        ] {
            assert_eq!(amount.check(mode).is_ok(), sound, "{mode:?} {amount}");
        }
    }

    #[test]
    fn an_amount_is_typed_in_short() {
        let typed = |text: &str| text.parse::<Amount>().map_err(|e| e.to_string());
        assert_eq!(typed(" 0.6 "), Ok(Amount::of(0.6)));
        assert_eq!(typed("-1"), Ok(Amount::of(-1.0)));
        let cut = |lambda| Amount {
            lambda,
            rank: Some(4),
        };
        assert_eq!(typed("r4"), Ok(cut(1.0)));
        assert_eq!(typed("R4 .5"), Ok(cut(0.5)));
        for wrong in [
            "", " ", "half", "r", "r-1", "r4 r2", "1 2", "nan", "inf", "4r",
        ] {
            let refusal = typed(wrong).unwrap_err();
            assert!(refusal.contains("no amount of an update"), "{refusal}");
        }
    }

    #[test]
    fn an_amount_is_said_in_short() {
        assert_eq!(Amount::of(0.25).to_string(), "λ = 0.25");
        let cut = Amount {
            rank: Some(4),
            ..Amount::WHOLE
        };
        assert_eq!(cut.to_string(), "rank 4");
    }
}
