//! What a sender wants to hear: Success-Report, Failure-Report, and the Status of a REPORT.
use super::HeaderError;
use std::fmt;

/// The value of `Failure-Report`; absent means `Yes` (RFC 4975 §7.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FailureReport {
    /// Every SEND is answered, silence counts as failure.
    #[default]
    Yes,
    /// Only errors are answered.
    Partial,
    /// Nothing is answered.
    No,
}

/// What one value of `Failure-Report` obliges the two neighbours to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duties {
    /// A SEND that was taken is answered 200.
    pub answer_success: bool,
    /// A SEND that was refused is answered with the reason.
    pub answer_failure: bool,
    /// The sender counts 30 s of silence as 408.
    pub run_timer: bool,
    /// An error found after the answer is sent as a REPORT.
    pub report_failure: bool,
    /// Silence of a next hop is sent as a REPORT with status 408.
    pub report_timeout: bool,
}

impl FailureReport {
    /// All values, in the order of the table of duties.
    pub const ALL: [Self; 3] = [Self::Yes, Self::Partial, Self::No];

    /// Returns what this value obliges to (RFC 4975 §7.1.1, §7.1.4, §7.2; RFC 4976 §4.3).
    pub const fn duties(self) -> Duties {
        match self {
            Self::Yes => Duties {
                answer_success: true,
                answer_failure: true,
                run_timer: true,
                report_failure: true,
                report_timeout: true,
            },
            Self::Partial => Duties {
                answer_success: false,
                answer_failure: true,
                run_timer: false,
                report_failure: true,
                report_timeout: false,
            },
            Self::No => Duties {
                answer_success: false,
                answer_failure: false,
                run_timer: false,
                report_failure: false,
                report_timeout: false,
            },
        }
    }

    /// Tells whether a SEND with this value is answered with `code`.
    pub const fn answers(self, code: u16) -> bool {
        match is_success(code) {
            true => self.duties().answer_success,
            false => self.duties().answer_failure,
        }
    }

    /// Parses the header field's value. Errors: `Shape` for any other word.
    pub fn parse(value: &[u8]) -> Result<Self, HeaderError> {
        match value {
            value if value.eq_ignore_ascii_case(b"yes") => Ok(Self::Yes),
            value if value.eq_ignore_ascii_case(b"partial") => Ok(Self::Partial),
            value if value.eq_ignore_ascii_case(b"no") => Ok(Self::No),
            _ => Err(HeaderError::Shape),
        }
    }

    /// Returns the word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Partial => "partial",
            Self::No => "no",
        }
    }
}

/// Tells whether `code` says that all went well.
pub const fn is_success(code: u16) -> bool {
    code / 100 == 2
}

/// The value of a `Status` header field (RFC 4975 §7.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which list the code is from; 0 for the codes of MSRP responses.
    pub namespace: u16,
    /// The code.
    pub code: u16,
    /// What a person may read; may be empty.
    pub comment: String,
}

impl Status {
    /// Builds a status of namespace 000 with the comment of the standard.
    pub fn of(code: u16) -> Self {
        let comment = comment(code).to_owned();
        Self {
            namespace: 0,
            code,
            comment,
        }
    }

    /// Parses `namespace SP code [SP comment]`, both numbers of three digits.
    pub fn parse(value: &str) -> Result<Self, HeaderError> {
        let mut parts = value.splitn(3, ' ');
        let namespace = three_digits(parts.next())?;
        let code = three_digits(parts.next())?;
        let comment = parts.next().unwrap_or_default().to_owned();
        Ok(Self {
            namespace,
            code,
            comment,
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} {:03}", self.namespace, self.code)?;
        match self.comment.is_empty() {
            true => Ok(()),
            false => write!(f, " {}", self.comment),
        }
    }
}

/// Returns the usual comment for a status code (IANA MSRP parameters).
pub const fn comment(code: u16) -> &'static str {
    match code {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Transaction Timed Out",
        413 => "Stop Sending",
        415 => "Unsupported Media Type",
        423 => "Interval Out-of-Bounds",
        424 => "Bad Nickname",
        425 => "Nickname In Use",
        428 => "Private Messages Not Supported",
        481 => "No Such Session",
        501 => "Unknown Method",
        506 => "Session Already Bound",
        _ => "",
    }
}

fn three_digits(text: Option<&str>) -> Result<u16, HeaderError> {
    let text = text.ok_or(HeaderError::Shape)?;
    if text.len() != 3 || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(HeaderError::Shape);
    }
    text.parse().map_err(|_| HeaderError::Shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! cells {
        ($($name:ident: $value:ident . $duty:ident = $owed:literal;)*) => { $(
            #[test]
            fn $name() {
                assert_eq!(FailureReport::$value.duties().$duty, $owed);
            }
        )* };
    }

    cells! {
        yes_answers_success: Yes.answer_success = true;
        yes_answers_failure: Yes.answer_failure = true;
        yes_runs_the_timer: Yes.run_timer = true;
        yes_reports_late_failure: Yes.report_failure = true;
        yes_reports_timeout: Yes.report_timeout = true;
        partial_never_answers_success: Partial.answer_success = false;
        partial_answers_failure: Partial.answer_failure = true;
        partial_runs_no_timer: Partial.run_timer = false;
        partial_reports_late_failure: Partial.report_failure = true;
        partial_reports_no_timeout: Partial.report_timeout = false;
        no_never_answers_success: No.answer_success = false;
        no_never_answers_failure: No.answer_failure = false;
        no_runs_no_timer: No.run_timer = false;
        no_reports_no_late_failure: No.report_failure = false;
        no_reports_no_timeout: No.report_timeout = false;
    }

    #[test]
    fn absent_preference_is_yes() {
        assert_eq!(FailureReport::default(), FailureReport::Yes);
    }

    #[test]
    fn answers_depend_on_value_and_code() {
        let answered = FailureReport::ALL.map(|value| (value.answers(200), value.answers(413)));
        assert_eq!(answered, [(true, true), (false, true), (false, false)]);
    }

    #[test]
    fn words_are_read_in_any_case_and_others_refused() {
        for value in FailureReport::ALL {
            let word = value.as_str().to_ascii_uppercase();
            assert_eq!(FailureReport::parse(word.as_bytes()), Ok(value));
        }
        assert!(FailureReport::parse(b"maybe").is_err());
    }

    #[test]
    fn status_is_read_and_written() {
        for text in ["000 200 OK", "000 413", "001 408 a b c"] {
            assert_eq!(Status::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "", "0 200", "000", "000 20", "000  200", "+00 200", "abc def",
        ] {
            assert!(Status::parse(text).is_err(), "{text}");
        }
        assert_eq!(Status::of(200).to_string(), "000 200 OK");
    }
}
