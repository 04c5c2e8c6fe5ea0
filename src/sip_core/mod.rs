//! The embedded SIP/IP core: registrar, location, realm.
