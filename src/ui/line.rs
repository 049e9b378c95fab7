//! A line of text that is typed, with a cursor in it.

use super::actions::Action;

/// The longest that is typed, in characters: names, paths and regexes are short.
const LONGEST: usize = 400;

/// What is typed, and where the next character goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    text: String,
    /// Bytes before the cursor: between two characters.
    at: usize,
}

impl Line {
    /// A line that begins with `text`, the cursor behind it.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            at: text.len(),
            text,
        }
    }

    /// All of it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What stands before the cursor, and what behind it.
    pub fn parts(&self) -> (&str, &str) {
        self.text.split_at(self.at)
    }

    /// Whether nothing is typed.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Puts a character where the cursor is; control characters are no text.
    pub fn put(&mut self, c: char) {
        if !c.is_control() && self.text.chars().count() < LONGEST {
            self.text.insert(self.at, c);
            self.at += c.len_utf8();
        }
    }

    /// Moves the cursor or takes text away; anything but that leaves the line as it is.
    pub fn edit(&mut self, action: Action) {
        let (before, behind) = self.parts();
        let back = before.chars().next_back().map_or(0, char::len_utf8);
        let on = behind.chars().next().map_or(0, char::len_utf8);
        match action {
            Action::Left => self.at -= back,
            Action::Right => self.at += on,
            Action::LineStart => self.at = 0,
            Action::LineEnd => self.at = self.text.len(),
            Action::Erase => self.erase(back),
            Action::EraseNext => drop(self.text.drain(self.at..self.at + on)),
            Action::EraseWord => self.erase(last_word(before)),
            Action::EraseLine => self.erase(self.at),
            _ => {}
        }
    }

    /// Takes away this many bytes before the cursor.
    fn erase(&mut self, bytes: usize) {
        let from = self.at - bytes;
        self.text.drain(from..self.at);
        self.at = from;
    }
}

/// Bytes from the beginning of the last word; words end at spaces and at what parts of paths and values end with.
fn last_word(text: &str) -> usize {
    let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '=' | ':');
    let kept = text.trim_end_matches(ends);
    let kept = kept.rfind(ends).map_or(0, |at| {
        at + kept[at..].chars().next().map_or(0, char::len_utf8)
    });
    text.len() - kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line after these, its cursor as `|`.
    fn after(text: &str, actions: &[Action]) -> String {
        let mut line = Line::new(text);
        actions.iter().for_each(|action| line.edit(*action));
        let (before, behind) = line.parts();
        format!("{before}|{behind}")
    }

    #[test]
    fn the_cursor_goes_by_characters_and_stays_in_the_line() {
        use Action::{Left, LineEnd, LineStart, Right};
        assert_eq!(after("añ", &[]), "añ|");
        assert_eq!(after("añ", &[Left]), "a|ñ");
        assert_eq!(after("añ", &[Left, Left, Left]), "|añ");
        assert_eq!(after("añ", &[LineStart, Right]), "a|ñ");
        assert_eq!(after("añ", &[LineStart, LineEnd, Right]), "añ|");
        assert_eq!(after("añ", &[Action::Confirm]), "añ|");
    }

    #[test]
    fn text_is_put_and_taken_away_where_the_cursor_is() {
        use Action::{Erase, EraseLine, EraseNext, EraseWord, Left, LineStart};
        let mut line = Line::new("ac");
        line.edit(Left);
        line.put('b');
        line.put('\u{1b}');
        assert_eq!(line.parts(), ("ab", "c"));
        assert_eq!(after("añb", &[Left, Erase]), "a|b");
        assert_eq!(after("añb", &[LineStart, Erase, EraseNext]), "|ñb");
        assert_eq!(after("ab", &[EraseNext]), "ab|");
        assert_eq!(after("ab cd", &[Left, EraseLine]), "|d");
        assert_eq!(after("one two  ", &[EraseWord]), "one |");
        assert_eq!(after("path:runs/demo", &[EraseWord]), "path:runs/|");
        assert_eq!(after("path:runs/", &[EraseWord, EraseWord]), "|");
        assert_eq!(after("", &[EraseWord, EraseLine, Erase, Left]), "|");
    }

    #[test]
    fn a_line_ends_somewhere() {
        let mut line = Line::default();
        (0..2 * LONGEST).for_each(|_| line.put('é'));
        assert_eq!(line.text().chars().count(), LONGEST);
        assert_eq!(line.parts().1, "");
    }
}
