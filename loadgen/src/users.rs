//! The run's users: how they are called, and how the server gets to know them.
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// Requests to the admin API under way at the same time: each waits for a commit, and commits
/// are shared.
const CONCURRENT: usize = 16;

/// How long the server may take for one user.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where `restante serve` keeps its data if nobody says otherwise.
const DEFAULT_DATA: &str = "restante-data";

/// The names of the users of a run.
#[derive(Clone, Debug)]
pub struct Names {
    domain: String,
}

impl Names {
    /// Users of `domain`.
    pub fn new(domain: &str) -> Self {
        Self {
            domain: domain.to_owned(),
        }
    }

    /// The address of user `index`.
    pub fn address(&self, index: usize) -> String {
        format!("sip:load-{index}@{}", self.domain)
    }

    /// The user behind an address; `None` if it is none of ours.
    pub fn index(&self, address: &str) -> Option<usize> {
        let (user, domain) = address.strip_prefix("sip:load-")?.split_once('@')?;
        (domain == self.domain).then(|| user.parse().ok())?
    }

    /// The password of every user: these are no secrets.
    pub fn password(&self, index: usize) -> String {
        format!("load-{index}-secret")
    }
}

/// The names of the groups of a run; clones are the same.
#[derive(Clone, Debug)]
pub struct Rooms {
    domain: String,
    seed: u64,
    /// Groups that a member made, by stage and number.
    made: Arc<Mutex<HashMap<(usize, usize), String>>>,
}

impl Rooms {
    /// Groups of `domain` in the run of `seed`.
    pub fn new(domain: &str, seed: u64) -> Self {
        Self {
            domain: domain.to_owned(),
            seed,
            made: Arc::default(),
        }
    }

    /// The address of group `group` of a stage.
    pub fn address(&self, stage: usize, group: usize) -> String {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.get(&(stage, group))
            .cloned()
            .unwrap_or_else(|| format!("sip:load-{:x}-{stage}-{group}@{}", self.seed, self.domain))
    }

    /// Whether a member made group `group` of a stage.
    pub fn is_known(&self, stage: usize, group: usize) -> bool {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.contains_key(&(stage, group))
    }

    /// A member made group `group` of a stage, and this is its address.
    pub fn learn(&self, stage: usize, group: usize, address: String) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.insert((stage, group), address);
    }
}

/// A group as the admin API is told.
#[derive(Clone, Debug)]
pub struct Room {
    /// Its address.
    pub address: String,
    /// The addresses of its members.
    pub members: Vec<String>,
}

/// Why the users could not be made.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// The token cannot be read.
    #[error(
        "no token for the admin API: {path}: {error}\n\
         give --data with the data directory of the server, or --token"
    )]
    NoToken {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The server did not answer.
    #[error(
        "the admin API at http://{server} does not answer: {error}\nis `restante serve` running?"
    )]
    NoAnswer {
        /// Who was asked.
        server: SocketAddr,
        /// What went wrong.
        error: ureq::Error,
    },
    /// The server refused.
    #[error("the admin API refused to make {address}: {status} {detail}")]
    Refused {
        /// The user.
        address: String,
        /// HTTP status.
        status: u16,
        /// What the server says about it.
        detail: String,
    },
}

/// The bearer token in the data directory `data`.
///
/// Errors: `NoToken` if it cannot be read.
pub fn token_in(data: Option<&Path>) -> Result<String, UsersError> {
    let path = data.unwrap_or(Path::new(DEFAULT_DATA)).join("admin.token");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) => Err(UsersError::NoToken { path, error }),
    }
}

/// The way to the admin API.
pub struct Registry {
    /// Where it is.
    pub server: SocketAddr,
    /// What opens it.
    pub token: String,
}

impl Registry {
    /// Makes `count` users; those who exist already are left as they are. `made` hears how many
    /// are there.
    ///
    /// Errors: the first one met; nothing more is begun then.
    pub fn make(
        &self,
        names: &Names,
        count: usize,
        made: impl Fn(usize) + Sync,
    ) -> Result<(), UsersError> {
        self.make_all(count, made, |index| {
            let address = names.address(index);
            let document = json!({ "address": address, "password": names.password(index) });
            ("subscribers", address, document)
        })
    }

    /// Makes groups; those that exist already are left as they are.
    ///
    /// Errors: as for `make`.
    pub fn make_groups(&self, rooms: &[Room]) -> Result<(), UsersError> {
        let nobody = |_| {};
        self.make_all(rooms.len(), nobody, |index| {
            let Room { address, members } = &rooms[index];
            let members: Vec<Value> = members
                .iter()
                .map(|member| json!({ "address": member }))
                .collect();
            let document = json!({ "address": address, "members": members });
            ("groups", address.clone(), document)
        })
    }

    /// Posts `count` documents, several at a time.
    fn make_all(
        &self,
        count: usize,
        made: impl Fn(usize) + Sync,
        document: impl Fn(usize) -> (&'static str, String, Value) + Sync,
    ) -> Result<(), UsersError> {
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let failed = Mutex::new(None);
        let work = || {
            let agent = agent();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return;
                }
                match self.make_one(&agent, document(index)) {
                    Ok(()) => made(done.fetch_add(1, Ordering::Relaxed) + 1),
                    Err(error) => {
                        next.store(count, Ordering::Relaxed);
                        let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                        failed.get_or_insert(error);
                        return;
                    }
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..CONCURRENT.min(count) {
                scope.spawn(work);
            }
        });
        let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        failed.map_or(Ok(()), Err)
    }

    fn make_one(
        &self,
        agent: &ureq::Agent,
        (kind, address, document): (&str, String, Value),
    ) -> Result<(), UsersError> {
        let answer = agent
            .post(format!("http://{}/api/v1/{kind}", self.server))
            .header("Authorization", format!("Bearer {}", self.token))
            .send_json(document);
        let mut answer = answer.map_err(|error| UsersError::NoAnswer {
            server: self.server,
            error,
        })?;
        let status = answer.status().as_u16();
        let detail = answer.body_mut().read_to_string().unwrap_or_default();
        match status {
            200..300 | 409 => Ok(()),
            _ => Err(UsersError::Refused {
                address,
                status,
                detail,
            }),
        }
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE));
    config.build().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{BufRead, BufReader, Read, Write},
        net::{TcpListener, TcpStream},
    };

    #[test]
    fn name_leads_back_to_the_user() {
        let names = Names::new("localhost");
        assert_eq!(names.index(&names.address(17)), Some(17));
        assert_eq!(names.index("sip:load-17@elsewhere"), None);
        assert_eq!(names.index("sip:alice@localhost"), None);
    }

    #[test]
    fn missing_token_tells_what_to_do() {
        let error = token_in(Some(Path::new("/nowhere")))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("/nowhere/admin.token") && error.contains("--data"),
            "{error}"
        );
    }

    #[test]
    fn token_is_read_without_its_line_end() {
        let folder = std::env::temp_dir().join(format!("loadgen-token-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("admin.token"), "abc\n").unwrap();
        assert_eq!(token_in(Some(&folder)).unwrap(), "abc");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn every_user_is_made_once_with_the_token() {
        let (server, seen) = registry_that_answers("201 Created");
        let registry = Registry {
            server,
            token: "secret".to_owned(),
        };
        registry.make(&Names::new("localhost"), 40, |_| {}).unwrap();
        let mut seen: Vec<String> = seen.try_iter().collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 40);
        assert!(
            seen.iter().all(|request| request.contains("Bearer secret")),
            "{seen:?}"
        );
    }

    #[test]
    fn users_who_exist_are_no_error_and_a_refusal_is() {
        let names = Names::new("localhost");
        let (server, _seen) = registry_that_answers("409 Conflict");
        let registry = Registry {
            server,
            token: String::new(),
        };
        registry.make(&names, 3, |_| {}).unwrap();
        let (server, _seen) = registry_that_answers("401 Unauthorized");
        let registry = Registry {
            server,
            token: String::new(),
        };
        let error = registry.make(&names, 3, |_| {}).unwrap_err();
        assert!(error.to_string().contains("401"), "{error}");
    }

    /// Answers every request with `status`; tells what was asked.
    fn registry_that_answers(
        status: &'static str,
    ) -> (SocketAddr, std::sync::mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let (tell, seen) = std::sync::mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, tell) = (stream.unwrap(), tell.clone());
                thread::spawn(move || while answer(&stream, status, &tell).is_some() {});
            }
        });
        (server, seen)
    }

    fn answer(
        mut stream: &TcpStream,
        status: &str,
        tell: &std::sync::mpsc::Sender<String>,
    ) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
            if lower.starts_with("authorization:") {
                head.push_str(line.trim());
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        tell.send(format!("{head} {}", String::from_utf8_lossy(&body)))
            .ok()?;
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").ok()
    }
}
