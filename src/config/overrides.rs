//! `RESTANTE_SECTION__KEY=value`: what the environment says about the configuration.
use toml::{Table, Value};

const PREFIX: &str = "RESTANTE_";

/// One override.
pub(super) struct Override {
    path: Vec<String>,
    value: String,
}

/// The overrides among `variables`, in the order of their names.
pub(super) fn find(variables: impl IntoIterator<Item = (String, String)>) -> Vec<Override> {
    let mut found: Vec<Override> = variables
        .into_iter()
        .filter_map(|(name, value)| {
            let key = name.strip_prefix(PREFIX)?.to_lowercase();
            let path: Vec<String> = key.split("__").map(str::to_owned).collect();
            (path.len() > 1).then_some(Override { path, value })
        })
        .collect();
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

impl Override {
    /// Sets the value in `table`: as TOML (`3`, `true`, `["a", "b"]`) if `accepts` likes that,
    /// else as plain text.
    ///
    /// Errors: what `accepts` said about the plain text.
    pub(super) fn apply<E>(
        &self,
        table: Table,
        accepts: impl Fn(&Table) -> Result<(), E>,
    ) -> Result<Table, E> {
        if let Some(value) = as_toml(&self.value) {
            let with_value = set(table.clone(), &self.path, value);
            if accepts(&with_value).is_ok() {
                return Ok(with_value);
            }
        }
        let with_text = set(table, &self.path, Value::String(self.value.clone()));
        accepts(&with_text).map(|()| with_text)
    }
}

fn as_toml(value: &str) -> Option<Value> {
    let mut table: Table = format!("value = {value}").parse().ok()?;
    table.remove("value")
}

fn set(mut table: Table, path: &[String], value: Value) -> Table {
    let Some((last, sections)) = path.split_last() else {
        return table;
    };
    let mut at = &mut table;
    for section in sections {
        let inner = at
            .entry(section.clone())
            .or_insert_with(|| Value::Table(Table::new()));
        if !inner.is_table() {
            *inner = Value::Table(Table::new());
        }
        let Value::Table(inner) = inner else {
            return table;
        };
        at = inner;
    }
    at.insert(last.clone(), value);
    table
}
