use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{borrow::Cow, net::SocketAddr};
use time::{
    OffsetDateTime, PrimitiveDateTime, format_description::BorrowedFormatItem,
    macros::format_description,
};

const DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// One message on the wire: a line of the trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When, by the system's clock, in microseconds since 1970; an RFC 3339 date in the file.
    #[serde(serialize_with = "write_date", deserialize_with = "read_date")]
    pub at: u64,
    /// Who wrote this line.
    pub node: String,
    /// Which way it went.
    pub way: Way,
    /// `sip` or `msrp`.
    pub protocol: Cow<'static, str>,
    /// `UDP` or `TCP`, also where that carries TLS.
    pub transport: Cow<'static, str>,
    /// The stream it went over: unique for this node and protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<u64>,
    /// Where this node listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<SocketAddr>,
    /// The neighbour.
    pub peer: SocketAddr,
    /// The SIP message; start line and header fields of the MSRP request or response.
    pub text: String,
}

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// From this node.
    Sent,
    /// To this node.
    Received,
}

impl Record {
    /// A record of `text` that went to or came from `peer`; the rest is filled in where it is
    /// known.
    pub(in crate::telemetry) fn new(way: Way, peer: SocketAddr, text: &[u8]) -> Self {
        Self {
            at: 0,
            node: String::new(),
            way,
            protocol: Cow::Borrowed(""),
            transport: Cow::Borrowed(""),
            connection: None,
            local: None,
            peer,
            text: String::from_utf8_lossy(text).into_owned(),
        }
    }

    /// Whether it is SIP; else it is MSRP.
    pub fn is_sip(&self) -> bool {
        self.protocol == "sip"
    }

    /// Parses one line of a trace.
    ///
    /// Errors: the line is no record.
    pub fn parse(line: &str) -> serde_json::Result<Self> {
        serde_json::from_str(line)
    }
}

fn write_date<S: Serializer>(micros: &u64, to: S) -> Result<S::Ok, S::Error> {
    let date = OffsetDateTime::from_unix_timestamp_nanos(i128::from(*micros) * 1000);
    let text = date.ok().and_then(|date| date.format(DATE).ok());
    to.serialize_str(&text.unwrap_or_default())
}

fn read_date<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let text = String::deserialize(from)?;
    let date = PrimitiveDateTime::parse(&text, DATE).map_err(de::Error::custom)?;
    let micros = date.assume_utc().unix_timestamp_nanos() / 1000;
    u64::try_from(micros).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_is_read_as_it_was_written() {
        let record = Record {
            at: 1_794_811_046_123_456,
            node: "PF-A".into(),
            protocol: Cow::Borrowed("sip"),
            transport: Cow::Borrowed("TCP"),
            connection: Some(7),
            local: Some(([127, 0, 1, 1], 5060).into()),
            ..Record::new(Way::Sent, ([127, 0, 1, 2], 5060).into(), b"ACK \"x\"\r\n")
        };
        let line = serde_json::to_string(&record).unwrap();
        let expected = r#"{"at":"2026-11-16T06:37:26.123456Z","node":"PF-A","way":"sent","#;
        assert!(line.starts_with(expected), "{line}");
        assert_eq!(Record::parse(&line).unwrap(), record);
    }

    #[test]
    fn line_that_is_no_record_is_refused() {
        for line in ["", "{}", r#"{"at":"today"}"#] {
            assert!(Record::parse(line).is_err(), "{line}");
        }
    }
}
