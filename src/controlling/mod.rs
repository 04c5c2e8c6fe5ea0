//! The controlling function: groups that have an address of their own, who belongs to them, and
//! who may send to them. Knows no transport.
//!
//! The rules are functions of a [`Group`] and of who asks; [`Focus`] is a group in session. The
//! actor side holds [`Groups`], the
//! groups in the store as the other rooms reach them. A group comes from the configuration, from
//! an operator, or from a user who called several others at once (RFC 5366, RFC 5365).
mod actor;
mod address_list;
mod change;
mod config;
mod error;
mod focus;
mod group;
mod keys;
mod metrics;
mod nickname;
mod record;

pub use actor::{GroupChanged, GroupTimer, Groups};
pub use address_list::{ListRefusal, members_of};
pub use change::Amendment;
pub use config::{Absent, Config, GroupConfig, Senders};
pub use error::{GroupError, Refusal};
pub use focus::{Abilities, Addressee, EndpointId, Focus, NicknameRefusal, Step, Turned, Watch};
pub use group::{Entrance, Group, Head, Member, Origin};
pub use nickname::{MalformedNickname, Nickname};
