//! Matrix products of f32 on one thread.
//!
//! The right-hand matrix is packed into panels of two vectors' width, so that a panel's block stays in the first
//! cache while the rows of the left-hand one pass by; a tile of 12 rows keeps its sums in registers (Goto and van
//! de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 2008). The small matrices of small models
//! gain most: the gemm crate streams an operand from the second cache.
//!
//! Each element is summed over the inner axis in blocks of [`DEPTH`] in order, one multiply-add after the other
//! (fused where the CPU can): its value depends on its row and its column alone, not on what else is in the product.

use std::cell::RefCell;
use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::dots::transpose;

/// Length of a block of the inner axis.
const DEPTH: usize = 256;
/// Rows of the result that are finished before the next, so that they and those of the left-hand matrix stay in the
/// second cache; a multiple of the tiles' rows.
pub(super) const ROWS: usize = 48;
/// Vectors in a panel's row.
const VECTORS: usize = 2;
/// Rows of a tile, where the CPU has 32 registers.
pub(super) const TILE: usize = 12;
/// The sizes that tiles of rows come in.
const TILES: [usize; 5] = [TILE, 6, 4, 2, 1];

/// A matrix inside a slice.
#[derive(Clone, Copy)]
pub(super) struct Mat<'a> {
    data: &'a [f32],
    pub rows: usize,
    pub cols: usize,
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
    pub(super) fn rows(self, range: Range<usize>) -> Self {
        Self {
            data: &self.data[range.start * self.row_step..],
            rows: range.len(),
            ..self
        }
    }
}

thread_local! {
    static SCRATCH: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// A scratch buffer of this thread, at least `n` elements of unknown values: fresh memory would cost page faults at
/// every call. It is to be given to [`give_back`].
fn borrow_scratch(n: usize) -> Vec<f32> {
    let mut buffer = SCRATCH.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < n {
        buffer.resize(n, 0.0);
    }
    buffer
}

fn give_back(buffer: Vec<f32>) {
    SCRATCH.with_borrow_mut(|all| all.push(buffer));
}

/// Lends a scratch buffer of this thread, `n` elements of unknown values. The loans nest.
pub(super) fn with_scratch<R>(n: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = borrow_scratch(n);
    let result = f(&mut buffer[..n]);
    give_back(buffer);
    result
}

/// Columns in a panel on this CPU.
pub(super) fn panel_width() -> usize {
    struct Width;
    impl WithSimd for Width {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            VECTORS * S::F32_LANES
        }
    }
    pulp::Arch::new().dispatch(Width)
}

/// Elements of the packed form of a `[depth, cols]` matrix.
pub(super) fn packed_len(depth: usize, cols: usize, width: usize) -> usize {
    depth * cols.next_multiple_of(width)
}

/// Packs the panel of `b` from column `from` on into `out` `[depth, width]`, zeros beyond the last column.
pub(super) fn pack_panel(out: &mut [f32], b: Mat<'_>, from: usize, width: usize) {
    let cols = width.min(b.cols - from);
    if cols < width {
        out.fill(0.0);
    }
    if b.col_step == 1 {
        for (k, out) in out.chunks_exact_mut(width).enumerate() {
            out[..cols].copy_from_slice(&b.data[k * b.row_step + from..][..cols]);
        }
    } else {
        let data = &b.data[from * b.col_step..];
        transpose(out, width, data, b.col_step, cols, b.rows);
    }
}

/// `out = a·b`, or `out += a·b`; `out` is `[a.rows, b.cols]` with `row_step` elements from one row to the next.
pub(super) fn gemm(out: &mut [f32], row_step: usize, a: Mat<'_>, b: Mat<'_>, add: bool) {
    let width = panel_width();
    with_scratch(packed_len(b.rows, b.cols, width), |panels| {
        if b.rows > 0 {
            for (i, panel) in panels.chunks_exact_mut(b.rows * width).enumerate() {
                pack_panel(panel, b, i * width, width);
            }
        }
        multiply(out, row_step, a, panels, b.cols, add);
    });
}

/// The same with the right-hand matrix packed: `panels` is `[panels, a.cols, panel_width()]`.
pub(super) fn multiply(
    out: &mut [f32],
    row_step: usize,
    a: Mat<'_>,
    panels: &[f32],
    cols: usize,
    add: bool,
) {
    if a.rows == 0 || cols == 0 {
        return;
    }
    if a.cols == 0 {
        if !add {
            for row in out.chunks_mut(row_step).take(a.rows) {
                row[..cols].fill(0.0);
            }
        }
        return;
    }
    pulp::Arch::new().dispatch(Multiply {
        out,
        row_step,
        a,
        b: Whole::Panels(panels),
        cols,
        add,
    });
}

/// The same with a right-hand matrix whose row `k` is `data[offsets[k]..][..cols]`: rows that overlap, as those of a
/// convolution's windows do, need not be copied apart.
pub(super) fn multiply_shifted(
    out: &mut [f32],
    row_step: usize,
    a: Mat<'_>,
    data: &[f32],
    offsets: &[usize],
    cols: usize,
    add: bool,
) {
    assert_eq!(
        a.cols,
        offsets.len(),
        "a product of matrices that do not fit"
    );
    if a.rows > 0 && a.cols > 0 && cols > 0 {
        pulp::Arch::new().dispatch(Multiply {
            out,
            row_step,
            a,
            b: Whole::Shifted { data, offsets },
            cols,
            add,
        });
    }
}

/// The right-hand matrix of a product.
#[derive(Clone, Copy)]
enum Whole<'a> {
    /// `[panels, depth, panel_width()]`.
    Panels(&'a [f32]),
    /// Row `k` begins at `offsets[k]`.
    Shifted {
        data: &'a [f32],
        offsets: &'a [usize],
    },
}

struct Multiply<'a> {
    out: &'a mut [f32],
    row_step: usize,
    a: Mat<'a>,
    b: Whole<'a>,
    cols: usize,
    add: bool,
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let a = self.a;
        if a.col_step == 1 {
            self.run(simd, None);
            return;
        }
        // A transposed left-hand matrix is packed, tile by tile as they will be met.
        // (Not in a closure: the products in it would be compiled without this CPU's instructions.)
        let mut packed = borrow_scratch(a.rows * a.cols);
        for rows in blocks(a.rows, ROWS) {
            for depth in blocks(a.cols, DEPTH) {
                let start = rows.start * a.cols + depth.start * rows.len();
                let packed = &mut packed[start..][..rows.len() * depth.len()];
                for tile in tiles::<S>(rows.len()) {
                    let place = tile.start * depth.len()..tile.end * depth.len();
                    let out = packed[place].chunks_exact_mut(tile.len());
                    for (k, out) in depth.clone().zip(out) {
                        let from = k * a.col_step + (rows.start + tile.start) * a.row_step;
                        if a.row_step == 1 {
                            out.copy_from_slice(&a.data[from..from + tile.len()]);
                        } else {
                            for (r, o) in out.iter_mut().enumerate() {
                                *o = a.data[from + r * a.row_step];
                            }
                        }
                    }
                }
            }
        }
        self.run(simd, Some(&packed));
        give_back(packed);
    }
}

/// `0..n` cut into blocks of `size`.
#[inline(always)]
fn blocks(n: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n)
        .step_by(size)
        .map(move |start| start..n.min(start + size))
}

/// `out += a·b` for an `a` of few rows: `b`, row-major, is read where it is, as packing it would take longer than the
/// product.
pub(super) fn add_few(out: &mut [f32], row_step: usize, a: Mat<'_>, b: Mat<'_>) {
    assert!(
        b.col_step == 1 && a.cols == b.rows,
        "a product of matrices that do not fit"
    );
    let offsets: Vec<usize> = (0..b.rows).map(|k| k * b.row_step).collect();
    multiply_shifted(out, row_step, a, b.data, &offsets, b.cols, true);
}

/// The rows cut into tiles.
#[inline(always)]
fn tiles<S: Simd>(rows: usize) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let left = rows - start;
        let size = TILES
            .into_iter()
            .find(|t| *t <= left && (*t <= 6 || S::REGISTER_COUNT >= 32))?;
        start += size;
        Some(start - size..start)
    })
}

impl Multiply<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S, packed: Option<&[f32]>) {
        let width = VECTORS * S::F32_LANES;
        let (a, depth) = (self.a, self.a.cols);
        for rows in blocks(a.rows, ROWS) {
            for block in blocks(depth, DEPTH) {
                let packed = packed.map(|p| &p[rows.start * depth + block.start * rows.len()..]);
                for from in (0..self.cols).step_by(width) {
                    let right = match self.b {
                        Whole::Panels(panels) => {
                            let panel = &panels[from * depth..(from + width) * depth];
                            Right::Panel(&panel[block.start * width..block.end * width])
                        }
                        Whole::Shifted { data, offsets } => Right::Shifted {
                            data: &data[from..],
                            offsets: &offsets[block.clone()],
                        },
                    };
                    for tile in tiles::<S>(rows.len()) {
                        let first = rows.start + tile.start;
                        let job = Job {
                            out: &mut self.out[first * self.row_step + from..],
                            row_step: self.row_step,
                            cols: width.min(self.cols - from),
                            right,
                            depth: block.len(),
                            add: self.add || block.start > 0,
                        };
                        let left = match packed {
                            Some(packed) => Left::Packed(&packed[tile.start * block.len()..]),
                            None => Left::Rows {
                                data: &a.data[first * a.row_step + block.start..],
                                step: a.row_step,
                            },
                        };
                        job.rows(simd, tile.len(), left);
                    }
                }
            }
        }
    }
}

/// A tile's rows of the left-hand matrix over a block of the inner axis.
#[derive(Clone, Copy)]
enum Left<'a> {
    /// Where they are: `step` elements from one row to the next.
    Rows { data: &'a [f32], step: usize },
    /// `[depth, rows]`.
    Packed(&'a [f32]),
}

/// A tile's columns of the right-hand matrix over a block of the inner axis.
#[derive(Clone, Copy)]
enum Right<'a> {
    /// `[depth, panel_width()]`.
    Panel(&'a [f32]),
    /// Row `k` begins at `offsets[k]`.
    Shifted {
        data: &'a [f32],
        offsets: &'a [usize],
    },
}

/// `sums[r][v] += left(k, r)·right(v)`.
macro_rules! accumulate {
    ($simd:ident, $sums:ident, $rows:ident, $vectors:ident, $left:ident, $k:ident, $right:expr) => {
        let b: [S::f32s; $vectors] = std::array::from_fn(
            #[inline(always)]
            $right,
        );
        for r in 0..$rows {
            let a = $simd.splat_f32s($left($k, r));
            for v in 0..$vectors {
                $sums[r][v] = $simd.mul_add_e_f32s(a, b[v], $sums[r][v]);
            }
        }
    };
}

/// One tile of the result.
struct Job<'a> {
    out: &'a mut [f32],
    row_step: usize,
    cols: usize,
    right: Right<'a>,
    depth: usize,
    add: bool,
}

impl Job<'_> {
    #[inline(always)]
    fn rows<S: Simd>(self, simd: S, rows: usize, left: Left<'_>) {
        match rows {
            TILE => self.left::<S, TILE>(simd, left),
            6 => self.left::<S, 6>(simd, left),
            4 => self.left::<S, 4>(simd, left),
            2 => self.left::<S, 2>(simd, left),
            _ => self.left::<S, 1>(simd, left),
        }
    }

    #[inline(always)]
    fn left<S: Simd, const R: usize>(self, simd: S, left: Left<'_>) {
        // A panel at the right edge may need half of its vectors only.
        let narrow = self.cols <= S::F32_LANES;
        match left {
            Left::Rows { data, step } => {
                let n = self.depth;
                let rows: [&[f32]; R] = std::array::from_fn(|r| &data[r * step..][..n]);
                if narrow {
                    self.tile::<S, R, 1>(
                        simd,
                        #[inline(always)]
                        |k, r| rows[r][k],
                    );
                } else {
                    self.tile::<S, R, 2>(
                        simd,
                        #[inline(always)]
                        |k, r| rows[r][k],
                    );
                }
            }
            Left::Packed(data) => {
                let rows = &data.as_chunks::<R>().0[..self.depth];
                if narrow {
                    self.tile::<S, R, 1>(
                        simd,
                        #[inline(always)]
                        |k, r| rows[k][r],
                    );
                } else {
                    self.tile::<S, R, 2>(
                        simd,
                        #[inline(always)]
                        |k, r| rows[k][r],
                    );
                }
            }
        }
    }

    // Iterators over `sums` keep it in memory instead of in registers, at half the speed.
    #[expect(clippy::needless_range_loop)]
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(
        self,
        simd: S,
        left: impl Fn(usize, usize) -> f32,
    ) {
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        match self.right {
            Right::Panel(panel) => {
                let panel = S::as_simd_f32s(panel).0.as_chunks::<VECTORS>().0;
                let panel = &panel[..self.depth];
                for k in 0..self.depth {
                    accumulate!(simd, sums, R, V, left, k, |v| panel[k][v]);
                }
            }
            Right::Shifted { data, offsets } if self.cols == V * S::F32_LANES => {
                let offsets = &offsets[..self.depth];
                for k in 0..self.depth {
                    let row = S::as_simd_f32s(&data[offsets[k]..][..V * S::F32_LANES]).0;
                    accumulate!(simd, sums, R, V, left, k, |v| row[v]);
                }
            }
            Right::Shifted { data, offsets } => {
                for k in 0..self.depth {
                    let row = &data[offsets[k]..][..self.cols];
                    let part = |v: usize| row.get(v * S::F32_LANES..).unwrap_or_default();
                    accumulate!(simd, sums, R, V, left, k, |v| simd
                        .partial_load_f32s(part(v)));
                }
            }
        }
        // The sums stay in registers above only where every access to them is by a constant; so what follows, which the
        // compiler does not unroll, goes over a copy.
        let mut done = [[simd.splat_f32s(0.0); V]; R];
        for r in 0..R {
            for v in 0..V {
                done[r][v] = sums[r][v];
            }
        }
        let whole = self.cols == V * S::F32_LANES;
        for (sums, out) in done.iter().zip(self.out.chunks_mut(self.row_step)) {
            let out = &mut out[..self.cols];
            if whole {
                for (sum, out) in sums.iter().zip(S::as_mut_simd_f32s(out).0) {
                    *out = if self.add {
                        simd.add_f32s(*out, *sum)
                    } else {
                        *sum
                    };
                }
                continue;
            }
            for (sum, out) in sums.iter().zip(out.chunks_mut(S::F32_LANES)) {
                let sum = if self.add {
                    simd.add_f32s(simd.partial_load_f32s(out), *sum)
                } else {
                    *sum
                };
                simd.partial_store_f32s(out, sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;

    fn random(n: usize, seed: u64) -> Vec<f32> {
        (0..n as u64).map(|i| Key::new(seed).normal(i)).collect()
    }

    fn flipped(x: &[f32], rows: usize, cols: usize) -> Vec<f32> {
        (0..rows * cols)
            .map(|i| x[i % rows * cols + i / rows])
            .collect()
    }

    #[test]
    fn products_of_all_shapes_and_layouts_agree_with_the_sum() {
        for (m, k, n) in [
            (1, 1, 1),
            (3, 5, 7),
            (17, 32, 17),
            (25, 300, 33),
            (12, 16, 32),
            (13, 600, 5),
            (7, 1, 70),
        ] {
            let (a, b) = (random(m * k, 1), random(k * n, 2));
            let (at, bt) = (flipped(&a, m, k), flipped(&b, k, n));
            for left in [Mat::new(&a, m, k), Mat::new(&at, k, m).t()] {
                for right in [Mat::new(&b, k, n), Mat::new(&bt, n, k).t()] {
                    // A gap between the rows of the result, which must stay as it is.
                    let step = n + 3;
                    let mut out = vec![5.0; m * step];
                    gemm(&mut out, step, left, right, false);
                    if right.col_step == 1 {
                        add_few(&mut out, step, left, right);
                    } else {
                        gemm(&mut out, step, left, right, true);
                    }
                    for (at, got) in out.iter().enumerate() {
                        let (i, j) = (at / step, at % step);
                        if j >= n {
                            assert_eq!(*got, 5.0);
                            continue;
                        }
                        let want: f32 = (0..k).map(|l| a[i * k + l] * b[l * n + j]).sum();
                        assert!((got - 2.0 * want).abs() < 2e-4, "{m} {k} {n}: {got} {want}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_element_does_not_depend_on_the_others() {
        let (m, k, n) = (29, 300, 45);
        let (a, b) = (random(m * k, 1), random(k * n, 2));
        let mut all = vec![0.0; m * n];
        gemm(&mut all, n, Mat::new(&a, m, k), Mat::new(&b, k, n), false);
        for i in 0..m {
            let mut row = vec![0.0; n];
            let one = Mat::new(&a, m, k).rows(i..i + 1);
            gemm(&mut row, n, one, Mat::new(&b, k, n), false);
            assert_eq!(row, all[i * n..(i + 1) * n]);
        }
    }

    #[test]
    fn an_empty_inner_axis_gives_zeros() {
        let mut out = vec![1.0; 6];
        gemm(&mut out, 3, Mat::new(&[], 2, 0), Mat::new(&[], 0, 3), true);
        assert_eq!(out, [1.0; 6]);
        gemm(&mut out, 3, Mat::new(&[], 2, 0), Mat::new(&[], 0, 3), false);
        assert_eq!(out, [0.0; 6]);
    }
}
