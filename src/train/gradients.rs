//! What the gradients of a training that left the finite numbers were.

use candle_core::Tensor;
use candle_core::backprop::GradStore;

use super::AdamW;
use crate::Result;

impl AdamW {
    /// The largest gradient of a step by its absolute value, and whose it is, in words; where none is a finite number,
    /// the largest of the steps before.
    pub(super) fn largest_gradient(&self, grads: &GradStore) -> Result<String> {
        let mut all = 0;
        let mut largest: Option<(f32, &str)> = None;
        let mut wild: Vec<&str> = Vec::new();
        for parameter in self.parameters() {
            let Some(grad) = grads.get(parameter.var.as_tensor()) else {
                continue;
            };
            all += 1;
            match largest_value(grad)? {
                Some(size) if largest.is_none_or(|(most, _)| size > most) => {
                    largest = Some((size, &parameter.name));
                }
                Some(_) => {}
                None => wild.push(&parameter.name),
            }
        }
        Ok(match (largest, wild.first()) {
            (Some((size, name)), None) => format!("the largest gradient is {size:.3e}, of {name}"),
            (Some((size, name)), Some(first)) => format!(
                "{} of {all} gradients are not finite, that of {first} first, and the largest of the others is \
                 {size:.3e}, of {name}",
                wild.len()
            ),
            (None, _) => format!("no gradient is finite{}", self.largest_before()?),
        })
    }

    /// The largest gradient of the steps taken, by the root of the mean square that AdamW keeps; empty before the first.
    pub(super) fn largest_before(&self) -> Result<String> {
        let mut largest: Option<(f32, &str)> = None;
        for (name, squares) in self.mean_squares() {
            if let Some(size) = largest_value(&squares?)?.map(f32::sqrt)
                && largest.is_none_or(|(most, _)| size > most)
            {
                largest = Some((size, name));
            }
        }
        Ok(largest.map_or_else(String::new, |(size, name)| {
            format!(", and the largest of the steps before was about {size:.3e}, of {name}")
        }))
    }
}

/// The largest absolute value; `None` where one is not finite.
fn largest_value(tensor: &Tensor) -> Result<Option<f32>> {
    let sizes = tensor.abs()?.flatten_all()?;
    // A maximum may pass over what is no number, a sum never does; one of f32 may leave the finite numbers by itself, so
    // it is taken of what is small enough.
    let largest = sizes.max(0)?.to_scalar::<f32>()?;
    let scaled = (sizes / f64::from(largest.max(1.0)))?;
    let whole = scaled.sum_all()?.to_scalar::<f32>()?.is_finite();
    Ok((whole && largest.is_finite()).then_some(largest))
}
