//! What the demo plays on: a temporary folder, a file to send, a server process, two subscribers.
use crate::{
    cli::{
        child::{ServerPlan, ServerProcess},
        desk::Desk,
    },
    config::Config,
    http::view::{MessageView, NewSubscriber},
    identity::{Address, AddressError},
};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::{
    error::Error,
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;

/// The password of both.
pub(super) const PASSWORD: &str = "open sesame";

/// Room for what wraps a message of any size.
const WRAPPER: u64 = 1024 * 1024;

/// Everything the demo needs; gone when dropped.
pub(super) struct Stage {
    pub content: Content,
    pub server: Arc<Mutex<ServerProcess>>,
    pub alice: Address,
    pub bob: Address,
    folder: TempDir,
}

/// What Alice sends.
pub(super) struct Content {
    pub path: PathBuf,
    pub size: u64,
    pub sha256: String,
}

impl Stage {
    /// Makes up a file of `size` octets (unless `file` is given), starts the server, adds Alice
    /// and Bob.
    pub(super) fn set(file: Option<&Path>, size: u64) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let content = Content::prepare(file, folder.path(), size)?;
        let server = plan(&folder.path().join("data"), content.size)?.start()?;
        let stage = Self {
            content,
            server: Arc::new(Mutex::new(server)),
            alice: user("alice")?,
            bob: user("bob")?,
            folder,
        };
        let desk = stage.desk()?;
        for address in [&stage.alice, &stage.bob] {
            desk.add_subscriber(&NewSubscriber::new(address.as_str(), PASSWORD))?;
        }
        Ok(stage)
    }

    /// Where Bob's device keeps what it receives.
    pub(super) fn spool(&self) -> io::Result<PathBuf> {
        let spool = self.folder.path().join("bob");
        std::fs::create_dir_all(&spool)?;
        Ok(spool)
    }

    /// What the server knows of the life of a message.
    pub(super) fn trace(&self, message_id: &str) -> Result<MessageView, Box<dyn Error>> {
        Ok(self.desk()?.message(message_id)?)
    }

    /// What all lives of the server logged.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.server.lock().plan().log()).unwrap_or_default()
    }

    fn desk(&self) -> Result<Desk, Box<dyn Error>> {
        let server = self.server.lock();
        let mut config = Config::default();
        config.http.listen = server.addresses().http;
        config.server.data.clone_from(&server.plan().data);
        Ok(Desk::open(&config)?)
    }
}

/// A server that takes messages of `size` octets.
fn plan(data: &Path, size: u64) -> io::Result<ServerPlan> {
    std::fs::create_dir_all(data)?;
    let mut plan = ServerPlan::on_free_ports(&std::env::current_exe()?, data)?;
    plan.settings.extend(limits(size));
    Ok(plan)
}

/// What lets a server take messages of `size` octets.
pub(super) fn limits(size: u64) -> Vec<(String, String)> {
    let defaults = crate::deferred::Config::default();
    let limits = [
        ("MAX_MESSAGE", defaults.max_message),
        ("MAX_OCTETS", defaults.max_octets),
    ];
    let limits = limits.into_iter().map(|(key, default)| {
        let limit = default.as_u64().max(size + WRAPPER);
        (format!("RESTANTE_DEFERRED__{key}"), limit.to_string())
    });
    limits.collect()
}

fn user(name: &str) -> Result<Address, AddressError> {
    Address::parse(&format!("sip:{name}@localhost"))
}

impl Content {
    /// What stands in `file`, or `size` octets that are made up.
    ///
    /// Errors: those of reading and writing, naming the file.
    pub(super) fn prepare(
        file: Option<&Path>,
        folder: &Path,
        size: u64,
    ) -> Result<Self, Box<dyn Error>> {
        match file {
            Some(path) => {
                Self::of(path).map_err(|error| format!("{}: {error}", path.display()).into())
            }
            None => Self::made_up(&folder.join("content"), size),
        }
    }

    fn of(path: &Path) -> io::Result<Self> {
        let (size, sha256) = hashed(&mut File::open(path)?)?;
        let path = path.to_owned();
        Ok(Self { path, size, sha256 })
    }

    fn made_up(path: &Path, size: u64) -> Result<Self, Box<dyn Error>> {
        let mut file = File::create(path)?;
        let mut piece = vec![0; 64 * 1024];
        let mut left = size;
        while left > 0 {
            let length = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
            getrandom::fill(&mut piece[..length])?;
            file.write_all(&piece[..length])?;
            left -= length as u64;
        }
        Ok(Self::of(path)?)
    }
}

/// Size and SHA-256 of what can be read.
pub(super) fn hashed(source: &mut impl Read) -> io::Result<(u64, String)> {
    let mut piece = vec![0; 64 * 1024];
    let (mut size, mut hash) = (0, Sha256::new());
    loop {
        let length = source.read(&mut piece)?;
        if length == 0 {
            return Ok((size, hex::encode(hash.finalize())));
        }
        hash.update(&piece[..length]);
        size += length as u64;
    }
}
