//! Several real servers as one network: each a process with roles, neighbours and a loopback
//! address of its own, and a device per user.
//!
//! ```text
//! let network = Plan::shape_b().start();
//! network.subscribe(&["alice@a.example", "bob@b.example"]);
//! let alice = network.device("alice@a.example").await.log_in().await;
//! …
//! let capture = network.until(|seen| seen.says("alice → PF-A: BYE")).await;
//! assert_eq!(capture.channels(), ["alice = PF-A", "PF-A = PF-B", "PF-B = C"]);
//! ```
//!
//! SIP is at port 5060 of each address, MSRP at 2855, HTTP at 8080. Networks of tests that run at
//! the same time have different addresses.
mod shapes;

use super::{Server, capture::Capture, user::User};
use bytes::Bytes;
use restante::{
    cli::{child::ServerPlan, loopback::Loopback},
    client::{Config, Content, Mode, Outgoing},
    clock,
    identity::Address,
    sip::transaction::Peer,
    telemetry::trace::Record,
};
use serde_json::{Value, json};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// The password of every subscriber.
pub const PASSWORD: &str = "secret";
/// How long what is waited for may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the traces are looked at meanwhile.
const LOOK: Duration = Duration::from_millis(25);
/// The addresses of trusted servers that are not ours begin here.
const OUTSIDERS: u8 = 100;
/// Looks in a row that find nothing new, after which the traces tell all of what has happened.
const SETTLED: u32 = 4;
/// The addresses of devices begin here; those of servers are below.
const DEVICES: u8 = 128;

/// What a network is to be.
pub struct Plan {
    net: Loopback,
    nodes: Vec<NodePlan>,
}

struct NodePlan {
    name: String,
    roles: Vec<String>,
    domains: Vec<String>,
    config: toml::Table,
}

/// A running network. All processes end with it.
pub struct Network {
    plan: Plan,
    servers: Vec<Server>,
    devices: RefCell<BTreeMap<String, IpAddr>>,
    /// Captures begin here, in microseconds since 1970.
    since: Cell<u64>,
}

impl Plan {
    /// A network without any node.
    pub fn empty() -> Self {
        Self {
            net: Loopback::claim().expect("a free network"),
            nodes: Vec::new(),
        }
    }

    /// Adds a server called `name`.
    pub fn node(mut self, name: &str, roles: &[&str], domains: &[&str]) -> Self {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        self.nodes.push(NodePlan {
            name: name.to_owned(),
            roles: owned(roles),
            domains: owned(domains),
            config: toml::Table::new(),
        });
        self
    }

    /// Sets `key` of the node `name`, named as in the configuration file
    /// (`participating.ring_timeout`).
    pub fn with(mut self, name: &str, key: &str, value: impl Into<toml::Value>) -> Self {
        let at = self.place(name);
        let mut path: Vec<&str> = key.split('.').collect();
        let last = path.pop().expect("a key");
        set(&mut self.nodes[at].config, &path, last, value.into());
        self
    }

    /// Requests of `name` for what `role` does go to the node `to`.
    pub fn neighbour(self, name: &str, role: &str, to: &str) -> Self {
        let uri = self.uri(to);
        self.with(name, &format!("neighbours.{role}"), uri)
    }

    /// Requests of `name` for `domain` go to the node `to`.
    pub fn route(mut self, name: &str, domain: &str, to: &str) -> Self {
        let (at, uri) = (self.place(name), self.uri(to));
        let path = ["neighbours", "domains"];
        set(&mut self.nodes[at].config, &path, domain, uri.into());
        self
    }

    /// The node `name` passes requests on (proxy) instead of joining calls (B2BUA).
    pub fn proxying(self, name: &str) -> Self {
        self.with(name, "participating.mode", "proxy")
    }

    /// The SIP URI of a node.
    pub fn uri(&self, name: &str) -> String {
        format!("sip:{}:5060;transport=tcp", self.ip(name))
    }

    /// The address of a node.
    pub fn ip(&self, name: &str) -> IpAddr {
        self.net.ip(self.place(name) as u8 + 1)
    }

    /// An address, for a server that is none of ours and is trusted all the same.
    pub fn outsider(&self, number: u8) -> IpAddr {
        self.net.ip(OUTSIDERS + number)
    }

    /// Starts all nodes and waits until each is ready.
    pub fn start(self) -> Network {
        let servers = (0..self.nodes.len()).map(|at| self.launch(at)).collect();
        Network {
            plan: self,
            servers,
            devices: RefCell::default(),
            since: Cell::default(),
        }
    }

    fn place(&self, name: &str) -> usize {
        let found = self.nodes.iter().position(|node| node.name == name);
        found.unwrap_or_else(|| panic!("there is no {name}"))
    }

    fn launch(&self, at: usize) -> Server {
        let data = tempfile::tempdir().expect("a temporary folder");
        let config = data.path().join("restante.toml");
        std::fs::write(&config, self.configuration(at, data.path())).expect("a file");
        let plan = ServerPlan {
            program: env!("CARGO_BIN_EXE_restante").into(),
            data: data.path().to_owned(),
            config: Some(config),
            settings: super::unhurried().to_vec(),
        };
        let name = &self.nodes[at].name;
        let process = plan.start();
        let process = process.unwrap_or_else(|error| panic!("{name}: {error}"));
        Server::of(process, data)
    }

    /// The configuration file of a node.
    fn configuration(&self, at: usize, data: &Path) -> String {
        let node = &self.nodes[at];
        let ip = self.ip(&node.name);
        let trusted = format!("{}/25", self.net.ip(0));
        let trace = trace_file(data).display().to_string();
        let mut table = toml::Table::new();
        // a call's dialogs end with it, unless a test wants to see channels being kept
        set(
            &mut table,
            &["participating"],
            "after_use",
            "disconnect".into(),
        );
        add(&mut table, &node.config);
        for (section, key, value) in [
            ("server", "roles", node.roles.clone().into()),
            ("sip", "listen", format!("{ip}:5060").into()),
            ("msrp", "listen", format!("{ip}:2855").into()),
            ("http", "listen", format!("{ip}:8080").into()),
            ("sip_core", "domains", node.domains.clone().into()),
            ("neighbours", "trusted", vec![trusted].into()),
            ("trace", "file", trace.into()),
            ("server", "node", node.name.clone().into()),
        ] {
            set(&mut table, &[section], key, value);
        }
        toml::to_string(&table).expect("plain values")
    }
}

impl Network {
    /// A server.
    pub fn node(&self, name: &str) -> &Server {
        &self.servers[self.plan.place(name)]
    }

    /// A server, to be killed and started again.
    pub fn node_mut(&mut self, name: &str) -> &mut Server {
        &mut self.servers[self.plan.place(name)]
    }

    /// The address of a server or of a device, by its name in captures.
    pub fn ip(&self, name: &str) -> IpAddr {
        let device = self.devices.borrow().get(name).copied();
        device.unwrap_or_else(|| self.plan.ip(name))
    }

    /// Adds subscribers (`bob@b.example`) at every node that serves their domain.
    pub fn subscribe(&self, users: &[&str]) {
        for user in users {
            let document = json!({ "address": format!("sip:{user}"), "password": PASSWORD });
            for server in self.serving(&address(user)) {
                let (status, answer) = server.post("/api/v1/subscribers", &document);
                assert_eq!(status, 201, "{answer}");
            }
        }
    }

    /// Changes the settings of a subscriber at every node that serves his domain.
    pub fn set(&self, user: &str, change: &Value) {
        for server in self.serving(&address(user)) {
            change_subscriber(server, user, change);
        }
    }

    /// Changes the settings of a subscriber at one node.
    pub fn set_at(&self, node: &str, user: &str, change: &Value) {
        change_subscriber(self.node(node), user, change);
    }

    /// What waits for `user` at a node: the identifiers of the messages.
    pub fn waiting(&self, node: &str, user: &str) -> Vec<String> {
        let path = format!("/api/v1/queues/{}", address(user));
        let (_, queue) = self.node(node).get(&path);
        let items = queue["items"].as_array().cloned().unwrap_or_default();
        let id = |item: &Value| item["message_id"].as_str().unwrap_or_default().to_owned();
        items.iter().map(id).collect()
    }

    /// The nodes that serve the domain of a user.
    fn serving(&self, user: &Address) -> impl Iterator<Item = &Server> {
        let domain = user.domain().expect("a domain").to_owned();
        let all = self.plan.nodes.iter().zip(&self.servers);
        let serving = all.filter(move |(node, _)| node.domains.contains(&domain));
        serving.map(|(_, server)| server)
    }

    /// The server where `user` (`bob@b.example`) logs in.
    pub fn home(&self, user: &str) -> &Server {
        let address = address(user);
        let domain = address.domain().expect("a domain").to_owned();
        let is_home = |node: &NodePlan| {
            node.domains.contains(&domain) && node.roles.iter().any(|role| role == "sip_core")
        };
        let at = self.plan.nodes.iter().position(is_home);
        &self.servers[at.unwrap_or_else(|| panic!("{user} has no home"))]
    }

    /// A device of `user`, with an address of its own. In captures the first one is called by the
    /// user part alone, the second one `bob#2`.
    pub async fn device(&self, user: &str) -> User {
        self.device_with(user, |_| {}).await
    }

    /// A device that is configured by `change`.
    pub async fn device_with(&self, user: &str, change: impl FnOnce(&mut Config)) -> User {
        let address = address(user);
        let bind = self.admit(address.user());
        let home = Peer::tcp(self.home(user).sip());
        let configure = |config: &mut Config| {
            config.bind = bind;
            change(config);
        };
        User::at(address, PASSWORD, home, configure, None).await
    }

    /// Calls who has this address `name` in captures.
    pub fn introduce(&self, name: &str, ip: IpAddr) {
        self.devices.borrow_mut().insert(name.to_owned(), ip);
    }

    /// Gives a device or a bare socket of the test an address and a name in captures.
    pub fn admit(&self, name: &str) -> IpAddr {
        let mut devices = self.devices.borrow_mut();
        let same = |known: &&String| known.split('#').next() == Some(name);
        let name = match devices.keys().filter(same).count() {
            0 => name.to_owned(),
            before => format!("{name}#{}", before + 1),
        };
        let ip = self.plan.net.ip(DEVICES + devices.len() as u8);
        devices.insert(name, ip);
        ip
    }

    /// Leaves out of captures what was said before this moment.
    pub fn begin_anew(&self) {
        self.since.set(clock::system_micros());
    }

    /// Who said what to whom so far.
    pub fn capture(&self) -> Capture {
        let mut names = BTreeMap::new();
        let mut records = Vec::new();
        for (node, server) in self.plan.nodes.iter().zip(&self.servers) {
            names.insert(self.ip(&node.name), node.name.clone());
            records.extend(read(&trace_file(server.data())));
        }
        records.retain(|record| record.at >= self.since.get());
        let nodes = names.values().cloned().collect();
        for (name, ip) in self.devices.borrow().iter() {
            names.insert(*ip, name.clone());
        }
        Capture::of(records, names, nodes)
    }

    /// What was said, once `condition` holds for it and every server has written down its part;
    /// fails with the whole ladder if it does not come to hold.
    pub async fn until(&self, condition: impl Fn(&Capture) -> bool) -> Capture {
        let end = Instant::now() + PATIENCE;
        let (mut lines, mut same) = (0, 0);
        loop {
            let capture = self.capture();
            let holds = condition(&capture);
            same = if capture.events.len() == lines {
                same + 1
            } else {
                0
            };
            lines = capture.events.len();
            if holds && same >= SETTLED {
                return capture;
            }
            let in_time = Instant::now() < end;
            assert!(in_time || holds, "never came true:\n{capture}");
            assert!(in_time, "never came to rest:\n{capture}");
            sleep(LOOK).await;
        }
    }
}

/// `bob@b.example` as an address.
pub fn address(user: &str) -> Address {
    Address::parse(&format!("sip:{user}")).expect("an address")
}

/// A message of `octets` to `user` (`bob@b.example`), over a channel.
pub fn message_to(user: &str, octets: &Bytes) -> Outgoing {
    let content = Content::Bytes(octets.clone());
    let mut message = Outgoing::new(address(user), "application/octet-stream", content);
    message.mode = Mode::Channel;
    message
}

fn change_subscriber(server: &Server, user: &str, change: &Value) {
    let path = format!("/api/v1/subscribers/{}", address(user));
    let (status, answer) = server.order("PATCH", &path, Some(change), true);
    assert!(matches!(status, 200 | 204), "{status} {answer}");
}

fn trace_file(data: &Path) -> PathBuf {
    data.join("trace.jsonl")
}

/// The lines of a trace that are whole already.
fn read(file: &Path) -> Vec<Record> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let whole = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    whole
        .map(|line| Record::parse(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

/// Puts what `more` says over what `table` says.
fn add(table: &mut toml::Table, more: &toml::Table) {
    for (key, value) in more {
        match (table.get_mut(key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(value)) => add(below, value),
            _ => drop(table.insert(key.clone(), value.clone())),
        }
    }
}

fn set(table: &mut toml::Table, path: &[&str], key: &str, value: toml::Value) {
    match path.split_first() {
        None => drop(table.insert(key.to_owned(), value)),
        Some((section, rest)) => {
            let below = table.entry(*section).or_insert(toml::Table::new().into());
            let below = below.as_table_mut().expect("a table");
            set(below, rest, key, value);
        }
    }
}
