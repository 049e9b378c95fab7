//! The last touch of a frame: the theme's own ground, and ASCII for fonts that have no more.

use ratatui::buffer::Buffer;
use ratatui::style::Color;

use super::theme::{Marker, Theme};

/// Gives what has no colour the theme's, and where the user wants ASCII puts it for the program's own signs. Letters
/// of other scripts are data and stay.
pub fn finish(theme: &Theme, buffer: &mut Buffer) {
    if let Some((text, ground)) = theme.ground() {
        for cell in &mut buffer.content {
            // Colours come in pairs but for inks, which lie on the ground.
            if cell.bg == Color::Reset {
                cell.bg = ground;
                if cell.fg == Color::Reset {
                    cell.fg = text;
                }
            }
        }
    }
    if theme.marker == Marker::Ascii {
        let columns = usize::from(buffer.area.width).max(1);
        for row in buffer.content.chunks_mut(columns) {
            for x in 0..row.len() {
                let mut symbol = row[x].symbol().chars();
                let (Some(sign), None) = (symbol.next(), symbol.next()) else {
                    continue;
                };
                if sign.is_ascii() {
                    continue;
                }
                let after = |by: usize| row.get(x + by).and_then(|c| c.symbol().chars().next());
                if let Some(plain) = ascii(sign, after(1), after(2)) {
                    row[x].set_char(plain);
                }
            }
        }
    }
}

/// What stands for a sign in one column; `None` for a letter that is data. Greek letters are the program's own where a
/// figure follows them, or `of`.
fn ascii(sign: char, next: Option<char>, second: Option<char>) -> Option<char> {
    let before_a_figure = next == Some(' ')
        && second.is_some_and(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '−' | 'o' | '='));
    Some(match sign {
        '▸' | '→' | '▶' | '›' | '»' => '>',
        '▤' => '#',
        '◂' | '←' | '◀' | '‹' | '«' => '<',
        '↑' | '▴' | '▲' => '^',
        '↓' | '▾' | '▼' => 'v',
        '…' | '≈' | '±' | '∼' => '~',
        '—' | '–' | '−' | '─' | '╌' | '┄' => '-',
        '━' | '═' => '=',
        '│' | '┃' | '║' | '‖' | '┆' | '┊' => '|',
        '╭' | '╮' | '╰' | '╯' | '┌' | '┐' | '└' | '┘' | '├' | '┤' | '┬' | '┴' | '┼' => {
            '+'
        }
        '·' => '.',
        '•' | '●' | '○' | '∙' => '*',
        '×' | '✗' => 'x',
        '✓' => '+',
        '≤' => '<',
        '≥' => '>',
        '°' => 'o',
        '²' => '2',
        'µ' | 'μ' if next == Some('s') => 'u',
        '\u{fffd}' => '?',
        '▁' => '_',
        '▂' => '.',
        '▃' => '-',
        '▄' | '░' => '=',
        '▅' | '▒' => '+',
        '▆' => '*',
        '▇' | '▓' => '%',
        '█' | '▀' | '■' => '#',
        '□' => 'o',
        // Curves follow the marker; what is left of a curve is a dot.
        '\u{2800}' => ' ',
        '\u{2801}'..='\u{28ff}' => '*',
        'Δ' if matches!(next, Some('W' | 'w')) => 'd',
        'λ' if before_a_figure => 'L',
        'ρ' if before_a_figure => 'r',
        'α' if before_a_figure => 'a',
        'β' if before_a_figure => 'b',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::theme::{Depth, Palette};
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    fn finished(text: &str) -> String {
        let width = text.chars().count() as u16;
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, 1));
        buffer.set_string(0, 0, text, Style::new());
        let theme = Theme {
            marker: Marker::Ascii,
            ..Theme::default()
        };
        finish(&theme, &mut buffer);
        buffer.content.iter().map(|c| c.symbol()).collect()
    }

    #[test]
    fn signs_turn_to_ascii_and_letters_stay() {
        assert_eq!(finished("▸ ‖ΔW‖/‖W‖ 0.4 …"), "> |dW|/|W| 0.4 ~");
        assert_eq!(finished("λ 0.5 λ  λ# ρ −.41"), "L 0.5 λ  λ# r -.41");
        assert_eq!(finished("ρ of drop · B ×3"), "r of drop . B x3");
        assert_eq!(finished("é Я λ"), "é Я λ");
        assert_eq!(finished("╭──╮│±5"), "+--+|~5");
    }

    #[test]
    fn a_chosen_theme_paints_what_has_no_colour() {
        let theme = Theme {
            depth: Depth::True,
            ..Theme::default().with_palette(Palette::Light)
        };
        let mut buffer = Buffer::empty(Rect::new(0, 0, 3, 1));
        buffer.set_string(1, 0, "x", theme.loss(0.9));
        let loss = (buffer[(1, 0)].fg, buffer[(1, 0)].bg);
        finish(&theme, &mut buffer);
        let (text, ground) = theme.ground().unwrap();
        assert_eq!((buffer[(0, 0)].fg, buffer[(0, 0)].bg), (text, ground));
        assert_eq!((buffer[(1, 0)].fg, buffer[(1, 0)].bg), loss);
    }
}
