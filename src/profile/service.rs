//! Service identifiers (ICSI) and application identifiers (IARI), unescaped.

/// CPM pager message.
pub const CPM_PAGER: &str = "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg";
/// CPM large message.
pub const CPM_LARGE: &str = "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg";
/// CPM deferred message.
pub const CPM_DEFERRED: &str = "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.deferred";
/// CPM session between two.
pub const CPM_SESSION: &str = "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session";
/// CPM group session.
pub const CPM_GROUP: &str = "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session.group";
/// CPM file transfer over MSRP.
pub const CPM_FILE: &str = "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.filetransfer";
/// CPM system message.
pub const CPM_SYSTEM: &str = "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.systemmsg";

/// RCS chat.
pub const RCS_CHAT: &str = "urn:urn-7:3gpp-application.ims.iari.rcse.im";
/// RCS file transfer.
pub const RCS_FILE: &str = "urn:urn-7:3gpp-application.ims.iari.rcse.ft";
/// RCS file transfer with store and forward.
pub const RCS_FILE_STANDFW: &str = "urn:urn-7:3gpp-application.ims.iari.rcs.ftstandfw";
/// RCS group chat with store and forward.
pub const RCS_GROUP_STANDFW: &str = "urn:urn-7:3gpp-application.ims.iari.rcs.fullsfgroupchat";
