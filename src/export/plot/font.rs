//! The fonts of the figures, and how wide a text is in them.
//!
//! Arimo is as wide as Arial, Helvetica and Liberation Sans to the last letter, so what is laid out with it fits
//! wherever the SVG is opened. Kana are drawn from BIZ UDGothic. `assets/README.md` says where both come from.

use std::sync::{Arc, LazyLock};

use resvg::usvg::fontdb::Database;
use ttf_parser::Face;
use unicode_width::UnicodeWidthStr;

static FILES: [&[u8]; 2] = [
    include_bytes!("../../../assets/fonts/arimo.ttf"),
    include_bytes!("../../../assets/fonts/kana.ttf"),
];

static FONTS: LazyLock<Vec<Face<'static>>> = LazyLock::new(|| {
    let faces = FILES.iter().filter_map(|file| Face::parse(file, 0).ok());
    faces.collect()
});

/// The bundled fonts alone: those of the machine would make other pictures.
pub fn database() -> Arc<Database> {
    static DATABASE: LazyLock<Arc<Database>> = LazyLock::new(|| {
        let mut database = Database::new();
        for file in FILES {
            database.load_font_data(file.to_vec());
        }
        database.set_sans_serif_family("Arimo");
        Arc::new(database)
    });
    DATABASE.clone()
}

/// Width of a text in points, in letters of `size` points. Letters that no bundled font has count as wide as a
/// terminal has them.
pub fn width(text: &str, size: f64) -> f64 {
    text.chars().map(|c| size * advance(c)).sum()
}

/// Width of a character against the size of letters.
fn advance(c: char) -> f64 {
    let known = FONTS.iter().find_map(|font| {
        let advance = font.glyph_hor_advance(font.glyph_index(c)?)?;
        Some(f64::from(advance) / f64::from(font.units_per_em()))
    });
    let cells = || c.encode_utf8(&mut [0; 4]).width() as f64;
    known.unwrap_or_else(|| 0.6 * cells())
}

/// The text, or its beginning and an ellipsis where it is wider than `most` points.
pub fn shortened(text: &str, size: f64, most: f64) -> String {
    if width(text, size) <= most {
        return text.to_owned();
    }
    let mut left = most - width("…", size);
    let kept = text.chars().take_while(|&c| {
        left -= size * advance(c);
        left >= 0.0
    });
    let kept: String = kept.collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_of_the_bundled_data_has_a_glyph() {
        for c in "AZaz09ΑΩαωАЯаяאתぁあんー−→‖ρΔ…–".chars() {
            assert!(FONTS.iter().any(|f| f.glyph_index(c).is_some()), "{c}");
        }
    }

    #[test]
    fn widths_are_those_of_arial() {
        // In units of 1/2048 of the size: 1139 for a figure, 1479 for C, 569 for a blank.
        assert!((width("0", 2048.0) - 1139.0).abs() < 0.5);
        assert!((width("C ", 2048.0) - 1479.0 - 569.0).abs() < 0.5);
    }

    #[test]
    fn long_names_end_in_an_ellipsis() {
        assert_eq!(shortened("short", 8.0, 40.0), "short");
        let text = shortened("a very long name", 8.0, 40.0);
        assert!(text.ends_with('…') && width(&text, 8.0) <= 40.0, "{text}");
        assert_eq!(shortened("abc", 8.0, 1.0), "…");
    }
}
