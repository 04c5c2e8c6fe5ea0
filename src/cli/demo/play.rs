//! The play: Alice sends, the server dies and lives again, Bob receives.
use super::{
    ladder::Pole,
    scene::{ALICE, BOB, Death, Shared},
    sight,
    stage::{PASSWORD, Stage, hashed},
    summary::{Memory, Summary},
};
use crate::{
    cli::table,
    client::{self, Body, Device, DeviceConfig, Host, Outcome, Outgoing, Receipt, Received},
    identity::Address,
    sip::transaction::Peer,
};
use actix_rt::{System, SystemRunner};
use bytesize::ByteSize;
use std::{
    error::Error,
    fs::File,
    io,
    path::PathBuf,
    time::{Duration, Instant},
};

/// How long Bob waits for his message.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long a login lasts.
const LIFETIME: Duration = Duration::from_secs(600);

type Outcomes<T> = Result<T, Box<dyn Error>>;

/// Alice's act, which ends with the death of the server.
struct Sent {
    message_id: String,
    took: Duration,
    death: Death,
    memory: Memory,
}

/// Bob's act, in the server's second life.
struct Arrived {
    size: u64,
    sha256: String,
    took: Duration,
    memory: Memory,
}

/// Plays it all, drawing the ladder while it happens.
pub(super) fn play(stage: &Stage) -> Outcomes<Summary> {
    let scene = Shared::open(stage)?;
    let system = System::new();
    let sent = alice_act(stage, &scene, &system)?;
    scene.note("SIGKILL: the server is gone, right after Alice's 200")?;

    let recovering = Instant::now();
    stage.server.lock().restart()?;
    let recovery = recovering.elapsed();
    scene.note("started again, same store")?;

    let arrived = bob_act(stage, &scene, &system)?;
    scene.note("the life of the message, as the server tells it")?;
    tell_life(stage, &sent.message_id)?;
    Ok(Summary {
        message_id: sent.message_id,
        size: stage.content.size,
        sent_sha256: stage.content.sha256.clone(),
        received_sha256: arrived.sha256,
        received_size: arrived.size,
        sending: sent.took,
        death_after: sent.death.took,
        recovery,
        receiving: arrived.took,
        lives: [sent.memory, arrived.memory],
    })
}

fn alice_act(stage: &Stage, scene: &Shared, system: &SystemRunner) -> Outcomes<Sent> {
    let idle = memory(stage).idle;
    let (receipt, began) = system.block_on(alice_sends(stage, scene))?;
    let death = scene.death().ok_or("the server never said 200 to Alice")?;
    match receipt.outcome {
        Outcome::Stored => Ok(Sent {
            message_id: receipt.message_id,
            took: death.acknowledged - began,
            death,
            memory: Memory {
                idle,
                peak: death.peak,
            },
        }),
        other => Err(format!("Alice was told {other:?}, not that it is stored").into()),
    }
}

async fn alice_sends(stage: &Stage, scene: &Shared) -> Outcomes<(Receipt, Instant)> {
    let (host, alice) = device(stage, &stage.alice, scene, ALICE, None).await?;
    alice.register(LIFETIME).await?;
    let mut outgoing = Outgoing::file(stage.bob.clone(), &stage.content.path);
    // her 200 is all that counts: the server dies before it could say more
    outgoing.success_report = false;
    let began = Instant::now();
    let receipt = alice.send(outgoing).await?;
    host.stop();
    Ok((receipt, began))
}

fn bob_act(stage: &Stage, scene: &Shared, system: &SystemRunner) -> Outcomes<Arrived> {
    let idle = memory(stage).idle;
    let (received, took) = system.block_on(bob_receives(stage, scene))?;
    let (size, sha256) = content_of(&received)?;
    let peak = memory(stage).peak;
    Ok(Arrived {
        size,
        sha256,
        took,
        memory: Memory { idle, peak },
    })
}

async fn bob_receives(stage: &Stage, scene: &Shared) -> Outcomes<(Received, Duration)> {
    let spool = stage.spool()?;
    let (_host, bob) = device(stage, &stage.bob, scene, BOB, Some(spool)).await?;
    let mut incoming = bob
        .incoming()
        .ok_or("a device gives its messages out once")?;
    let began = Instant::now();
    bob.register(LIFETIME).await?;
    let received = tokio::time::timeout(PATIENCE, incoming.next()).await;
    let took = began.elapsed();
    let received = received.map_err(|_| "nothing came for Bob")?;
    let received = received.ok_or("Bob's device ended before anything came")?;
    scene.fall_silent().await;
    bob.unregister().await?;
    scene.fall_silent().await;
    Ok((received, took))
}

async fn device(
    stage: &Stage,
    user: &Address,
    scene: &Shared,
    pole: Pole,
    spool: Option<PathBuf>,
) -> Outcomes<(Host, Device)> {
    let mut settings = client::Config::default();
    settings.max_size = ByteSize::b(settings.max_size.as_u64().max(stage.content.size * 2));
    settings.chunk = ByteSize::b(sight::CHUNK);
    settings.spool = spool.unwrap_or(settings.spool);
    let host = Host::start(settings, Some(scene.tap(pole))).await?;
    let config = DeviceConfig {
        address: user.clone(),
        user: None,
        password: Some(PASSWORD.to_owned()),
        server: Peer::udp(stage.server.lock().addresses().sip),
    };
    let device = Device::new(&host, config);
    Ok((host, device))
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

/// The server's memory as it is now, and the most it was in this life.
fn memory(stage: &Stage) -> Memory {
    let figures = stage.server.lock().figures().unwrap_or_default();
    Memory {
        idle: figures.resident,
        peak: figures.peak_resident,
    }
}

/// Size and SHA-256 of what Bob really has.
fn content_of(received: &Received) -> io::Result<(u64, String)> {
    match &received.body {
        Body::Bytes(octets) => hashed(&mut octets.as_ref()),
        Body::File(path) => hashed(&mut File::open(path)?),
    }
}
