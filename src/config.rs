//! The configuration: one TOML file, a table per room, each table defined in its room.
//!
//! Nothing has to be set: every key has a default. `RESTANTE_SECTION__KEY=value` in the
//! environment overrides the file. A wrong key or value is refused by its full name.
mod overrides;

use crate::{
    controlling, deferred, http, msrp,
    neighbours::{self, Role},
    overload, participating, policy,
    sdp::Security,
    sip, sip_core, store, telemetry,
};
use serde::{Deserialize, Serialize};
use std::{io, path::Path, path::PathBuf, time::Duration};

/// Everything an operator may set.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The process as a whole.
    pub server: Server,
    /// The servers around this one.
    pub neighbours: neighbours::Config,
    /// SIP: sockets, transactions, dialogs.
    pub sip: sip::Config,
    /// MSRP: listener, sessions, streams.
    pub msrp: msrp::Config,
    /// The store: its threads, its memory.
    pub store: store::Config,
    /// The embedded SIP core: domains, passwords, registrations.
    pub sip_core: sip_core::Config,
    /// Deferred messages: bounds, lifetimes.
    pub deferred: deferred::Config,
    /// Groups: how large, how many, who may send.
    pub controlling: controlling::Config,
    /// Calls: how long they ring, idle, and are tried again.
    pub participating: participating::Config,
    /// What is refused while there is too much to do.
    pub overload: overload::Config,
    /// Decisions left to the operator.
    pub policy: policy::Config,
    /// The HTTP port: health, metrics, admin API.
    pub http: http::Config,
    /// The log.
    pub log: telemetry::Config,
    /// The record of all that passes the sockets.
    pub trace: telemetry::trace::Config,
    /// The same for a Homer collector.
    pub hep: telemetry::hep::Config,
    /// Spans for a collector of traces.
    pub otlp: telemetry::otlp::Config,
}

/// The process as a whole: the `[server]` table.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Name of this node in logs, traces and captures; the address where SIP is listened to if
    /// empty.
    pub node: String,
    /// Folder of the store, of the admin token and of the keys of the relay.
    pub data: PathBuf,
    /// The functions this node plays; its neighbours play the others.
    pub roles: Vec<Role>,
    /// Arbiters (threads) that carry SIP and MSRP; 0 means one per processor core.
    pub shards: usize,
    /// How long calls and transfers may take to end after SIGTERM.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    /// How long the system's clock must show the same time of day after a jump before it is
    /// believed. Until then time goes on as if it had not jumped, so that nothing expires early.
    #[serde(with = "humantime_serde")]
    pub clock_settle: Duration,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            node: String::new(),
            data: PathBuf::from("restante-data"),
            roles: Role::ALL.to_vec(),
            shards: 0,
            grace: Duration::from_secs(10),
            clock_settle: Duration::from_secs(3600),
        }
    }
}

impl Server {
    /// Where the store is, below the data folder.
    pub fn store_folder(&self) -> PathBuf {
        self.data.join("store")
    }

    /// Two hex digits of an MSRP session id name the shard.
    const MAX_SHARDS: usize = 256;

    fn check(&self) -> Result<(), Wrong> {
        if self.roles.is_empty() {
            return Err(("server.roles", "at least one role"));
        }
        let plays = |role| self.roles.contains(&role);
        let others = plays(Role::Deferred) || plays(Role::Controlling);
        if plays(Role::SipCore) && !plays(Role::Participating) && others {
            // what comes from the home server is for a device, or is it to be kept?
            let expected = "with participating too, or with sip_core at a node of its own";
            return Err(("server.roles", expected));
        }
        match self.shards <= Self::MAX_SHARDS {
            true => Ok(()),
            false => Err(("server.shards", "at most 256")),
        }
    }
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file is no TOML.
    #[error("not TOML: {0}")]
    Syntax(String),
    /// A key is unknown, or its value has the wrong shape.
    #[error("`{key}`: {reason}")]
    Key {
        /// The full name, like `sip.listen`.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A value has the right shape, but makes no sense.
    #[error("`{key}` must be {expected}, got {got}")]
    OutOfRange {
        /// The full name, like `sip.listen`.
        key: &'static str,
        /// What would be right.
        expected: &'static str,
        /// What stands there.
        got: String,
    },
}

/// What a room's own check says of a value: its key, and what it must be.
type Wrong = (&'static str, &'static str);

impl Config {
    /// Reads `file` (if any), then lets the environment override it, and checks the whole.
    ///
    /// Errors: `Unreadable`, `Syntax`, or `Key` / `OutOfRange` naming the key.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let text = match file {
            None => String::new(),
            Some(path) => {
                let path = path.to_owned();
                std::fs::read_to_string(&path)
                    .map_err(|error| ConfigError::Unreadable { path, error })?
            }
        };
        Self::parse(&text, std::env::vars())
    }

    /// Reads the TOML in `text`, overridden by those `variables` that are named
    /// `RESTANTE_SECTION__KEY`.
    ///
    /// Errors: `Syntax`, or `Key` / `OutOfRange` naming the key.
    pub fn parse(
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| ConfigError::Syntax(error.to_string()))?;
        read_table(&table)?;
        for variable in overrides::find(variables) {
            table = variable.apply(table, |table| read_table(table).map(drop))?;
        }
        let config = read_table(&table)?;
        config.check()?;
        Ok(config)
    }

    /// The configuration as a TOML file that says the same.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).unwrap_or_else(|error| format!("# cannot be written: {error}"))
    }

    /// The name of this node.
    pub fn node_name(&self) -> String {
        match self.server.node.is_empty() {
            true => self.sip.listen.to_string(),
            false => self.server.node.clone(),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.log.check().map_err(|error| ConfigError::Key {
            key: "log.filter".into(),
            reason: error.to_string(),
        })?;
        let checks = [
            self.server.check(),
            self.sip.check(),
            self.msrp.check(),
            self.store.check(),
            self.deferred.check(),
            self.controlling.check(),
            self.hep.check(),
            self.otlp.check(),
            self.overload.check(),
            self.check_groups(),
            self.check_media(),
        ];
        match checks.into_iter().find_map(Result::err) {
            None => Ok(()),
            Some((key, expected)) => Err(ConfigError::OutOfRange {
                key,
                expected,
                got: self.value_of(key),
            }),
        }
    }

    /// The groups named here must be ours.
    fn check_groups(&self) -> Result<(), Wrong> {
        let mut groups = self.controlling.groups.iter();
        let is_ours = |domain: &str| self.sip_core.is_ours(domain);
        match groups.all(|group| group.address.domain().is_some_and(is_ours)) {
            true => Ok(()),
            false => Err(("controlling.groups", "groups in `sip_core.domains`")),
        }
    }

    /// TLS can be demanded of the media only where peers can come by TLS.
    fn check_media(&self) -> Result<(), Wrong> {
        let is_required = self.participating.media_security == Security::Required;
        match is_required && self.msrp.tls_listen.is_none() {
            true => Err((
                "msrp.tls_listen",
                "set, because participating.media_security is required",
            )),
            false => Ok(()),
        }
    }

    /// The value of the key with this full name, as it would be written.
    fn value_of(&self, key: &str) -> String {
        let table = toml::Table::try_from(self).unwrap_or_default();
        let mut path = key.split('.');
        let section = path.next().and_then(|section| table.get(section));
        let value = path.fold(section, |table, key| table?.get(key));
        value.map_or_else(|| "nothing".into(), ToString::to_string)
    }
}

/// Deserialises `table`, naming the key that is wrong.
fn read_table(table: &toml::Table) -> Result<Config, ConfigError> {
    serde_path_to_error::deserialize(table.clone()).map_err(|error| {
        let reason = error.inner().message().to_owned();
        let path = error.path().to_string();
        ConfigError::Key {
            key: full_key(&path, &reason),
            reason,
        }
    })
}

/// The path, with the name of an unknown field, which serde mentions in the reason only.
fn full_key(path: &str, reason: &str) -> String {
    let unknown = reason
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split('`').next());
    match (path.trim_end_matches(['.', '?']), unknown) {
        ("", Some(name)) => name.to_owned(),
        (path, Some(name)) if path.rsplit('.').next() != Some(name) => format!("{path}.{name}"),
        (path, _) => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::parse(text, variables).map_err(|error| error.to_string())
    }

    #[test]
    fn empty_file_gives_the_defaults() {
        let config = parse("", &[]).unwrap();
        assert_eq!(config.to_toml(), Config::default().to_toml());
    }

    #[test]
    fn defaults_survive_writing_and_reading() {
        let default = Config::default();
        let read = parse(&default.to_toml(), &[]).unwrap();
        assert_eq!(format!("{read:?}"), format!("{default:?}"));
    }

    #[test]
    fn misspelt_key_is_refused_by_its_full_name() {
        let error = parse("[server]\ngraze = \"3s\"", &[]).unwrap_err();
        assert!(
            error.starts_with("`server.graze`: unknown field"),
            "{error}"
        );
        assert!(error.contains("grace"), "{error}");
    }

    #[test]
    fn misspelt_table_is_refused_by_its_name() {
        let error = parse("[sipp]\n", &[]).unwrap_err();
        assert!(error.starts_with("`sipp`: unknown field"), "{error}");
    }

    #[test]
    fn wrong_value_is_refused_by_its_full_name() {
        let error = parse("[server]\ngrace = \"soon\"", &[]).unwrap_err();
        assert!(error.starts_with("`server.grace`"), "{error}");
    }

    #[test]
    fn value_out_of_range_is_refused_by_its_full_name() {
        let error = parse("[server]\nshards = 1000", &[]).unwrap_err();
        assert_eq!(error, "`server.shards` must be at most 256, got 1000");
        let error = parse("[store]\nreaders = 0", &[]).unwrap_err();
        assert_eq!(error, "`store.readers` must be at least 1, got 0");
    }

    #[test]
    fn environment_overrides_the_file() {
        let variables = [
            ("RESTANTE_SERVER__GRACE", "45s"),
            ("RESTANTE_SERVER__SHARDS", "3"),
            ("RESTANTE_HTTP__LISTEN", "127.0.0.1:9999"),
            ("RESTANTE_DATA", "not an override: no section"),
            ("HOME", "/root"),
        ];
        let config = parse("[server]\ngrace = \"5s\"", &variables).unwrap();
        assert_eq!(config.server.grace, Duration::from_secs(45));
        assert_eq!(config.server.shards, 3);
        assert_eq!(config.http.listen.port(), 9999);
    }

    #[test]
    fn number_in_the_environment_may_be_meant_as_text() {
        let config = parse("", &[("RESTANTE_SERVER__DATA", "42")]).unwrap();
        assert_eq!(config.server.data, PathBuf::from("42"));
    }

    #[test]
    fn core_without_a_home_server_stands_alone() {
        let roles = |text: &str| parse(&format!("[server]\nroles = {text}"), &[]);
        assert!(roles("[\"sip_core\"]").is_ok());
        assert!(roles("[\"deferred\", \"controlling\"]").is_ok());
        let error = roles("[\"sip_core\", \"deferred\"]").unwrap_err();
        assert!(
            error.starts_with("`server.roles` must be with participating"),
            "{error}"
        );
        assert!(roles("[]").is_err());
    }

    #[test]
    fn wrong_variable_is_refused_by_its_key() {
        let error = parse("", &[("RESTANTE_SERVER__SHARD", "3")]).unwrap_err();
        assert!(error.starts_with("`server.shard`"), "{error}");
    }
}
