use crate::policy::Handing;
use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::{Object, ObjectBuilder, Type},
};

/// The class of those for whom none is named.
pub const DEFAULT_CLASS: &str = "default";

/// A subscriber to be made.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSubscriber {
    /// Address of record, in any spelling.
    #[schema(examples("sip:alice@example.com"))]
    pub address: String,
    /// The password; only digests of it are kept.
    #[schema(format = Password)]
    pub password: String,
    /// Whether messages are kept while the subscriber is away.
    #[serde(default = "yes")]
    pub deferral: bool,
    /// The class of service of the mailbox, one of `[deferred.classes]`; `default` if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// How what waits is handed over; `deliver` if nothing is said.
    #[serde(default)]
    #[schema(schema_with = handing)]
    pub handing: Handing,
}

impl NewSubscriber {
    /// A subscriber with the usual settings.
    pub fn new(address: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            password: password.into(),
            deferral: true,
            class: None,
            handing: Handing::default(),
        }
    }
}

/// What is to be changed of a subscriber; what is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SubscriberChange {
    /// Whether messages are kept while the subscriber is away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deferral: Option<bool>,
    /// The class of service of the mailbox, one of `[deferred.classes]`, or `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("default"))]
    pub class: Option<String>,
    /// How what waits is handed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = handing)]
    pub handing: Option<Handing>,
}

/// A new password.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// The password; only digests of it are kept.
    #[schema(format = Password)]
    pub password: String,
}

/// A subscriber, without secrets.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct SubscriberView {
    /// Canonical address.
    pub address: String,
    /// Whether messages are kept while the subscriber is away.
    pub deferral: bool,
    /// The class of service of the mailbox.
    pub class: String,
    /// How what waits is handed over.
    #[schema(schema_with = handing)]
    pub handing: Handing,
    /// When the subscriber was made (RFC 3339).
    #[schema(format = DateTime)]
    pub created: String,
    /// Where the subscriber is logged in.
    #[serde(default)]
    pub bindings: Vec<BindingView>,
}

/// One place where a subscriber is logged in.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct BindingView {
    /// The contact URI.
    pub contact: String,
    /// Until when (RFC 3339).
    #[schema(format = DateTime)]
    pub expires: String,
}

fn yes() -> bool {
    true
}

fn handing() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(
            "`deliver`: as soon as the receiver is there. `hold`: only when a device asks; nobody \
             is told. `notify-only`: only when a device asks, but its devices are told.",
        ))
        .enum_values(Some(Handing::ALL.map(Handing::as_str)))
        .build()
}
