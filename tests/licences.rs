//! Every crate in the program may be shipped under our licences.
use serde_json::Value;
use std::process::Command;

/// Licences whose terms are met by shipping their texts.
const ALLOWED: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "0BSD",
    "ISC",
    "Zlib",
    "BSL-1.0",
    "Unicode-3.0",
    "Unlicense",
    "CC0-1.0",
];

/// Crates without a licence expression whose licence file a person has read.
const READ_BY_HAND: &[(&str, &str)] = &[("rsip", "MIT"), ("rsip-derives", "MIT")];

#[test]
fn every_dependency_has_an_allowed_licence() {
    let refused: Vec<String> = packages()
        .iter()
        .filter_map(|package| {
            let name = package["name"].as_str().expect("packages have names");
            let licence = licence_of(name, package);
            (!permitted(&licence)).then(|| format!("{name}: {licence}"))
        })
        .collect();
    assert!(
        refused.is_empty(),
        "licences outside the allow-list: {refused:#?}"
    );
}

#[test]
fn our_own_licence_texts_stand_in_the_repository() {
    let root = env!("CARGO_MANIFEST_DIR");
    for (file, first_words) in [
        ("LICENSE-MIT", "MIT License"),
        ("LICENSE-APACHE", "Apache License"),
    ] {
        let text = std::fs::read_to_string(format!("{root}/{file}")).expect("licence is readable");
        assert!(text.trim_start().starts_with(first_words), "{file}");
    }
}

#[test]
fn a_choice_needs_one_allowed_licence_and_a_sum_needs_all() {
    assert!(permitted("GPL-2.0-only OR MIT"));
    assert!(permitted("Unlicense/MIT"));
    assert!(permitted("(Apache-2.0 OR GPL-3.0) AND BSD-3-Clause"));
    assert!(permitted(
        "Apache-2.0 WITH LLVM-exception AND (MIT OR MPL-2.0)"
    ));
    assert!(!permitted("MIT AND GPL-3.0"));
    assert!(!permitted("MPL-2.0"));
    assert!(!permitted("none stated"));
}

/// The packages of the dependency graph on this platform, as `cargo metadata` tells them.
fn packages() -> Vec<Value> {
    let metadata = output(
        Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked"])
            .args(["--filter-platform", &host_platform()])
            .current_dir(env!("CARGO_MANIFEST_DIR")),
    );
    let metadata: Value = serde_json::from_str(&metadata).expect("cargo metadata writes JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    assert!(
        packages.len() > 50,
        "only {} packages: wrong question",
        packages.len()
    );
    packages.clone()
}

fn host_platform() -> String {
    let version = output(Command::new(env!("CARGO")).arg("-vV"));
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("cargo -vV names the host").to_owned()
}

fn output(command: &mut Command) -> String {
    let out = command.output().expect("cargo starts");
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{command:?}: {errors}");
    String::from_utf8(out.stdout).expect("cargo writes UTF-8")
}

fn licence_of(name: &str, package: &Value) -> String {
    let by_hand = READ_BY_HAND.iter().find(|(read, _)| *read == name);
    match (package["license"].as_str(), by_hand) {
        (Some(expression), _) => expression.to_owned(),
        (None, Some((_, licence))) => (*licence).to_owned(),
        (None, None) => "none stated".to_owned(),
    }
}

/// Evaluates an SPDX expression (`A OR B`, `A AND B`, parentheses; the old `A/B` means OR).
fn permitted(expression: &str) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace(" WITH ", "~");
    let mut words = spaced.split_whitespace().peekable();
    let verdict = choice(&mut words);
    verdict && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn choice(words: &mut Words<'_>) -> bool {
    let mut verdict = sum(words);
    while words.next_if_eq(&"OR").is_some() {
        verdict |= sum(words);
    }
    verdict
}

fn sum(words: &mut Words<'_>) -> bool {
    let mut verdict = licence(words);
    while words.next_if_eq(&"AND").is_some() {
        verdict &= licence(words);
    }
    verdict
}

fn licence(words: &mut Words<'_>) -> bool {
    match words.next() {
        Some("(") => {
            let verdict = choice(words);
            verdict & (words.next() == Some(")"))
        }
        Some(name) => ALLOWED.contains(&name.replace('~', " WITH ").as_str()),
        None => false,
    }
}
