//! Names that OMA SIMPLE IM, OMA CPM and GSMA RCS put on the wire, as data.
//!
//! Nothing else in the house spells a feature tag, a service URN, a PSI or a MIME type of these
//! standards, so that a correction is one line here. `feature` compares what peers send with them.
pub mod event;
pub mod feature;
pub mod mime;
pub mod psi;
pub mod service;
