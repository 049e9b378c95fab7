//! The settings as the program reads them: `pentimento keys`, and what cannot be.

use assert_cmd::Command as Process;
use predicates::str::{contains, starts_with};

fn program(home: &std::path::Path) -> Process {
    let mut process = Process::new(env!("CARGO_BIN_EXE_pentimento"));
    process.env("HOME", home).env_remove("XDG_CONFIG_HOME");
    for name in ["CONFIG", "THEME", "MARKER"] {
        process.env_remove(format!("PENTIMENTO_{name}"));
    }
    process
}

#[test]
fn the_keys_that_are_printed_can_be_set() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/pentimento");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("config.toml");
    let printed = |process: &mut Process| {
        let output = process.arg("keys").assert().success().get_output().clone();
        String::from_utf8(output.stdout).unwrap()
    };
    let before = printed(&mut program(home.path()));
    let place = format!(
        "# The settings file: {} (there is none yet)\n",
        file.display()
    );
    assert!(before.starts_with(&place), "{before}");
    assert!(before.contains("\n[keys.run]\n"), "{before}");
    std::fs::write(
        &file,
        before.replace("step = [\"s\"]", "step = [\"S\", \"f9\"]"),
    )
    .unwrap();
    let after = printed(&mut program(home.path()));
    assert!(after.contains("step = [\"S\", \"f9\"]"), "{after}");
    assert_eq!(after.lines().count(), before.lines().count());
}

#[test]
fn settings_that_cannot_be_are_the_users_mistake() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("mine.toml");
    std::fs::write(&file, "theme = 'dark'\n[keys]\nstpe = 'x'\n").unwrap();
    let said = "mine.toml, line 3: no action is called \"stpe\" (did you mean `step`?)";
    let mut wrong = program(home.path());
    let wrong = wrong.arg("keys").env("PENTIMENTO_CONFIG", &file).assert();
    wrong.code(2).stdout("").stderr(contains(said));
    let mut missing = program(home.path());
    let missing = missing
        .arg("keys")
        .env("PENTIMENTO_CONFIG", "no-such-file")
        .assert();
    missing
        .code(2)
        .stderr(starts_with("pentimento: no-such-file: "));
    let mut theme = program(home.path());
    let theme = theme.arg("keys").env("PENTIMENTO_THEME", "drak").assert();
    theme.code(2).stderr(contains("did you mean `dark`?"));
}
