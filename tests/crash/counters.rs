//! What the server counts, held against what it lists: the counters are kept with every change,
//! never computed, and so would remember a change that a kill had cut in two.
use crate::harness::{Server, eventually};
use serde_json::Value;
use std::time::Duration;

/// What waits: messages, their octets, and notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    messages: u64,
    octets: u64,
    notifications: u64,
}

/// Waits until the counters of every mailbox, and those of all together, are what is listed;
/// while messages move, they may differ from one question to the next.
pub fn settled(server: &Server, limit: Duration) -> Waiting {
    let mut seen = (Waiting::default(), Vec::new());
    let agree = eventually(limit, || {
        seen = look(server);
        seen.1.is_empty()
    });
    assert!(agree, "{:#?}", seen.1);
    seen.0
}

/// Waits until nothing waits at all, by every counter.
pub fn empty(server: &Server, limit: Duration) {
    let mut left = Waiting::default();
    let is_empty = eventually(limit, || {
        left = settled(server, limit);
        left == Waiting::default()
    });
    assert!(is_empty, "left behind: {left:?}\n{:#}", queues(server));
}

/// What is listed, and where a counter says something else.
fn look(server: &Server) -> (Waiting, Vec<String>) {
    let queues = queues(server);
    let mut all = Waiting::default();
    let mut wrong = Vec::new();
    for queue in queues["items"].as_array().expect("a list") {
        let recipient = queue["recipient"].as_str().expect("an address");
        let (listed, octets_of_all) = listed(server, recipient);
        let counted = Waiting {
            messages: number(&queue["count"]),
            octets: number(&queue["octets"]),
            notifications: number(&queue["notifications"]),
        };
        if listed != counted {
            wrong.push(format!(
                "{recipient}: {counted:?} counted, {listed:?} listed"
            ));
        }
        all.messages += listed.messages;
        all.notifications += listed.notifications;
        all.octets += octets_of_all;
    }
    let counted = (number(&queues["messages"]), number(&queues["octets"]));
    if counted != (all.messages + all.notifications, all.octets) {
        wrong.push(format!("all: {counted:?} counted, {all:?} listed"));
    }
    (all, wrong)
}

/// What is listed for one recipient; and the octets of notifications too.
fn listed(server: &Server, recipient: &str) -> (Waiting, u64) {
    let mut listed = Waiting::default();
    let mut octets_of_all = 0;
    let mut path = format!("/api/v1/queues/{recipient}?limit=1000");
    loop {
        let (status, page) = server.get(&path);
        assert_eq!(status, 200, "{page}");
        for entry in page["items"].as_array().expect("a list") {
            let size = number(&entry["size"]);
            octets_of_all += size;
            match entry["kind"] == "message" {
                true => {
                    (listed.messages, listed.octets) = (listed.messages + 1, listed.octets + size)
                }
                false => listed.notifications += 1,
            }
        }
        let Some(next) = page["next"].as_str() else {
            return (listed, octets_of_all);
        };
        path = format!("/api/v1/queues/{recipient}?limit=1000&after={next}");
    }
}

fn queues(server: &Server) -> Value {
    let (status, queues) = server.get("/api/v1/queues?limit=1000");
    assert_eq!(status, 200, "{queues}");
    queues
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}
