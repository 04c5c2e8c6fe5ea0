use super::{
    Readable, StoreError, Table,
    walk::{Damage, Progress, Step, walk},
};

/// What reading every entry found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Entries that are sound.
    pub entries: u64,
    /// Octets of their keys and values.
    pub octets: u64,
    /// What cannot be read.
    pub damaged: Vec<Damage>,
}

impl Report {
    /// Whose mailboxes are hit: the recipients in the keys of damaged envelopes and counters.
    pub fn mailboxes(&self) -> Vec<String> {
        let of_mailboxes = |damage: &&Damage| {
            matches!(damage.table, Table::Envelope | Table::Mailbox) && damage.key.len() > 1
        };
        let recipient = |damage: &Damage| {
            let end = damage.key.iter().position(|octet| *octet == 0);
            let address = &damage.key[..end.unwrap_or(damage.key.len())];
            String::from_utf8_lossy(address).into_owned()
        };
        let mut found: Vec<_> = self
            .damaged
            .iter()
            .filter(of_mailboxes)
            .map(recipient)
            .collect();
        found.sort();
        found.dedup();
        found
    }
}

/// Reads every entry of every table; the engine checks what it reads by its sums.
pub fn verify(view: &dyn Readable, progress: Progress<'_>) -> Result<Report, StoreError> {
    let mut report = Report::default();
    for table in Table::ALL {
        let (mut entries, mut octets) = (report.entries, report.octets);
        let mut take = |key: bytes::Bytes, value: bytes::Bytes| {
            entries += 1;
            octets += (key.len() + value.len()) as u64;
            if entries.is_multiple_of(1024) {
                progress(Step { entries, octets });
            }
            Ok(())
        };
        walk(view, table, &mut take, &mut |damage| {
            report.damaged.push(damage)
        })?;
        (report.entries, report.octets) = (entries, octets);
    }
    Ok(report)
}
