//! SIPp against the real server: what an independent SIP stack sees on the wire.
//!
//! The scenarios stand in `tests/sipp/`; SIPp comes with the Debian package `sip-tester`.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod harness;

use harness::Server;
use restante::cli::child::free_port;
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Longer than any scenario takes.
const LIMIT: Duration = Duration::from_secs(60);

/// One run of SIPp as one user.
struct Scenario {
    file: PathBuf,
    user: String,
    password: String,
    port: u16,
    /// Request-URI, which the digest is computed over.
    target: String,
    arguments: Vec<String>,
}

/// SIPp at work; killed if the test ends before it does.
struct Running {
    child: Child,
    name: String,
    logs: TempDir,
}

/// A device that SIPp plays: its port, and an MSRP port where nobody talks.
struct Device {
    user: &'static str,
    port: u16,
    msrp: TcpListener,
}

impl Scenario {
    fn new(name: &str, user: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sipp");
        Self {
            file: folder.join(name).with_extension("xml"),
            user: user.to_owned(),
            password: password(user),
            port: free_port().unwrap(),
            target: "localhost".to_owned(),
            arguments: Vec::new(),
        }
    }

    fn password(mut self, password: &str) -> Self {
        self.password = password.to_owned();
        self
    }

    fn on(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Calls `user`.
    fn to(mut self, user: &str) -> Self {
        self.target = format!("{user}@localhost");
        self.key("peer", user)
    }

    fn key(self, name: &str, value: impl ToString) -> Self {
        self.argument("-key")
            .argument(name)
            .argument(&value.to_string())
    }

    fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    fn start(self, server: &Server) -> Running {
        let logs = tempfile::tempdir().unwrap();
        let name = self
            .file
            .file_stem()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let child = Command::new("sipp")
            .arg(server.sip().to_string())
            .arg("-sf")
            .arg(&self.file)
            .args(["-i", "127.0.0.1", "-p", &self.port.to_string()])
            .args(["-key", "user", &self.user])
            .args(["-au", &self.user, "-ap", &self.password])
            .args([
                "-m",
                "1",
                "-nostdin",
                "-skip_rlimit",
                "-default_behaviors",
                "none",
            ])
            .args([
                "-timeout",
                &format!("{}s", LIMIT.as_secs()),
                "-timeout_error",
            ])
            .args([
                "-trace_err",
                "-error_file",
                "errors",
                "-trace_msg",
                "-message_file",
                "messages",
            ])
            .args(["-auth_uri", &self.target])
            .args(&self.arguments)
            .current_dir(logs.path())
            .env("TERM", "dumb")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("SIPp is missing: apt-get install sip-tester");
        Running { child, name, logs }
    }

    fn run(self, server: &Server) {
        self.start(server).finish(server);
    }
}

impl Running {
    /// Waits for the end; fails with what SIPp saw unless every step of the scenario was met.
    fn finish(mut self, server: &Server) {
        let deadline = Instant::now() + LIMIT + Duration::from_secs(5);
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > deadline => panic!("{} does not end", self.name),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let read = |name| fs::read_to_string(self.logs.path().join(name)).unwrap_or_default();
        assert!(
            status.success(),
            "SIPp, {}: {status}\n{}\n{}\nserver:\n{}",
            self.name,
            read("errors"),
            read("messages"),
            server.log(),
        );
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Device {
    fn new(user: &'static str) -> Self {
        let msrp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free_port().unwrap();
        Self { user, port, msrp }
    }

    fn scenario(&self, name: &str) -> Scenario {
        let msrp = self.msrp.local_addr().unwrap().port();
        Scenario::new(name, self.user)
            .on(self.port)
            .key("msrp_port", msrp)
    }

    fn register(self, server: &Server) -> Self {
        self.scenario("register").run(server);
        self
    }
}

fn password(user: &str) -> String {
    format!("secret of {user}").replace(' ', "-")
}

fn server_with_subscribers(settings: harness::Settings) -> Server {
    // SIPp 3.6 reads nothing but the first challenge and knows nothing but MD5
    let settings = settings.with("sip_core.algorithms", "[\"MD5\", \"SHA-256\"]");
    let server = settings.start();
    for user in ["alice", "bob"] {
        server.add_subscriber(user, &password(user));
    }
    server
}

fn server() -> Server {
    server_with_subscribers(harness::Settings::default())
}

/// Bob's device is registered and plays `called`, Alice's plays `calling`; both must be content.
fn call(calling: &str, called: &str, arguments: &[&str]) -> Server {
    let server = server();
    let bob = Device::new("bob").register(&server);
    let called = bob.scenario(called).start(&server);
    let alice = Device::new("alice");
    let calling = alice.scenario(calling).to("bob");
    let calling = arguments
        .iter()
        .fold(calling, |scenario, argument| scenario.argument(argument));
    calling.run(&server);
    called.finish(&server);
    server
}

#[test]
fn register_with_the_right_password_binds() {
    Scenario::new("register", "bob").run(&server());
}

#[test]
fn register_with_a_wrong_password_is_refused() {
    let scenario = Scenario::new("register_wrong_password", "bob");
    scenario.password("guessed").run(&server());
}

#[test]
fn register_with_a_stale_nonce_is_challenged_anew_and_then_binds() {
    let server = server_with_subscribers(Server::with("sip_core.nonce_lifetime", "1s"));
    Scenario::new("register_stale_nonce", "bob").run(&server);
}

#[test]
fn options_tells_what_the_server_can_do() {
    Scenario::new("options", "alice").run(&server());
}

#[test]
fn options_over_tcp_is_answered_alike() {
    Scenario::new("options", "alice")
        .argument("-t")
        .argument("t1")
        .run(&server());
}

#[test]
fn invite_for_a_channel_is_set_up_and_ended() {
    call("invite", "called", &[]);
}

#[test]
fn invite_over_tcp_is_set_up_and_ended() {
    call("invite", "called", &["-t", "t1"]);
}

#[test]
fn invite_for_someone_offline_is_answered_in_their_place() {
    let server = server();
    let alice = Device::new("alice");
    alice.scenario("invite").to("bob").run(&server);
}

#[test]
fn invite_is_cancelled_while_it_rings() {
    call("cancel", "called_rings", &[]);
}

#[test]
fn session_is_offered_again_inside_its_dialog() {
    call("reinvite", "called", &[]);
}

#[test]
fn answer_is_sent_again_until_its_ack_arrives() {
    call("lost_ack", "called", &["-nr"]);
}

#[test]
fn message_for_someone_online_is_delivered() {
    call("message_online", "called_message", &[]);
}

#[test]
fn message_for_someone_offline_is_kept() {
    let server = server();
    Scenario::new("message_offline", "alice")
        .to("bob")
        .run(&server);
    let (status, queue) = server.get("/api/v1/queues/sip:bob@localhost");
    assert_eq!(status, 200, "{queue}");
    assert_eq!(queue["items"].as_array().map(Vec::len), Some(1), "{queue}");
    assert_eq!(queue["items"][0]["sender"], "sip:alice@localhost");
}
