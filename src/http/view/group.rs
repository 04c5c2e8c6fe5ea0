use crate::controlling::{Absent, Senders};
use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::{Object, ObjectBuilder, Type},
};

/// A group to be made.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGroup {
    /// The address which requests for the group go to, in a domain of ours.
    #[schema(examples("sip:team@example.com"))]
    pub address: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Whose it is; nobody's if nobody is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Who belongs to it; more can be added later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<NewMember>,
    /// Who may send to it; as configured if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = senders)]
    pub senders: Option<Senders>,
    /// What becomes of the copies of absent members; as configured if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = absent)]
    pub absent: Option<Absent>,
    /// Whether one who is no member becomes one by calling it.
    #[serde(default)]
    pub open: bool,
}

/// One who is to belong to a group.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMember {
    /// Who it is, in any spelling; in a domain of ours or elsewhere.
    #[schema(examples("sip:alice@example.com"))]
    pub address: String,
    /// A name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}

/// Those who are to belong to a group too.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMembers {
    /// Who; one who belongs to it already stays as they are.
    pub members: Vec<NewMember>,
}

/// What is to be changed of a group; what is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GroupChange {
    /// What it is about; empty for nothing in particular.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Whose it is; empty for nobody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("sip:alice@example.com"))]
    pub owner: Option<String>,
    /// Who may send to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = senders)]
    pub senders: Option<Senders>,
    /// What becomes of the copies of absent members.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = absent)]
    pub absent: Option<Absent>,
    /// Whether one who is no member becomes one by calling it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<bool>,
}

/// A group.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct GroupView {
    /// Canonical address.
    pub address: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Who may send to it.
    #[schema(schema_with = senders)]
    pub senders: Senders,
    /// What becomes of the copies of absent members.
    #[schema(schema_with = absent)]
    pub absent: Absent,
    /// Whether one who is no member becomes one by calling it.
    pub open: bool,
    /// Where it comes from: `configured`, `administered`, or `ad-hoc` if a user made it.
    pub origin: String,
    /// When it was made (RFC 3339).
    #[schema(format = DateTime)]
    pub created: String,
    /// When it was last used, give or take a day (RFC 3339).
    #[schema(format = DateTime)]
    pub used: String,
    /// Grows with every change.
    pub version: u64,
    /// How many members it has.
    pub size: u64,
    /// Who belongs to it; not in lists of groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<MemberView>>,
}

/// One who belongs to a group.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct MemberView {
    /// Canonical address.
    pub address: String,
    /// A name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Whether the other members learn who this is.
    pub visible: bool,
    /// Since when (RFC 3339).
    #[schema(format = DateTime)]
    pub joined: String,
}

fn senders() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(
            "`members`: its members and its owner. `owner`: its owner alone. `anybody`: everybody.",
        ))
        .enum_values(Some(Senders::ALL.map(Senders::as_str)))
        .build()
}

fn absent() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(
            "`defer`: they are kept until the member is back. `refuse`: they are not made; the \
             sender is told so.",
        ))
        .enum_values(Some(Absent::ALL.map(Absent::as_str)))
        .build()
}
