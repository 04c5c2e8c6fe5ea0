//! The servers of a shape as processes, on addresses that are free, with a temporary store each.
use super::nodes::{ALICE, BOB, CAROL, NETWORK, NodeFile, Shape};
use crate::{
    cli::{
        child::{ServerPlan, ServerProcess},
        demo::stage::{Content, PASSWORD, limits},
        desk::Desk,
        loopback::Loopback,
    },
    config::Config,
    http::view::NewSubscriber,
    identity::Address,
};
use std::{
    error::Error,
    net::IpAddr,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

type Outcomes<T> = Result<T, Box<dyn Error>>;

/// The addresses of devices begin here.
const DEVICES: u8 = 128;

/// Everything that is needed; gone when dropped.
pub(super) struct Stage {
    pub shape: Shape,
    pub content: Content,
    pub net: Loopback,
    pub servers: Vec<Server>,
    folder: TempDir,
}

/// A running server of the shape.
pub(super) struct Server {
    pub name: &'static str,
    pub process: ServerProcess,
    pub config: Config,
}

impl Stage {
    /// Starts the servers and adds the subscribers.
    pub(super) fn set(shape: Shape, content: Content, folder: TempDir) -> Outcomes<Self> {
        let net = Loopback::claim()?;
        let mut servers = Vec::new();
        for node in shape.nodes() {
            let data = folder.path().join(node.name);
            servers.push(Server::start(*node, &net, &data, content.size)?);
        }
        let stage = Self {
            shape,
            content,
            net,
            servers,
            folder,
        };
        stage.subscribe(&[ALICE, BOB, CAROL])?;
        Ok(stage)
    }

    /// The address of a device: the first, second or third one.
    pub(super) fn device(&self, number: u8) -> IpAddr {
        self.net.ip(DEVICES + number)
    }

    /// Where what a device receives is kept.
    pub(super) fn spool(&self, name: &str) -> std::io::Result<PathBuf> {
        let spool = self.folder.path().join(name);
        std::fs::create_dir_all(&spool)?;
        Ok(spool)
    }

    /// The server where users of this domain log in.
    pub(super) fn home(&self, user: &Address) -> Outcomes<&Server> {
        let domain = user.domain().unwrap_or_default();
        let mut servers = self.servers.iter();
        let found = servers.find(|server| server.serves(domain) && server.is_core());
        found.ok_or_else(|| format!("nobody is home of {user}").into())
    }

    /// The server that keeps what Bob misses.
    pub(super) fn keeper(&mut self) -> Outcomes<&mut Server> {
        let mut servers = self.servers.iter_mut();
        let found = servers.find(|server| server.name == "C");
        found.ok_or_else(|| "nobody keeps messages".into())
    }

    /// What all servers logged.
    pub(super) fn log(&self) -> String {
        let logs = self.servers.iter().map(|server| {
            let log = std::fs::read_to_string(server.process.plan().log());
            format!("{}:\n{}", server.name, log.unwrap_or_default())
        });
        logs.collect::<Vec<_>>().join("\n")
    }

    fn subscribe(&self, users: &[&str]) -> Outcomes<()> {
        for user in users {
            let domain = Address::parse(user)?
                .domain()
                .unwrap_or_default()
                .to_owned();
            for server in self.servers.iter().filter(|server| server.serves(&domain)) {
                server
                    .desk()?
                    .add_subscriber(&NewSubscriber::new(*user, PASSWORD))?;
            }
        }
        Ok(())
    }
}

impl Server {
    fn start(node: NodeFile, net: &Loopback, data: &Path, size: u64) -> Outcomes<Self> {
        std::fs::create_dir_all(data)?;
        let ours = net.ip(0).to_string();
        let prefix = ours.strip_suffix('0').unwrap_or(&ours);
        let text = node.text.replace(NETWORK, prefix);
        let mut config = Config::parse(&text, [])?;
        config.server.data = data.to_owned();
        let file = data.join("restante.toml");
        std::fs::write(&file, text)?;
        let mut settings = limits(size);
        let trace = trace_file(data).display().to_string();
        settings.push(("RESTANTE_TRACE__FILE".to_owned(), trace));
        settings.push(("RESTANTE_SERVER__NODE".to_owned(), node.name.to_owned()));
        let plan = ServerPlan {
            program: std::env::current_exe()?,
            data: data.to_owned(),
            config: Some(file),
            settings,
        };
        let process = plan
            .start()
            .map_err(|error| format!("{}: {error}", node.name))?;
        Ok(Self {
            name: node.name,
            process,
            config,
        })
    }

    /// The operator's desk at this server.
    pub(super) fn desk(&self) -> Outcomes<Desk> {
        Ok(Desk::open(&self.config)?)
    }

    /// What this server writes of all it says and hears.
    pub(super) fn trace(&self) -> PathBuf {
        trace_file(&self.config.server.data)
    }

    fn serves(&self, domain: &str) -> bool {
        self.config.sip_core.domains.iter().any(|own| own == domain)
    }

    fn is_core(&self) -> bool {
        let roles = &self.config.server.roles;
        roles.contains(&crate::neighbours::Role::SipCore)
    }
}

fn trace_file(data: &Path) -> PathBuf {
    data.join("trace.jsonl")
}
