//! Element-wise functions on a CPU tensor's storage in place: no allocation, and the same bits with any number of
//! threads. On other devices the caller composes candle's operations instead.

use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout};
use rayon::prelude::*;

/// Elements that one thread works on at a time.
const CHUNK: usize = 1 << 14;

/// `x[i] ← f(x[i], y[i])`
pub(super) struct Zip2<F>(pub F);

/// `x[i] ← f(x[i], y[i], z[i])`
pub(super) struct Zip3<F>(pub F);

fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    let (start, end) = contiguous(layout)?;
    storage
        .as_slice::<f32>()?
        .get(start..end)
        .ok_or_else(|| candle_core::Error::Msg("a tensor reaches beyond its storage".into()))
}

fn slice_mut<'a>(
    storage: &'a mut CpuStorage,
    layout: &Layout,
) -> candle_core::Result<&'a mut [f32]> {
    let (start, end) = contiguous(layout)?;
    match storage {
        CpuStorage::F32(values) => values.get_mut(start..end),
        _ => None,
    }
    .ok_or_else(|| candle_core::Error::Msg("an optimiser's tensor is not f32".into()))
}

fn contiguous(layout: &Layout) -> candle_core::Result<(usize, usize)> {
    layout
        .contiguous_offsets()
        .ok_or_else(|| candle_core::Error::Msg("an optimiser's tensor is not contiguous".into()))
}

impl<F: Fn(f32, f32) -> f32 + Sync> InplaceOp2 for Zip2<F> {
    fn name(&self) -> &'static str {
        "zip2"
    }

    fn cpu_fwd(
        &self,
        s1: &mut CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> candle_core::Result<()> {
        let (x, y) = (slice_mut(s1, l1)?, slice(s2, l2)?);
        x.par_chunks_mut(CHUNK)
            .zip(y.par_chunks(CHUNK))
            .for_each(|(x, y)| {
                for (x, y) in x.iter_mut().zip(y) {
                    *x = self.0(*x, *y);
                }
            });
        Ok(())
    }
}

impl<F: Fn(f32, f32, f32) -> f32 + Sync> InplaceOp3 for Zip3<F> {
    fn name(&self) -> &'static str {
        "zip3"
    }

    fn cpu_fwd(
        &self,
        s1: &mut CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> candle_core::Result<()> {
        let x = slice_mut(s1, l1)?;
        let (y, z) = (slice(s2, l2)?, slice(s3, l3)?);
        x.par_chunks_mut(CHUNK)
            .zip(y.par_chunks(CHUNK).zip(z.par_chunks(CHUNK)))
            .for_each(|(x, (y, z))| {
                for (x, (y, z)) in x.iter_mut().zip(y.iter().zip(z)) {
                    *x = self.0(*x, *y, *z);
                }
            });
        Ok(())
    }
}
