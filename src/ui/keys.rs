//! Keys, as every terminal and tmux can send them.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character; capitals are characters of their own.
    Char(char),
    /// ↑
    Up,
    /// ↓
    Down,
    /// ←
    Left,
    /// →
    Right,
    /// Shift and ↑
    ShiftUp,
    /// Shift and ↓
    ShiftDown,
    /// Page up
    PageUp,
    /// Page down
    PageDown,
    /// Home
    Home,
    /// End
    End,
    /// Tab
    Tab,
    /// Shift and Tab
    BackTab,
    /// Enter
    Enter,
    /// Escape
    Esc,
    /// Backspace
    Backspace,
    /// Delete
    Delete,
    /// Control and C
    Interrupt,
    /// Control and a letter, in lower case
    Control(char),
    /// F1 to F12
    Function(u8),
}

/// Keys with names of their own, as the settings write them, and as the footer, the help and the README do.
const NAMED: [(&str, Key, &str); 17] = [
    ("space", Key::Char(' '), "Space"),
    ("up", Key::Up, "↑"),
    ("down", Key::Down, "↓"),
    ("left", Key::Left, "←"),
    ("right", Key::Right, "→"),
    ("shift-up", Key::ShiftUp, "Shift-↑"),
    ("shift-down", Key::ShiftDown, "Shift-↓"),
    ("pgup", Key::PageUp, "PgUp"),
    ("pgdn", Key::PageDown, "PgDn"),
    ("home", Key::Home, "Home"),
    ("end", Key::End, "End"),
    ("tab", Key::Tab, "Tab"),
    ("shift-tab", Key::BackTab, "Shift-Tab"),
    ("enter", Key::Enter, "Enter"),
    ("esc", Key::Esc, "Esc"),
    ("backspace", Key::Backspace, "Backspace"),
    ("delete", Key::Delete, "Delete"),
];

/// Letters that terminals send for other keys when Control is held: Backspace, Tab, Enter (twice), and C leaves.
const NOT_WITH_CONTROL: [char; 5] = ['c', 'h', 'i', 'j', 'm'];

impl Key {
    /// The key of a terminal's event; `None` for one that nothing is bound to, and for releases.
    pub fn from_event(event: KeyEvent) -> Option<Self> {
        if event.kind == KeyEventKind::Release {
            return None;
        }
        let shift = event.modifiers.contains(KeyModifiers::SHIFT);
        let control = event.modifiers.contains(KeyModifiers::CONTROL);
        Some(match event.code {
            KeyCode::Char('c') if control => Self::Interrupt,
            KeyCode::Char(_) if event.modifiers.contains(KeyModifiers::ALT) => return None,
            KeyCode::Char(c) if control => Self::Control(c.to_ascii_lowercase()),
            KeyCode::Char(c) => Self::Char(c),
            KeyCode::F(n) => Self::Function(n),
            KeyCode::Up if shift => Self::ShiftUp,
            KeyCode::Down if shift => Self::ShiftDown,
            KeyCode::Up => Self::Up,
            KeyCode::Down => Self::Down,
            KeyCode::Left => Self::Left,
            KeyCode::Right => Self::Right,
            KeyCode::PageUp => Self::PageUp,
            KeyCode::PageDown => Self::PageDown,
            KeyCode::Home => Self::Home,
            KeyCode::End => Self::End,
            KeyCode::BackTab => Self::BackTab,
            KeyCode::Tab if shift => Self::BackTab,
            KeyCode::Tab => Self::Tab,
            KeyCode::Enter => Self::Enter,
            KeyCode::Esc => Self::Esc,
            KeyCode::Backspace => Self::Backspace,
            KeyCode::Delete => Self::Delete,
            _ => return None,
        })
    }

    /// The key that the settings call so.
    pub fn of_name(name: &str) -> Option<Self> {
        let mut characters = name.chars();
        if let (Some(c), None) = (characters.next(), characters.next()) {
            return (!c.is_control() && c != ' ').then_some(Self::Char(c));
        }
        let name = name.to_ascii_lowercase();
        let named = NAMED.iter().find(|(own, ..)| *own == name);
        named.map(|(_, key, _)| *key).or_else(|| {
            if let Some(letter) = name.strip_prefix("ctrl-") {
                let letter = letter.parse().ok()?;
                let sent = char::is_ascii_lowercase(&letter) && !NOT_WITH_CONTROL.contains(&letter);
                return sent.then_some(Self::Control(letter));
            }
            let number = name.strip_prefix('f')?.parse().ok()?;
            (1..=12).contains(&number).then_some(Self::Function(number))
        })
    }

    /// What the settings call it.
    pub fn name(self) -> String {
        let named = NAMED.iter().find(|(_, key, _)| *key == self);
        match (named, self) {
            (Some((name, ..)), _) => (*name).into(),
            (None, Self::Char(c)) => c.into(),
            (None, Self::Control(c)) => format!("ctrl-{c}"),
            (None, Self::Function(n)) => format!("f{n}"),
            (None, _) => "ctrl-c".into(),
        }
    }

    /// How it is written in the footer, the help and the README.
    pub fn label(self) -> String {
        let named = NAMED.iter().find(|(_, key, _)| *key == self);
        match (named, self) {
            (Some((.., label)), _) => (*label).into(),
            (None, Self::Char(c)) => c.into(),
            (None, Self::Control(c)) => format!("Ctrl-{}", c.to_ascii_uppercase()),
            (None, Self::Function(n)) => format!("F{n}"),
            (None, _) => "Ctrl-C".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_name_every_key_but_those_that_terminals_do_not_tell_apart() {
        for name in [
            "a",
            "A",
            "/",
            "é",
            "space",
            "shift-tab",
            "pgup",
            "ctrl-p",
            "f1",
            "f12",
        ] {
            let key = Key::of_name(name).unwrap();
            assert_eq!(key.name(), name);
        }
        for (_, key, _) in NAMED {
            assert_eq!(Key::of_name(&key.name()), Some(key));
        }
        assert_eq!(Key::of_name("Ctrl-P"), Some(Key::Control('p')));
        for name in [
            "", " ", "ctrl-c", "ctrl-i", "ctrl-", "ctrl-é", "f0", "f13", "fn", "alt-x", "\u{1b}",
        ] {
            assert_eq!(Key::of_name(name), None, "{name:?}");
        }
    }

    #[test]
    fn control_and_function_keys_come_from_the_terminal() {
        let event = |code, modifiers| Key::from_event(KeyEvent::new(code, modifiers));
        let control = KeyModifiers::CONTROL;
        assert_eq!(event(KeyCode::Char('c'), control), Some(Key::Interrupt));
        assert_eq!(event(KeyCode::Char('P'), control), Some(Key::Control('p')));
        assert_eq!(
            event(KeyCode::F(5), KeyModifiers::NONE),
            Some(Key::Function(5))
        );
        assert_eq!(event(KeyCode::Char('x'), KeyModifiers::ALT), None);
    }
}
