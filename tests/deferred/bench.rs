//! A deferred function over each storage engine, and a crash of it.
use futures_util::FutureExt;
use restante::{
    deferred::{Config, Deferred, Directory, Facts},
    identity::{Address, outbox},
    policy::{Settings, Standing},
    store::{self, Engine, Handle, Lsm, Memory, Readable, Scan, Table},
};
use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

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
            Place::Folder(folder) => Place::Folder(copy_at_one_moment(folder.path())),
        };
        Self::open(self.name, place, self.config.clone()).await
    }

    /// A start over a disk that has lost an octet of each large file of a table, where there is
    /// a disk. What is in memory is brought there first.
    pub async fn damage(&self, table: Table) -> Option<Self> {
        let Place::Folder(folder) = &self.place else {
            return None;
        };
        self.handle.reclaim(table).await.unwrap();
        let copy = copy_at_one_moment(folder.path());
        let mut hit = 0;
        for path in names(copy.path()) {
            let is_blob = path.components().any(|part| part.as_os_str() == "blobs");
            let mut octets = std::fs::read(&path).unwrap();
            if is_blob && octets.len() > 20_000 {
                let middle = octets.len() / 2;
                octets[middle] ^= 1;
                std::fs::write(&path, octets).unwrap();
                hit += 1;
            }
        }
        assert!(hit > 0, "there is no file to damage");
        let place = Place::Folder(copy);
        Some(Self::open(self.name, place, self.config.clone()).await)
    }

    /// Polls `future` once, while no thread of the store gets on, and drops it.
    pub fn begin_and_leave<T>(&self, future: impl Future<Output = T>) {
        let (release, held) = crossbeam::channel::bounded::<()>(0);
        let hold = || {
            let held = held.clone();
            move || {
                // ends when the other side is dropped
                let _ = held.recv();
                Ok(())
            }
        };
        let readers = store::Config::default().readers;
        for work in std::iter::repeat_with(&hold).take(readers) {
            let _ = self.handle.read(move |_| work()).now_or_never();
        }
        let work = hold();
        let _ = self.handle.write(move |_| work()).now_or_never();
        assert!(future.now_or_never().is_none(), "it ended at once");
        drop(release);
    }

    /// Entries of a table.
    pub async fn count(&self, table: Table) -> usize {
        let keys = self.handle.read(move |view| view.keys(all(table)));
        keys.await.unwrap().len()
    }
}

/// A copy of `folder` between two changes of its files: a crash has no moment in which some of
/// them are older than others.
fn copy_at_one_moment(folder: &Path) -> tempfile::TempDir {
    loop {
        let copy = tempfile::tempdir().unwrap();
        let before = names(folder);
        let mut command = Command::new("cp");
        command.args(["-r", "."]).arg(copy.path());
        let status = command.current_dir(folder).status().unwrap();
        if status.success() && names(folder) == before {
            return copy;
        }
    }
}

/// All files below `folder`.
fn names(folder: &Path) -> Vec<PathBuf> {
    let mut names = Vec::new();
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            true => names.extend(self::names(&entry.path())),
            false => names.push(entry.path()),
        }
    }
    names.sort();
    names
}

/// Everyone accepts messages but `refuses`, `nobody` is unknown, and there are no other servers.
pub fn directory() -> Directory {
    Arc::new(|_, address: &Address| {
        Ok(match address.user() {
            "nobody" => Standing::Unknown,
            _ if outbox::is_one(address) => Standing::Unknown,
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

/// All keys of a table.
fn all(table: Table) -> Scan<'static> {
    Scan {
        table,
        from: &[0],
        until: &[0xff; 16],
        limit: usize::MAX,
        reverse: false,
    }
}
