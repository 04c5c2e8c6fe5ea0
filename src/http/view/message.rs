use super::EntryView;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The life of one message.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct MessageView {
    /// The sender's identifier.
    pub message_id: String,
    /// What happened, in order.
    pub steps: Vec<StepView>,
    /// Where it still waits: a copy for each recipient.
    #[serde(default)]
    pub waiting: Vec<EntryView>,
}

/// One step in the life of a message.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct StepView {
    /// When (RFC 3339).
    #[schema(format = DateTime)]
    pub at: String,
    /// For whom.
    pub recipient: String,
    /// The state it entered.
    pub state: String,
    /// Why.
    pub reason: String,
}

/// Which copies of a message are meant.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct WhichCopies {
    /// The one for this recipient; without it, all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
}
