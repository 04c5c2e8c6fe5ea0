//! The play: Alice sends, the server dies and lives again, Bob receives.
use super::{
    ladder::{Arrow, Ladder, Lane, Style, Way, What},
    sight,
    stage::{PASSWORD, Stage, hashed},
    summary::{Memory, Summary},
};
use crate::{
    cli::{child::ServerProcess, table},
    client::{
        self, Body, Device, DeviceConfig, Host, Outcome, Outgoing, Receipt, Received, Tap, TapEvent,
    },
    identity::Address,
    sip::transaction::Peer,
};
use actix_rt::System;
use bytesize::ByteSize;
use parking_lot::Mutex;
use std::{
    error::Error,
    fs::File,
    io::{self, IsTerminal, Stdout},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long Bob waits for his message.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long a login lasts.
const LIFETIME: Duration = Duration::from_secs(600);
/// The play is over when nothing was said for so long.
const SILENCE: Duration = Duration::from_millis(250);

type Outcomes<T> = Result<T, Box<dyn Error>>;

/// What the taps of both devices share.
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
struct Death {
    acknowledged: Instant,
    took: Duration,
    peak: u64,
}

/// Plays it all, drawing the ladder while it happens.
pub(super) fn play(stage: &Stage) -> Outcomes<Summary> {
    let first_idle = resident(&stage.server);
    let scene = Arc::new(Mutex::new(Scene::new(stage.server.clone())));
    scene.lock().heading(stage)?;
    let system = System::new();

    let sending = Instant::now();
    let receipt = system.block_on(alice_sends(stage, &scene))?;
    let death = scene
        .lock()
        .death
        .ok_or("the server never said 200 to Alice")?;
    if receipt.outcome != Outcome::Stored {
        return Err(format!(
            "Alice was told {:?}, not that it is stored",
            receipt.outcome
        )
        .into());
    }
    scene
        .lock()
        .note("SIGKILL: the server is gone, right after Alice's 200")?;

    let recovering = Instant::now();
    stage.server.lock().restart()?;
    let recovery = recovering.elapsed();
    let second_idle = resident(&stage.server);
    scene.lock().note("started again, same store")?;

    let receiving = Instant::now();
    let received = system.block_on(bob_receives(stage, &scene))?;
    let received_at = Instant::now();
    system.block_on(fall_silent(&scene));
    let second_peak = stage
        .server
        .lock()
        .figures()
        .map_or(0, |figures| figures.peak_resident);
    scene
        .lock()
        .note("the life of the message, as the server tells it")?;
    tell_life(stage, &receipt.message_id)?;

    let (received_size, received_sha256) = content_of(&received)?;
    Ok(Summary {
        message_id: receipt.message_id,
        size: stage.content.size,
        sent_sha256: stage.content.sha256.clone(),
        received_sha256,
        received_size,
        sending: death.acknowledged - sending,
        death_after: death.took,
        recovery,
        receiving: received_at - receiving,
        lives: [
            Memory {
                idle: first_idle,
                peak: death.peak,
            },
            Memory {
                idle: second_idle,
                peak: second_peak,
            },
        ],
    })
}

async fn alice_sends(stage: &Stage, scene: &Arc<Mutex<Scene>>) -> Outcomes<Receipt> {
    let (host, alice) = device(stage, &stage.alice, scene, Lane::Alice, None).await?;
    alice.register(LIFETIME).await?;
    let mut outgoing = Outgoing::file(stage.bob.clone(), &stage.content.path);
    // her 200 is all that counts: the server dies before it could say more
    outgoing.success_report = false;
    let receipt = alice.send(outgoing).await?;
    host.stop();
    Ok(receipt)
}

async fn bob_receives(stage: &Stage, scene: &Arc<Mutex<Scene>>) -> Outcomes<Received> {
    let spool = stage.spool()?;
    let (_host, bob) = device(stage, &stage.bob, scene, Lane::Bob, Some(spool)).await?;
    let mut incoming = bob
        .incoming()
        .ok_or("a device gives its messages out once")?;
    bob.register(LIFETIME).await?;
    let received = tokio::time::timeout(PATIENCE, incoming.next()).await;
    let received = received.map_err(|_| "nothing came for Bob")?;
    fall_silent(scene).await;
    bob.unregister().await?;
    Ok(received.ok_or("Bob's device ended before anything came")?)
}

async fn device(
    stage: &Stage,
    user: &Address,
    scene: &Arc<Mutex<Scene>>,
    lane: Lane,
    spool: Option<PathBuf>,
) -> Outcomes<(Host, Device)> {
    let mut settings = client::Config::default();
    settings.max_size = ByteSize::b(settings.max_size.as_u64().max(stage.content.size * 2));
    settings.chunk = ByteSize::b(sight::CHUNK);
    settings.spool = spool.unwrap_or(settings.spool);
    let scene = scene.clone();
    let tap: Tap = Arc::new(move |event| scene.lock().saw(lane, event));
    let host = Host::start(settings, Some(tap)).await?;
    let device = Device::new(
        &host,
        DeviceConfig {
            address: user.clone(),
            user: None,
            password: Some(PASSWORD.to_owned()),
            server: Peer::udp(stage.server.lock().addresses().sip),
        },
    );
    Ok((host, device))
}

/// Waits until the last messages of a call are through.
async fn fall_silent(scene: &Arc<Mutex<Scene>>) {
    loop {
        let silent_for = scene.lock().last_arrow.elapsed();
        if silent_for >= SILENCE {
            return;
        }
        tokio::time::sleep(SILENCE - silent_for).await;
    }
}

impl Scene {
    fn new(server: Arc<Mutex<ServerProcess>>) -> Self {
        let lively = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            began: Instant::now(),
            ladder: Ladder::new(io::stdout(), Style { lively }),
            server,
            completing: None,
            death: None,
            last_arrow: Instant::now(),
        }
    }

    fn heading(&mut self, stage: &Stage) -> io::Result<()> {
        let size = ByteSize::b(stage.content.size);
        println!("Alice sends {size} to Bob, who is offline.\n");
        self.ladder.heading()
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        self.ladder.note(self.began.elapsed(), text)
    }

    /// Draws what a tap saw. The server dies here, before anybody can say another word.
    fn saw(&mut self, lane: Lane, event: &TapEvent) {
        let Some((way, what)) = sight::what(event) else {
            return;
        };
        let acknowledged = lane == Lane::Alice && self.is_acknowledgement(way, &what);
        if acknowledged && self.death.is_none() {
            self.kill();
        }
        let (at, now) = (self.began.elapsed(), Instant::now());
        self.last_arrow = now;
        // a ladder that cannot be written is no reason to stop the play
        let _ = self.ladder.arrow(&Arrow {
            at,
            lane,
            way,
            what,
        });
    }

    /// Whether the server says with this that it took the whole message over: the 200 to the SEND
    /// that completes it, or the 202 to a MESSAGE.
    fn is_acknowledgement(&mut self, way: Way, what: &What) -> bool {
        match (way, what) {
            (
                Way::ToServer,
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
            (Way::FromServer, What::Answer { transaction, label }) => {
                label.starts_with("200") && self.completing.as_ref() == Some(transaction)
            }
            (Way::FromServer, What::Sip(label)) => {
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

fn tell_life(stage: &Stage, message_id: &str) -> Outcomes<()> {
    let steps = stage.trace(message_id)?.steps;
    let rows: Vec<_> = steps
        .into_iter()
        .map(|step| [step.at, step.state, step.reason])
        .collect();
    print!("{}", table::aligned(["TIME", "STATE", "REASON"], &rows));
    Ok(())
}

fn resident(server: &Mutex<ServerProcess>) -> u64 {
    server
        .lock()
        .figures()
        .map_or(0, |figures| figures.resident)
}

/// Size and SHA-256 of what Bob really has.
fn content_of(received: &Received) -> io::Result<(u64, String)> {
    match &received.body {
        Body::Bytes(octets) => hashed(&mut octets.as_ref()),
        Body::File(path) => hashed(&mut File::open(path)?),
    }
}
