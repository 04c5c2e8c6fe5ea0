//! Opens the engine and verifies that all that was ever promised is there.
use super::{
    super::{
        Config, StoreError, Table, journal,
        perishable::Horizon,
        sequence::{Identity, Mark, Witness},
    },
    keyspaces::Opened,
};
use std::path::Path;

/// Where the running sequence stands.
pub(super) struct Sequence {
    pub(super) identity: Identity,
    pub(super) witness: Witness,
    /// The last commit.
    pub(super) number: u64,
    /// The last commit known to be on disk.
    pub(super) synced: u64,
}

pub(super) const SEQUENCE: &[u8] = b"sequence";

/// Opens the engine below `folder`. `promised` is the last commit that this process saw synced.
///
/// Errors: `Damaged` if something promised is missing and `accept_loss` is not set.
pub(super) fn open(
    folder: &Path,
    config: &Config,
    horizon: &Horizon,
    promised: u64,
) -> Result<(Opened, Sequence), StoreError> {
    let engine = folder.join("engine");
    let known = Identity::read(folder)?;
    let mut losses = Losses::new(config.accept_loss);
    if known.is_none() && engine.exists() {
        losses.found("the file `identity` is missing".to_owned())?;
    }
    let identity = known.map_or_else(|| Identity::create(folder), Ok)?;
    let witness = Witness::open(folder)?;

    let before = journal::inspect(&engine, identity)?;
    if let Some((missing, found)) = before.gap {
        losses.found(format!(
            "the journal holds commit {found} but not {missing}, which had been promised"
        ))?;
    }
    let opened = Opened::open(&engine, config, horizon)?;
    let last = last_mark(&opened, identity)?;
    let promised = promised.max(before.synced).max(witness.synced(identity));
    if last.number < promised {
        losses.found(format!(
            "the last commit found is {}, but {promised} had been promised",
            last.number
        ))?;
    }
    if let Some(path) = before.cut_journal(promised) {
        let path = path.display();
        losses.found(format!("{path} is damaged before commit {promised}"))?;
    }
    // what was accepted once must not be found again: the sequence starts anew
    let (identity, last) = match losses.any {
        true => (Identity::create(folder)?, Mark::default()),
        false => (identity, last),
    };
    let sequence = Sequence {
        identity,
        witness,
        number: last.number,
        synced: promised.min(last.number),
    };
    Ok((opened, sequence))
}

/// The mark of the last commit that the engine brought back.
fn last_mark(opened: &Opened, identity: Identity) -> Result<Mark, StoreError> {
    let octets = opened.keyspace(Table::Meta).get(SEQUENCE)?;
    let mark = octets.and_then(|octets| Mark::decode(&octets, identity));
    Ok(mark.unwrap_or_default())
}

/// Damage found while opening, refused unless the operator accepts it.
struct Losses {
    accepted: bool,
    any: bool,
}

impl Losses {
    fn new(accepted: bool) -> Self {
        let any = false;
        Self { accepted, any }
    }

    fn found(&mut self, what: String) -> Result<(), StoreError> {
        if !self.accepted {
            return Err(StoreError::damaged(what));
        }
        tracing::warn!(%what, "loss accepted because `store.accept_loss` is set");
        self.any = true;
        Ok(())
    }
}
