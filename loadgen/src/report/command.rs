//! The command line that made a run.
use std::env;

/// Options whose values are nobody's business.
const SECRETS: [&str; 2] = ["--token", "--password"];

/// The command line of this process as it can be typed again, but for secrets.
pub fn line() -> String {
    told(env::args())
}

fn told(words: impl Iterator<Item = String>) -> String {
    let mut line: Vec<String> = Vec::new();
    let mut is_secret = false;
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((&word, ""));
        let hidden = match (is_secret, SECRETS.contains(&name), value) {
            (true, ..) => "…".to_owned(),
            (false, true, "") => name.to_owned(),
            (false, true, _) => format!("{name}=…"),
            (false, false, _) => quoted(&word),
        };
        is_secret = !is_secret && SECRETS.contains(&name) && value.is_empty();
        line.push(hidden);
    }
    if let Some(program) = line.first_mut() {
        *program = program.rsplit('/').next().unwrap_or_default().to_owned();
    }
    line.join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain =
        |character: char| character.is_alphanumeric() || "-_=.,:/%@+".contains(character);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &[&str]) -> String {
        told(line.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn command_is_told_as_it_can_be_typed_again() {
        let line = [
            "/opt/bin/loadgen",
            "pager",
            "--rate",
            "5000/s",
            "--spawn",
            "restante serve",
        ];
        assert_eq!(
            typed(&line),
            "loadgen pager --rate 5000/s --spawn 'restante serve'"
        );
        assert_eq!(typed(&["loadgen", "a'b"]), "loadgen 'a'\\''b'");
    }

    #[test]
    fn secrets_are_left_out() {
        assert_eq!(
            typed(&["loadgen", "--token", "abc", "--users", "5"]),
            "loadgen --token … --users 5"
        );
        assert_eq!(
            typed(&["loadgen", "--token=abc", "-q"]),
            "loadgen --token=… -q"
        );
    }
}
