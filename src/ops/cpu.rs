//! What the CPU's operations are made of: slices of tensors, parallel loops, matrix products.
//!
//! A loop is cut into pieces by the shape of the data alone, each piece computes as it would by itself, and
//! partial sums are added in the order of the pieces: so the number of threads changes nothing but the time.

use std::ops::{Deref, Range};

use candle_core::{CpuStorage, Storage, Tensor};
use rayon::prelude::*;

use super::buffer::Buffer;
use super::gemm::{Mat, ROWS, TILE, multiply, pack_panel, packed_len, panel_width};
use super::math::simd;
use crate::{Error, Result};

struct Values<G> {
    storage: G,
    range: Range<usize>,
}

impl<G: Deref<Target = Storage>> Deref for Values<G> {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        match &*self.storage {
            Storage::Cpu(CpuStorage::F32(values)) => {
                values.get(self.range.clone()).unwrap_or_default()
            }
            _ => &[],
        }
    }
}

/// The values of a contiguous f32 tensor on the CPU, row-major.
pub(super) fn values(t: &Tensor) -> Result<impl Deref<Target = [f32]> + '_> {
    let (storage, layout) = t.storage_and_layout();
    let f32s = matches!(&*storage, Storage::Cpu(CpuStorage::F32(_)));
    match layout.contiguous_offsets() {
        Some((start, end)) if f32s => Ok(Values {
            storage,
            range: start..end,
        }),
        _ => Err(Error::internal(format!(
            "an operation on the CPU takes contiguous f32 tensors, not {:?} with {layout:?}",
            t.dtype()
        ))),
    }
}

/// The tensor outside the graph and contiguous, ready for [`values`].
pub(super) fn plain(t: &Tensor) -> Result<Tensor> {
    Ok(t.detach().contiguous()?)
}

/// A zeroed buffer for an output.
pub(super) fn zeros(n: usize) -> Vec<f32> {
    vec![0.0; n]
}

/// Pieces that are enough for the threads of any machine that this runs on.
const MANY: usize = 64;

/// How many of `rows` a product finishes at a time: a block of the product's, or less where that would leave threads
/// without any.
pub(super) fn row_block(rows: usize) -> usize {
    (rows / MANY).next_multiple_of(TILE).clamp(TILE, ROWS)
}

/// Work in multiply-adds (or elements touched ten times) that is worth handing to another thread.
const PIECE: usize = 1 << 21;

/// How many of `rows` go into a piece, each row being `work` multiply-adds; a multiple of `multiple`.
pub(super) fn rows_per_piece(rows: usize, work: usize, multiple: usize) -> usize {
    let wanted = PIECE.div_ceil(work.max(1)).next_multiple_of(multiple);
    wanted.min(rows.max(1))
}

/// Calls `f(i, piece)` for each piece of `size` elements of `out`, in parallel.
pub(super) fn for_pieces(out: &mut [f32], size: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    if out.len() <= size {
        if !out.is_empty() {
            f(0, out);
        }
        return;
    }
    out.par_chunks_mut(size)
        .enumerate()
        .for_each(|(i, piece)| f(i, piece));
}

/// The same over two outputs cut alike.
pub(super) fn for_pieces2<B: Send>(
    a: &mut [f32],
    size_a: usize,
    b: &mut [B],
    size_b: usize,
    f: impl Fn(usize, &mut [f32], &mut [B]) + Sync,
) {
    if a.len() <= size_a {
        if !a.is_empty() {
            f(0, a, b);
        }
        return;
    }
    a.par_chunks_mut(size_a)
        .zip(b.par_chunks_mut(size_b))
        .enumerate()
        .for_each(|(i, (a, b))| f(i, a, b));
}

/// Sums of `n` numbers over `pieces` pieces: `f(i, sums)` adds piece `i`'s share to a zeroed `sums`; the shares
/// are then added in order.
pub(super) fn sum_pieces(
    pieces: usize,
    n: usize,
    f: impl Fn(usize, &mut [f32]) + Sync,
) -> Vec<f32> {
    let mut shares = zeros(pieces * n);
    for_pieces(&mut shares, n, &f);
    if pieces == 1 {
        return shares;
    }
    const COLUMNS: usize = 1 << 14;
    let mut sums = zeros(n);
    for_pieces(&mut sums, COLUMNS, |i, sums| {
        let start = i * COLUMNS;
        let end = start + sums.len();
        simd(
            #[inline(always)]
            || {
                for share in shares.chunks_exact(n) {
                    for (sum, v) in sums.iter_mut().zip(&share[start..end]) {
                        *sum += v;
                    }
                }
            },
        );
    });
    sums
}

/// A right-hand matrix packed for [`multiply`], in parallel.
pub(super) fn packed(b: Mat<'_>) -> Buffer {
    let (depth, width) = (b.rows, panel_width());
    let mut panels = Buffer::new(packed_len(depth, b.cols, width));
    let some = rows_per_piece(b.cols.div_ceil(width), 10 * depth * width, 1);
    for_pieces(&mut panels, some * depth * width, |i, panels| {
        for (p, panel) in panels.chunks_exact_mut(depth * width).enumerate() {
            pack_panel(panel, b, (i * some + p) * width, width);
        }
    });
    panels
}

/// `out = a·b` in parallel over rows, `out` dense and row-major; `then(row, rows)` is called on each finished piece,
/// its first row and its values.
pub(super) fn matmul_then(
    out: &mut [f32],
    a: Mat<'_>,
    b: Mat<'_>,
    then: impl Fn(usize, &mut [f32]) + Sync,
) {
    let (rows, depth, cols) = (a.rows, a.cols, b.cols);
    assert_eq!(depth, b.rows, "a product of matrices that do not fit");
    let panels = packed(b);
    let piece = rows_per_piece(rows, depth * cols, row_block(rows));
    for_pieces(out, piece * cols, |i, out| {
        let start = i * piece;
        let end = (start + piece).min(rows);
        multiply(out, cols, a.rows(start..end), &panels, cols, false);
        then(start, out);
    });
}

/// `out = a·b` in parallel over rows, `out` dense and row-major.
pub(super) fn matmul(out: &mut [f32], a: Mat<'_>, b: Mat<'_>) {
    matmul_then(out, a, b, |_, _| {});
}

#[cfg(test)]
mod tests {
    use super::super::gemm::gemm;
    use super::*;
    use crate::random::Key;

    #[test]
    fn parallel_products_are_the_serial_ones() {
        let (m, k, n) = (700, 90, 70);
        let random = |n: usize, seed| -> Vec<f32> {
            (0..n as u64).map(|i| Key::new(seed).normal(i)).collect()
        };
        let (a, b) = (random(m * k, 1), random(k * n, 2));
        let (mut one, mut many) = (zeros(m * n), zeros(m * n));
        gemm(&mut one, n, Mat::new(&a, m, k), Mat::new(&b, k, n), false);
        matmul(&mut many, Mat::new(&a, m, k), Mat::new(&b, k, n));
        assert_eq!(one, many);
    }

    #[test]
    fn sums_over_pieces_take_each_once() {
        let sums = sum_pieces(37, 3, |i, sums| sums[i % 3] += i as f32);
        assert_eq!(sums, [234.0, 210.0, 222.0]);
    }
}
