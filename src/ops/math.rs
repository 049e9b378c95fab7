//! Elementary functions written so that a loop over a slice vectorises, and the dispatch that lets it.

/// Runs `f` compiled for the widest vectors that this CPU has.
#[inline(always)]
pub(super) fn simd<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}

/// `out += x`.
#[inline(always)]
pub(super) fn add(out: &mut [f32], x: &[f32]) {
    for (o, x) in out.iter_mut().zip(x) {
        *o += x;
    }
}

/// Number of partial sums in a reduction of this module: one AVX-512 vector, whatever the CPU, so that only rounding
/// of fused multiply-adds could differ between CPUs. (Matrix products differ between CPUs by more.)
pub(super) const LANES: usize = 16;

/// The sum of `f(i)` over 0..n in [`LANES`] interleaved partial sums, added pairwise.
#[inline(always)]
pub(super) fn sum_by(n: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let whole = n / LANES * LANES;
    let mut i = 0;
    while i < whole {
        for (l, lane) in lanes.iter_mut().enumerate() {
            *lane += f(i + l);
        }
        i += LANES;
    }
    for (l, lane) in lanes.iter_mut().enumerate().take(n - whole) {
        *lane += f(whole + l);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for l in 0..width {
            lanes[l] += lanes[l + width];
        }
        width /= 2;
    }
    lanes[0]
}

#[inline(always)]
pub(super) fn sum(x: &[f32]) -> f32 {
    sum_by(x.len(), |i| x[i])
}

#[inline(always)]
pub(super) fn dot(x: &[f32], y: &[f32]) -> f32 {
    let n = x.len().min(y.len());
    let (x, y) = (&x[..n], &y[..n]);
    sum_by(n, |i| x[i] * y[i])
}

#[inline(always)]
pub(super) fn max(x: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let mut chunks = x.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            *lane = if *v > *lane { *v } else { *lane };
        }
    }
    for (lane, v) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane = if *v > *lane { *v } else { *lane };
    }
    lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

/// eˣ with a relative error below 2e-7, for x down to −87; below that the smallest normal number.
///
/// x = n·ln 2 + r; e^r = 1 + r + r²·p(r), p a minimax polynomial of degree 4 over ±ln 2 / 2 found by Remez's
/// algorithm (error 3e-9).
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Adding 1.5·2²³ rounds to a whole number, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.336_54, 88.376_26);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_HIGH, x);
    let r = n.mul_add(-LN2_LOW, r);
    let p = 0.001_381_459_9_f32;
    let p = p.mul_add(r, 0.008_368_717);
    let p = p.mul_add(r, 0.041_668_39);
    let p = p.mul_add(r, 0.166_665_2);
    let p = p.mul_add(r, 0.499_999_94);
    let y = p.mul_add(r * r, r) + 1.0;
    let power = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    y * f32::from_bits(power.wrapping_add(127) << 23)
}

/// The normal distribution's Φ(x) and φ(x), with an absolute error below 2e-7, and Φ a relative one below 1e-6 down
/// to x = −5, so that GELU's tail is right.
///
/// erfc(z) = exp(−z²)·t·q(t) with t = 1 / (1 + 0.3·z), q a minimax polynomial of degree 8 found by Remez's
/// algorithm over 0 ≤ z ≤ 10 (relative error 2e-8); Φ(x) = erfc(−x/√2) / 2.
#[inline(always)]
pub(super) fn normal(x: f32) -> (f32, f32) {
    const INV_SQRT_TAU: f32 = 0.398_942_3;
    let e = exp(-0.5 * x * x);
    let t = 1.0 / (x.abs() * (0.3 * std::f32::consts::FRAC_1_SQRT_2) + 1.0);
    let q = -0.129_522_73_f32;
    let q = q.mul_add(t, 0.485_562_36);
    let q = q.mul_add(t, -0.512_276_35);
    let q = q.mul_add(t, 0.547_718_05);
    let q = q.mul_add(t, -0.094_649_37);
    let q = q.mul_add(t, 0.214_925_48);
    let q = q.mul_add(t, 0.148_339_32);
    let q = q.mul_add(t, 0.170_715_21);
    let q = q.mul_add(t, 0.169_188);
    let tail = 0.5 * e * t * q;
    let cdf = if x < 0.0 { tail } else { 1.0 - tail };
    (cdf, e * INV_SQRT_TAU)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_right_to_the_last_bits() {
        for i in -8700..=8800 {
            let x = i as f32 * 0.01;
            let want = f64::from(x).exp();
            let error = (f64::from(exp(x)) / want - 1.0).abs();
            assert!(error < 2e-7, "exp({x}): {error}");
        }
        assert!(exp(-1000.0) < 2e-38 && exp(-1000.0) >= 0.0);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn the_normal_distribution_agrees_with_known_values() {
        // Φ to 10 digits (Abramowitz and Stegun, table 26.1).
        for (x, want) in [
            (0.0, 0.5),
            (0.5, 0.691_462_461_3),
            (1.0, 0.841_344_746_1),
            (2.0, 0.977_249_868_1),
            (3.0, 0.998_650_102_0),
            (4.0, 0.999_968_328_8),
        ] {
            let above = f64::from(normal(x).0);
            let below = f64::from(normal(-x).0);
            assert!((above - want).abs() < 2e-7, "Φ({x}) = {above}");
            assert!(
                (below / (1.0 - want) - 1.0).abs() < 2e-6,
                "Φ(-{x}) = {below}"
            );
        }
        let tail = f64::from(normal(-5.0).0);
        assert!((tail / 2.866_515_718_8e-7 - 1.0).abs() < 1e-6, "{tail}");
        assert!((normal(1.0).1 - 0.241_970_72).abs() < 1e-7);
    }

    #[test]
    fn reductions_take_every_element_once() {
        for n in [0usize, 1, 15, 16, 17, 100] {
            let x: Vec<f32> = (0..n).map(|i| i as f32).collect();
            assert_eq!(sum(&x), (n * n.saturating_sub(1) / 2) as f32);
            assert_eq!(dot(&x, &vec![2.0; n]), (n * n.saturating_sub(1)) as f32);
            assert_eq!(
                max(&x),
                if n == 0 {
                    f32::NEG_INFINITY
                } else {
                    (n - 1) as f32
                }
            );
        }
    }
}
