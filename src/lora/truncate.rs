//! The best updates of a lower rank than those that were trained.

use candle_core::{Device, Tensor};

use super::{Adapter, Amount, LowRank};
use crate::{Error, Result};

impl Adapter {
    /// This much of the adapter, as an adapter.
    ///
    /// # Errors
    /// As [`Adapter::truncated`].
    pub fn at(&self, amount: Amount) -> Result<Self> {
        let mut adapter = match amount.rank {
            Some(rank) => self.truncated(rank)?,
            None => self.clone(),
        };
        adapter.alpha *= amount.lambda;
        for pair in adapter.modules.values_mut() {
            pair.alpha *= amount.lambda;
        }
        Ok(adapter)
    }

    /// The adapter whose every BA is the best approximation of rank `rank` at most (Eckart and Young, "The
    /// approximation of one matrix by another of lower rank", Psychometrika 1, 1936), at the same scale. A module whose
    /// own rank is not above it stays as it is.
    ///
    /// # Errors
    /// [`Error::Internal`] for rank 0, which is no adapter, and where factors are not finite.
    pub fn truncated(&self, rank: usize) -> Result<Self> {
        if rank == 0 {
            return Err(Error::internal("an adapter is to be truncated to rank 0"));
        }
        let modules = self
            .modules
            .iter()
            .map(|(name, pair)| {
                let pair = match pair.rank() > rank {
                    true => self.truncated_pair(pair, rank)?,
                    false => pair.clone(),
                };
                Ok((name.clone(), pair))
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            rank: self.rank.min(rank),
            modules,
            ..self.clone()
        })
    }

    /// With `A = V S Uᵀ` and `B V S = P T Wᵀ`, `BA = P T (U W)ᵀ` is its singular value decomposition.
    fn truncated_pair(&self, pair: &LowRank, rank: usize) -> Result<LowRank> {
        // Columns of Aᵀ and of B, so that neither is larger than it has to be: [r][in·kh·kw] and [r][out].
        let (mut u, b) = (rows(&pair.a)?, transposed(&rows(&pair.b)?));
        let v = orthogonalise(&mut u);
        let s = normalise(&mut u);
        let mut p: Vec<Vec<f64>> = v
            .iter()
            .zip(&s)
            .map(|(v, s)| combined(&b, v).into_iter().map(|x| x * s).collect())
            .collect();
        let w = orthogonalise(&mut p);
        let t = normalise(&mut p);
        let mut largest: Vec<usize> = (0..t.len()).collect();
        largest.sort_by(|&i, &j| t[j].total_cmp(&t[i]));
        largest.truncate(rank);
        // Half of each singular value on either side, as a trained pair is balanced.
        let half = |values: Vec<f64>, i: usize| -> Vec<f64> {
            values.into_iter().map(|x| x * t[i].sqrt()).collect()
        };
        let a: Vec<Vec<f64>> = largest
            .iter()
            .map(|&i| half(combined(&u, &w[i]), i))
            .collect();
        let b: Vec<Vec<f64>> = largest.iter().map(|&i| half(p[i].clone(), i)).collect();
        let share = rank as f64 / pair.rank() as f64;
        let alpha = pair.alpha * if self.rslora { share.sqrt() } else { share };
        let [mut a_shape, mut b_shape] = [pair.a.dims().to_vec(), pair.b.dims().to_vec()];
        (a_shape[0], b_shape[1]) = (rank, rank);
        Ok(LowRank {
            a: tensor(&a, a_shape, pair.a.device())?,
            b: tensor(&transposed(&b), b_shape, pair.b.device())?,
            alpha,
        })
    }
}

/// Turns vectors in their span until each is orthogonal to every other, by one-sided Jacobi rotations (Hestenes,
/// "Inversion of matrices by biorthogonalization and related results", J. SIAM 6, 1958); gives the rotation, of which
/// vector i is what the i-th new one is made of.
fn orthogonalise(vectors: &mut [Vec<f64>]) -> Vec<Vec<f64>> {
    /// Cosine of an angle that is right.
    const RIGHT: f64 = 1e-15;
    /// A handful is enough; what has not met by then is as near as it gets.
    const SWEEPS: usize = 60;
    let n = vectors.len();
    let mut rotation: Vec<Vec<f64>> = (0..n)
        .map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect())
        .collect();
    for _ in 0..SWEEPS {
        let mut turned = false;
        for i in 0..n {
            for j in i + 1..n {
                let (a, b) = (dot(&vectors[i], &vectors[i]), dot(&vectors[j], &vectors[j]));
                let c = dot(&vectors[i], &vectors[j]);
                if c.abs() <= RIGHT * (a * b).sqrt() {
                    continue;
                }
                turned = true;
                let zeta = (b - a) / (2.0 * c);
                let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                rotate(vectors, i, j, cosine, cosine * tangent);
                rotate(&mut rotation, i, j, cosine, cosine * tangent);
            }
        }
        if !turned {
            break;
        }
    }
    rotation
}

fn rotate(vectors: &mut [Vec<f64>], i: usize, j: usize, cosine: f64, sine: f64) {
    let (before, after) = vectors.split_at_mut(j);
    for (x, y) in before[i].iter_mut().zip(&mut after[0]) {
        (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
    }
}

/// Makes each vector's length 1, unless it is 0; gives the lengths.
fn normalise(vectors: &mut [Vec<f64>]) -> Vec<f64> {
    vectors
        .iter_mut()
        .map(|v| {
            let length = dot(v, v).sqrt();
            if length > 0.0 {
                v.iter_mut().for_each(|x| *x /= length);
            }
            length
        })
        .collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The vectors' sum, each times its weight.
fn combined(vectors: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; vectors.first().map_or(0, Vec::len)];
    for (vector, weight) in vectors.iter().zip(weights) {
        sum.iter_mut()
            .zip(vector)
            .for_each(|(s, x)| *s += weight * x);
    }
    sum
}

fn transposed(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let columns = rows.first().map_or(0, Vec::len);
    (0..columns)
        .map(|c| rows.iter().map(|row| row[c]).collect())
        .collect()
}

/// The rows of a factor, its kernel's axes flattened.
fn rows(factor: &Tensor) -> Result<Vec<Vec<f64>>> {
    let rows = factor.flatten_from(1)?.to_vec2::<f32>()?;
    if rows.iter().flatten().any(|v| !v.is_finite()) {
        return Err(Error::internal("an update with a value that is not finite"));
    }
    let wide = rows
        .into_iter()
        .map(|row| row.into_iter().map(f64::from).collect());
    Ok(wide.collect())
}

fn tensor(rows: &[Vec<f64>], shape: Vec<usize>, device: &Device) -> Result<Tensor> {
    let values: Vec<f32> = rows.iter().flatten().map(|v| *v as f32).collect();
    Ok(Tensor::from_vec(values, shape, device)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lora::testing::{pair_adapter, values};

    fn product(adapter: &Adapter, pair: &LowRank) -> Vec<f64> {
        let scale = adapter.scale(pair);
        let flat = |t: &Tensor| t.flatten_from(1).unwrap();
        let product = values(&flat(&pair.b).matmul(&flat(&pair.a)).unwrap());
        product.iter().map(|v| scale * f64::from(*v)).collect()
    }

    fn square(v: &[f64]) -> f64 {
        v.iter().map(|x| x * x).sum()
    }

    /// What is lost is the sum of the squared singular values that were left out, and no other pair of the rank loses
    /// less.
    #[test]
    fn it_is_the_nearest_update_of_its_rank() {
        for rslora in [false, true] {
            let adapter = Adapter {
                rslora,
                ..pair_adapter(4, 0.0)
            };
            let whole = adapter.truncated(4).unwrap();
            let mut before = f64::INFINITY;
            for rank in 1..=3 {
                let less = adapter.truncated(rank).unwrap();
                for (name, pair) in &adapter.modules {
                    let cut = &less.modules[name];
                    assert_eq!(cut.rank(), rank);
                    let (all, kept) = (product(&adapter, pair), product(&less, cut));
                    let gap: Vec<f64> = all.iter().zip(&kept).map(|(a, k)| a - k).collect();
                    // An orthogonal projection: what is kept and what is lost make up the whole.
                    let total = square(&all);
                    assert!((square(&kept) + square(&gap) - total).abs() < 1e-5 * total);
                    let columns = pair.a.elem_count() / pair.rank();
                    let mut dense: Vec<Vec<f64>> =
                        all.chunks(columns).map(<[f64]>::to_vec).collect();
                    orthogonalise(&mut dense);
                    let mut singular = normalise(&mut dense);
                    singular.sort_by(|a, b| b.total_cmp(a));
                    assert!(singular[4..].iter().all(|s| *s < 1e-6 * singular[0]));
                    let lost: f64 = singular.iter().skip(rank).map(|s| s * s).sum();
                    assert!((square(&gap) - lost).abs() < 1e-5 * total, "{name}");
                    assert_eq!(values(&whole.modules[name].a), values(&pair.a));
                }
                let lost = adapter.modules.iter().map(|(name, pair)| {
                    let (all, kept) =
                        (product(&adapter, pair), product(&less, &less.modules[name]));
                    all.iter()
                        .zip(kept)
                        .map(|(a, k)| (a - k).powi(2))
                        .sum::<f64>()
                });
                let lost = lost.sum::<f64>();
                assert!(lost < before);
                before = lost;
            }
        }
    }

    #[test]
    fn rank_0_and_what_is_not_finite_are_refused() {
        let mut adapter = pair_adapter(4, 0.0);
        assert!(adapter.truncated(0).is_err());
        let pair = adapter.modules.values_mut().next().unwrap();
        pair.a = pair.a.affine(f64::NAN, 0.0).unwrap();
        assert!(adapter.truncated(1).is_err());
    }
}
