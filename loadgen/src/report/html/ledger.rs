//! The sums of the ledger, as a table.
use super::{
    Run,
    tables::{close, columns, open},
};
use crate::report::Report;
use std::fmt::{self, Write};

/// Writes the sums of the ledger.
pub(super) fn write(out: &mut String, runs: &[Run<'_>]) -> fmt::Result {
    open(out, "Ledger", &columns("messages", runs))?;
    for (place, (name, _, meaning)) in ledger_of(&Report::default()).into_iter().enumerate() {
        let counts = runs.iter().map(|run| ledger_of(run.report)[place].1);
        let is_fault = matches!(name, "lost" | "duplicated" | "corrupted");
        write!(
            out,
            "<tr><td>{name} <span class=\"soft\">{meaning}</span></td>"
        )?;
        for count in counts {
            let class = match (is_fault, count) {
                (true, 0) => "good",
                (true, _) => "bad",
                (false, _) => "",
            };
            write!(out, "<td class=\"{class}\">{count}</td>")?;
        }
        write!(out, "</tr>")?;
    }
    close(out)
}

fn ledger_of(report: &Report) -> [(&'static str, u64, &'static str); 13] {
    let sums = &report.ledger;
    [
        ("sent", sums.sent, "at least once"),
        ("sent again", sums.retries, "because no answer came"),
        (
            "acknowledged",
            sums.acknowledged,
            "their senders were told that they are safe",
        ),
        (
            "stored",
            sums.stored,
            "kept by the server when they were acknowledged",
        ),
        (
            "delivered at once",
            sums.delivered_at_once,
            "received when they were acknowledged",
        ),
        ("refused", sums.refused, "and never acknowledged"),
        ("delivered", sums.delivered, "received whole"),
        ("waiting", sums.waiting, "for receivers who did not log in"),
        (
            "repeated",
            sums.repeated,
            "after a break of the server, which is allowed",
        ),
        (
            "overtaken",
            sums.overtaken,
            "came before an earlier one of the same sender",
        ),
        ("lost", sums.lost, "acknowledged and never received"),
        (
            "duplicated",
            sums.duplicated,
            "received twice without a break",
        ),
        (
            "corrupted",
            sums.corrupted,
            "received changed, misdirected or unsent",
        ),
    ]
}
