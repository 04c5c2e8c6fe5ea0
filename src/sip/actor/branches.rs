use crate::sip::{codec::Via, proxy::LoopMark, transaction::Transport};
use std::hash::{BuildHasher, RandomState};

/// Makes branches: unique by a counter, and not to be guessed from outside by a keyed hash.
pub(super) struct Branches {
    key: RandomState,
    count: u64,
}

impl Branches {
    pub fn new() -> Self {
        Self {
            key: RandomState::new(),
            count: 0,
        }
    }

    /// The Via of a new transaction. Asks for `rport` (RFC 3581). The branch of what is forwarded
    /// ends with its mark.
    pub fn next_via(
        &mut self,
        transport: Transport,
        sent_by: &str,
        mark: Option<LoopMark>,
    ) -> String {
        self.count += 1;
        let secret = self.key.hash_one(self.count);
        let (cookie, transport) = (Via::MAGIC_COOKIE, transport.as_str());
        let mark = mark.map(|mark| mark.to_string()).unwrap_or_default();
        format!(
            "SIP/2.0/{transport} {sent_by};branch={cookie}{secret:016x}{:x}{mark};rport",
            self.count
        )
    }
}
