//! The ready configurations under `examples/`: their start scripts bring up all servers of a
//! shape with its subscribers, and end them together.
mod harness;

use harness::eventually;
use restante::cli::loopback::Loopback;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A copy of `examples/` on addresses of its own.
fn copied(to: &Path, prefix: &str) {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let shapes = fs::read_dir(&examples).expect("a folder").flatten();
    let folders = shapes.filter(|entry| entry.path().is_dir());
    for folder in folders {
        let there = to.join(folder.file_name());
        fs::create_dir(&there).expect("a folder");
        for file in fs::read_dir(folder.path()).expect("a folder").flatten() {
            if file.path().is_file() {
                copy(&file.path(), &there.join(file.file_name()), prefix);
            }
        }
    }
    copy(&examples.join("start.sh"), &to.join("start.sh"), prefix);
}

fn copy(from: &Path, to: &Path, prefix: &str) {
    let text = fs::read_to_string(from).expect("a text");
    fs::write(to, text.replace("127.0.1.", prefix)).expect("a file");
    let mode = fs::metadata(from).expect("a file").permissions().mode();
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).expect("a file of ours");
}

fn start(folder: &Path) -> Child {
    let mut child = Command::new(folder.join("start"))
        .arg("--trace")
        .env("RESTANTE", env!("CARGO_BIN_EXE_restante"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("a script");
    let out = BufReader::new(child.stdout.take().expect("its output"));
    let mut lines = out.lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("all are ready")));
    child
}

#[test]
fn start_script_brings_up_all_servers_with_their_subscribers_and_ends_them() {
    let net = Loopback::claim().expect("a free network");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let zero = net.ip(0).to_string();
    copied(folder.path(), zero.strip_suffix('0').expect("it ends in 0"));
    let shape = folder.path().join("shape-c");
    let mut script = start(&shape);
    let expected = [
        ("pf-a", 1, vec!["sip:alice@a.example"]),
        ("pf-b", 2, vec!["sip:bob@b.example", "sip:carol@b.example"]),
        ("c", 3, vec!["sip:bob@b.example", "sip:carol@b.example"]),
        ("d", 4, vec![]),
    ];
    for (node, host, users) in &expected {
        let output = Command::new(env!("CARGO_BIN_EXE_restante"))
            .current_dir(&shape)
            .args(["--config", &format!("{node}.toml"), "subscriber", "list"])
            .output()
            .expect("the program starts");
        let listed = String::from_utf8_lossy(&output.stdout);
        let listed: Vec<&str> = listed
            .split_whitespace()
            .filter(|word| word.starts_with("sip:"))
            .collect();
        assert_eq!(listed, *users, "{node}");
        assert!(
            TcpStream::connect((net.ip(*host), 5060)).is_ok(),
            "{node} listens"
        );
        assert!(
            shape.join(format!("data/{node}/trace.jsonl")).exists(),
            "{node} traces"
        );
    }
    let pid = Pid::from_raw(i32::try_from(script.id()).expect("a process id"));
    kill_process(pid.expect("a process id"), Signal::TERM).expect("it runs");
    script.wait().expect("it ends");
    for (node, host, _) in &expected {
        let gone = || TcpStream::connect((net.ip(*host), 5060)).is_err();
        assert!(eventually(Duration::from_secs(15), gone), "{node} is gone");
    }
}
