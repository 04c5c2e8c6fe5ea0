//! A deferred function over each storage engine, and a crash of it.
use restante::{
    deferred::{Config, Deferred, Directory, Facts},
    identity::Address,
    policy::{Settings, Standing},
    store::{self, Engine, Handle, Lsm, Memory, Readable, Table},
};
use std::{process::Command, sync::Arc};

pub struct Bench {
    pub name: &'static str,
    pub function: Deferred,
    handle: Handle,
    config: Config,
    place: Place,
}

enum Place {
    Memory(Arc<Memory>),
    Folder(tempfile::TempDir),
}

/// One with each engine, as configured by default.
pub async fn benches() -> Vec<Bench> {
    Bench::all(Config::default()).await
}

impl Bench {
    pub async fn all(config: Config) -> Vec<Self> {
        let memory = Place::Memory(Arc::default());
        let folder = Place::Folder(tempfile::tempdir().unwrap());
        vec![
            Self::open("memory", memory, config.clone()).await,
            Self::open("fjall", folder, config).await,
        ]
    }

    async fn open(name: &'static str, place: Place, config: Config) -> Self {
        let store_config = store::Config::default();
        let engine: Arc<dyn Engine> = match &place {
            Place::Memory(memory) => memory.clone(),
            Place::Folder(folder) => Arc::new(Lsm::open(folder.path(), &store_config).unwrap()),
        };
        let (handle, _) = Handle::start(engine, &store_config, store::abort()).unwrap();
        let function = Deferred::open(handle.clone(), config.clone(), directory());
        Self {
            name,
            function: function.await.unwrap(),
            handle,
            config,
            place,
        }
    }

    /// What a start after a sudden death finds: in memory what was synced, on disk a copy of
    /// the files as they are this moment.
    pub async fn crash(&self) -> Self {
        let place = match &self.place {
            Place::Memory(memory) => {
                memory.lose_power();
                Place::Memory(memory.clone())
            }
            Place::Folder(folder) => {
                let copy = tempfile::tempdir().unwrap();
                let mut command = Command::new("cp");
                command.args(["-r", "."]).arg(copy.path());
                let status = command.current_dir(folder.path()).status();
                assert!(status.unwrap().success());
                Place::Folder(copy)
            }
        };
        Self::open(self.name, place, self.config.clone()).await
    }

    /// Entries of a table.
    pub async fn count(&self, table: Table) -> usize {
        let keys = self.handle.read(move |view| view.keys(super::all(table)));
        keys.await.unwrap().len()
    }
}

/// Everyone accepts messages but `refuses`, and `nobody` is unknown.
pub fn directory() -> Directory {
    Arc::new(|_, address: &Address| {
        Ok(match address.user() {
            "nobody" => Standing::Unknown,
            "refuses" => Standing::Refuses,
            "golden" => Standing::Accepts(Settings {
                class: Some("gold".into()),
                ..Settings::default()
            }),
            _ => Standing::Accepts(Settings::default()),
        })
    })
}

pub fn address(user: &str) -> Address {
    Address::parse(&format!("sip:{user}@localhost")).unwrap()
}

/// A message of Alice to Bob.
pub fn facts(id: &str) -> Facts {
    Facts::new(address("alice"), address("bob"), id)
}

/// `len` octets, never the same.
pub fn noise(len: usize) -> Vec<u8> {
    let mut octets = vec![0; len];
    getrandom::fill(&mut octets).unwrap();
    octets
}
