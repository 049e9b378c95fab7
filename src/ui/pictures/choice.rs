//! What pictures are drawn with: as the user says, or as the terminal's name tells.

use super::super::settings::{Variable, set};

/// How a terminal takes pictures of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Graphics {
    /// Kitty's protocol, its images placed by characters.
    Kitty,
    /// DEC's sixels, six rows of pixels at a time.
    Sixel,
    /// iTerm2's inline files.
    Iterm,
}

/// What a user wants pictures drawn with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// Pixels on terminals that are known to take them.
    #[default]
    Auto,
    /// Half blocks, two pixels a cell.
    Blocks,
    /// Sixels, whatever the terminal is called.
    Sixel,
    /// Kitty's protocol, likewise.
    Kitty,
    /// iTerm2's, likewise.
    Iterm,
}

/// Set by terminals that take no pictures, or not by their name alone.
const OTHERS: [&str; 4] = [
    "VTE_VERSION",
    "XTERM_VERSION",
    "KONSOLE_VERSION",
    "ALACRITTY_WINDOW_ID",
];
/// Set by what lies between the program and the terminal.
const BETWEEN: [&str; 3] = ["TMUX", "STY", "ZELLIJ"];

impl Choice {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Auto,
        Self::Blocks,
        Self::Sixel,
        Self::Kitty,
        Self::Iterm,
    ];

    /// How the settings name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Blocks => "blocks",
            Self::Sixel => "sixel",
            Self::Kitty => "kitty",
            Self::Iterm => "iterm",
        }
    }

    /// What that is on this terminal; `None` for half blocks.
    pub fn graphics(self, variable: Variable) -> Option<Graphics> {
        match self {
            Self::Auto => of_terminal(variable),
            Self::Blocks => None,
            Self::Sixel => Some(Graphics::Sixel),
            Self::Kitty => Some(Graphics::Kitty),
            Self::Iterm => Some(Graphics::Iterm),
        }
    }
}

/// Whether the program runs in tmux, which hands on only what is wrapped for it.
pub fn in_tmux(variable: Variable) -> bool {
    set(variable, "TMUX").is_some()
}

/// What the terminal takes by the names that it gives itself. It is not asked: its answer would come among the keys, and
/// one that gives none would be waited for. `TERM` travels with SSH; what a program in another terminal has inherited is
/// told by that one's own variables.
fn of_terminal(variable: Variable) -> Option<Graphics> {
    let name = |name| variable(name).unwrap_or_default();
    let (term, program) = (name("TERM"), name("TERM_PROGRAM"));
    let between = BETWEEN.iter().any(|name| set(variable, name).is_some());
    if between || term.starts_with("screen") || term.starts_with("tmux") {
        return None;
    }
    match term.as_str() {
        "xterm-kitty" | "xterm-ghostty" => return Some(Graphics::Kitty),
        "mlterm" | "contour" => return Some(Graphics::Sixel),
        "wezterm" => return Some(Graphics::Iterm),
        foot if foot == "foot" || foot.starts_with("foot-") => return Some(Graphics::Sixel),
        _ if OTHERS.iter().any(|name| set(variable, name).is_some()) => return None,
        _ => {}
    }
    match (program.as_str(), name("LC_TERMINAL").as_str()) {
        ("ghostty", _) => Some(Graphics::Kitty),
        ("WezTerm" | "iTerm.app", _) | ("", "iTerm2") => Some(Graphics::Iterm),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(choice: Choice, list: &[(&str, &str)]) -> Option<Graphics> {
        choice.graphics(&|name| {
            let found = list.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn terminals_are_known_by_their_names() {
        let auto = |list: &[(&str, &str)]| on(Choice::Auto, list);
        let known: [(&[(&str, &str)], Graphics); 7] = [
            (&[("TERM", "xterm-kitty")], Graphics::Kitty),
            (&[("TERM_PROGRAM", "ghostty")], Graphics::Kitty),
            (&[("TERM", "foot-direct")], Graphics::Sixel),
            (&[("TERM", "mlterm")], Graphics::Sixel),
            (&[("TERM_PROGRAM", "WezTerm")], Graphics::Iterm),
            (&[("LC_TERMINAL", "iTerm2")], Graphics::Iterm),
            // Kitty was started from another terminal.
            (
                &[("TERM", "xterm-kitty"), ("VTE_VERSION", "7600")],
                Graphics::Kitty,
            ),
        ];
        for (list, graphics) in known {
            assert_eq!(auto(list), Some(graphics), "{list:?}");
        }
        for list in [
            &[][..],
            &[("TERM", "xterm-256color")],
            &[("TERM", "footless")],
            &[
                ("TERM_PROGRAM", "Apple_Terminal"),
                ("LC_TERMINAL", "iTerm2"),
            ],
            // Another terminal was started from WezTerm, from kitty.
            &[("TERM_PROGRAM", "WezTerm"), ("XTERM_VERSION", "XTerm(390)")],
            &[("TERM", "xterm-256color"), ("KITTY_WINDOW_ID", "1")],
            // Something lies between.
            &[("TERM", "xterm-kitty"), ("TMUX", "/tmp/tmux")],
            &[("TERM", "screen"), ("TERM_PROGRAM", "WezTerm")],
            &[("TERM", "foot"), ("ZELLIJ", "0")],
        ] {
            assert_eq!(auto(list), None, "{list:?}");
        }
    }

    #[test]
    fn what_the_user_says_is_done() {
        let kitty = [("TERM", "xterm-kitty")];
        assert_eq!(on(Choice::Blocks, &kitty), None);
        assert_eq!(on(Choice::Sixel, &kitty), Some(Graphics::Sixel));
        let tmux = [("TMUX", "/tmp/tmux"), ("TERM", "tmux-256color")];
        assert_eq!(on(Choice::Kitty, &tmux), Some(Graphics::Kitty));
        assert_eq!(on(Choice::Iterm, &[]), Some(Graphics::Iterm));
    }
}
