//! The configuration table of the README says what the program really does.
use restante::config::{Config, ConfigError};
use std::collections::BTreeMap;

#[test]
fn configuration_table_names_every_key_with_its_default() {
    let table = documented();
    let mut real = BTreeMap::new();
    let config: toml::Table = Config::default().to_toml().parse().expect("valid TOML");
    flatten("", &toml::Value::Table(config), &mut real);
    let missing: Vec<_> = real
        .iter()
        .filter(|(key, value)| table.get(*key) != Some(value))
        .map(|(key, value)| format!("| `{key}` | `{value}` |"))
        .collect();
    assert!(
        missing.is_empty(),
        "README lacks or misstates: {missing:#?}"
    );
    let invented: Vec<_> = table
        .iter()
        .filter(|(key, default)| !real.contains_key(*key) && !is_optional(key, default))
        .collect();
    assert!(invented.is_empty(), "README invents: {invented:#?}");
}

#[test]
fn every_configuration_example_is_understood() {
    let text = readme();
    let examples = text.split("```toml\n").skip(1);
    let mut seen = 0;
    for example in examples {
        let (example, _) = example.split_once("```").expect("it ends");
        Config::parse(example, []).unwrap_or_else(|error| panic!("{example}\n{error}"));
        seen += 1;
    }
    assert!(seen > 0, "README shows no configuration");
}

/// Whether the table calls the key `unset`, and a text may be set for it.
fn is_optional(key: &str, default: &str) -> bool {
    let parts = key.split_once('.');
    default == "unset"
        && parts.is_some_and(|(section, key)| {
            ["x", "127.0.0.1:1", "sip:127.0.0.1", "1GiB"]
                .into_iter()
                .any(|value| {
                    let text = format!("[{section}]\n{key} = \"{value}\"");
                    // known, though it may make no sense alone
                    matches!(
                        Config::parse(&text, []),
                        Ok(_) | Err(ConfigError::OutOfRange { .. })
                    )
                })
        })
}

/// Key and default of every row of the table.
fn documented() -> BTreeMap<String, String> {
    let text = readme();
    let (_, behind) = text
        .split_once("<!-- configuration table")
        .expect("README marks its table");
    behind
        .lines()
        .skip(3)
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| {
            let mut cells = line.split('|').skip(1);
            let code = |cell: &str| cell.trim().trim_matches('`').to_owned();
            Some((code(cells.next()?), code(cells.next()?)))
        })
        .collect()
}

fn flatten(prefix: &str, value: &toml::Value, into: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let dot = if prefix.is_empty() { "" } else { "." };
                flatten(&format!("{prefix}{dot}{key}"), value, into);
            }
        }
        value => {
            into.insert(prefix.to_owned(), value.to_string());
        }
    }
}

fn readme() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    std::fs::read_to_string(path).expect("README is readable")
}
