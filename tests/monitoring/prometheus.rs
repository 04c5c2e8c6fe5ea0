//! A Prometheus of the test's own, which collects every second.
use crate::harness::eventually;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

const INSTALL: &str = "the Debian package `prometheus` is installed (tests/run does it)";

/// Ended when the test is over.
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

/// Runs promtool in `folder`; it must find nothing wrong.
pub fn promtool(folder: &Path, words: &[&str]) {
    let output = Command::new("promtool")
        .current_dir(folder)
        .args(words)
        .output()
        .expect(INSTALL);
    assert!(output.status.success(), "promtool {words:?}: {output:#?}");
}

impl Prometheus {
    /// Starts with the configuration in `examples`, pointed at the node whose HTTP port is `node`.
    pub fn start(examples: &Path, node: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let rules = folder.path().join("rules");
        fs::create_dir(&rules).expect("a folder");
        for file in ["recording.yml", "alerts.yml"] {
            fs::copy(examples.join("rules").join(file), rules.join(file)).expect("a copy");
        }
        let config = fs::read_to_string(examples.join("prometheus.yml")).expect("a text");
        let config = config.replace("127.0.0.1:8080", &node.to_string());
        let config = config.replace("15s", "1s");
        fs::write(folder.path().join("prometheus.yml"), config).expect("a file");
        let address = free_address();
        let log = fs::File::create(folder.path().join("log")).expect("a file");
        let child = Command::new("prometheus")
            .current_dir(folder.path())
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect(INSTALL);
        let prometheus = Self {
            child,
            address,
            folder,
        };
        let ready = || prometheus.get("/-/ready").is_some();
        assert!(
            eventually(Duration::from_secs(60), ready),
            "{}",
            prometheus.log()
        );
        prometheus
    }

    /// Waits until `query` finds something.
    pub fn wait_for(&self, query: &str) {
        let found = eventually(Duration::from_secs(60), || self.finds(query));
        assert!(found, "nothing for {query}\n{}", self.log());
    }

    /// Whether `query` gives at least one number.
    pub fn finds(&self, query: &str) -> bool {
        let numbers = self.query(query).into_iter().filter(|series| {
            let value = series["value"][1].as_str().unwrap_or_default();
            value.parse::<f64>().is_ok_and(|value| !value.is_nan())
        });
        numbers.count() > 0
    }

    /// What `query` gives now.
    pub fn query(&self, query: &str) -> Vec<Value> {
        let address = format!("http://{}/api/v1/query", self.address);
        let answer = ureq::get(address).query("query", query).call();
        let mut answer = answer.unwrap_or_else(|error| panic!("{error}: {query}"));
        let answer: Value = answer.body_mut().read_json().expect("JSON");
        let series = answer["data"]["result"].as_array().cloned();
        series.unwrap_or_default()
    }

    /// The names of all figures there are.
    pub fn names(&self) -> BTreeSet<String> {
        let answer = self.document("/api/v1/label/__name__/values");
        let names = answer["data"].as_array().expect("a list").iter();
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// All rules as they are in force.
    pub fn rules(&self) -> Vec<Value> {
        let answer = self.document("/api/v1/rules");
        let groups = answer["data"]["groups"].as_array().expect("groups").iter();
        let rules = groups.filter_map(|group| group["rules"].as_array());
        rules.flatten().cloned().collect()
    }

    fn document(&self, path: &str) -> Value {
        let text = self.get(path).expect("an answer");
        serde_json::from_str(&text).expect("JSON")
    }

    fn get(&self, path: &str) -> Option<String> {
        let answer = ureq::get(format!("http://{}{path}", self.address)).call();
        answer.ok()?.body_mut().read_to_string().ok()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // one that has ended already needs no killing
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}
