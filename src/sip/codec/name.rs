//! Header names: full, compact, and any letter case.
use std::fmt;

macro_rules! names {
    ($($variant:ident $text:literal $($compact:literal)?),+ $(,)?) => {
        /// The name of a header field. One we do not know is [`Name::Other`]; its text stands in
        /// the message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Name {
            $(#[doc = concat!("`", $text, "`")] $variant,)+
            /// A name that is not in this list.
            Other,
        }

        impl Name {
            /// Every name we know.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant),+];

            /// The full name as RFC 3261 and its extensions write it; empty for [`Name::Other`].
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other => "",
                }
            }
        }

        /// Compact form of each letter, `a` to `z`.
        const COMPACT: [Name; 26] = {
            let mut table = [Name::Other; 26];
            $($(table[($compact.as_bytes()[0] - b'a') as usize] = Name::$variant;)?)+
            table
        };
    };
}

names! {
    Accept "Accept",
    AcceptContact "Accept-Contact" "a",
    AcceptEncoding "Accept-Encoding",
    AcceptLanguage "Accept-Language",
    AcceptResourcePriority "Accept-Resource-Priority",
    AdditionalIdentity "Additional-Identity",
    AlertInfo "Alert-Info",
    Allow "Allow",
    AllowEvents "Allow-Events" "u",
    AnswerMode "Answer-Mode",
    AuthenticationInfo "Authentication-Info",
    Authorization "Authorization",
    CallId "Call-ID" "i",
    CallInfo "Call-Info",
    Contact "Contact" "m",
    ContentDisposition "Content-Disposition",
    ContentEncoding "Content-Encoding" "e",
    ContentId "Content-ID",
    ContentLanguage "Content-Language",
    ContentLength "Content-Length" "l",
    ContentType "Content-Type" "c",
    ContributionId "Contribution-ID",
    ConversationId "Conversation-ID",
    CSeq "CSeq",
    Date "Date",
    ErrorInfo "Error-Info",
    Event "Event" "o",
    Expires "Expires",
    FeatureCaps "Feature-Caps",
    FlowTimer "Flow-Timer",
    From "From" "f",
    Geolocation "Geolocation",
    HistoryInfo "History-Info",
    Identity "Identity" "y",
    InReplyTo "In-Reply-To",
    InReplyToContributionId "InReplyTo-Contribution-ID",
    InfoPackage "Info-Package",
    Join "Join",
    MaxBreadth "Max-Breadth",
    MaxForwards "Max-Forwards",
    MessageExpires "Message-Expires",
    MimeVersion "MIME-Version",
    MinExpires "Min-Expires",
    MinSe "Min-SE",
    Organization "Organization",
    PAccessNetworkInfo "P-Access-Network-Info",
    PAnswerState "P-Answer-State",
    PAssertedIdentity "P-Asserted-Identity",
    PAssertedService "P-Asserted-Service",
    PAssociatedUri "P-Associated-URI",
    PCalledPartyId "P-Called-Party-ID",
    PChargingFunctionAddresses "P-Charging-Function-Addresses",
    PChargingVector "P-Charging-Vector",
    PEarlyMedia "P-Early-Media",
    PPreferredIdentity "P-Preferred-Identity",
    PPreferredService "P-Preferred-Service",
    PProfileKey "P-Profile-Key",
    PServedUser "P-Served-User",
    PUserDatabase "P-User-Database",
    PVisitedNetworkId "P-Visited-Network-ID",
    Path "Path",
    PermissionMissing "Permission-Missing",
    Priority "Priority",
    Privacy "Privacy",
    ProxyAuthenticate "Proxy-Authenticate",
    ProxyAuthorization "Proxy-Authorization",
    ProxyRequire "Proxy-Require",
    RAck "RAck",
    RSeq "RSeq",
    Reason "Reason",
    RecordRoute "Record-Route",
    RecvInfo "Recv-Info",
    ReferSub "Refer-Sub",
    ReferTo "Refer-To" "r",
    ReferredBy "Referred-By" "b",
    RejectContact "Reject-Contact" "j",
    Replaces "Replaces",
    ReplyTo "Reply-To",
    RequestDisposition "Request-Disposition" "d",
    Require "Require",
    ResourcePriority "Resource-Priority",
    RetryAfter "Retry-After",
    Route "Route",
    SecurityClient "Security-Client",
    SecurityServer "Security-Server",
    SecurityVerify "Security-Verify",
    Server "Server",
    ServiceRoute "Service-Route",
    SessionExpires "Session-Expires" "x",
    SessionId "Session-ID",
    SessionReplaces "Session-Replaces",
    SipETag "SIP-ETag",
    SipIfMatch "SIP-If-Match",
    Subject "Subject" "s",
    SubscriptionState "Subscription-State",
    Supported "Supported" "k",
    SuppressIfMatch "Suppress-If-Match",
    TargetDialog "Target-Dialog",
    Timestamp "Timestamp",
    To "To" "t",
    Traceparent "Traceparent",
    Unsupported "Unsupported",
    UserAgent "User-Agent",
    Via "Via" "v",
    Warning "Warning",
    WwwAuthenticate "WWW-Authenticate",
}

/// Slots of the hash table: a power of two, about a fifth of them used.
const SLOTS: usize = 512;

/// Open-addressed table from the hash of a name to the name and its text, built at compile time.
static TABLE: [(Name, &[u8]); SLOTS] = {
    let mut table: [(Name, &[u8]); SLOTS] = [(Name::Other, b""); SLOTS];
    let mut at = 0;
    while at < Name::KNOWN.len() {
        let text = Name::KNOWN[at].as_str().as_bytes();
        let mut slot = hash(text);
        while !matches!(table[slot].0, Name::Other) {
            slot = (slot + 1) % SLOTS;
        }
        table[slot] = (Name::KNOWN[at], text);
        at += 1;
    }
    table
};

/// Needs at least one octet. Folds the letter case away.
const fn hash(name: &[u8]) -> usize {
    let first = (name[0] | 0x20) as usize;
    let last = (name[name.len() - 1] | 0x20) as usize;
    let middle = (name[name.len() / 2] | 0x20) as usize;
    (first * 7 + last * 31 + middle * 131 + name.len() * 67) % SLOTS
}

impl Name {
    /// Finds the name for these octets, in full or compact form, in any letter case.
    pub fn from_bytes(octets: &[u8]) -> Self {
        match octets {
            [] => Self::Other,
            [letter] if letter.is_ascii_alphabetic() => {
                COMPACT[usize::from(letter.to_ascii_lowercase() - b'a')]
            }
            _ => {
                let mut slot = hash(octets);
                loop {
                    let (name, text) = TABLE[slot];
                    // nearly always in the letter case of the standard
                    let is_it = || text == octets || text.eq_ignore_ascii_case(octets);
                    if name == Self::Other || text.len() == octets.len() && is_it() {
                        return name;
                    }
                    slot = (slot + 1) % SLOTS;
                }
            }
        }
    }

    /// Whether a message may have at most one value of this header (RFC 3261 §7.3.1).
    pub fn is_single(self) -> bool {
        matches!(
            self,
            Self::CallId
                | Self::ContentDisposition
                | Self::ContentLength
                | Self::ContentType
                | Self::CSeq
                | Self::Date
                | Self::Event
                | Self::Expires
                | Self::From
                | Self::MaxForwards
                | Self::MinExpires
                | Self::SipETag
                | Self::SipIfMatch
                | Self::SubscriptionState
                | Self::Timestamp
                | Self::To
        )
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Other => "unknown",
            known => known.as_str(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        for name in Name::KNOWN {
            let text = name.as_str();
            assert_eq!(Name::from_bytes(text.as_bytes()), *name);
            assert_eq!(Name::from_bytes(text.to_lowercase().as_bytes()), *name);
            assert_eq!(Name::from_bytes(text.to_uppercase().as_bytes()), *name);
        }
    }

    #[test]
    fn compact_forms_stand_for_their_names() {
        let pairs = [
            ("a", Name::AcceptContact),
            ("b", Name::ReferredBy),
            ("c", Name::ContentType),
            ("d", Name::RequestDisposition),
            ("e", Name::ContentEncoding),
            ("f", Name::From),
            ("i", Name::CallId),
            ("j", Name::RejectContact),
            ("k", Name::Supported),
            ("l", Name::ContentLength),
            ("m", Name::Contact),
            ("o", Name::Event),
            ("r", Name::ReferTo),
            ("s", Name::Subject),
            ("t", Name::To),
            ("u", Name::AllowEvents),
            ("V", Name::Via),
            ("x", Name::SessionExpires),
            ("y", Name::Identity),
            ("z", Name::Other),
        ];
        for (text, name) in pairs {
            assert_eq!(Name::from_bytes(text.as_bytes()), name, "{text}");
        }
    }

    #[test]
    fn unknown_name_is_other() {
        for text in ["", "Q", "X-Custom", "Vi", "Viaa", "1"] {
            assert_eq!(Name::from_bytes(text.as_bytes()), Name::Other, "{text}");
        }
    }
}
