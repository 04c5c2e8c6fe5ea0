use crate::sip::codec::{Message, Name, Params};
use std::fmt;

/// A `Session-Expires` value: how long a session lasts without a refresh, and who refreshes it.
///
/// Shape: `delta-seconds *(;se-params)`, with `refresher=uac` or `refresher=uas` among them.
/// Units: seconds. Source: RFC 4028 §4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// The session interval.
    pub seconds: u32,
    /// Who refreshes, if that is said.
    pub refresher: Option<Refresher>,
}

/// Who refreshes a session, named by the roles in the request that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    /// Who sends the request.
    Uac,
    /// Who answers it.
    Uas,
}

impl SessionExpires {
    /// Reads the header of `message`; one that is not well formed counts as absent.
    pub fn of(message: &Message) -> Option<Self> {
        Self::parse(&message.value(Name::SessionExpires)?)
    }

    fn parse(value: &str) -> Option<Self> {
        let (seconds, params) = split(value)?;
        let refresher = match params.get("refresher") {
            Some(role) if role.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(role) if role.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            _ => None,
        };
        Some(Self { seconds, refresher })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seconds)?;
        match self.refresher {
            Some(Refresher::Uac) => f.write_str(";refresher=uac"),
            Some(Refresher::Uas) => f.write_str(";refresher=uas"),
            None => Ok(()),
        }
    }
}

/// Reads `Min-SE`, in seconds; one that is not well formed counts as absent (RFC 4028 §5).
pub(super) fn min_se(message: &Message) -> Option<u32> {
    split(&message.value(Name::MinSe)?).map(|(seconds, _)| seconds)
}

/// `delta-seconds` and the parameters behind it.
fn split(value: &str) -> Option<(u32, Params)> {
    let end = value.find(';').unwrap_or(value.len());
    let seconds = value[..end].trim();
    let is_number = !seconds.is_empty() && seconds.bytes().all(|octet| octet.is_ascii_digit());
    // more than fits is as good as for ever (RFC 3261 §25.1 bounds delta-seconds by 2^32-1)
    let seconds = is_number.then(|| seconds.parse().unwrap_or(u32::MAX))?;
    Some((seconds, Params::parse(&value[end..]).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_standard_are_read_and_written() {
        for (text, seconds, refresher) in [
            ("4000", 4_000, None),
            ("1800;refresher=uac", 1_800, Some(Refresher::Uac)),
            ("90;refresher=uas", 90, Some(Refresher::Uas)),
        ] {
            let value = SessionExpires { seconds, refresher };
            assert_eq!(SessionExpires::parse(text), Some(value), "{text}");
            assert_eq!(value.to_string(), text);
        }
    }

    #[test]
    fn case_space_and_unknown_parameters_do_not_matter() {
        let uas = SessionExpires {
            seconds: 90,
            refresher: Some(Refresher::Uas),
        };
        let text = "90 ; why=not ; Refresher=UAS";
        assert_eq!(SessionExpires::parse(text), Some(uas));
        let odd = SessionExpires::parse("90;refresher=proxy");
        assert_eq!(odd.map(|value| value.refresher), Some(None));
    }

    #[test]
    fn what_is_no_number_counts_as_absent() {
        for text in ["", "soon", "-90", "9 0", "90,80", "+90", "90;;"] {
            assert_eq!(SessionExpires::parse(text), None, "{text}");
        }
        let endless = SessionExpires::parse("99999999999").map(|value| value.seconds);
        assert_eq!(endless, Some(u32::MAX));
    }
}
