//! What the CPU's operations are made of: slices of tensors, parallel loops, matrix products.
//!
//! A loop is cut into pieces by the shape of the data alone, each piece computes as it would by itself, and
//! partial sums are added in the order of the pieces: so the number of threads changes nothing but the time.

use std::cell::Cell;
use std::ops::{Deref, Range};

use candle_core::{CpuStorage, Storage, Tensor};
use rayon::prelude::*;

use super::dots::transpose;
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

/// Work in multiply-adds (or elements touched ten times) that is worth handing to another thread.
const PIECE: usize = 1 << 20;

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

thread_local! {
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Lends this thread's scratch buffer, `n` elements of unknown values: fresh memory would cost page faults at
/// every call.
pub(super) fn with_scratch<R>(n: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = SCRATCH.take();
    if buffer.len() < n {
        buffer.resize(n, 0.0);
    }
    let result = f(&mut buffer[..n]);
    SCRATCH.set(buffer);
    result
}

/// The transposed copy of a dense `[rows, cols]`, made in parallel. gemm would copy a piece at a time, and slower.
pub(super) fn transposed(x: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    let mut out = zeros(rows * cols);
    let piece = ((1 << 16) / rows.max(1)).max(1).next_multiple_of(16);
    for_pieces(&mut out, piece * rows, |i, out| {
        transpose(out, x, rows, cols, i * piece);
    });
    out
}

/// A matrix inside a slice.
#[derive(Clone, Copy)]
pub(super) struct Mat<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_step: usize,
    col_step: usize,
}

impl<'a> Mat<'a> {
    /// Row-major and dense.
    pub(super) fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }

    /// Row-major with `row_step` elements from one row to the next.
    pub(super) fn strided(data: &'a [f32], rows: usize, cols: usize, row_step: usize) -> Self {
        Self {
            data,
            rows,
            cols,
            row_step,
            col_step: 1,
        }
    }

    /// The transposed matrix.
    pub(super) fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_step: self.col_step,
            col_step: self.row_step,
            ..self
        }
    }

    /// Rows `range` of the matrix.
    fn rows(self, range: Range<usize>) -> Self {
        Self {
            data: self
                .data
                .get(range.start * self.row_step..)
                .unwrap_or_default(),
            rows: range.len(),
            ..self
        }
    }

    fn fits(&self) -> bool {
        span(self.rows, self.cols, self.row_step, self.col_step) <= self.data.len()
    }
}

/// How many elements of a slice a matrix reaches over.
fn span(rows: usize, cols: usize, row_step: usize, col_step: usize) -> usize {
    if rows == 0 || cols == 0 {
        0
    } else {
        (rows - 1) * row_step + (cols - 1) * col_step + 1
    }
}

/// `out = a·b`, or `out += a·b`, on this thread; `out` is `[a.rows, b.cols]` with `row_step` elements from one row
/// to the next.
pub(super) fn gemm(out: &mut [f32], row_step: usize, a: Mat<'_>, b: Mat<'_>, add: bool) {
    assert!(
        a.cols == b.rows
            && a.fits()
            && b.fits()
            && row_step >= b.cols
            && span(a.rows, b.cols, row_step, 1) <= out.len(),
        "a matrix product reaches outside its buffers"
    );
    // SAFETY: the assertion keeps every element that gemm reads or writes inside the three slices, and `out` is
    // borrowed mutably, so it overlaps neither input. gemm offers no safe interface.
    unsafe {
        gemm::gemm(
            a.rows,
            b.cols,
            a.cols,
            out.as_mut_ptr(),
            1,
            row_step as isize,
            add,
            a.data.as_ptr(),
            a.col_step as isize,
            a.row_step as isize,
            b.data.as_ptr(),
            b.col_step as isize,
            b.row_step as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// `out = a·b` in parallel over rows, `out` dense and row-major; `then(row, rows)` is called on each finished piece,
/// its first row and its values.
pub(super) fn matmul_then(
    out: &mut [f32],
    a: Mat<'_>,
    b: Mat<'_>,
    then: impl Fn(usize, &mut [f32]) + Sync,
) {
    let (rows, cols) = (a.rows, b.cols);
    let piece = rows_per_piece(rows, a.cols * cols, 16);
    for_pieces(out, piece * cols, |i, out| {
        let start = i * piece;
        let end = (start + piece).min(rows);
        gemm(out, cols, a.rows(start..end), b, false);
        then(start, out);
    });
}

/// `out = a·b` in parallel over rows, `out` dense and row-major.
pub(super) fn matmul(out: &mut [f32], a: Mat<'_>, b: Mat<'_>) {
    matmul_then(out, a, b, |_, _| {});
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;

    fn random(n: usize, seed: u64) -> Vec<f32> {
        (0..n as u64).map(|i| Key::new(seed).normal(i)).collect()
    }

    #[test]
    fn products_agree_with_the_sum_over_k() {
        for (m, k, n) in [(1, 1, 1), (3, 5, 7), (17, 32, 17), (300, 90, 70)] {
            let (a, b) = (random(m * k, 1), random(k * n, 2));
            let at: Vec<f32> = (0..k * m).map(|i| a[i % m * k + i / m]).collect();
            for a in [Mat::new(&a, m, k), Mat::new(&at, k, m).t()] {
                let mut out = zeros(m * n);
                matmul(&mut out, a, Mat::new(&b, k, n));
                gemm(&mut out, n, a, Mat::new(&b, k, n), true);
                for (i, got) in out.iter().enumerate() {
                    let want: f32 = (0..k).map(|l| at[l * m + i / n] * b[l * n + i % n]).sum();
                    assert!((got - 2.0 * want).abs() < 1e-4, "{got} {want}");
                }
            }
        }
    }

    #[test]
    fn sums_over_pieces_take_each_once() {
        let sums = sum_pieces(37, 3, |i, sums| sums[i % 3] += i as f32);
        assert_eq!(sums, [234.0, 210.0, 222.0]);
    }

    #[test]
    #[should_panic(expected = "outside its buffers")]
    fn a_product_that_does_not_fit_is_caught() {
        gemm(
            &mut [0.0; 3],
            2,
            Mat::new(&[0.0; 4], 2, 2),
            Mat::new(&[0.0; 4], 2, 2),
            false,
        );
    }
}
