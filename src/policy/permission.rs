use super::Settings;

/// What is known of a receiver of deferred messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No subscriber of ours.
    Unknown,
    /// A subscriber for whom nothing may be stored.
    Refuses,
    /// A subscriber with a mailbox.
    Accepts(Settings),
}

/// Why a message may not be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotStored {
    /// The receiver is not ours: 404.
    Unknown,
    /// The receiver has no deferred messages: 403.
    NotPermitted,
}

/// Whether a message for a receiver of this standing may be stored, and under which settings.
pub fn may_store(standing: Standing) -> Result<Settings, NotStored> {
    match standing {
        Standing::Accepts(settings) => Ok(settings),
        Standing::Refuses => Err(NotStored::NotPermitted),
        Standing::Unknown => Err(NotStored::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_subscriber_with_a_mailbox_gets_messages_stored() {
        let settings = Settings {
            class: Some("gold".into()),
            ..Settings::default()
        };
        let accepts = Standing::Accepts(settings.clone());
        assert_eq!(may_store(accepts), Ok(settings));
        assert_eq!(may_store(Standing::Refuses), Err(NotStored::NotPermitted));
        assert_eq!(may_store(Standing::Unknown), Err(NotStored::Unknown));
    }
}
