//! Texts without what is nobody's business: tokens of the hub.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use regex::Regex;

/// Letters of the shortest value that is taken for a secret.
const SHORTEST: usize = 8;

/// The hub's tokens that this program may know, wherever Python's `huggingface_hub` looks for them, the longest first:
/// one may be a part of another one. `variable` gives the environment's variables that are set.
pub fn known(variable: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let home = variable("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = variable("XDG_CACHE_HOME").map(PathBuf::from).or(home);
    let files = [
        variable("HF_TOKEN_PATH").map(PathBuf::from),
        variable("HF_HOME").map(|home| PathBuf::from(home).join("token")),
        cache.map(|cache| cache.join("huggingface/token")),
    ];
    let stored = files
        .into_iter()
        .flatten()
        .filter_map(|f| fs::read_to_string(f).ok());
    let set = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"].map(variable);
    let all = set.into_iter().flatten().chain(stored);
    let mut secrets: Vec<String> = all
        .map(|secret| secret.trim().to_owned())
        .filter(|secret| secret.len() >= SHORTEST)
        .collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}

/// A text with `sign` in the place of these secrets, and of what looks like a token of the hub.
pub fn hidden<'a>(text: &str, secrets: impl IntoIterator<Item = &'a str>, sign: &str) -> String {
    static TOKEN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("hf_[A-Za-z0-9]{8,}").ok());
    let text = { secrets.into_iter() }.fold(text.to_owned(), |text, s| text.replace(s, sign));
    match &*TOKEN {
        Some(token) => token.replace_all(&text, sign).into_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_of_the_environment_or_a_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("hf");
        fs::create_dir(&home).unwrap();
        fs::write(home.join("token"), "stored-token-of-a-file\n").unwrap();
        let variable = |name: &str| match name {
            "HF_TOKEN" => Some("the-token-of-the-environment".to_owned()),
            "HF_HOME" => Some(home.display().to_string()),
            _ => None,
        };
        let secrets = known(&variable);
        let redact = |text: &str, secrets: &[String]| {
            hidden(text, secrets.iter().map(String::as_str), "[secret]")
        };
        let text = "a the-token-of-the-environment b stored-token-of-a-file c hf_abcdEFGH1234 d";
        assert_eq!(redact(text, &secrets), "a [secret] b [secret] c [secret] d");
        assert_eq!(redact("short", &["s".repeat(8)]), "short");
    }
}
