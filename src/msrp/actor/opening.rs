//! How sessions begin: by themselves, over TLS, or on a connection that is there.
use super::{
    OpenSession, Role, SessionHandle, Switchboard, listener,
    neighbours::{Neighbour, Place, shard_digits},
    session::State,
};
use crate::{
    clock,
    msrp::{Decoder, Frame, Path, Uri},
    net::{
        Inlet,
        tls::{Expect, Fingerprint},
    },
};
use bytes::Bytes;
use std::rc::Rc;

impl Switchboard {
    /// Opens a session. An active one connects as soon as its peer's path is known, over an
    /// existing connection where there is one.
    pub fn open(self: &Rc<Self>, open: OpenSession) -> SessionHandle {
        let local = self.local_uri(&open.local_id);
        self.open_as(open, local, Vec::new())
    }

    /// Opens a session that takes and makes connections by TLS only, under its `msrps` URI. Where
    /// signalling told the peer's `fingerprints`, its certificate must have one of them; where it
    /// did not, a peer we connect to must show one for the host of its URI (RFC 4975 §14.4).
    /// `None` where nobody can come by TLS.
    pub fn open_secure(
        self: &Rc<Self>,
        open: OpenSession,
        fingerprints: Vec<Fingerprint>,
    ) -> Option<SessionHandle> {
        let local = self.local_secure_uri(&open.local_id)?;
        Some(self.open_as(open, local, fingerprints))
    }

    fn open_as(
        self: &Rc<Self>,
        open: OpenSession,
        local: Uri,
        fingerprints: Vec<Fingerprint>,
    ) -> SessionHandle {
        let id = Bytes::copy_from_slice(open.local_id.as_bytes());
        let remote = open.remote_path.clone();
        let state = State::new(self.clone(), open, local, fingerprints);
        self.sessions.borrow_mut().insert(id, state.clone());
        if let Some(path) = remote {
            self.set_remote(&state, &path);
        }
        SessionHandle(state)
    }

    /// Opens a session on a connection that was made elsewhere: that of a client to its relay,
    /// with what was read of it and not taken. It carries no other session.
    ///
    /// An active session sends at once, also here (RFC 6135 §4.5). A passive one waits for its
    /// peer's first request: what it sent before that would come by another connection than the
    /// one its peer is making.
    pub fn open_on(
        self: &Rc<Self>,
        (inlet, frames): (Inlet<Decoder>, Vec<Frame>),
        open: OpenSession,
    ) -> SessionHandle {
        let path = open.remote_path.as_ref().map(Path::to_string);
        let role = open.role;
        let handle = self.open(OpenSession {
            remote_path: None,
            ..open
        });
        *handle.0.remote.borrow_mut() = path.unwrap_or_default().into();
        let link = listener::start(self, inlet, frames, true);
        match role {
            Role::Active(_) => handle.0.bind(&link),
            Role::Passive => self.await_peer(&handle.0),
        }
        handle
    }

    pub(super) fn set_remote(self: &Rc<Self>, state: &Rc<State>, path: &Path) {
        let is_first = state.remote.borrow().is_empty();
        *state.remote.borrow_mut() = path.to_string().into();
        if !is_first || state.is_over() || state.link().is_ok() {
            return;
        }
        self.await_peer(state);
        if let Role::Active(addr) = state.role {
            let shard = path.first().session_id().and_then(shard_digits);
            let known = state.fingerprints.borrow().clone();
            let expect = match known.is_empty() {
                false => Some(Expect::Fingerprints(known)),
                true => Neighbour::of(path.first()).and_then(|neighbour| neighbour.expect),
            };
            let neighbour = Neighbour {
                place: Place::At(addr),
                shard,
                expect,
            };
            self.connect(state, neighbour);
        }
    }

    fn await_peer(&self, state: &Rc<State>) {
        let until = clock::now() + self.config.bind_timeout;
        state.bind_until.set(Some(until));
        self.waiting.borrow_mut().push(Rc::downgrade(state));
    }
}
