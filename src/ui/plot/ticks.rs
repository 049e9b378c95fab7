//! Round figures for axes.

/// Round figures from `from` to `to`, about `count` of them (1, 2 or 5 times a power of ten apart).
pub fn ticks(from: f64, to: f64, count: usize) -> Vec<f64> {
    let span = to - from;
    if !span.is_finite() || span <= 0.0 || count == 0 {
        return Vec::new();
    }
    let raw = span / count as f64;
    let power = 10f64.powf(raw.log10().floor());
    let step = power
        * match raw / power {
            r if r <= 1.0 => 1.0,
            r if r <= 2.0 => 2.0,
            r if r <= 5.0 => 5.0,
            _ => 10.0,
        };
    let first = (from / step - 1e-9).ceil() as i64;
    let last = (to / step + 1e-9).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

/// Round figures for an axis of common logarithms from `from` to `to`, at most about `count`, each with its label:
/// 1, 2 and 5 of each power of ten, or 1 and 3, or the powers alone.
pub fn log_ticks(from: f64, to: f64, count: usize) -> Vec<(f64, String)> {
    let span = to - from;
    if !span.is_finite() || span <= 0.0 || count == 0 {
        return Vec::new();
    }
    // Between what floats can be.
    let (first, last) = (from.floor().max(-300.0) as i32, to.ceil().min(300.0) as i32);
    let of = |leads: &[f64], every: usize| -> Vec<f64> {
        let powers = (first..=last).filter(|p| p.rem_euclid(every as i32) == 0);
        let places = powers.flat_map(|p| leads.iter().map(move |l| f64::from(p) + l.log10()));
        let within = from - 1e-9..=to + 1e-9;
        places.filter(|y| within.contains(y)).collect()
    };
    let finer = [&[1.0, 2.0, 5.0][..], &[1.0, 3.0]].map(|leads| of(leads, 1));
    let every = |n: usize| of(&[1.0], n);
    let powers = (1..=600).map(every);
    let found = finer.into_iter().chain(powers).find(|t| t.len() <= count);
    let found = found.filter(|t| t.len() > 1).unwrap_or_else(|| {
        // Less than a power of ten: figures as on any axis.
        let (low, high) = (10f64.powf(from), 10f64.powf(to));
        ticks(low, high, count)
            .into_iter()
            .filter(|v| *v > 0.0)
            .map(f64::log10)
            .collect()
    });
    found.into_iter().map(|y| (y, label(y))).collect()
}

/// Two figures of 10 to the power of `y`.
fn label(y: f64) -> String {
    let value = 10f64.powf(y);
    match y.floor() {
        power if !(-4.0..6.0).contains(&power) => format!("{value:.0e}"),
        power => {
            let decimals = (1.0 - power).clamp(0.0, 6.0) as usize;
            let text = format!("{value:.decimals$}");
            match text.contains('.') {
                true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                false => text,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(0.0, 600.0, 4), [0.0, 200.0, 400.0, 600.0]);
        let figures = ticks(0.83, 1.0, 4);
        assert!(
            (figures[0] - 0.85).abs() < 1e-9 && figures.len() == 4,
            "{figures:?}"
        );
        assert!(ticks(1.0, 1.0, 4).is_empty());
        assert!(ticks(0.0, f64::NAN, 4).is_empty());
    }

    #[test]
    fn logarithms_have_round_figures_too() {
        let labels = |from: f64, to: f64, count| -> Vec<String> {
            let ticks = log_ticks(from.log10(), to.log10(), count);
            ticks.into_iter().map(|t| t.1).collect()
        };
        assert_eq!(
            labels(0.01, 1.0, 8),
            ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1"]
        );
        assert_eq!(labels(0.01, 1.0, 5), ["0.01", "0.03", "0.1", "0.3", "1"]);
        assert_eq!(labels(0.01, 1.0, 3), ["0.01", "0.1", "1"]);
        assert_eq!(
            labels(1e-9, 10.0, 6),
            ["1e-8", "1e-6", "0.0001", "0.01", "1"]
        );
        assert_eq!(labels(0.3, 0.45, 4), ["0.3", "0.35", "0.4", "0.45"]);
        assert_eq!(labels(20_000.0, 90_000.0, 4), ["20000", "50000"]);
        assert!(log_ticks(0.0, f64::NAN, 4).is_empty() && log_ticks(1.0, 1.0, 4).is_empty());
        assert!(log_ticks(-320.0, 308.0, 1).len() <= 2);
    }
}
