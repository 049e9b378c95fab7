//! The operands of a backbone's products.

use candle_core::{DType, Tensor};

use crate::recipe::Precision;
use crate::{Result, ops};

impl Precision {
    /// An operand of a product; its gradient is that of `t`'s own type.
    pub(super) fn of(self, t: &Tensor) -> Result<Tensor> {
        Ok(t.to_dtype(match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
        })?)
    }

    /// The same once and for all, unless `t` is trained: then its f32 is what is kept.
    pub(super) fn of_frozen(self, t: &Tensor) -> Result<Tensor> {
        if ops::tracks(t) {
            Ok(t.clone())
        } else {
            self.of(t)
        }
    }
}
