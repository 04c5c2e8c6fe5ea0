//! The play: Alice sends, the keeper dies and lives again, Bob is back and gets it.
use super::{
    nodes::{ALICE, BOB, CAROL},
    stage::Stage,
    watch::Watch,
};
use crate::{
    cli::demo::{
        sight,
        stage::{PASSWORD, hashed},
    },
    client::{self, Body, Device, DeviceConfig, Host, Incoming, Outgoing, Receipt, Received},
    identity::Address,
    sip::transaction::Peer,
};
use actix_rt::System;
use bytesize::ByteSize;
use std::{
    error::Error,
    fs::File,
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};

type Outcomes<T> = Result<T, Box<dyn Error>>;

/// How long each act may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long a login lasts.
const LIFETIME: Duration = Duration::from_secs(600);
/// How often the keeper's mailbox is looked at.
const LOOK: Duration = Duration::from_millis(25);
/// The last messages of a call are through after so long.
const SILENCE: Duration = Duration::from_millis(300);

/// What it came to.
pub(super) struct Played {
    pub message_id: String,
    /// From Alice's first octet to her 200.
    pub sending: Duration,
    /// From the start of the keeper's second life to its ready line.
    pub recovery: Duration,
    /// Who received it, and what they have.
    pub received: Vec<(&'static str, String)>,
    /// The channels there were.
    pub channels: Vec<String>,
}

/// Somebody with a device.
struct Player {
    device: Device,
    incoming: Incoming,
    _host: Host,
}

/// Plays it all, drawing the ladder while it happens.
pub(super) fn play(stage: &mut Stage) -> Outcomes<Played> {
    let watch = Watch::begin(stage)?;
    let system = System::new();
    let mut received = Vec::new();
    let (receipt, sending) = system.block_on(alice_act(stage, &watch, &mut received))?;
    stage.keeper()?.process.kill9();
    watch.note("SIGKILL: C is gone");
    let recovering = Instant::now();
    stage.keeper()?.process.restart()?;
    let recovery = recovering.elapsed();
    watch.note("C started again, same store; Bob comes back");
    received.push(("Bob", system.block_on(bob_act(stage))?));
    Ok(Played {
        message_id: receipt.message_id,
        sending,
        recovery,
        received,
        channels: watch.finish(),
    })
}

/// Alice sends; whoever is there of her group gets it at once.
async fn alice_act(
    stage: &mut Stage,
    watch: &Watch,
    received: &mut Vec<(&'static str, String)>,
) -> Outcomes<(Receipt, Duration)> {
    let alice = Player::enter(stage, ALICE, 0).await?;
    alice.device.register(LIFETIME).await?;
    let mut carol = None;
    if stage.shape.has_group() {
        let player = Player::enter(stage, CAROL, 2).await?;
        player.device.register(LIFETIME).await?;
        carol = Some(player);
    }
    let to = Address::parse(stage.shape.recipient())?;
    let outgoing = Outgoing::file(to, &stage.content.path);
    let began = Instant::now();
    let receipt = alice.device.send(outgoing).await?;
    let took = began.elapsed();
    if !receipt.is_accepted() {
        return Err(format!("Alice was told {:?}", receipt.outcome).into());
    }
    if let Some(carol) = &mut carol {
        received.push(("Carol", hash_of(&carol.next().await?)?));
    }
    timeout(PATIENCE, kept(stage))
        .await
        .map_err(|_| "C never got Bob's copy")??;
    sleep(SILENCE).await;
    watch.note("Alice has her 200, and C has it for Bob");
    Ok((receipt, took))
}

/// Waits until the keeper has something for Bob.
async fn kept(stage: &mut Stage) -> Outcomes<()> {
    let desk = stage.keeper()?.desk()?;
    while desk.queue(BOB)?.count == 0 {
        sleep(LOOK).await;
    }
    Ok(())
}

/// Bob comes back: his home server calls him, or he asks for what waits.
async fn bob_act(stage: &Stage) -> Outcomes<String> {
    let mut bob = Player::enter(stage, BOB, 1).await?;
    bob.device.register(LIFETIME).await?;
    if !stage.shape.is_pushed() {
        bob.device.deferred_fetch(&[]).await?;
    }
    let received = bob.next().await?;
    sleep(SILENCE).await;
    Ok(hash_of(&received)?)
}

impl Player {
    async fn enter(stage: &Stage, user: &str, number: u8) -> Outcomes<Self> {
        let address = Address::parse(user)?;
        let limit = ByteSize::b(stage.content.size.saturating_mul(2));
        let defaults = client::Config::default();
        let settings = client::Config {
            bind: stage.device(number),
            chunk: ByteSize::b(sight::CHUNK),
            max_size: defaults.max_size.max(limit),
            spool: stage.spool(address.user())?,
            ..defaults
        };
        let host = Host::start(settings, None).await?;
        let home = stage.home(&address)?.process.addresses().sip;
        let config = DeviceConfig {
            address,
            user: None,
            password: Some(PASSWORD.to_owned()),
            server: Peer::tcp(home),
        };
        let device = Device::new(&host, config);
        let incoming = device.incoming();
        Ok(Self {
            incoming: incoming.ok_or("a device gives its messages out once")?,
            device,
            _host: host,
        })
    }

    async fn next(&mut self) -> Outcomes<Received> {
        let next = timeout(PATIENCE, self.incoming.next()).await;
        let next = next.map_err(|_| "nothing came")?;
        next.ok_or_else(|| "a device ended before anything came".into())
    }
}

/// SHA-256 of what was really received.
fn hash_of(received: &Received) -> std::io::Result<String> {
    let (_, sha256) = match &received.body {
        Body::Bytes(octets) => hashed(&mut octets.as_ref())?,
        Body::File(path) => hashed(&mut File::open(path)?)?,
    };
    Ok(sha256)
}
