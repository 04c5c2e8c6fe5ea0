//! The clients of the crash test, all on one thread of their own: senders who never give up, and
//! receivers who come and go or wait for the end.
use crate::{
    ledger::{Acknowledged, Delivery},
    notes::Notes,
    octets::{self, Numbers},
    plan::{Plan, Planned},
};
use restante::{
    client::{
        self, Body, Content, Device, DeviceConfig, Host, Incoming, Mode, Outcome, Outgoing, Peer,
    },
    identity::Address,
    profile::mime,
};
use std::{
    net::SocketAddr,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use tokio::{
    sync::mpsc as orders,
    task::JoinSet,
    time::{sleep, timeout},
};

pub const PASSWORD: &str = "secret";

/// Receivers who log in and out while the server is killed.
const RESTLESS: usize = 4;

/// How long one attempt to send may take; a dead server is noticed sooner.
const ATTEMPT: Duration = Duration::from_secs(15);

/// Octets a sender sends in a second, on the average.
const PACE: f64 = 250_000.0;

/// Whole requests up to this size go as one SIP MESSAGE.
const PAGER_LIMIT: u64 = 1300;

pub fn user(index: usize) -> String {
    format!("user-{index}")
}

/// The way to the clients' thread.
pub struct Clients {
    orders: orders::UnboundedSender<Order>,
}

enum Order {
    /// Answer with the messages that are still unanswered when all senders are done, or when
    /// time is over.
    FinishSending(Duration, mpsc::Sender<Vec<u64>>),
    /// Answer when everything has arrived, or when time is over.
    Retrieve(Duration, mpsc::Sender<()>),
}

impl Clients {
    /// Starts them all; they send and receive at once.
    pub fn start(plan: &Plan, notes: Notes, server: SocketAddr) -> Self {
        let (orders, taken) = orders::unbounded_channel();
        let stage = Stage {
            plan: plan.clone(),
            notes,
            server: Peer::tcp(server),
        };
        thread::spawn(move || actix::System::new().block_on(play(stage, taken)));
        Self { orders }
    }

    /// Waits until every message begun is acknowledged; gives those that are not after `limit`.
    pub fn finish_sending(&self, limit: Duration) -> Vec<u64> {
        let (answer, answered) = mpsc::channel();
        self.tell(Order::FinishSending(limit, answer));
        answered.recv().expect("the clients' thread lives")
    }

    /// Lets every receiver log in and take what waits.
    pub fn retrieve(&self, limit: Duration) {
        let (answer, answered) = mpsc::channel();
        self.tell(Order::Retrieve(limit, answer));
        answered.recv().expect("the clients' thread lives");
    }

    fn tell(&self, order: Order) {
        assert!(self.orders.send(order).is_ok(), "the clients' thread lives");
    }
}

#[derive(Clone)]
struct Stage {
    plan: Plan,
    notes: Notes,
    server: Peer,
}

async fn play(stage: Stage, mut taken: orders::UnboundedReceiver<Order>) {
    let senders_host = host(client::Config::default()).await;
    // the ledger recognises duplicates itself
    let patient_host = host(client::Config {
        remembered: 0,
        ..client::Config::default()
    })
    .await;
    let mut senders: JoinSet<()> = JoinSet::new();
    let senders_there = stage.plan.parts[0].senders;
    for index in 0..senders_there {
        let device = stage.device(&senders_host, index);
        senders.spawn_local(send_on_and_on(stage.clone(), device, index));
    }
    let receivers = senders_there..stage.plan.users();
    let mut patient = Vec::new();
    for index in receivers {
        let restless = index < senders_there + RESTLESS;
        let host = if restless {
            &senders_host
        } else {
            &patient_host
        };
        let device = stage.device(host, index);
        let incoming = device.incoming().expect("taken once");
        actix::spawn(receive(stage.notes.clone(), incoming, index));
        match restless {
            true => drop(actix::spawn(come_and_go(stage.clone(), device, index))),
            false => patient.push(device),
        }
    }
    while let Some(order) = taken.recv().await {
        match order {
            Order::FinishSending(limit, answer) => {
                let all = async { while senders.join_next().await.is_some() {} };
                let _ = timeout(limit, all).await;
                let _ = answer.send(stage.unanswered());
            }
            Order::Retrieve(limit, answer) => {
                stage.retrieve(&patient, limit).await;
                let _ = answer.send(());
            }
        }
    }
}

async fn host(config: client::Config) -> Host {
    let config = client::Config {
        attempts: 1,
        in_memory: bytesize::ByteSize::mib(8),
        pager_limit: bytesize::ByteSize::b(PAGER_LIMIT),
        idle_timeout: ATTEMPT,
        ..config
    };
    Host::start(config, None).await.expect("sockets are there")
}

impl Stage {
    fn device(&self, host: &Host, index: usize) -> Device {
        let config = DeviceConfig {
            address: address(index),
            user: None,
            password: Some(PASSWORD.to_owned()),
            server: self.server,
        };
        Device::new(host, config)
    }

    fn unanswered(&self) -> Vec<u64> {
        self.notes.ledger().unacknowledged()
    }

    /// Patient receivers log in one after the other; then all wait until nothing is outstanding.
    async fn retrieve(&self, patient: &[Device], limit: Duration) {
        for device in patient {
            // the server lives from now on
            device
                .register(Duration::from_secs(3600))
                .await
                .expect("login");
        }
        let deadline = Instant::now() + limit;
        while self.notes.ledger().outstanding() > 0 && Instant::now() < deadline {
            sleep(Duration::from_millis(50)).await;
        }
        // what comes now comes twice
        sleep(Duration::from_secs(1)).await;
    }
}

fn address(index: usize) -> Address {
    Address::parse(&crate::harness::address(&user(index))).expect("a SIP address")
}

/// Sends message after message until it is enough; each until it is acknowledged.
async fn send_on_and_on(stage: Stage, device: Device, index: usize) {
    let mut numbers = Numbers::new(stage.plan.seed, index as u64);
    for message in stage.plan.of_sender(index) {
        if stage.notes.is_enough() {
            return;
        }
        send_until_acknowledged(&stage, &device, &message).await;
        let jitter = Duration::from_millis(numbers.below(60));
        sleep(jitter + Duration::from_secs_f64(message.size as f64 / PACE)).await;
    }
}

async fn send_until_acknowledged(stage: &Stage, device: &Device, message: &Planned) {
    let content = stage.plan.content(message);
    let digest = octets::digest(&content);
    let outgoing = Outgoing {
        message_id: Some(stage.plan.message_id(message.number)),
        mode: if message.number.is_multiple_of(3) {
            Mode::Channel
        } else {
            Mode::Auto
        },
        ..Outgoing::new(
            address(message.receiver),
            mime::OCTETS,
            Content::Bytes(content),
        )
    };
    loop {
        stage.notes.sent(message, digest);
        let why = match timeout(ATTEMPT, device.send(outgoing.clone())).await {
            Ok(Ok(receipt)) => match receipt.outcome {
                Outcome::Stored => return stage.notes.acknowledged(message, Acknowledged::Stored),
                Outcome::Delivered => {
                    return stage.notes.acknowledged(message, Acknowledged::Delivered);
                }
                Outcome::Refused { code, reason } => format!("{code} {reason}"),
            },
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("nothing for {} s", ATTEMPT.as_secs()),
        };
        stage.notes.refused(message, &why);
        sleep(Duration::from_millis(100)).await;
    }
}

/// Logs in and out until it is enough, then stays.
async fn come_and_go(stage: Stage, device: Device, index: usize) {
    let mut numbers = Numbers::new(stage.plan.seed, index as u64);
    loop {
        let logged_in = device.register(Duration::from_secs(3600)).await.is_ok();
        if logged_in && stage.notes.is_enough() {
            std::future::pending::<()>().await;
        }
        sleep(Duration::from_millis(300 + numbers.below(1500))).await;
        if logged_in {
            // a dead server does not hear it
            let _ = timeout(Duration::from_secs(2), device.unregister()).await;
        }
        sleep(Duration::from_millis(numbers.below(800))).await;
    }
}

async fn receive(notes: Notes, mut incoming: Incoming, receiver: usize) {
    while let Some(received) = incoming.next().await {
        let Body::Bytes(octets) = &received.body else {
            panic!("spooled, though small: {received:?}");
        };
        let sender = received
            .from
            .as_ref()
            .and_then(|from| from.user().strip_prefix("user-")?.parse().ok());
        notes.delivered(&Delivery {
            message_id: &received.message_id,
            sender,
            receiver,
            digest: octets::digest(octets),
        });
    }
}
