use super::*;
use crate::ui::actions::{Action, Screen};
use crate::ui::theme::Depth;

fn parse(text: &str) -> Result<Settings> {
    Settings::parse(text, "config.toml")
}

fn refusal(text: &str) -> String {
    let error = parse(text).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

#[test]
fn everything_can_be_set() {
    let settings = parse(
        "theme = 'light'\nmarker = 'ascii'\npictures = 'sixel'\nmouse = 'auto'\nhangup = 'stop'\n\
         [keys]\nstep = 'S'\nexport = ['W', 'ctrl-x']\n[keys.matrix]\npreview-lambdas = ['v', 'F5']\n",
    )
    .unwrap();
    assert_eq!(settings.palette, Some(Palette::Light));
    assert_eq!(settings.marker, Some(Marker::Ascii));
    assert_eq!(settings.pictures, Choice::Sixel);
    assert_eq!(settings.mouse, Mouse::Auto);
    assert_eq!(settings.hangup, Hangup::Stop);
    let matrix = Scope::On(Screen::Matrix);
    let mut rows = settings.keys.of_scope(matrix);
    let preview = rows.find(|r| r.binding.name == "preview").unwrap();
    assert_eq!(preview.all_keys(), "v F5 V");
    assert_eq!(settings.keys.of(Action::Export), "W");
    let nothing = parse("").unwrap();
    assert_eq!((nothing.palette, nothing.mouse), (None, Mouse::Off));
    assert_eq!(nothing.pictures, Choice::Auto);
    assert_eq!(nothing.hangup, Hangup::GoOn);
}

#[test]
fn what_cannot_be_is_refused_with_its_line() {
    for (text, sentence) in [
        (
            "\ntehme = 'dark'",
            "config.toml, line 2: no setting is called \"tehme\" (did you mean `theme`?); there are theme, marker, pictures, mouse, hangup, keys",
        ),
        (
            "theme = 'lihgt'",
            "config.toml, line 1: theme: \"lihgt\" is none of dark, light, high-contrast, colour-blind (did you mean `light`?)",
        ),
        (
            "pictures = 'sixels'",
            "config.toml, line 1: pictures: \"sixels\" is none of auto, blocks, sixel, kitty, iterm (did you mean `sixel`?)",
        ),
        (
            "pictures = true",
            "config.toml, line 1: pictures: \"\" is none of auto, blocks, sixel, kitty, iterm",
        ),
        (
            "hangup = 'goon'",
            "config.toml, line 1: hangup: \"goon\" is none of go-on, stop (did you mean `go-on`?)",
        ),
        (
            "mouse = 3",
            "config.toml, line 1: mouse: it is true, false or \"auto\", which is on outside tmux",
        ),
        (
            "[keys]\n\nquit = 'Q'\nstep = 'Ctrl-C'",
            "config.toml, line 4: \"Ctrl-C\" is no key: a character",
        ),
        ("keys = 3", "config.toml, line 1: keys is a table: [keys]"),
        (
            "[keys.matrix]\nnext-figrue = 'g'",
            "config.toml, line 2: no action is called \"next-figrue\" (did you mean `next-figure`?); there are branch, ",
        ),
        (
            "[keys.matirx]\nup = 'g'",
            "config.toml, line 1: no part of the program is called \"matirx\" (did you mean `matrix`?); there are ",
        ),
        (
            "[keys]\nstep = 'x'",
            "config.toml, line 2: keys: \"x\" would mean step and export (everywhere) at one moment",
        ),
        (
            "[keys.typing]\nconfirm = 'x'",
            "config.toml, line 2: confirm: 'x' is typed there",
        ),
        ("theme =", "config.toml, line 1: this is not TOML: "),
    ] {
        let said = refusal(text);
        assert!(said.starts_with(sentence), "{said}\nnot\n{sentence}");
        assert!(!said.contains('\n'), "{said}");
    }
}

/// What `pentimento keys` prints is a settings file that changes nothing.
#[test]
fn the_listing_is_a_settings_file() {
    let own = parse("[keys]\nup = ['i', 'up']\nquit = 'Q'\n").unwrap();
    let again = parse(&own.keys.listing()).unwrap();
    let all = |keys: &Bindings| {
        let rows = keys.rows().iter();
        rows.map(|r| format!("{:?} {}", r.binding.scope, r.all_keys()))
            .collect::<Vec<_>>()
    };
    assert_eq!(all(&again.keys), all(&own.keys));
    let defaults = Bindings::default();
    let same = parse(&defaults.listing()).unwrap();
    assert_eq!(all(&same.keys), all(&defaults));
}

fn variables<'a>(list: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    |name| {
        let found = list.iter().find(|(n, _)| *n == name);
        found.map(|(_, value)| (*value).to_owned())
    }
}

#[test]
fn the_file_is_where_xdg_says_and_the_environment_is_the_last_word() {
    let path =
        |list: &[(&str, &str)]| Settings::path(&variables(list)).map(|p| p.display().to_string());
    assert_eq!(path(&[]), None);
    assert_eq!(
        path(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "there")]).as_deref(),
        Some("/h/.config/pentimento/config.toml")
    );
    assert_eq!(
        path(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]).as_deref(),
        Some("/x/pentimento/config.toml")
    );
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.toml");
    std::fs::write(&file, "theme = 'light'\nmarker = 'dots'\nmouse = 'auto'\n").unwrap();
    let list = [
        ("PENTIMENTO_CONFIG", file.to_str().unwrap()),
        ("PENTIMENTO_THEME", "high-contrast"),
        ("TERM", "xterm-256color"),
    ];
    let settings = Settings::read(&variables(&list)).unwrap();
    let theme = settings.theme(&variables(&list));
    assert_eq!((theme.palette, theme.painted), (Palette::Contrast, true));
    assert_eq!((theme.marker, theme.depth), (Marker::Dots, Depth::Indexed));
    assert!(settings.hears_mouse(&variables(&list)));
    assert!(!settings.hears_mouse(&variables(&[("TMUX", "/tmp/tmux")])));
    let missing = [("PENTIMENTO_CONFIG", "/no/such/file")];
    assert!(Settings::read(&variables(&missing)).is_err());
    let wrong = Settings::read(&variables(&[("PENTIMENTO_MARKER", "asci")])).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "PENTIMENTO_MARKER: \"asci\" is none of braille, dots, ascii (did you mean `ascii`?)"
    );
}

/// Neither the setting nor the terminal's name brings pixels to one that is to show no colours.
#[test]
fn pictures_are_of_pixels_where_the_terminal_takes_them() {
    let shown = |settings: &str, list: &[(&str, &str)]| {
        let settings = parse(settings).unwrap();
        let mut pictures = settings.pictures(&variables(list));
        let unmeasured = pictures.are_shown();
        pictures.measure(Some((8, 16)));
        (unmeasured, pictures.are_shown())
    };
    let kitty = ("TERM", "xterm-kitty");
    assert_eq!(shown("", &[kitty]), (false, true));
    assert_eq!(shown("", &[("TERM", "xterm")]), (false, false));
    assert_eq!(shown("pictures = 'sixel'", &[]), (true, true));
    assert_eq!(shown("pictures = 'blocks'", &[kitty]), (false, false));
    let no_color = ("NO_COLOR", "1");
    assert_eq!(shown("", &[kitty, no_color]), (false, false));
    assert_eq!(shown("pictures = 'kitty'", &[no_color]), (false, false));
}
