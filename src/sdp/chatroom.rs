use crate::syntax::token::is_token;

const NICKNAME: &str = "nickname";
const PRIVATE: &str = "private-messages";

/// The value of `a=chatroom`: what one side supports, and its policy allows, of chat rooms.
///
/// A declaration, not an offer: each side says what holds for itself.
/// Source: RFC 7701 §8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chatroom {
    /// Participants go by nicknames.
    pub nickname: bool,
    /// Participants write to one another alone.
    pub private_messages: bool,
    /// Tokens of extensions, in their order.
    pub others: Vec<String>,
}

impl Chatroom {
    /// Reads the value. Shape: `[chat-token *(SP chat-token)]`. What is no token is passed over,
    /// and so is one that is there already.
    pub fn parse(value: &str) -> Self {
        let mut read = Self::default();
        for token in value.split_whitespace().filter(|token| is_token(token)) {
            match token {
                NICKNAME => read.nickname = true,
                PRIVATE => read.private_messages = true,
                other if read.others.iter().any(|known| known == other) => {}
                other => read.others.push(other.to_owned()),
            }
        }
        read
    }

    /// Writes the value; nothing where nothing is supported but chat rooms themselves.
    pub fn value(&self) -> Option<String> {
        let own = [(self.nickname, NICKNAME), (self.private_messages, PRIVATE)];
        let own = own
            .into_iter()
            .filter_map(|(has, token)| has.then_some(token));
        let tokens: Vec<&str> = own.chain(self.others.iter().map(String::as_str)).collect();
        (!tokens.is_empty()).then(|| tokens.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn examples_of_rfc7701_are_read_and_written() {
        let both = Chatroom::parse("nickname private-messages");
        assert!(both.nickname && both.private_messages);
        assert_eq!(both.value().as_deref(), Some("nickname private-messages"));
        assert_eq!(Chatroom::parse(""), Chatroom::default());
        assert_eq!(Chatroom::default().value(), None);
        let extended = Chatroom::parse("private-messages com.example.chat.foo");
        assert_eq!(extended.others, ["com.example.chat.foo"]);
        assert!(!extended.nickname);
    }

    proptest! {
        #[test]
        fn written_value_reads_back(text in "[ -~]{0,60}") {
            let read = Chatroom::parse(&text);
            prop_assert_eq!(Chatroom::parse(&read.value().unwrap_or_default()), read);
        }
    }
}
