//! `application/simple-message-summary`: how many messages wait (RFC 3842 §5.2).
use super::SummaryError;
use crate::syntax::token::{is_token, trim};
use std::fmt::Write;

/// The class of a count (RFC 3458 §6.2) that deferred messages are counted in.
pub const TEXT_MESSAGE: &str = "Text-Message";
/// The class of large messages.
pub const MULTIMEDIA_MESSAGE: &str = "Multimedia-Message";

/// How many messages wait, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageSummary {
    /// Whether any waits.
    pub waiting: bool,
    /// The account they wait in.
    pub account: Option<String>,
    /// Counts per class of message.
    pub counts: Vec<Count>,
}

/// How many messages of one class wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// The message context class (`voice-message`, `text-message`, …), compared without case.
    pub class: String,
    /// Messages nobody has seen.
    pub new: u32,
    /// Messages seen but kept.
    pub old: u32,
    /// Urgent ones among them: new, old.
    pub urgent: Option<(u32, u32)>,
}

impl MessageSummary {
    /// A summary of `count` new messages of a class.
    pub fn of_new(account: &str, class: &str, count: u32) -> Self {
        Self {
            waiting: count > 0,
            account: Some(account.to_owned()),
            counts: vec![Count {
                class: class.to_owned(),
                new: count,
                ..Count::default()
            }],
        }
    }

    /// New messages of all classes together.
    pub fn new_messages(&self) -> u32 {
        self.counts
            .iter()
            .fold(0, |sum, count| sum.saturating_add(count.new))
    }

    /// Reads a summary; the optional message headers after it are skipped.
    ///
    /// Errors: `NoStatus` without a first line that says yes or no; `BadLine` otherwise.
    pub fn parse(body: &[u8]) -> Result<Self, SummaryError> {
        let text = String::from_utf8_lossy(body);
        let mut lines = text.lines().map(trim).enumerate();
        let waiting = lines
            .next()
            .and_then(|(_, line)| status(line))
            .ok_or(SummaryError::NoStatus)?;
        let mut summary = Self {
            waiting,
            ..Self::default()
        };
        for (index, line) in lines.take_while(|(_, line)| !line.is_empty()) {
            let bad = SummaryError::BadLine { line: index + 1 };
            let (name, value) = field(line).ok_or(bad)?;
            match name.eq_ignore_ascii_case("Message-Account") {
                true => summary.account = Some(value.to_owned()),
                false => summary.counts.push(count(name, value).ok_or(bad)?),
            }
        }
        Ok(summary)
    }

    /// Writes the summary.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = String::from("Messages-Waiting: ");
        out.push_str(if self.waiting { "yes\r\n" } else { "no\r\n" });
        if let Some(account) = &self.account {
            let _ = write!(out, "Message-Account: {account}\r\n");
        }
        for Count {
            class,
            new,
            old,
            urgent,
        } in &self.counts
        {
            let _ = write!(out, "{class}: {new}/{old}");
            if let Some((new, old)) = urgent {
                let _ = write!(out, " ({new}/{old})");
            }
            out.push_str("\r\n");
        }
        out.into_bytes()
    }
}

fn field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let name = trim(name);
    is_token(name).then(|| (name, trim(value)))
}

fn status(line: &str) -> Option<bool> {
    let (name, value) = field(line)?;
    name.eq_ignore_ascii_case("Messages-Waiting")
        .then_some(())?;
    match value.to_ascii_lowercase().as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn count(class: &str, value: &str) -> Option<Count> {
    let (all, urgent) = match value.split_once('(') {
        Some((all, urgent)) => (all, Some(pair(urgent.strip_suffix(')')?)?)),
        None => (value, None),
    };
    let (new, old) = pair(all)?;
    Some(Count {
        class: class.to_owned(),
        new,
        old,
        urgent,
    })
}

fn pair(text: &str) -> Option<(u32, u32)> {
    let (new, old) = text.split_once('/')?;
    Some((trim(new).parse().ok()?, trim(old).parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc3842_example_is_read() {
        let body = b"Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\n\
            Voice-Message: 4/8 (1/2)\r\n\r\nTo: <alice@atlanta.example.com>\r\nFrom: x\r\n";
        let read = MessageSummary::parse(body).unwrap();
        assert!(read.waiting);
        assert_eq!(read.account.as_deref(), Some("sip:alice@vmail.example.com"));
        let count = &read.counts[0];
        assert_eq!((count.new, count.old, count.urgent), (4, 8, Some((1, 2))));
        assert_eq!(read.new_messages(), 4);
    }

    #[test]
    fn case_and_spaces_do_not_matter() {
        let read =
            MessageSummary::parse(b"MESSAGES-WAITING : No\r\ntext-message:0 / 1\r\n").unwrap();
        assert_eq!((read.waiting, read.counts[0].old), (false, 1));
    }

    #[test]
    fn malformed_summaries_are_refused_by_line() {
        let refused = |text: &str| MessageSummary::parse(text.as_bytes()).unwrap_err();
        assert_eq!(refused(""), SummaryError::NoStatus);
        assert_eq!(refused("Voice-Message: 1/2"), SummaryError::NoStatus);
        assert_eq!(refused("Messages-Waiting: maybe"), SummaryError::NoStatus);
        for line in ["x", "a: 1", "a: 1/4294967296", "a: 1/2 (3/4"] {
            let text = format!("Messages-Waiting: yes\r\n{line}\r\n");
            assert_eq!(refused(&text), SummaryError::BadLine { line: 2 }, "{line}");
        }
    }

    proptest! {
        #[test]
        fn written_summary_reads_back(new in any::<u32>(), old in any::<u32>(), urgent in any::<Option<(u32, u32)>>()) {
            let mut summary = MessageSummary::of_new("sip:a@h", TEXT_MESSAGE, new);
            summary.counts.push(Count { class: MULTIMEDIA_MESSAGE.into(), new, old, urgent });
            prop_assert_eq!(MessageSummary::parse(&summary.to_bytes()), Ok(summary));
        }

        #[test]
        fn garbage_never_panics(text in "(Messages-Waiting: yes\r\n)?[a:/() 0-9\r\né]*") {
            let _ = MessageSummary::parse(text.as_bytes());
        }
    }
}
