//! What OMA SIMPLE IM, CPM and RCS put on the wire, as data.
