//! The real `restante serve` as the tests hold it: on free loopback ports, with data of its own.
//!
//! ```text
//! let server = Server::with("deferred.max_count", 3).start().subscriber("bob", "secret");
//! server.kill9();
//! server.restart();
//! assert_eq!(server.metric("restante_deferred_stored_total"), 1.0);
//! ```
#![allow(dead_code, reason = "each test file uses a part of the harness")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
pub mod capture;
pub mod handset;
pub mod name_server;
pub mod network;
pub mod phone;
pub mod reader;
pub mod user;

use restante::cli::child::{ServerPlan, ServerProcess};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// What a server is started with.
#[derive(Default)]
pub struct Settings(Vec<(String, String)>);

/// A running server over a data folder that goes away with it.
pub struct Server {
    process: ServerProcess,
    data: TempDir,
}

impl Settings {
    /// Sets `key`, named as in the configuration file (`deferred.max_count`).
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        let name = key.to_uppercase().replace('.', "__");
        self.0.push((format!("RESTANTE_{name}"), value.to_string()));
        self
    }

    /// Sets a variable of the server's environment as it is.
    pub fn environment(mut self, name: &str, value: impl ToString) -> Self {
        self.0.push((name.to_owned(), value.to_string()));
        self
    }

    /// Starts the server and waits until it is ready.
    pub fn start(self) -> Server {
        let data = tempfile::tempdir().expect("a temporary folder");
        let program = Path::new(env!("CARGO_BIN_EXE_restante"));
        let mut plan = ServerPlan::on_free_ports(program, data.path()).expect("free ports");
        plan.settings.extend(unhurried());
        plan.settings.extend(self.0);
        let process = plan.start().unwrap_or_else(|error| panic!("{error}"));
        Server { process, data }
    }
}

impl Server {
    /// A server with the default configuration.
    pub fn start() -> Self {
        Settings::default().start()
    }

    /// Begins a configuration: `Server::with("sip.t1", "50ms").start()`.
    pub fn with(key: &str, value: impl ToString) -> Settings {
        Settings::default().with(key, value)
    }

    /// Holds a process that was started elsewhere, with its data.
    pub fn of(process: ServerProcess, data: TempDir) -> Self {
        Self { process, data }
    }

    /// Adds the subscriber `sip:USER@localhost`.
    pub fn subscriber(self, user: &str, password: &str) -> Self {
        self.add_subscriber(user, password);
        self
    }

    /// Adds the subscriber `sip:USER@localhost`.
    pub fn add_subscriber(&self, user: &str, password: &str) {
        let document = json!({ "address": address(user), "password": password });
        let (status, answer) = self.post("/api/v1/subscribers", &document);
        assert_eq!(status, 201, "{answer}");
    }

    pub fn sip(&self) -> SocketAddr {
        self.process.addresses().sip
    }

    pub fn msrp(&self) -> SocketAddr {
        self.process.addresses().msrp
    }

    pub fn http(&self) -> SocketAddr {
        self.process.addresses().http
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// What all lives of this server logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.process.plan().log()).unwrap_or_default()
    }

    /// Where the log stands.
    pub fn log_file(&self) -> PathBuf {
        self.process.plan().log()
    }

    pub fn is_alive(&mut self) -> bool {
        self.process.is_alive()
    }

    /// Ends this life without any warning.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Sends this life a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process"), signal).expect("it runs");
    }

    /// Stops this life (SIGSTOP) and waits until all its threads stand still: on a busy machine
    /// one that is told late works on for a while. SIGCONT lets it go on.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        let threads = PathBuf::from(format!("/proc/{}/task", self.pid()));
        let stands = |thread: fs::DirEntry| {
            let told = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // the state stands behind the name, which may hold anything
            let state = told
                .rsplit_once(") ")
                .map(|(_, rest)| rest.starts_with('T'));
            state.unwrap_or(true)
        };
        let all_stand = || {
            let mut threads = fs::read_dir(&threads).expect("it runs").flatten();
            threads.all(stands)
        };
        assert!(eventually(Duration::from_secs(10), all_stand), "it goes on");
    }

    /// Waits until this life has ended by itself; its exit code.
    pub fn ended(&mut self) -> Option<i32> {
        let status = self.process.ended(Duration::from_secs(60));
        status.expect("the server ends in time").code()
    }

    /// Asks the server to drain and end; gives its exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        let status = self
            .process
            .terminate()
            .expect("the server can be waited for");
        status.code()
    }

    /// The next life over the same data, on the same ports.
    pub fn restart(&mut self) {
        self.process
            .restart()
            .unwrap_or_else(|error| panic!("{error}"));
    }

    /// The text of `/metrics`.
    pub fn metrics(&self) -> String {
        let (status, text) = self.get_text("/metrics");
        assert_eq!(status, 200);
        text
    }

    /// The sum of all series called `name`, whatever their labels; 0 if there is none.
    ///
    /// `name` may carry labels as they are written: `restante_sip_refused_total{reason="x"}`.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.metrics();
        let values = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let same = series == name || series.split('{').next() == Some(name);
            same.then(|| value.parse::<f64>().ok())?
        });
        values.sum()
    }

    /// Waits until the metric `name` is at least `least`, and fails after ten seconds.
    pub fn wait_for_metric(&self, name: &str, least: f64) {
        let found = eventually(Duration::from_secs(10), || self.metric(name) >= least);
        assert!(found, "{name} is {}, not {least}", self.metric(name));
    }

    /// GET of the admin API: status and document.
    pub fn get(&self, path: &str) -> (u16, Value) {
        let (status, text) = self.get_text(path);
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// POST of a document to the admin API: status and answer.
    pub fn post(&self, path: &str, document: &Value) -> (u16, Value) {
        let answer = agent()
            .post(self.url(path))
            .header("Authorization", self.bearer())
            .send_json(document);
        read(answer)
    }

    /// DELETE at the admin API: status and answer.
    pub fn delete(&self, path: &str) -> (u16, Value) {
        let answer = agent()
            .delete(self.url(path))
            .header("Authorization", self.bearer())
            .call();
        read(answer)
    }

    /// Any method of the admin API, with the token or without: status and answer.
    pub fn order(
        &self,
        method: &str,
        path: &str,
        document: Option<&Value>,
        knows_token: bool,
    ) -> (u16, Value) {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(self.url(path))
            .header("Content-Type", "application/json");
        if knows_token {
            request = request.header("Authorization", self.bearer());
        }
        let body = document.map(ToString::to_string).unwrap_or_default();
        read(agent().run(request.body(body).expect("a sound request")))
    }

    fn get_text(&self, path: &str) -> (u16, String) {
        let answer = agent()
            .get(self.url(path))
            .header("Authorization", self.bearer())
            .call();
        let mut answer = answer.expect("the server answers HTTP");
        let text = answer.body_mut().read_to_string();
        (answer.status().as_u16(), text.expect("the answer is text"))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http())
    }

    fn bearer(&self) -> String {
        let token = std::fs::read_to_string(self.data().join("admin.token"));
        format!("Bearer {}", token.unwrap_or_default().trim())
    }
}

/// A machine that runs many tests at once is slow, not overloaded: nobody is refused for it.
pub fn unhurried() -> [(String, String); 2] {
    let delays = ["TARGET_DELAY", "STORE_DELAY"];
    delays.map(|name| (format!("RESTANTE_OVERLOAD__{name}"), "30s".to_owned()))
}

/// The address of a user of the domain which the server serves by default.
pub fn address(user: &str) -> String {
    format!("sip:{user}@localhost")
}

/// Asks `condition` every 20 ms until it holds or `limit` is over; says whether it held.
pub fn eventually(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !condition() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(Duration::from_secs(10)));
    config.build().into()
}

fn read(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> (u16, Value) {
    let mut answer = answer.expect("the server answers HTTP");
    let text = answer.body_mut().read_to_string().unwrap_or_default();
    let document = serde_json::from_str(&text).unwrap_or(Value::String(text));
    (answer.status().as_u16(), document)
}
