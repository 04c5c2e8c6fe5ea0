//! What both devices' taps share: the ladder they draw on, and the hand on the server's throat.
use super::{
    ladder::{Arrow, Ladder, Pole, Style, What, room},
    sight,
    stage::Stage,
};
use crate::{
    cli::child::ServerProcess,
    client::{Tap, TapEvent, Way},
};
use bytesize::ByteSize;
use parking_lot::Mutex;
use std::{
    io::{self, IsTerminal, Stdout},
    sync::Arc,
    time::{Duration, Instant},
};

/// The poles of the ladder.
const POLES: [&str; 3] = ["Alice", "Restante", "Bob"];
/// Alice's device.
pub(super) const ALICE: Pole = 0;
const SERVER: Pole = 1;
/// Bob's device.
pub(super) const BOB: Pole = 2;
/// A call is over when nothing was said for so long.
const SILENCE: Duration = Duration::from_millis(250);

/// The scene as everybody holds it.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Scene>>);

/// Draws what is seen, and kills the server when its time has come.
struct Scene {
    began: Instant,
    ladder: Ladder<Stdout>,
    server: Arc<Mutex<ServerProcess>>,
    /// The transaction whose 200 means that the server took Alice's message over.
    completing: Option<String>,
    death: Option<Death>,
    last_arrow: Instant,
}

/// The end of the server's first life.
#[derive(Clone, Copy)]
pub(super) struct Death {
    /// When Alice had her 200.
    pub acknowledged: Instant,
    /// How long after it the server was gone.
    pub took: Duration,
    /// The most memory it ever had, in octets.
    pub peak: u64,
}

impl Shared {
    /// An empty scene, with its heading drawn.
    pub(super) fn open(stage: &Stage) -> io::Result<Self> {
        let mut scene = Scene::new(stage.server.clone());
        let size = ByteSize::b(stage.content.size);
        println!("Alice sends {size} to Bob, who is offline.\n");
        scene.ladder.heading()?;
        Ok(Self(Arc::new(Mutex::new(scene))))
    }

    /// A tap that draws what goes between a device and the server.
    pub(super) fn tap(&self, device: Pole) -> Tap {
        let scene = self.0.clone();
        Arc::new(move |event| scene.lock().saw(device, event))
    }

    /// Draws a line across.
    pub(super) fn note(&self, text: &str) -> io::Result<()> {
        let mut scene = self.0.lock();
        let at = scene.began.elapsed();
        scene.ladder.note(at, text)
    }

    /// How the server's first life ended, if it did.
    pub(super) fn death(&self) -> Option<Death> {
        self.0.lock().death
    }

    /// Waits until the last messages of a call are through.
    pub(super) async fn fall_silent(&self) {
        loop {
            let silent_for = self.0.lock().last_arrow.elapsed();
            if silent_for >= SILENCE {
                return;
            }
            tokio::time::sleep(SILENCE - silent_for).await;
        }
    }
}

impl Scene {
    fn new(server: Arc<Mutex<ServerProcess>>) -> Self {
        let lively = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            began: Instant::now(),
            ladder: Ladder::new(io::stdout(), Style { lively }, &POLES),
            server,
            completing: None,
            death: None,
            last_arrow: Instant::now(),
        }
    }

    /// Draws what a tap saw. The server dies here, before anybody can say another word.
    fn saw(&mut self, device: Pole, event: &TapEvent) {
        let Some(what) = sight::what(&event.sight, room(POLES.len())) else {
            return;
        };
        let (from, to) = match event.way {
            Way::Sent => (device, SERVER),
            Way::Received => (SERVER, device),
        };
        let acknowledged = device == ALICE && self.is_acknowledgement(event.way, &what);
        if acknowledged && self.death.is_none() {
            self.kill();
        }
        let (at, now) = (self.began.elapsed(), Instant::now());
        self.last_arrow = now;
        // a ladder that cannot be written is no reason to stop the play
        let _ = self.ladder.arrow(&Arrow { at, from, to, what });
    }

    /// Whether the server says with this that it took the whole message over: the 200 to the SEND
    /// that completes it, or the 202 to a MESSAGE.
    fn is_acknowledgement(&mut self, way: Way, what: &What) -> bool {
        match (way, what) {
            (
                Way::Sent,
                What::Send {
                    transaction,
                    octets,
                    last: true,
                    ..
                },
            ) if *octets > 0 => {
                self.completing = Some(transaction.clone());
                false
            }
            (Way::Received, What::Answer { transaction, label }) => {
                label.starts_with("200") && self.completing.as_ref() == Some(transaction)
            }
            (Way::Received, What::Sip(label)) => {
                label.starts_with('2') && label.contains("(MESSAGE")
            }
            _ => false,
        }
    }

    fn kill(&mut self) {
        let acknowledged = Instant::now();
        let mut server = self.server.lock();
        let peak = server.figures().map_or(0, |figures| figures.peak_resident);
        server.kill9();
        self.death = Some(Death {
            acknowledged,
            took: acknowledged.elapsed(),
            peak,
        });
    }
}
