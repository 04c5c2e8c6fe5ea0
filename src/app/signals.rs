//! What the operator, or the service manager, tells the process by signals.
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals a server listens to, from before its start: an early one must not end it half-made.
pub(super) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// SIGHUP: read anew what can be read anew.
    Reload,
    /// SIGTERM or Ctrl-C: drain and end; the second time: end at once.
    End,
}

impl Signals {
    /// Begins to listen. Errors: those of the system.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next signal.
    pub(super) async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.hangup.recv() => Told::Reload,
            _ = self.terminate.recv() => Told::End,
            _ = self.interrupt.recv() => Told::End,
        }
    }

    /// Resolves when the process is told to end.
    pub(super) async fn end(&mut self) {
        while self.next().await != Told::End {}
    }
}
