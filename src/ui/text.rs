//! Text on its way to the terminal: nothing from data reaches it raw, and columns stay aligned.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// `text` as it may be shown: control characters (escapes among them) become `�`, marks that reorder or hide
/// text are dropped, and a combining mark with nothing before it is put on a dotted circle.
pub fn clean(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' | '\n' | '\r' => shown.push(' '),
            c if c.is_control() => shown.push('\u{fffd}'),
            c if is_invisible(c) => {}
            c => {
                let combining = c.width() == Some(0);
                if combining && (shown.is_empty() || shown.ends_with(' ')) {
                    shown.push('◌');
                }
                shown.push(c);
            }
        }
    }
    shown
}

/// Marks that turn the direction of text, join, hide or select: they move columns or fool the reader.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Columns that `text` takes once cleaned.
pub fn width(text: &str) -> usize {
    // What most names are made of needs no tables.
    if text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return text.len();
    }
    UnicodeWidthStr::width(clean(text).as_str())
}

/// `text` cleaned and cut to `columns`, with `…` where something is missing.
pub fn fit(text: &str, columns: usize) -> String {
    let text = clean(text);
    if UnicodeWidthStr::width(text.as_str()) <= columns {
        return text;
    }
    let mut cut = String::new();
    let mut used = 0;
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w + 1 > columns {
            break;
        }
        used += w;
        cut.push(c);
    }
    if columns > 0 {
        cut.push('…');
    }
    cut
}

/// `text` cleaned and without its first `columns`, as where it is scrolled sideways.
pub fn without(text: &str, columns: usize) -> String {
    let mut gone = 0;
    let kept = |c: &char| {
        let here = gone >= columns;
        gone += c.width().unwrap_or(0);
        here
    };
    clean(text).chars().filter(kept).collect()
}

/// As [`fit`], but cut at the front: the end of a path says more than its beginning.
pub fn fit_end(text: &str, columns: usize) -> String {
    let text = clean(text);
    if UnicodeWidthStr::width(text.as_str()) <= columns {
        return text;
    }
    let mut kept: Vec<char> = Vec::new();
    let mut used = 1;
    for c in text.chars().rev() {
        let w = c.width().unwrap_or(0);
        if used + w > columns {
            break;
        }
        used += w;
        kept.push(c);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept.into_iter().rev().collect()
}

/// `text` in lines of at most `columns`, broken at spaces where possible.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in clean(text).split_whitespace() {
        let joined = width(&line) + usize::from(!line.is_empty()) + width(word);
        if joined > columns && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&fit(word, columns));
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// A fraction in percent with one decimal, `—` where there is none.
pub fn percent(fraction: f64) -> String {
    if fraction.is_finite() {
        format!("{:.1}", 100.0 * fraction)
    } else {
        "—".into()
    }
}

/// A difference of fractions in points with its sign, `—` where there is none. A true minus is as wide as a digit.
pub fn points(difference: f64) -> String {
    signed((1000.0 * difference).round() / 10.0, 1)
}

/// As [`points`], without a decimal.
pub fn whole_points(difference: f64) -> String {
    signed((100.0 * difference).round(), 0)
}

fn signed(shown: f64, decimals: usize) -> String {
    match shown {
        x if !x.is_finite() => "—".into(),
        x if x < 0.0 => format!("−{:.decimals$}", -x),
        x => format!("{:.decimals$}", x.abs()),
    }
}

/// A number in [-1, 1] without its leading zero, as probabilities and correlations are printed.
pub fn ratio(x: f64, decimals: usize) -> String {
    if !x.is_finite() {
        return "—".into();
    }
    let text = format!("{:.decimals$}", x.abs());
    let sign = if x < 0.0 && text.chars().any(|c| c.is_ascii_digit() && c != '0') {
        "−"
    } else {
        ""
    };
    format!("{sign}{}", text.strip_prefix('0').unwrap_or(&text))
}

/// Seconds as `m:ss` or `h:mm:ss`.
pub fn clock(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "—".into();
    }
    let s = seconds.round() as u64;
    if s >= 3600 {
        format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    } else {
        format!("{}:{:02}", s / 60, s % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_hidden_marks_never_pass() {
        assert_eq!(clean("a\u{1b}[31mb\u{7}\u{9b}c"), "a�[31mb��c");
        assert_eq!(clean("x\u{202e}y\u{2066}z\u{200f}\u{feff}"), "xyz");
        assert_eq!(clean("two\nlines\tand"), "two lines and");
        assert_eq!(clean("\u{301}e\u{301}"), "◌\u{301}e\u{301}");
        assert_eq!(clean("か゛ א Я"), "か゛ א Я");
    }

    #[test]
    fn text_is_cut_by_columns_and_not_by_characters() {
        assert_eq!(fit("parity", 6), "parity");
        assert_eq!(fit("lower-thirds", 7), "lower-…");
        assert_eq!(fit("ひらがな", 5), "ひら…");
        assert_eq!(fit("ひらがな", 4), "ひ…");
        assert_eq!(fit("x", 0), "");
        assert_eq!(fit_end("runs/demo-s0-1", 9), "…emo-s0-1");
        assert_eq!(width("ひA"), 3);
        assert_eq!(without("ひらがな", 4), "がな");
        assert_eq!(without("abc", 0), "abc");
        assert_eq!(without("abc", 9), "");
    }

    #[test]
    fn numbers_keep_their_form() {
        assert_eq!(percent(0.9747), "97.5");
        assert_eq!(percent(f64::NAN), "—");
        assert_eq!(points(-0.0304), "−3.0");
        assert_eq!(points(-0.0001), "0.0");
        assert_eq!(ratio(0.0016, 4), ".0016");
        assert_eq!(ratio(-0.41, 2), "−.41");
        assert_eq!(ratio(1.0, 2), "1.00");
        assert_eq!(clock(61.2), "1:01");
        assert_eq!(clock(3725.0), "1:02:05");
    }

    #[test]
    fn wrapped_lines_fit() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbreakable", 5), ["unbr…"]);
    }
}
