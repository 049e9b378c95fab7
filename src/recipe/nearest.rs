//! What somebody may have meant: the nearest of the known names.

/// ` (did you mean `x`?)` for the nearest name if it is near enough, otherwise nothing.
pub(crate) fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(name, known) {
        Some(near) => format!(" (did you mean `{near}`?)"),
        None => String::new(),
    }
}

/// The nearest name by edits, if no more than a third of the letters would have to change.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|k| (edits(name, k), k))
        .filter(|(n, k)| *n <= 1.max(name.len().max(k.len()) / 3))
        .min_by_key(|(n, _)| *n)
        .map(|(_, k)| k)
}

/// Insertions, deletions, replacements and swaps of neighbours between two words: the restricted distance
/// of Damerau (1964).
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let width = b.len() + 1;
    let mut d = vec![0; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..width {
            d[i * width + j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = d[(i - 1) * width + j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = replaced
                    .min(d[(i - 1) * width + j] + 1)
                    .min(d[i * width + j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(d[(i - 2) * width + j - 2] + 1);
                }
                best
            };
        }
    }
    d[a.len() * width + b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_count_swaps_once() {
        for (a, b, n) in [
            ("", "", 0),
            ("rank", "rank", 0),
            ("rnak", "rank", 1),
            ("rang", "rank", 1),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(edits(a, b), n, "{a} {b}");
            assert_eq!(edits(b, a), n, "{b} {a}");
        }
    }

    #[test]
    fn far_names_are_not_suggested() {
        let known = ["rank", "alpha", "dropout"];
        assert_eq!(nearest("ranks", known), Some("rank"));
        assert_eq!(nearest("drop-out", known), Some("dropout"));
        assert_eq!(nearest("colour", known), None);
    }
}
