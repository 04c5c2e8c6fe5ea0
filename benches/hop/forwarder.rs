//! A thread that forwards, and what it has cost so far.
use super::{plain, relay};
use restante::msrp;
use rustix::time::{ClockId, clock_gettime};
use std::{net::SocketAddr, thread};
use tokio::sync::{mpsc, oneshot};

/// A forwarding thread. It ends when this is dropped.
pub struct Forwarder {
    /// Where senders connect, and receivers: each receiver before its sender.
    pub senders: SocketAddr,
    pub receivers: SocketAddr,
    /// Whether receivers must authenticate.
    pub is_relay: bool,
    costs: mpsc::UnboundedSender<oneshot::Sender<u64>>,
}

impl Forwarder {
    /// Starts the relay: its actors, on one arbiter.
    pub fn actors() -> Self {
        let (addrs, addr) = std::sync::mpsc::channel();
        let (costs, asked) = mpsc::unbounded_channel();
        named("actors", move || {
            actix::System::new().block_on(async move {
                let board = relay::start(&relay::anywhere(), msrp::relay::Config::default());
                addrs.send(board.listen_addr()).unwrap();
                tell(asked).await;
            });
        });
        let addr = addr.recv().unwrap();
        Self {
            senders: addr,
            receivers: addr,
            is_relay: true,
            costs,
        }
    }

    /// Starts tasks that do the same without actors.
    pub fn plain() -> Self {
        let (addrs, addr) = std::sync::mpsc::channel();
        let (costs, asked) = mpsc::unbounded_channel();
        named("plain", move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, async move {
                addrs.send(plain::start().await).unwrap();
                tell(asked).await;
            });
        });
        let (senders, receivers) = addr.recv().unwrap();
        Self {
            senders,
            receivers,
            is_relay: false,
            costs,
        }
    }

    /// Returns the nanoseconds of CPU that the thread has used.
    pub async fn cost(&self) -> u64 {
        let (answer, cost) = oneshot::channel();
        self.costs.send(answer).unwrap();
        cost.await.unwrap()
    }
}

fn named(name: &str, run: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(run).unwrap();
}

/// Answers with what the calling thread has used, until nobody asks.
async fn tell(mut asked: mpsc::UnboundedReceiver<oneshot::Sender<u64>>) {
    while let Some(answer) = asked.recv().await {
        let used = clock_gettime(ClockId::ThreadCPUTime);
        answer
            .send(used.tv_sec as u64 * 1_000_000_000 + used.tv_nsec as u64)
            .unwrap();
    }
}
