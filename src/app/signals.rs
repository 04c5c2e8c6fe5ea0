//! What the operator, or the service manager, tells the process by signals; and whoever started it,
//! by closing its standard input.
use std::{io, thread};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

/// The signals a server listens to, from before its start: an early one must not end it half-made.
pub(super) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    /// Resolves, once, when standard input closes, if that counts.
    stdin: Option<oneshot::Receiver<()>>,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// SIGHUP: read anew what can be read anew.
    Reload,
    /// SIGTERM, Ctrl-C or nobody at standard input: drain and end; the second time: end at once.
    End,
}

impl Signals {
    /// Begins to listen, to standard input only if that counts. Errors: those of the system.
    pub(super) fn listen(stdin_counts: bool) -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            stdin: stdin_counts.then(watch_stdin).transpose()?,
        })
    }

    /// The next signal.
    pub(super) async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.hangup.recv() => Told::Reload,
            _ = self.terminate.recv() => Told::End,
            _ = self.interrupt.recv() => Told::End,
            () = closed(&mut self.stdin) => Told::End,
        }
    }

    /// Resolves when the process is told to end.
    pub(super) async fn end(&mut self) {
        while self.next().await != Told::End {}
    }
}

/// Reads standard input, in a thread of its own, for its end only.
fn watch_stdin() -> io::Result<oneshot::Receiver<()>> {
    let (open, closed) = oneshot::channel();
    let read = move || {
        // one that cannot be read is closed
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        drop(open);
    };
    thread::Builder::new().name("stdin".into()).spawn(read)?;
    Ok(closed)
}

/// Resolves when the other side of standard input is gone, and never again.
async fn closed(stdin: &mut Option<oneshot::Receiver<()>>) {
    match stdin {
        Some(closed) => {
            // it ends without a word
            let _ = closed.await;
            *stdin = None;
        }
        None => std::future::pending().await,
    }
}
