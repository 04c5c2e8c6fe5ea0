//! A relay that is to end: what it has taken still arrives, what comes now is refused so that its
//! sender knows.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod relay;

use relay::{
    PATIENCE, Peer, answer, body, client, door, id, plain_request, send, start_any, stranger,
};
use tokio::{net::TcpStream, time::timeout};

#[actix::test]
async fn relay_that_ends_delivers_what_it_took_and_takes_nothing_more() {
    let board = start_any();
    let (mut bob, relay) = client(&board, "bob").await;
    let mut alice = stranger(&board, "alice").await;
    let mut carol = stranger(&board, "carol").await;
    carol.drained(&relay).await;
    let (to, from) = (format!("{relay} {}", bob.uri), alice.uri.clone());
    alice.write(&send("t1t1", &to, &from, "", "taken")).await;
    assert!(alice.frame().await.starts_with("MSRP t1t1 200 "));
    let passed = bob.frame().await;
    assert_eq!(body(&passed), "taken");
    assert!(!board.is_quiet(), "Bob owes an answer");

    board.part();
    alice.write(&send("t2t2", &to, &from, "", "too late")).await;
    assert!(alice.frame().await.starts_with("MSRP t2t2 481 "));
    let fields = "Expires: 600\r\n";
    let auth = plain_request("t3t3", "AUTH", &door(&board), &carol.uri.clone(), fields);
    carol.write(&auth).await;
    assert!(carol.frame().await.starts_with("MSRP t3t3 408 "));
    assert!(TcpStream::connect(board.listen_addr()).await.is_err());

    assert!(!board.is_quiet(), "Bob still owes it");
    let back = format!("{relay} {from}");
    bob.write(&answer(id(&passed), "200 OK", &back, &bob.uri.clone()))
        .await;
    let quiet = timeout(PATIENCE, async {
        while !board.is_quiet() {
            tokio::task::yield_now().await;
        }
    });
    quiet.await.unwrap();
    board.stop();
    assert!(is_closed(&mut bob).await && is_closed(&mut alice).await);
}

async fn is_closed(peer: &mut Peer) -> bool {
    timeout(PATIENCE, peer.is_closed()).await.unwrap()
}
