//! The product A·Bᵀ of two matrices whose rows are long: tiles of dot products.
//!
//! gemm copies one of the operands first when the summed axis is contiguous in both, which costs as much as the
//! product itself when the result is small, as a convolution's dW is.

use pulp::{Simd, WithSimd};

use super::math::simd;

/// Rows of A and of B in a tile: 16 accumulators and 5 operands fit the registers of AVX-512.
const TILE: usize = 4;
/// How much of the summed axis is taken at once, so that a tile's rows of B stay in the first cache.
const DEPTH: usize = 512;

/// `out += a·bᵀ`: `a` is `[rows, depth]`, `b` `[cols, depth]`, both dense, `out` `[rows, cols]` dense.
pub(super) fn add_dots(out: &mut [f32], a: &[f32], b: &[f32], depth: usize) {
    let rows = b.len().checked_div(depth).unwrap_or(0);
    let offsets: Vec<usize> = (0..rows).map(|j| j * depth).collect();
    add_dots_shifted(out, a, b, &offsets, depth);
}

/// The same where row `j` of `b` is `b[offsets[j]..][..depth]`: rows may overlap.
pub(super) fn add_dots_shifted(
    out: &mut [f32],
    a: &[f32],
    b: &[f32],
    offsets: &[usize],
    depth: usize,
) {
    if depth > 0 && !offsets.is_empty() {
        pulp::Arch::new().dispatch(AddDots {
            out,
            a,
            b,
            offsets,
            depth,
        });
    }
}

struct AddDots<'a> {
    out: &'a mut [f32],
    a: &'a [f32],
    b: &'a [f32],
    offsets: &'a [usize],
    depth: usize,
}

impl WithSimd for AddDots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            out,
            a,
            b,
            offsets,
            depth,
        } = self;
        let (rows, cols) = (a.len() / depth, offsets.len());
        let out = &mut out[..rows * cols];
        for start in (0..depth).step_by(DEPTH) {
            let end = depth.min(start + DEPTH);
            for j in (0..cols).step_by(TILE) {
                for i in (0..rows).step_by(TILE) {
                    let tile = Tile {
                        out: &mut *out,
                        cols,
                        a: &a[i * depth..],
                        b,
                        offsets: &offsets[j..],
                        depth,
                        start,
                        end,
                        at: (i, j),
                    };
                    match TILE.min(rows - i) {
                        1 => tile.rows::<S, 1>(simd, cols - j),
                        2 => tile.rows::<S, 2>(simd, cols - j),
                        3 => tile.rows::<S, 3>(simd, cols - j),
                        _ => tile.rows::<S, 4>(simd, cols - j),
                    }
                }
            }
        }
    }
}

struct Tile<'a> {
    out: &'a mut [f32],
    cols: usize,
    a: &'a [f32],
    b: &'a [f32],
    offsets: &'a [usize],
    depth: usize,
    start: usize,
    end: usize,
    at: (usize, usize),
}

impl Tile<'_> {
    #[inline(always)]
    fn rows<S: Simd, const R: usize>(self, simd: S, cols: usize) {
        match cols {
            1 => self.run::<S, R, 1>(simd),
            2 => self.run::<S, R, 2>(simd),
            3 => self.run::<S, R, 3>(simd),
            _ => self.run::<S, R, 4>(simd),
        }
    }

    #[inline(always)]
    fn run<S: Simd, const R: usize, const C: usize>(self, simd: S) {
        let part = |from: usize| from + self.start..from + self.end;
        let a: [(&[S::f32s], &[f32]); R] =
            std::array::from_fn(|i| S::as_simd_f32s(&self.a[part(i * self.depth)]));
        let b: [(&[S::f32s], &[f32]); C] =
            std::array::from_fn(|j| S::as_simd_f32s(&self.b[part(self.offsets[j])]));
        // One length for all, so that the loop has no bounds to check.
        let n = a[0].0.len();
        let a_whole: [&[S::f32s]; R] = std::array::from_fn(|i| &a[i].0[..n]);
        let b_whole: [&[S::f32s]; C] = std::array::from_fn(|j| &b[j].0[..n]);
        let mut sums = [[simd.splat_f32s(0.0); C]; R];
        for k in 0..n {
            let b: [S::f32s; C] = std::array::from_fn(|j| b_whole[j][k]);
            for i in 0..R {
                let a = a_whole[i][k];
                for j in 0..C {
                    sums[i][j] = simd.mul_add_e_f32s(a, b[j], sums[i][j]);
                }
            }
        }
        if !a[0].1.is_empty() {
            let b: [S::f32s; C] = std::array::from_fn(|j| simd.partial_load_f32s(b[j].1));
            for i in 0..R {
                let a = simd.partial_load_f32s(a[i].1);
                for j in 0..C {
                    sums[i][j] = simd.mul_add_e_f32s(a, b[j], sums[i][j]);
                }
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            let row = &mut self.out[(self.at.0 + i) * self.cols + self.at.1..][..C];
            for (out, sum) in row.iter_mut().zip(sums) {
                *out += simd.reduce_sum_f32s(*sum);
            }
        }
    }
}

/// Rows and columns of a block while transposing.
const BLOCK: usize = 16;

/// Writes `xᵀ` into `out`: `x` is `[rows, cols]`, its rows `step` apart; those of `out` `[cols, rows]` are `out_step`
/// apart, and what is between them stays.
pub(super) fn transpose(
    out: &mut [f32],
    out_step: usize,
    x: &[f32],
    step: usize,
    rows: usize,
    cols: usize,
) {
    simd(
        #[inline(always)]
        || {
            for c in (0..cols).step_by(BLOCK) {
                let width = BLOCK.min(cols - c);
                for r in (0..rows).step_by(BLOCK) {
                    let height = BLOCK.min(rows - r);
                    let mut block = [[0f32; BLOCK]; BLOCK];
                    for (i, block) in block.iter_mut().enumerate().take(height) {
                        block[..width].copy_from_slice(&x[(r + i) * step + c..][..width]);
                    }
                    for i in 0..width {
                        let out = &mut out[(c + i) * out_step + r..][..height];
                        for (o, row) in out.iter_mut().zip(&block) {
                            *o = row[i];
                        }
                    }
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;

    fn random(n: usize, seed: u64) -> Vec<f32> {
        (0..n as u64).map(|i| Key::new(seed).normal(i)).collect()
    }

    #[test]
    fn dots_of_all_shapes_agree_with_the_sum() {
        for rows in [1, 3, 4, 6, 9] {
            for cols in [1, 2, 5, 7, 8] {
                for depth in [1, 15, 16, 40, 513, 1100] {
                    let (a, b) = (random(rows * depth, 1), random(cols * depth, 2));
                    let mut out = vec![1.0; rows * cols];
                    add_dots(&mut out, &a, &b, depth);
                    for (at, got) in out.iter().enumerate() {
                        let (i, j) = (at / cols, at % cols);
                        let want: f32 = (0..depth)
                            .map(|k| a[i * depth + k] * b[j * depth + k])
                            .sum();
                        assert!((got - want - 1.0).abs() < 2e-4, "{rows} {cols} {depth}");
                    }
                }
            }
        }
    }

    #[test]
    fn transposes_of_all_shapes() {
        for (rows, cols) in [(1, 1), (3, 40), (40, 3), (33, 17)] {
            let (step, out_step) = (cols + 2, rows + 1);
            let x = random(rows * step, 1);
            let mut out = vec![7.0; cols * out_step];
            transpose(&mut out, out_step, &x, step, rows, cols);
            for (at, got) in out.iter().enumerate() {
                let (c, r) = (at / out_step, at % out_step);
                assert_eq!(*got, if r < rows { x[r * step + c] } else { 7.0 });
            }
        }
    }
}
