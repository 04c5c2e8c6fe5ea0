use crate::{clock::Timestamp, controlling::Nickname, identity::Address};
use std::{collections::BTreeMap, time::Duration};

/// Why a nickname is not to be had (RFC 7701 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NicknameRefusal {
    /// There are none in this group, or not for one who is not in it.
    #[error("nicknames are not used here")]
    NotAllowed,
    /// It is no nickname.
    #[error("malformed nickname")]
    Malformed,
    /// Somebody else has it, or nobody may.
    #[error("nickname reserved or already in use")]
    Taken,
}

impl NicknameRefusal {
    /// The MSRP status code that says so.
    pub fn code(self) -> u16 {
        match self {
            Self::NotAllowed => 403,
            Self::Malformed => 424,
            Self::Taken => 425,
        }
    }

    /// Label value for metrics: one short word per variant.
    pub fn kind(self) -> &'static str {
        match self {
            Self::NotAllowed => "nickname_not_allowed",
            Self::Malformed => "nickname_malformed",
            Self::Taken => "nickname_taken",
        }
    }
}

/// Whose each nickname is, and until when one that was given up is kept for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Nicknames {
    held: BTreeMap<String, Holder>,
    quarantine: Duration,
}

#[derive(Clone, Debug)]
struct Holder {
    user: Address,
    /// Devices of the user that go by it.
    devices: usize,
    /// Since when none does.
    given_up: Timestamp,
}

impl Nicknames {
    /// None yet; one that is given up is kept for its user for as long as `quarantine`.
    pub(super) fn new(quarantine: Duration) -> Self {
        Self {
            quarantine,
            ..Self::default()
        }
    }

    /// Lets one more device of `user` go by it. Errors: `Taken`.
    pub(super) fn take(
        &mut self,
        nickname: &Nickname,
        user: &Address,
        now: Timestamp,
    ) -> Result<(), NicknameRefusal> {
        let quarantine = self.quarantine;
        let is_free = |held: &Holder| held.devices == 0 && now.since(held.given_up) >= quarantine;
        self.held.retain(|_, held| !is_free(held));
        match self.held.get_mut(nickname.key()) {
            Some(held) if held.user == *user => held.devices += 1,
            Some(_) => return Err(NicknameRefusal::Taken),
            None => {
                let holder = Holder {
                    user: user.clone(),
                    devices: 1,
                    given_up: now,
                };
                self.held.insert(nickname.key().to_owned(), holder);
            }
        }
        Ok(())
    }

    /// One device less goes by it.
    pub(super) fn give_up(&mut self, nickname: &Nickname, now: Timestamp) {
        if let Some(held) = self.held.get_mut(nickname.key()) {
            held.devices = held.devices.saturating_sub(1);
            held.given_up = now;
        }
    }
}
