//! What this server says of its groups in session descriptions, and what devices say of
//! themselves (RFC 7701 §8).
use crate::{
    controlling::{Abilities, Config},
    sdp::{Chatroom, MessageMedia},
};

/// What the groups of this server support and allow.
pub fn of(config: &Config) -> Chatroom {
    Chatroom {
        nickname: config.nicknames,
        private_messages: config.private_messages,
        others: Vec::new(),
    }
}

/// What a device can do in a group; one that does not say knows nothing of chat rooms, and would
/// take a private message for one to all.
pub fn abilities_of(remote: &MessageMedia) -> Abilities {
    let chatroom = remote.chatroom.as_ref();
    chatroom.map_or_else(Abilities::default, |chatroom| Abilities {
        private_messages: chatroom.private_messages,
        nicknames: chatroom.nickname,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_that_says_nothing_takes_no_private_messages() {
        let mut media = MessageMedia::default();
        assert!(!abilities_of(&media).private_messages);
        media.chatroom = Some(Chatroom::parse("private-messages"));
        let abilities = abilities_of(&media);
        assert!(abilities.private_messages && !abilities.nicknames);
    }

    #[test]
    fn room_says_what_the_operator_allows() {
        let config = Config {
            nicknames: false,
            ..Config::default()
        };
        assert_eq!(of(&config).value().as_deref(), Some("private-messages"));
    }
}
