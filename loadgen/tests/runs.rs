//! The real load generator against the real server, as processes: every scenario, servers and
//! generators that are killed, servers that say nothing, and ledgers that are judged.
//!
//! The program `restante` is looked for beside `loadgen`: `cargo test --workspace` puts it there.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use restante::cli::child::{ServerPlan, ServerProcess, free_address};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    fs,
    net::{TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long anything may take that is bound to happen.
const PATIENCE: Duration = Duration::from_secs(60);

const LOADGEN: &str = env!("CARGO_BIN_EXE_loadgen");

fn server_program() -> PathBuf {
    let program = Path::new(LOADGEN).with_file_name("restante");
    let path = program.display();
    assert!(
        program.is_file(),
        "{path} is missing: run `cargo build` first"
    );
    program
}

/// A run with a server of its own on free ports.
fn spawning(folder: &TempDir, line: &str) -> Command {
    let mut command = loadgen(folder, line);
    command.args(["--spawn", server_program().to_str().unwrap()]);
    for room in ["SIP", "MSRP", "HTTP"] {
        let address = free_address().unwrap().to_string();
        command.env(format!("RESTANTE_{room}__LISTEN"), address);
    }
    command
}

fn loadgen(folder: &TempDir, line: &str) -> Command {
    let mut command = Command::new(LOADGEN);
    command
        .args(line.split_whitespace())
        .args(["--quiet", "--json", "run.json"])
        .current_dir(folder.path());
    command
}

/// Waits for the end of a run: exit code, report, and what it said.
fn ended(folder: &TempDir, mut command: Command) -> (i32, Value, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let said = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    let said = said.join("\n");
    let report = fs::read_to_string(folder.path().join("run.json"));
    let report = serde_json::from_str(&report.unwrap_or_default()).unwrap_or_default();
    (status.code().unwrap_or(-1), report, said)
}

/// The sums of the ledger by name.
fn sums<const N: usize>(report: &Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| report["ledger"][name].as_u64().unwrap())
}

/// How often something of a kind was counted over the whole run.
fn count(report: &Value, kind: &str) -> u64 {
    let kinds = report["kinds"].as_array().unwrap();
    let of_kind = kinds.iter().find(|sum| sum["name"] == kind);
    of_kind.map_or(0, |sum| sum["count"].as_u64().unwrap())
}

/// A server that outlives the runs of a test.
fn server(folder: &TempDir) -> ServerProcess {
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let plan = ServerPlan::on_free_ports(&server_program(), &data).unwrap();
    plan.start().unwrap()
}

/// The options that lead to a server.
fn way_to(server: &ServerProcess) -> String {
    let addresses = server.addresses();
    let data = server.plan().data.display();
    format!(
        "--sip {} --http {} --data {data}",
        addresses.sip, addresses.http
    )
}

/// Waits until the ledger in `file` says something so often.
fn until_written(file: &Path, word: &str, often: usize) {
    let begun = Instant::now();
    loop {
        let text = fs::read_to_string(file).unwrap_or_default();
        if text.lines().filter(|line| line.starts_with(word)).count() >= often {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "`{word}` in {text}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn started(mut command: Command) -> Child {
    let started = command.stdout(Stdio::null()).stderr(Stdio::null());
    started.spawn().unwrap()
}

const SCENARIOS: &str = r#"
users = 12
local = "127.0.0.2..127.0.0.4"
threads = 2

[[phase]]
scenario = "register"
requests = 60

[[phase]]
scenario = "pager"
messages = 40
rate = "200/s"

[[phase]]
scenario = "send-and-retrieve"
messages = 30
size = "50%:200B,50%:1..300KiB"
churn = "50%"
rate = "15/s"
ramp-up = "1s"

[[phase]]
scenario = "group"
messages = 10
group-size = 4
groups = "ad-hoc"

[[phase]]
scenario = "group"
messages = 10
group-size = 6
offline = 4

[[phase]]
scenario = "offline-send"
messages = 20

[[phase]]
scenario = "retrieve"
rate = "10/s"
"#;

#[test]
fn every_scenario_of_a_file_is_played_and_its_messages_arrive_once() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("all.toml"), SCENARIOS).unwrap();
    let (code, report, said) = ended(&folder, spawning(&folder, "run all.toml"));
    assert_eq!(code, 0, "{said}");
    let [sent, acknowledged] = sums(&report, ["sent", "acknowledged"]);
    assert_eq!((sent, acknowledged), (110, 110), "{said}");
    // 3 others in the first groups, 5 in the second ones
    let [delivered] = sums(&report, ["delivered"]);
    assert_eq!(delivered, 40 + 30 + 10 * 3 + 10 * 5 + 20, "{said}");
    let faults = sums(&report, ["lost", "duplicated", "corrupted", "waiting"]);
    assert_eq!(faults, [0; 4], "{said}");
    assert_eq!((count(&report, "found"), count(&report, "group")), (3, 80));
    assert!(count(&report, "refresh") >= 12, "{said}");
    assert!(report["phases"].as_array().unwrap().len() > 10, "{said}");
}

#[test]
fn server_killed_again_and_again_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let line = "send-and-retrieve --users 12 --duration 7s --kill-server-every 2s --concurrency 4 \
                --churn 50% --size 1..100KiB --ledger killed";
    let (code, report, said) = ended(&folder, spawning(&folder, line));
    assert_eq!(code, 0, "{said}");
    let [sent, lost] = sums(&report, ["sent", "lost"]);
    assert!(sent > 10 && lost == 0, "{said}");
    let marks = report["timeline"]["marks"].to_string();
    assert!(marks.matches("killed").count() >= 3, "{marks}");
    let judged = Command::new(LOADGEN)
        .args(["judge", "killed"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&judged.stdout);
    assert_eq!(judged.status.code(), Some(0), "{text}");
    assert!(text.contains(&format!("{sent} sent")), "{text}");
}

#[test]
fn run_that_was_killed_goes_on_from_its_ledger() {
    let folder = TempDir::new().unwrap();
    let server = server(&folder);
    let way = way_to(&server);
    let line = format!("offline-send --users 6 --messages 5000 --ledger night {way}");
    let mut night = started(loadgen(&folder, &line));
    until_written(&folder.path().join("night"), "acknowledged", 20);
    night.kill().unwrap();
    night.wait().unwrap();
    let morning = loadgen(&folder, &format!("retrieve --ledger night {way}"));
    let (code, report, said) = ended(&folder, morning);
    assert_eq!(code, 0, "{said}");
    let [acknowledged, delivered, lost] = sums(&report, ["acknowledged", "delivered", "lost"]);
    assert!(
        acknowledged >= 20 && delivered >= acknowledged && lost == 0,
        "{said}"
    );

    // an acknowledgement the server never gave
    let path = folder.path().join("night");
    let text = fs::read_to_string(&path).unwrap();
    let digest = "00".repeat(32);
    let false_witness = format!("{text}sent 4999 1 {digest}\nacknowledged 4999 1 stored\n");
    fs::write(&path, false_witness).unwrap();
    let again = loadgen(
        &folder,
        &format!("retrieve --ledger night --patience 1s {way}"),
    );
    let (code, report, said) = ended(&folder, again);
    assert_eq!((code, sums(&report, ["lost"])), (1, [1]), "{said}");
    assert!(said.contains("-4999 "), "{said}");
}

#[test]
fn run_that_is_interrupted_says_what_it_came_to() {
    let folder = TempDir::new().unwrap();
    let server = server(&folder);
    let line = "send-and-retrieve --users 6 --duration 10m --ledger night";
    let line = format!("{line} {}", way_to(&server));
    let mut run = started(loadgen(&folder, &line));
    until_written(&folder.path().join("night"), "acknowledged", 10);
    let pid = Pid::from_raw(i32::try_from(run.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(130));
    let report = fs::read_to_string(folder.path().join("run.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    let [acknowledged, waiting, lost] = sums(&report, ["acknowledged", "waiting", "lost"]);
    assert!(
        acknowledged >= 10 && waiting == acknowledged && lost == 0,
        "{report}"
    );
}

#[test]
fn server_of_a_run_that_is_killed_ends_too() {
    let folder = TempDir::new().unwrap();
    let line = "offline-send --users 6 --duration 10m --ledger night";
    let mut command = loadgen(&folder, line);
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let spawn = format!("{} serve --data data", server_program().display());
    let sip = free_address().unwrap().to_string();
    command
        .args(["--spawn", &spawn])
        .env("RESTANTE_SIP__LISTEN", &sip);
    for room in ["MSRP", "HTTP"] {
        command.env(format!("RESTANTE_{room}__LISTEN"), "127.0.0.1:0");
    }
    let mut night = started(command);
    until_written(&folder.path().join("night"), "acknowledged", 10);
    assert!(TcpStream::connect(&sip).is_ok());
    night.kill().unwrap();
    night.wait().unwrap();
    let killed = Instant::now();
    while TcpStream::connect(&sip).is_ok() {
        assert!(killed.elapsed() < PATIENCE, "the server goes on alone");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn schedule_goes_on_while_the_server_is_silent_and_nothing_counts_as_done() {
    let folder = TempDir::new().unwrap();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let line = format!(
        "offline-send --users 4 --mode pager --rate 20/s --duration 2s --timeout 1s \
         --no-provisioning --sip {} --http 127.0.0.1:9",
        silent.local_addr().unwrap()
    );
    let (code, report, said) = ended(&folder, loadgen(&folder, &line));
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("nothing of what was to be done succeeded"),
        "{said}"
    );
    assert_eq!(sums(&report, ["sent", "acknowledged"]), [40, 0], "{said}");
    // two logins before
    assert_eq!(count(&report, "failed"), 42, "{said}");
}

#[test]
fn what_cannot_be_done_is_refused_with_advice() {
    let folder = TempDir::new().unwrap();
    fs::write(
        folder.path().join("bad.toml"),
        "usres = 5\n[[phase]]\nscenario = \"pager\"",
    )
    .unwrap();
    fs::write(folder.path().join("other"), "hello\n").unwrap();
    for (line, wanted) in [
        ("run bad.toml", "bad.toml: there is no key `usres`"),
        ("run none.toml", "none.toml: No such file"),
        ("retrieve", "retrieve wants the --ledger or the --seed"),
        ("retrieve --ledger other", "other, line 1: is no ledger"),
        (
            "offline-send --ledger other",
            "other holds a ledger already",
        ),
        (
            "group --users 5",
            "--users 5 make no group of --group-size 10",
        ),
    ] {
        let (code, _, said) = ended(&folder, loadgen(&folder, line));
        assert_eq!(code, 2, "{line}: {said}");
        assert!(said.contains(wanted), "{line}: {said}");
    }
}
