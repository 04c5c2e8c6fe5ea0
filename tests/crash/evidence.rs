//! What is shown when the server broke its word: each message with its life, as the server
//! tells it, and what the log says about it.
use crate::{harness::Server, ledger::Entry, notes::Notes};
use std::fmt::Write;

/// Messages told in full.
const TOLD: usize = 5;

/// Lines of the log told for each of them.
const LINES: usize = 40;

pub fn of_faults(notes: &Notes, server: &Server) -> String {
    let ledger = notes.ledger();
    let log = server.log();
    let mut text = format!("{:#?}\n", ledger.verdict());
    for (entry, _, fault) in ledger.faults(TOLD) {
        let id = ledger.plan().message_id(entry.message.number);
        let _ = writeln!(text, "\n{fault:?}: {id}");
        tell(entry, &id, server, &log, &mut text);
    }
    text
}

/// Messages whose senders still have no answer.
pub fn of_unanswered(notes: &Notes, unanswered: &[u64], server: &Server) -> String {
    let ledger = notes.ledger();
    let log = server.log();
    let mut text = format!("{} messages were never acknowledged\n", unanswered.len());
    let _ = writeln!(text, "refusals: {:#?}", notes.refusals());
    for number in unanswered.iter().take(TOLD) {
        let id = ledger.plan().message_id(*number);
        if let Some(entry) = ledger.entry(*number) {
            let _ = writeln!(text, "\nno answer: {id}");
            tell(entry, &id, server, &log, &mut text);
        }
    }
    text
}

fn tell(entry: &Entry, id: &str, server: &Server, log: &str, text: &mut String) {
    let (status, life) = server.get(&format!("/api/v1/messages/{id}"));
    let _ = writeln!(text, "  the ledger: {entry:?}");
    let _ = writeln!(text, "  the server's trace ({status}): {life:#}");
    let _ = writeln!(text, "  the log:");
    for line in log.lines().filter(|line| line.contains(id)).take(LINES) {
        let _ = writeln!(text, "    {line}");
    }
}
